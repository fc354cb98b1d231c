// When each trial ran and on which worker, and above it how many ran at the same time.

import { Chart } from "./chart.js";
import { columns, N, stateColumn, stateOf, trials } from "./data.js";
import { count, duration, unitOf } from "./format.js";
import { track } from "./ranges.js";
import { scale } from "./scale.js";
import { state } from "./state.js";
import { stateColour, theme } from "./theme.js";

export function timeline() {
  const [start, end, worker] = ["start", "end", "worker"].map((name) => columns.get(name));
  if (!start || !end) return null;
  const ids = Array.from({ length: N }, (_, i) => i)
    .filter((i) => end.values[i] >= start.values[i])
    .sort((i, j) => start.values[i] - start.values[j]);
  if (!ids.length) return null;
  const rowOf = rows(ids, start, end, worker);
  const n = 1 + Math.max(...rowOf.values());
  const last = Math.max(...ids.map((i) => end.values[i]));
  const moments = running(ids, start, end);
  const most = Math.max(...moments.map(([, k]) => k));
  const [unit, word] = unitOf(last);
  const row = Math.max(3, Math.min(14, 320 / n));
  const busy = ids.reduce((sum, i) => sum + end.values[i] - start.values[i], 0);
  return new Chart({
    title: "Timeline",
    note: `rows are workers; above, how many trials ran at once (at most ${most})`,
    height: () => 100 + Math.ceil(n * row) + 40,
    draw(pen) {
      const box = pen.box(58, 14, 100, 38);
      const x = scale(0, last || 1, box.x, box.x + box.w);
      const shown = scale(0, (last || 1) / unit, box.x, box.x + box.w);
      const y = scale(0, most, 84, 20);
      const above = { x: box.x, y: 20, w: box.w, h: 64 };
      pen.axes(above, null, y, "", "running");
      const steps = moments.flatMap(([t, k], m) => [[x(t), y(m ? moments[m - 1][1] : 0)], [x(t), y(k)]]);
      pen.area([...steps, [x(last), y(0)], [x(0), y(0)]], theme().band);
      pen.line(steps, theme().ink, 1.5);
      pen.axes(box, shown, null, `${word} since the first start`);
      pen.text("workers", box.x - 8, box.y + 12, { align: "right" });
      for (const i of ids) {
        const top = box.y + rowOf.get(i) * row;
        pen.c.fillStyle = state.mask[i] ? stateColour(stateOf(i)) : theme().faded;
        pen.c.fillRect(x(start.values[i]), top, Math.max(1, x(end.values[i]) - x(start.values[i]) - 0.5), Math.max(row - 1, 2));
        pen.chart.hits.x.push(x((start.values[i] + end.values[i]) / 2));
        pen.chart.hits.y.push(top + row / 2);
        pen.chart.hits.id.push(i);
      }
      const whole = { x: box.x, y: 20, w: box.w, h: box.y + box.h - 20 };
      return [track(whole, x, null, start)];
    },
    words: () => `${count(ids.length, "trial")} on ${count(n, "worker")} in ${duration(last)}; `
      + `at most ${most} at once, ${(busy / (last || 1)).toPrecision(2)} on average.`,
    rows: () => [["worker", "trials", "busy"], byWorker(ids, rowOf, start, end, worker)],
  });
}

// The row of each trial: its worker's, else the first that is free when it starts.
function rows(ids, start, end, worker) {
  if (worker && ids.every((i) => worker.values[i] >= 0)) {
    const order = worker.words.map((name, k) => [name, k]).sort((a, b) => a[0].length - b[0].length || (a[0] < b[0] ? -1 : 1));
    const place = new Map(order.map(([, k], row) => [k, row]));
    return new Map(ids.map((i) => [i, place.get(worker.values[i])]));
  }
  const free = [];
  return new Map(ids.map((i) => {
    let k = free.findIndex((until) => until <= start.values[i]);
    if (k < 0) k = free.length;
    free[k] = end.values[i];
    return [i, k];
  }));
}

// Moments at which trials start or end, and how many run from then on.
function running(ids, start, end) {
  const events = ids.flatMap((i) => [[start.values[i], 1], [end.values[i], -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let now = 0;
  return events.map(([t, step]) => [t, (now += step)]);
}

function byWorker(ids, rowOf, start, end, worker) {
  const found = new Map();
  for (const i of ids) {
    const name = worker && worker.values[i] >= 0 ? worker.words[worker.values[i]] : `row ${rowOf.get(i) + 1}`;
    const [n, busy] = found.get(name) || [0, 0];
    found.set(name, [n + 1, busy + end.values[i] - start.values[i]]);
  }
  return [...found].map(([name, [n, busy]]) => [name, String(n), duration(busy)]);
}
