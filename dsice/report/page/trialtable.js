// The table of all trials: sorted by any column, filtered like everything else.

import { cell, columns, data, metric, N, stateOf } from "./data.js";
import { choose, el, section } from "./dom.js";
import { count, fmt } from "./format.js";
import { drawAll } from "./chart.js";
import { keep, onChange, setting, state } from "./state.js";

const PAGE = 50;
const CONSTANT = new Set(["stage", "repeat", "member", "start", "end", "parent"]);
const shown = [...columns.values()].filter((c) => c.kind !== "trial" || !CONSTANT.has(c.name));
const first = ["id", "state", metric.name];
shown.sort((a, b) => rank(a) - rank(b));
function rank({ name, kind }) {
  const place = first.indexOf(name);
  return place >= 0 ? place - 9 : ["param", "metric", "trial"].indexOf(kind);
}

// Why the default search proposed a trial; other strategies have words of their own.
const PHASES = {
  start: "your own settings", probe: "a neighbour of the start", end: "the end of an axis line through the start",
  spread: "spread over the grid, to begin with", line: "promising on a line through good points",
  distant: "promising, and off those lines", repeat: "measured again", reuse: "good in a related study",
  enqueued: "wanted by somebody", confirm: "the best measured anew",
};

let limit = PAGE;
const body = el("tbody");
const head = el("tr");
const more = el("button", { type: "button", onclick: () => { limit += 10 * PAGE; fill(); } }, "show more");
const said = el("p", { class: "quiet" });

function phases() {
  const words = columns.get("phase")?.words.filter((word) => PHASES[word]) ?? [];
  return words.length ? el("p", { class: "quiet" }, `Phases: ${words.map((word) => `${word}: ${PHASES[word]}`).join("; ")}.`) : null;
}

export function trialTable() {
  onChange(() => { limit = Math.min(limit, 10 * PAGE); fill(); });
  return section("trials", "All trials",
    el("p", { class: "controls" }, choose("on paper", [["", `the first ${PAGE} rows`], ["all", "all rows"]], setting("print"),
      (value) => keep("print", value))),
    said, phases(),
    el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "all trials" }, el("table", { class: "trials" },
      el("thead", null, head), body)), more);
}

// Ids in the order of the table: "-value" sorts falling.
function order() {
  const wanted = setting("sort") || "id";
  const sign = wanted.startsWith("-") ? -1 : 1;
  const column = columns.get(wanted.replace(/^-/, "")) || columns.get("id");
  const v = column.values;
  const ids = Array.from({ length: N }, (_, i) => i).filter((i) => state.mask[i]);
  const key = column.words ? (i) => column.words[v[i]] : (i) => v[i];
  const gone = (i) => Number.isNaN(v[i]);
  ids.sort((a, b) => gone(a) - gone(b) || (gone(a) ? 0 : sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0)) || a - b);
  return { ids, name: column.name, sign };
}

function fill(most = limit) {
  const { ids, name, sign } = order();
  head.replaceChildren(...shown.map((column) => el("th", {
    scope: "col", class: !column.words && "num", "aria-sort": column.name === name && (sign > 0 ? "ascending" : "descending"),
  }, el("button", { type: "button", onclick: () => {
    keep("sort", column.name === name && sign > 0 ? `-${name}` : column.name);
    fill();
  } }, column.title, column.name === name ? (sign > 0 ? " \u2191" : " \u2193") : ""))));
  body.replaceChildren(...ids.slice(0, most).map((i) => el("tr", { class: data.best && data.best.id === i && "best" },
    shown.map((column) => el("td", { class: column.words ? stateClass(column, i) : "num" }, cell(column, i, (v) => fmt(v, 6)))))));
  said.textContent = `${count(ids.length, "trial")}${ids.length > most ? `, ${most} shown` : ""}. A click on a heading sorts.`;
  more.hidden = ids.length <= most;
}

const stateClass = (column, i) => (column.name === "state" ? `state ${stateOf(i)}` : null);

// All or the first rows, and charts for paper.
export function beforePrint() {
  fill(setting("print") === "all" ? N : PAGE);
  drawAll(true);
}

export function afterPrint() {
  fill();
  drawAll();
}

// What a chart says of a trial under the pointer.
export function about(id) {
  const parts = shown.map((column) => [column.title, cell(column, id, (v) => fmt(v, 5))]).filter(([, text]) => text);
  return parts.slice(0, 16).map(([name, text]) => `${name}: ${text.length > 60 ? `${text.slice(0, 60)}\u2026` : text}`).join("\n");
}
