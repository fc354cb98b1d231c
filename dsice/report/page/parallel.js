// Parallel coordinates: a row for each parameter, a line for each trial, the best ones on top.

import { Chart } from "./chart.js";
import { metric, params, worstFirst } from "./data.js";
import { count, short } from "./format.js";
import { jitter } from "./effects.js";
import { valueScale } from "./progress.js";
import { track } from "./ranges.js";
import { slots } from "./scale.js";
import { state } from "./state.js";
import { ramp, theme } from "./theme.js";

const ROW = 44;
// how many of the best share a colour and are how dense: few stand out, however many there are
const BANDS = [[Infinity, 0.05], [2500, 0.08], [800, 0.14], [250, 0.25], [80, 0.5], [25, 0.75], [8, 0.95]];

export function parallel() {
  const rows = [...params, metric];
  return new Chart({
    title: "All parameters",
    note: `each line is a trial, blue where ${metric.title} is good; mark a range on any row`,
    height: () => rows.length * ROW + 24,
    draw(pen) {
      const left = Math.min(150, pen.width * 0.3);
      const right = pen.width - 14;
      const scales = rows.map((column) => (column.axis ? slots(column.axis.labels.map(short), left, right) : valueScale(left, right)));
      const at = (row) => 18 + row * ROW;
      const spot = (column, k, i) => {
        if (!column.axis) return scales[k](scales[k].inside(column.values[i]));
        const room = Math.min(0.4, 12 * column.axis.labels.length / pen.width);
        return column.level[i] < 0 ? left - 8 : scales[k](column.level[i] + room * jitter(i));
      };
      // each trial from row to row; where a parameter is not active the line goes through the margin
      const paint = (to, wanted, colour) => {
        const c = to.c;
        c.lineWidth = 1;
        const n = worstFirst.length;
        BANDS.forEach(([most, density], s) => {
          const end = s + 1 < BANDS.length ? Math.max(0, n - BANDS[s + 1][0]) : n;
          c.strokeStyle = colour(s / (BANDS.length - 1));
          c.globalAlpha = density;
          c.beginPath();
          for (const i of worstFirst.slice(Math.max(0, n - most), end)) {
            if (!wanted(i)) continue;
            rows.forEach((column, k) => (k ? c.lineTo(spot(column, k, i), at(k)) : c.moveTo(spot(column, k, i), at(k))));
          }
          c.stroke();
        });
        c.globalAlpha = 1;
      };
      if (!state.query) pen.chart.layer("all", (to) => paint(to, () => true, ramp));
      else {
        pen.chart.layer("faded", (to) => paint(to, () => true, () => theme().band));
        paint(pen, (i) => state.mask[i], ramp);
      }
      if (!worstFirst.length) pen.empty();
      return rows.map((column, k) => {
        pen.line([[left, at(k)], [right, at(k)]], theme().ink, 1.5);
        pen.text(column.title, left - 14, at(k), { align: "right", base: "middle", most: left - 16, colour: theme().ink });
        const ticks = pen.fitting(scales[k], right - left);
        for (const [value, label] of ticks) {
          pen.line([[scales[k](value), at(k) - 3], [scales[k](value), at(k) + 3]], theme().ink, 1.5);
          pen.halo(label, scales[k](value), at(k) + 15, (right - left) / ticks.length - 6);
        }
        const box = { x: left, y: at(k) - 10, w: right - left, h: 20 };
        return track(box, scales[k], null, column);
      });
    },
    words: () => `${count(worstFirst.length, "trial")} with a value over ${count(params.length, "parameter")}; the table below has the same.`,
  });
}
