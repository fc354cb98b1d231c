// The first screen: what was tuned, the best and its settings, why the search ended, what to do next.

import { data, N } from "./data.js";
import { el, say, section } from "./dom.js";
import { count, duration, fmt, percent } from "./format.js";
import { quoteValue } from "./query.js";
import { setClauses } from "./state.js";

const { study, best, start, end } = data;
const pairs = (params, beside = () => null) => el("dl", { class: "params" }, Object.entries(params).map(([name, value]) =>
  [el("dt", null, name), el("dd", null, written(value), beside(name, value))]));

// What the start had, where the best has something else.
function ofStart(name, value) {
  if (!start || written(start.params[name]) === written(value)) return null;
  return el("span", { class: "quiet" }, name in start.params ? ` (start: ${written(start.params[name])})` : " (not in the start)");
}

// A value of a parameter with all its digits, as Python writes it.
function written(value) {
  if (typeof value === "number" && value && Math.abs(value) < 1e-4) return value.toExponential();
  return { true: "True", false: "False", null: "None" }[value] ?? String(value);
}

export function header() {
  const axes = count(data.axes.length, "parameter");
  const budget = study.budget ? ` of ${study.budget}` : "";
  return el("header", null,
    el("h1", null, study.title),
    el("p", null, `Wanted: ${study.goal}. ${axes}, ${study.shape.length > 8 ? "" : `${study.shape.join(" \u00d7 ")} = `}`
      + `${Number(study.size).toLocaleString("en")} settings; ${study.strategy} asked ${study.asked}${budget}.`
      + (study.rules.length ? ` Rules: ${study.rules.join("; ")}.` : "")),
    el("p", { class: "chips" }, Object.entries(end.states).map(([word, n]) =>
      el("button", { type: "button", class: `chip ${word}`, onclick: () => setClauses(["state", `=${quoteValue(word)}`]) },
        `${n.toLocaleString("en")} ${word.replace("_", " ")}`))));
}

export function outcome() {
  return el("div", { class: "cards" }, bestCard(), el("section", { class: "card", "aria-labelledby": "end-title" },
    el("h2", { id: "end-title" }, end.over ? "Why it ended" : "Where it stands"),
    el("p", null, end.why, end.seconds ? ` Trials ran ${duration(end.seconds)} in all.` : "",
      end.added_seconds ? ` Added ones, measured elsewhere, took ${duration(end.added_seconds)}.` : "",
      end.saved ? ` Stopping early saved ${percent(end.saved)} of the steps.` : ""),
    data.failures && el("p", null, mostlyFailed()),
    el("h2", null, "What to try next"),
    data.advice.length ? el("ul", null, data.advice.map((text) => el("li", null, text)))
      : el("p", null, "Nothing stands out: use the best."),
    best && [el("h2", null, "The best, to copy"),
      Object.entries(best.settings).map(([kind, text], k) => copyable(kind, text, k === 0))]));
}

// The most frequent reason of failures, in a sentence.
function mostlyFailed() {
  const { groups, left_out: rest } = data.failures;
  const all = groups.reduce((sum, group) => sum + group.ids.length, rest);
  const [{ ids, line, shared }] = groups;
  const most = ids.length === all ? "the reason" : `the most frequent reason (${count(ids.length, "trial")})`;
  return `${count(all, "trial")} ended with an error; ${most}: ${line.length > 160 ? `${line.slice(0, 160)}\u2026` : line}`
    + `${shared ? ` (all with ${shared.where})` : ""}. More under Failures.`;
}

