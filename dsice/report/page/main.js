// The page: its parts in order, the bar with the filter, printing, and loading itself again.

import { Chart, drawAll } from "./chart.js";
import { learning } from "./curves.js";
import { data, N } from "./data.js";
import { choose, el, section } from "./dom.js";
import { importance, panels } from "./effects.js";
import { lineage } from "./lineage.js";
import { lines } from "./lines.js";
import { parallel } from "./parallel.js";
import { progress } from "./progress.js";
import { keep, onChange, setQuery, setting, state } from "./state.js";
import { failures, header, outcome, reproduce, sources } from "./summary.js";
import { onTheme, show, showTheme } from "./theme.js";
import { timeline } from "./timeline.js";
import { tradeoff } from "./tradeoff.js";
import { about, afterPrint, beforePrint, trialTable } from "./trialtable.js";

// ---------------------------------------------------------------- the bar
const box = el("input", { id: "filter", type: "text", spellcheck: "false", autocomplete: "off", "aria-describedby": "wrong",
  placeholder: "lr<0.1, state=failed", onchange: () => setQuery(box.value) });
const number = el("output", { for: "filter" });
const wrong = el("p", { id: "wrong", class: "wrong", role: "alert" });
const clear = el("button", { type: "button", onclick: () => setQuery("") }, "clear");

function bar() {
  onChange(() => {
    if (document.activeElement !== box || !state.error) box.value = state.error ? box.value : state.query;
    number.textContent = state.selected === N ? `all ${N.toLocaleString("en")}` : `${state.selected.toLocaleString("en")} of ${N.toLocaleString("en")}`;
    wrong.textContent = state.error;
    clear.disabled = !state.query && !state.error;
  });
  return el("div", { class: "bar", role: "search" },
    el("label", { for: "filter" }, "Show"), box, clear, number,
    choose("theme", [["", "as the system"], ["light", "light"], ["dark", "dark"]], setting("theme"), (theme) => {
      showTheme(theme);
      drawAll();
    }), wrong);
}

const help = () => el("p", { class: "quiet help" }, "Drag over any chart to mark trials: all other charts and the table follow. "
  + "A click takes the mark away. Or write a filter, such as state=failed.");

// ---------------------------------------------------------------- the parts
const chartIn = (chart) => (chart ? chart.node : null);

function model() {
  const notes = data.model.notes.map((text) => el("p", { class: "quiet" }, text));
  if (!data.importance) return [el("p", null, `There is no model yet: ${data.model.why_not}.`), notes];
  const early = data.importance.early;
  return [early ? el("p", { class: "wrong" }, `Too early to trust these shares: ${early}; measure more.`) : null, importance().node, notes];
}

function parts() {
  const found = [header(), outcome(), bar(), N ? help() : null].filter(Boolean);
  if (N) found.push(section("progress", "Progress", progress().node));
  found.push(section("importance", "What matters", model()));
  if (N) {
    found.push(section("effects", "Each parameter",
      el("p", null, "Dots are trials; the line is what the model expects at each value, averaged over all else, with its 95 % band."),
      el("div", { class: "panels" }, panels().map(chartIn))));
    found.push(section("parallel", "All parameters at once", parallel().node));
  }
  if (data.lines && data.lines.length) {
    found.push(section("lines", "Lines through the grid",
      el("p", null, "Dots are the trials on a line; the curve is the d-spline of the whole grid there, with its 95 % band; green diamonds were asked last, crosses ended without a value. The first lines go through the best."),
      el("div", { class: "panels" }, lines().map(chartIn))));
  }
  for (const [id, title, make] of [["tradeoff", "Trade-offs", tradeoff], ["curves", "Learning curves", learning],
    ["lineage", "Lineage", lineage], ["timeline", "Timeline", timeline]]) {
    const chart = make();
    if (chart) found.push(section(id, title, chart.node));
  }
  if (data.sources && data.sources.length) found.push(sources());
  if (data.failures) found.push(failures());
  if (N) found.push(trialTable());
  found.push(reproduce(), el("footer", null, `Made by dsice on ${data.made}${data.reload ? `; loads itself again every ${data.reload} s` : ""}.`));
  return found;
}

// ---------------------------------------------------------------- life
showTheme();
Chart.about = about;
document.getElementById("page").append(...parts());
box.value = setting("q"); // shown also where it is wrong
setQuery(box.value);
onTheme(() => drawAll());

let width = 0;
new ResizeObserver(() => {
  if (document.documentElement.clientWidth === width) return;
  width = document.documentElement.clientWidth;
  drawAll();
}).observe(document.documentElement);

addEventListener("beforeprint", () => {
  show("light");
  beforePrint();
});
addEventListener("afterprint", () => {
  showTheme();
  afterPrint();
});

// A page that is being written loads itself again, unless somebody is in the middle of something.
let busy = false;
addEventListener("pointerdown", () => { busy = true; });
addEventListener("pointerup", () => { busy = false; });
if (data.reload) {
  setInterval(() => {
    if (busy || document.activeElement === box) return;
    keep("y", String(Math.round(scrollY)));
    location.reload();
  }, 1000 * data.reload);
}
requestAnimationFrame(() => requestAnimationFrame(() => {
  if (setting("y")) {
    scrollTo(0, Number(setting("y")));
    keep("y", "");
  }
  document.documentElement.dataset.ready = Math.round(performance.now());
}));
