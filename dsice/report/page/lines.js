// Lines through the grid: what was measured on each, the d-spline of the grid there, its band, and
// what was asked last.

import { Chart } from "./chart.js";
import { data, score, stateOf } from "./data.js";
import { expected } from "./effects.js";
import { count, fmt, short } from "./format.js";
import { special } from "./query.js";
import { extent, slots, scale } from "./scale.js";
import { clauseOf, setClauses, state } from "./state.js";
import { stateColour, theme } from "./theme.js";

const LINE = "@line";

// "2:0..4": trials on line 2 between its levels 0 and 4
special.set(LINE, (text) => {
  const [k, low, high] = text.split(/:|\.\./).map(Number);
  const line = data.lines && data.lines[k - 1];
  if (!line) throw new Error(`there is no line ${text}`);
  const ids = new Set(line.ids.filter((_, n) => line.at[n] >= low && line.at[n] <= high));
  return (i) => ids.has(i);
});

export const lines = () => data.lines.map((line, k) => picture(line, k + 1));

function picture(line, number) {
  const known = line.mean.map((m, k) => [k, m, line.half[k]]).filter(([, m]) => m != null);
  const values = line.ids.map((id) => score.values[id]);
  const reach = extent(values, known.flatMap(([, m, h]) => [m - h, m + h]));
  const asked = new Set(line.asked);
  const rest = Object.entries(line.through).map(([name, value]) => `${name} ${value}`).join(", ");
  return new Chart({
    title: line.name,
    note: rest ? `at ${rest}` : "",
    class: "panel",
    height: () => 210,
    draw(pen) {
      const box = pen.box(52, 8, 18, 24);
      const x = slots(line.labels.map(short), box.x, box.x + box.w);
      const y = scale(reach.low, reach.high, box.y + box.h, box.y, reach.log);
      const at = (v) => y(y.inside(v));
      pen.axes(box, x, y, "", score.title);
      expected(pen, known, x, at, line.axes.every((j) => data.axes[j].ordered));
      line.ids.forEach((id, n) => {
        const measured = !Number.isNaN(values[n]);
        const expected = line.mean[line.at[n]];
        if (!measured && expected == null) return;
        const spot = [x(line.at[n]), at(measured ? values[n] : expected)];
        const colour = state.mask[id] ? stateColour(stateOf(id)) : theme().faded;
        if (measured) pen.mark("dot", ...spot, 4, colour);
        if (!measured && stateOf(id) !== "pending") pen.mark("cross", ...spot, 4, colour);
        if (asked.has(id)) pen.mark("diamond", spot[0], box.y + 6, 5, theme().green);
        pen.chart.hits.x.push(spot[0]);
        pen.chart.hits.y.push(spot[1]);
        pen.chart.hits.id.push(id);
      });
      return [{
        box, x, y: null,
        get() {
          const [k, low, high] = clauseOf(LINE).slice(1).split(/:|\.\./).map(Number);
          return [k === number ? [low - 0.4, high + 0.4] : null, null];
        },
        set(range) {
          setClauses([LINE, range && `=${number}:${Math.round(range[0])}..${Math.round(range[1])}`]);
        },
      }];
    },
    words() {
      const lowest = [...known].sort((a, b) => (data.study.maximize && !data.study.score ? b[1] - a[1] : a[1] - b[1]))[0];
      return `Line ${number}: ${count(line.ids.length, "trial")} on ${count(line.labels.length, "point")}, ${line.asked.length} of them asked last. `
        + `The model is best at ${line.labels[lowest[0]]}, with ${fmt(lowest[1], 4)} \u00b1 ${fmt(lowest[2], 2)}.`;
    },
    rows: () => [["value", "model", "95 % band", "trials"], line.labels.map((label, k) => [label, fmt(line.mean[k], 4),
      line.half[k] == null ? "not allowed" : `\u00b1 ${fmt(line.half[k], 2)}`,
      line.ids.flatMap((id, n) => (line.at[n] === k ? [`${id}: ${fmt(values[n], 4) || stateOf(id)}`] : [])).join("; ")]), [0, 1, 1]],
  });
}
