// Progress: the value of each trial in turn, the best so far, and the rounds.

import { Chart } from "./chart.js";
import { columns, data, metric, N, score, stateOf, trials } from "./data.js";
import { count, fmt } from "./format.js";
import { track } from "./ranges.js";
import { extent, scale } from "./scale.js";
import { state } from "./state.js";
import { theme, trialColour } from "./theme.js";

export const area = extent(metric.values, [data.start && Number(data.start.value), data.best && Number(data.best.value)]);
const failed = Array.from({ length: N }, (_, i) => i)
  .filter((i) => !["done", "pending", "stopped"].includes(stateOf(i)));

// A scale of the goal's metric over all trials.
export const valueScale = (from, to) => scale(area.low, area.high, from, to, area.log);

export function progress() {
  const rounds = trials.rounds.filter(([, round]) => round != null);
  return new Chart({
    title: "Progress",
    note: `${metric.title} of each trial in turn, and the best so far; colours are the states above`
      + (trials.feasible ? ", grey breaks a bound" : "")
      + (area.beyond ? `; ${count(area.beyond, "outlier")} at the edge` : ""),
    height: (width) => (width < 500 ? 240 : 300),
    draw(pen) {
      const box = pen.box(58, 14, 20);
      const x = scale(-0.5, Math.max(N, 1) - 0.5, box.x, box.x + box.w);
      const y = valueScale(box.y + box.h, box.y);
      if (rounds.length > 1 && rounds.length < 80) rounds.forEach(([first], k) => {
        if (k % 2) return;
        const next = trials.rounds.find(([id]) => id > first);
        const [l, r] = [x(first - 0.5), x((next ? next[0] : N) - 0.5)];
        pen.area([[l, box.y], [r, box.y], [r, box.y + box.h], [l, box.y + box.h]], theme().band);
      });
      pen.axes(box, x, y, rounds.length > 1 && rounds.length < 80 ? "trial; shades are rounds" : "trial", metric.title);
      const value = metric.values;
      pen.dots((i) => (Number.isNaN(value[i]) ? null : [x(i), y(y.inside(value[i]))]),
        (i) => trialColour(i));
      failed.forEach((i) => pen.mark("cross", x(i), box.y + 2, 3, state.mask[i] ? theme().red : theme().faded));
      if (data.start && data.start.value != null) {
        const at = y(y.inside(Number(data.start.value)));
        pen.line([[box.x, at], [box.x + box.w, at]], theme().red, 1.5, [7, 4]);
        pen.text("start", box.x + box.w - 2, at - 4, { align: "right", colour: theme().red });
      }
      const steps = data.leaders.flatMap(([id, best], k) => {
        const next = data.leaders[k + 1];
        const at = y(y.inside(Number(best)));
        return [[x(id), at], [x(next ? next[0] : N - 0.5), at]];
      });
      pen.line(steps, theme().ink, 2);
      const best = data.best;
      if (best && !Number.isNaN(value[best.id])) pen.mark("ring", x(best.id), y(y.inside(value[best.id])), 7, theme().red);
      return [track(box, x, y, columns.get("id"), metric)];
    },
    words() {
      const last = data.leaders[data.leaders.length - 1];
      if (!last) return "No trial has a value yet.";
      return `${count(N, "trial")} in ${count(rounds.length, "round")}; the best so far went from ${fmt(Number(data.leaders[0][1]))} `
        + `(trial ${data.leaders[0][0]}) to ${fmt(Number(last[1]))} (trial ${last[0]}); ${failed.length} ended without a value.`;
    },
    rows: () => [["trial", `best ${score.title} from there on`], data.leaders.map(([id, v]) => [String(id), fmt(Number(v))]), [1, 1]],
  });
}
