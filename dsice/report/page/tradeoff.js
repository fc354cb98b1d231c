// Two metrics: all trials, those that no other beats in both (the front), and the bounds.

import { Chart, drawAll } from "./chart.js";
import { columns, counts, data, metric, metrics, N, stateOf } from "./data.js";
import { choose, el } from "./dom.js";
import { count, fmt } from "./format.js";
import { track } from "./ranges.js";
import { extent, scale } from "./scale.js";
import { keep, setting } from "./state.js";
import { theme, trialColour } from "./theme.js";

const seconds = columns.get("seconds");
if (seconds) seconds.bounds = data.study.bounds[data.study.bounds.length - 1];
const known = [metric, ...metrics, ...(seconds ? [seconds] : [])].filter((c) => c.values.some(Number.isFinite));

// More is better for the goal's own metric where it is maximised, and where only a lower bound is.
const less = (c) => (c === metric ? !data.study.maximize : !("at_least" in c.bounds) || "at_most" in c.bounds);

function front(a, b) {
  const [sa, sb] = [a, b].map((c) => (less(c) ? 1 : -1));
  const ids = Array.from({ length: N }, (_, i) => i)
    .filter((i) => stateOf(i) === "done" && counts(i) && Number.isFinite(a.values[i]) && Number.isFinite(b.values[i]))
    .sort((i, j) => sa * (a.values[i] - a.values[j]) || sb * (b.values[i] - b.values[j]) || i - j);
  let best = Infinity;
  return ids.filter((i) => sb * b.values[i] < best && ((best = sb * b.values[i]), true));
}

export function tradeoff() {
  if (known.length < 2) return null;
  const bounded = known.find((c) => c !== metric && ("at_most" in c.bounds || "at_least" in c.bounds));
  let a = known.find((c) => c.name === setting("a")) || bounded || known[1];
  let b = known.find((c) => c.name === setting("b")) || metric;
  const names = known.map((c) => [c.name, c.title]);
  const pick = (label, column, key, take) => choose(label, names, column.name, (name) => {
    keep(key, name);
    take(columns.get(name));
    chart.layers.clear();
    drawAll();
  });
  const side = (c) => `${c.title} (${less(c) ? "less" : "more"} is better)`;
  const chart = new Chart({
    title: "Two metrics",
    note: "the front joins trials that no other beats in both; dashed lines are bounds",
    controls: el("p", { class: "controls" }, pick("across", a, "a", (c) => { a = c; }), pick("up", b, "b", (c) => { b = c; })),
    height: (width) => (width < 500 ? 300 : 380),
    draw(pen) {
      const box = pen.box(62, 14, 20);
      const made = [a, b].map((c, k) => {
        const e = extent(c.values, ["at_most", "at_least"].map((word) => c.bounds[word]));
        return k ? scale(e.low, e.high, box.y + box.h, box.y, e.log) : scale(e.low, e.high, box.x, box.x + box.w, e.log);
      });
      const [x, y] = made;
      pen.axes(box, x, y, side(a), side(b));
      for (const word of ["at_most", "at_least"]) {
        if (word in a.bounds) pen.line([[x(a.bounds[word]), box.y], [x(a.bounds[word]), box.y + box.h]], theme().red, 1.5, [6, 4]);
        if (word in b.bounds) pen.line([[box.x, y(b.bounds[word])], [box.x + box.w, y(b.bounds[word])]], theme().red, 1.5, [6, 4]);
      }
      const spot = (i) => [x(x.inside(a.values[i])), y(y.inside(b.values[i]))];
      pen.dots((i) => (Number.isNaN(a.values[i] + b.values[i]) ? null : spot(i)),
        (i) => trialColour(i));
      const ids = a === b ? [] : front(a, b);
      pen.line(ids.flatMap((i, k) => (k ? [[spot(i)[0], spot(ids[k - 1])[1]], spot(i)] : [spot(i)])), theme().ink, 1.5);
      ids.forEach((i) => pen.mark("diamond", ...spot(i), 5, theme().orange));
      if (data.best && stateOf(data.best.id) === "done") pen.mark("ring", ...spot(data.best.id), 8, theme().red);
      return [track(box, x, y, a, b)];
    },
    words: () => `${a.title} beside ${b.title}: ${count(a === b ? 0 : front(a, b).length, "trial")} on the front.`,
    rows: () => [["trial", a.title, b.title], front(a, b).map((i) => [String(i), fmt(a.values[i]), fmt(b.values[i])]), [1, 1, 1]],
  });
  return chart;
}