function bestCard() {
  if (!best) {
    return el("section", { class: "card", "aria-labelledby": "best-title" }, el("h2", { id: "best-title" }, "Best"),
      el("p", null, N ? "No trial has a value yet." : "There are no trials yet."), startLine());
  }
  const about = [`trial ${best.id}`];
  about.push(best.n > 1 ? `${study.of} of ${best.n} measurements, standard deviation ${fmt(best.spread, 3)}` : "measured once");
  if (best.confirmed) about.push("confirmed");
  if (best.seconds) about.push(`ran ${duration(best.seconds)}`);
  const others = Object.entries(best.metrics).filter(([name]) => name !== study.metric);
  return el("section", { class: "card best", "aria-labelledby": "best-title" },
    el("h2", { id: "best-title" }, `Best ${study.metric}`),
    el("p", { class: "value" }, fmt(Number(best.value), 6), el("small", null, gain())),
    el("p", { class: "quiet" }, `${about.join(", ")}${best.feasible ? "" : "; it breaks a bound of the goal"}.`),
    pairs(best.params, ofStart),
    others.length ? el("p", { class: "quiet" }, others.map(([name, value]) => `${name} ${fmt(Number(value))}`).join(", ")) : null,
    startLine());
}

function gain() {
  const found = best.gain;
  if (!found) return "";
  if (found.same) return " the start itself";
  const better = study.maximize ? found.difference > 0 : found.difference < 0;
  const by = found.share == null ? fmt(Math.abs(found.difference), 3) : percent(Math.abs(found.share));
  const error = found.error ? ` \u00b1 ${fmt(found.error, 2)}` : "";
  return ` ${by} ${better ? "better" : "worse"} than ${found.over} (${fmt(Number(found.from))}; `
    + `difference ${fmt(found.difference, 3)}${error})`;
}

function startLine() {
  if (!start) return el("p", { class: "quiet" }, "No start was given, so there is nothing of yours to compare with.");
  const value = start.value == null ? `not measured${start.state ? ` (${start.state})` : ""}`
    : `${fmt(Number(start.value))}${start.n > 1 ? ` (${start.n} measurements, standard deviation ${fmt(start.spread, 3)})` : ""}`;
  return el("details", null, el("summary", null, `The start: ${value}`), pairs(start.params));
}

function copyable(kind, text, open) {
  const code = el("pre", { tabindex: 0, role: "group", "aria-label": `settings as ${kind}` }, text);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("copied");
    } catch { // not allowed for a file in some browsers: mark it for the user's own copy
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      say("marked; copy it with your keyboard");
    }
  };
  return el("details", { open }, el("summary", null, kind), code,
    el("button", { type: "button", "aria-label": `copy ${kind}`, onclick: copy }, "copy"));
}

// How to get the same again.
export function reproduce() {
  return section("reproduce", "How to reproduce", el("dl", { class: "params facts" },
    data.reproduce.map(([name, text]) => [el("dt", null, name), el("dd", null, text)])));
}

// Why trials failed, and measurements of other studies that were used.
export function failures() {
  const { groups, left_out: rest } = data.failures;
  return section("failures", "Failures", el("p", null, "By reason, the most frequent first. "
    + `${rest ? `${rest} trials of rarer reasons are in the table. ` : ""}The number selects the trials.`),
  el("ol", { class: "groups" }, groups.map((group, k) => el("li", null,
    el("button", { type: "button", onclick: () => setClauses(["failure", `="#${k + 1}"`]) }, `#${k + 1}: ${count(group.ids.length, "trial")}`),
    ` ${group.state.replace("_", " ")}: `, el("code", null, group.line),
    group.shared ? el("p", null, "All of them have ", el("strong", null, group.shared.where),
      `; of the ${count(group.shared.there, "trial")} there, ${group.ids.length} ended so.`) : null,
    group.log ? el("p", { class: "quiet" }, `log of trial ${group.ids[0]}: `, el("code", null, group.log)) : null,
    group.example ? el("details", null, el("summary", null, `all that trial ${group.ids[0]} said`),
      el("pre", { tabindex: 0, role: "group", "aria-label": "error" }, group.example)) : null))));
}

export function sources() {
  return section("sources", "Measurements of other studies", el("ul", null, data.sources.map((source) =>
    el("li", null, el("strong", null, source.name), `: ${count(source.trials, "trial")}, weight ${fmt(source.weight, 3)}`,
      source.note ? ` (${source.note})` : ""))));
}
