// What matters: the shares of the parameters, and a panel for each with the model's effect, its band
// and the measured points.

import { Chart } from "./chart.js";
import { data, N, params, score } from "./data.js";
import { fmt, percent, short } from "./format.js";
import { track } from "./ranges.js";
import { extent, slots, scale } from "./scale.js";
import { theme, trialColour } from "./theme.js";

const BAR = 26;
const namesOf = (axes) => axes.map((j) => data.axes[j].name).join(" \u00d7 ");

// Bars of the shares, alone (dark) and with interactions (light), with the interval of the whole.
export function importance() {
  const found = data.importance;
  const rows = [
    ...found.single.map(({ axis, alone, total }) => ({ name: namesOf([axis]), alone, total })),
    ...found.pairs.map(({ axes, share }) => ({ name: namesOf(axes), alone: share, total: share, pair: true })),
  ];
  const range = ([share, low, high]) => `${percent(share)} (${percent(low)} to ${percent(high)})`;
  return new Chart({
    title: "Importance",
    note: "share of the variance over the grid: dark alone, light with interactions, lines 90 % intervals",
    still: true,
    height: () => rows.length * BAR + 34,
    draw(pen) {
      const left = Math.min(190, pen.width * 0.34);
      const box = pen.box(left, 52, 2, 30);
      const x = scale(0, 1, box.x, box.x + box.w);
      x.ticks = (n) => (n < 6 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]).map((v) => [v, percent(v)]);
      pen.axes(box, x, null);
      const bar = (y, share, height, colour) => {
        const [a, b] = [x(0), x(share)];
        pen.area([[a, y - height], [b, y - height], [b, y + height], [a, y + height]], colour);
      };
      rows.forEach(({ name, alone, total, pair }, k) => {
        const y = box.y + (k + 0.5) * BAR;
        pen.text(name, box.x - 8, y, { align: "right", base: "middle", most: left - 12, colour: theme().ink });
        if (!pair) bar(y, total[0], 8, theme().band);
        bar(y, alone[0], pair ? 4 : 8, pair ? theme().purple : theme().blue);
        pen.line([[x(total[1]), y], [x(total[2]), y]], theme().ink, 1.5);
        for (const end of [total[1], total[2]]) pen.line([[x(end), y - 4], [x(end), y + 4]], theme().ink, 1.5);
        pen.text(percent(total[0]), pen.width - 2, y, { align: "right", base: "middle", colour: theme().ink });
      });
    },
    words: () => `Most of the variance is due to ${rows.slice(0, 3).map(({ name, total }) => `${name} (${percent(total[0])})`).join(", ")}. `
      + `Noise of one measurement: standard deviation ${fmt(found.noise_sd, 3)}; over the grid: ${fmt(found.sd, 3)}.`,
    rows: () => [["parameter", "alone", "with interactions"],
      rows.map(({ name, alone, total, pair }) => [name, range(alone), pair ? "" : range(total)])],
  });
}

// A number from -0.5 to 0.5 that is always the same for a trial, to draw equal ones side by side.
export const jitter = (i) => ((Math.imul(i + 1, 2654435761) >>> 8) % 997) / 997 - 0.5;

// What the model expects at each place, with its band: a curve along an ordered axis, else bars.
export function expected(pen, known, x, at, ordered) {
  if (!ordered) {
    for (const [k, m, h] of known) {
      pen.line([[x(k), at(m - h)], [x(k), at(m + h)]], theme().orange, 5);
      pen.line([[x(k - 0.25), at(m)], [x(k + 0.25), at(m)]], theme().ink, 2);
    }
    return;
  }
  const above = known.map(([k, m, h]) => [x(k), at(m + h)]);
  const below = known.map(([k, m, h]) => [x(k), at(m - h)]);
  pen.c.globalAlpha = 0.35;
  pen.area([...above, ...below.reverse()], theme().orange);
  pen.c.globalAlpha = 1;
  pen.line(known.map(([k, m]) => [x(k), at(m)]), theme().ink, 2);
}

export function panels() {
  return params.map((column, j) => panel(column, j));
}

function panel(column, j) {
  const { axis, level } = column;
  const effect = data.effects && data.effects[j];
  const ends = effect ? effect.mean.flatMap((m, k) => [m - effect.half[k], m + effect.half[k]]) : [];
  const reach = extent(score.values, ends);
  const share = data.importance && data.importance.single.find((one) => one.axis === j);
  const dim = axis.labels.length;
  return new Chart({
    title: axis.name,
    note: share ? `matters ${percent(share.total[0])}` : "",
    class: "panel",
    height: () => 210,
    draw(pen) {
      const box = pen.box(52, 8, 18, 24);
      const x = slots(axis.labels.map(short), box.x, box.x + box.w);
      const y = scale(reach.low, reach.high, box.y + box.h, box.y, reach.log);
      pen.axes(box, x, y, "", score.title);
      const at = (v) => y(y.inside(v));
      const wide = Math.min(0.7, (dim > 30 ? 0.9 : 0.5));
      pen.dots((i) => (level[i] < 0 || Number.isNaN(score.values[i]) ? null
        : [x(level[i] + wide * jitter(i)), at(score.values[i])]), trialColour, 2);
      if (!effect) return [track(box, x, null, column)];
      const known = effect.mean.map((m, k) => [k, m, effect.half[k]]).filter(([, m]) => m != null);
      expected(pen, known, x, at, axis.ordered && dim > 1);
      return [track(box, x, null, column)];
    },
    words() {
      if (!effect) return `${N} trials over ${dim} values; there is no model yet.`;
      const mean = effect.mean.map((m) => (m == null ? NaN : m));
      const sorted = mean.map((m, k) => [m, k]).filter(([m]) => !Number.isNaN(m)).sort((a, b) => a[0] - b[0]);
      if (!sorted.length) return "The model says nothing of it.";
      const [low, high] = [sorted[0], sorted[sorted.length - 1]];
      return `Averaged over all else, ${score.title} is expected from ${fmt(low[0], 4)} at ${axis.labels[low[1]]} `
        + `to ${fmt(high[0], 4)} at ${axis.labels[high[1]]}.`;
    },
    rows() {
      const n = new Array(dim).fill(0);
      level.forEach((l) => { if (l >= 0) n[l]++; });
      const shown = axis.labels.map((label, k) => [label, effect ? fmt(effect.mean[k], 4) : "",
        effect ? `\u00b1 ${fmt(effect.half[k], 2)}` : "", String(n[k])]);
      return [["value", "expected", "95 % band", "trials"], shown, [0, 1, 1, 1]];
    },
  });
}
