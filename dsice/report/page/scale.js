// From data to pixels and back.

import { fmt, logTicks, roundTicks } from "./format.js";

// Linear or logarithmic from the domain [low, high] to the range [from, to].
export function scale(low, high, from, to, log = false) {
  if (!(high > low)) [low, high] = log ? [low / 2, low * 2] : [low - 0.5, low + 0.5];
  const f = log ? Math.log : (v) => v;
  const back = log ? Math.exp : (v) => v;
  const a = f(low);
  const slope = (to - from) / (f(high) - a || 1);
  const found = (value) => from + (f(value) - a) * slope;
  found.invert = (pixel) => back(a + (pixel - from) / slope);
  found.inside = (value) => Math.min(Math.max(value, low), high);
  found.ticks = (n) => (log ? logTicks : roundTicks)(low, high, n).map((v) => [v, fmt(v, 4)]);
  return Object.assign(found, { low, high, from, to, log });
}

// One place for each label, whatever it stands for; labels are thinned to fit.
export function slots(labels, from, to) {
  const n = labels.length;
  const found = scale(-0.5, n - 0.5, from, to);
  found.ticks = (most) => {
    const each = Math.max(1, Math.ceil(n / Math.max(most, 1)));
    return labels.map((text, k) => [k, text]).filter(([k]) => k % each === 0);
  };
  return Object.assign(found, { labels });
}

export function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))];
}

// Where numbers lie: ends, whether logarithms suit them, and how many are beyond the ends. A few far
// away do not squeeze the others into a line.
export function extent(values, more = []) {
  let sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (!sorted.length) sorted = Float64Array.from(more).filter(Number.isFinite).sort();
  if (!sorted.length) return { low: 0, high: 1, log: false, beyond: 0 };
  let [low, high] = [sorted[0], sorted[sorted.length - 1]];
  const [q1, q3, crowd] = [quantile(sorted, 0.05), quantile(sorted, 0.95), quantile(sorted, 0.75)];
  const log = low > 0 && (high > 100 * low || (crowd - low < 0.1 * (high - low) && high > 3 * low));
  if (!log && q3 > q1) {
    low = Math.max(low, q1 - 3 * (q3 - q1));
    high = Math.min(high, q3 + 3 * (q3 - q1));
  }
  const beyond = sorted.filter((v) => v < low || v > high).length;
  for (const v of more) if (Number.isFinite(v) && (!log || v > 0)) [low, high] = [Math.min(low, v), Math.max(high, v)];
  const room = log ? (high / low) ** 0.04 : 0.04 * (high - low);
  return log ? { low: low / room, high: high * room, log, beyond } : { low: low - room, high: high + room, log, beyond };
}
