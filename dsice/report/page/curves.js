// Learning curves: each trial's metric by step; those of stopped trials are faded and end early.

import { Chart } from "./chart.js";
import { data, N, stateOf } from "./data.js";
import { count, fmt } from "./format.js";
import { special } from "./query.js";
import { extent, scale } from "./scale.js";
import { clauseOf, setClauses, state } from "./state.js";
import { stateColour, theme } from "./theme.js";

const CURVE = "@curve";
const NUMBERS = /^(.+?)\.\.(.+?);(.+?)\.\.(.+)$/;
const TOP = 36 ** 3 - 1;
const given = data.curves;
const low = given && Number(given.low);
const curves = given ? given.curves.map(([id, grid, digits]) => ({
  id,
  points: given.steps[grid].map((step, k) => {
    const place = parseInt(digits.slice(3 * k, 3 * k + 3), 36);
    return [step, low + (place / TOP) * (Number(given.high) - low)];
  }).filter(([, v]) => !Number.isNaN(v)),
})).filter(({ points }) => points.length) : [];

// "3..7;0.1..0.4": trials whose curve goes through this rectangle
special.set(CURVE, (text) => {
  const match = NUMBERS.exec(text);
  if (!match) throw new Error(`${CURVE}: "${text}" is no rectangle, such as 3..7;0.1..0.4`);
  const [a, b, c, d] = match.slice(1).map(Number);
  const ids = new Set(curves.filter(({ points }) => points.some(([s, v]) => s >= a && s <= b && v >= c && v <= d)).map(({ id }) => id));
  return (i) => ids.has(i);
});

export function learning() {
  if (!curves.length) return null;
  const reach = extent(curves.flatMap(({ points }) => points.map(([, v]) => v)));
  const steps = curves.flatMap(({ points }) => [points[0][0], points[points.length - 1][0]]);
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  const stopped = curves.filter(({ id }) => stateOf(id) === "stopped").length;
  return new Chart({
    title: "Learning curves",
    note: `stopped trials are faded, the best is bold; mark an area that curves go through`
      + (given.total > curves.length ? `; ${curves.length} of ${given.total}` : ""),
    height: (width) => (width < 500 ? 260 : 320),
    draw(pen) {
      const box = pen.box(58, 14, 20);
      const x = scale(first, last, box.x, box.x + box.w);
      const y = scale(reach.low, reach.high, box.y + box.h, box.y, reach.log);
      pen.axes(box, x, y, "step", data.study.metric);
      const best = data.best && data.best.id;
      const rank = ({ id }) => (id === best ? 2 : state.mask[id] ? 1 : 0);
      for (const { id, points } of [...curves].sort((p, q) => rank(p) - rank(q))) {
        const isStopped = stateOf(id) === "stopped";
        const line = points.map(([s, v]) => [x(s), y(y.inside(v))]);
        pen.c.globalAlpha = id === best ? 1 : isStopped ? 0.45 : 0.6;
        const colour = !state.mask[id] ? theme().faded : id === best ? theme().ink : stateColour(stateOf(id));
        pen.line(line, colour, id === best ? 2.5 : 1, isStopped ? [4, 3] : []);
        const [ex, ey] = line[line.length - 1];
        if (isStopped || line.length === 1) pen.mark("dot", ex, ey, 2, colour);
        line.forEach(([px, py]) => { pen.chart.hits.x.push(px); pen.chart.hits.y.push(py); pen.chart.hits.id.push(id); });
      }
      pen.c.globalAlpha = 1;
      return [{
        box, x, y,
        get() {
          const match = NUMBERS.exec(clauseOf(CURVE).slice(1));
          if (!match) return [null, null];
          const [a, b, c, d] = match.slice(1).map(Number);
          return [[a, b], [c, d]];
        },
        set(xs, ys) {
          const [[a, b], [c, d]] = [xs || [first, last], ys || [reach.low, reach.high]];
          setClauses([CURVE, xs || ys ? `=${fmt(a)}..${fmt(b)};${fmt(c)}..${fmt(d)}` : null]);
        },
      }];
    },
    words: () => `${count(curves.length, "curve")} from step ${first} to ${last}; ${stopped} stopped early. ${N - given.total} trials have none.`,
    rows: () => [["trial", "steps", "first", "last", "state"], curves.map(({ id, points }) =>
      [String(id), String(points.length), fmt(points[0][1], 4), fmt(points[points.length - 1][1], 4), stateOf(id)]), [1, 1, 1, 1]],
  });
}
