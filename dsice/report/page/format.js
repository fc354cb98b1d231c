// Numbers as texts, and the marks of an axis.

// A number with up to `digits` significant digits, without trailing zeros.
export function fmt(value, digits = 5) {
  if (value == null || Number.isNaN(value)) return "";
  if (typeof value !== "number" || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return String(value);
  if (size && (size < 1e-4 || size >= 1e7)) {
    return value.toExponential(digits - 1).replace(/\.?0*e/, "e").replace("e+", "e");
  }
  return String(+value.toPrecision(digits));
}

// A label of an axis: a number with many digits is rounded.
export function short(label) {
  return label.length > 8 && label.trim() && Number.isFinite(Number(label)) ? fmt(Number(label), 3) : label;
}

export function count(n, word) {
  return `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
}

export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 1) return "< 1 %";
  return `${Math.abs(value) >= 10 || value === 0 ? Math.round(value) : +value.toPrecision(2)} %`;
}

// Seconds in the unit that suits them.
export function duration(seconds) {
  const [unit, word] = unitOf(seconds);
  return `${fmt(seconds / unit, 3)} ${word}`;
}

export function unitOf(seconds) {
  if (seconds >= 7200) return [3600, "h"];
  return seconds >= 300 ? [60, "min"] : [1, "s"];
}

// About `n` round numbers from `low` to `high`.
export function roundTicks(low, high, n) {
  const rough = (high - low) / Math.max(n, 1);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    ticks.push(+(k * step).toPrecision(12));
  }
  return ticks;
}

// 1, 2, 5 times powers of ten where they are few, else powers alone.
export function logTicks(low, high, n) {
  const found = [];
  const decades = Math.log10(high / low);
  const factors = decades * 3 <= n ? [1, 2, 5] : [1];
  const each = Math.max(1, Math.ceil(decades / n));
  for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) {
    if (p % each) continue;
    for (const f of factors) {
      const tick = +`${f}e${p}`;
      if (tick >= low * 0.999 && tick <= high * 1.001) found.push(tick);
    }
  }
  return found.length > 1 ? found : roundTicks(low, high, n);
}
