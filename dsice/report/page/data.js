// The data of the page as columns of trials, each by the name that filters call it.

export const data = JSON.parse(document.getElementById("data").textContent);
export const trials = data.trials;
export const N = trials.count;

// Whole numbers from a text of digits, or a list; -1: there is none.
export function wholes(column) {
  const found = new Int32Array(N).fill(-1);
  if (column) for (let i = 0; i < N; i++) {
    const given = column[i];
    if (given != null && given !== ".") found[i] = typeof given === "string" ? parseInt(given, 36) : given;
  }
  return found;
}

// Numbers, NaN where there is none.
export function numbers(column) {
  return Float64Array.from({ length: N }, (_, i) =>
    (column && column[i] != null ? Number(column[i]) : NaN));
}

// Columns by name: `values` are numbers to compare by, `text(i)` is what a table shows. A column of
// words has `words`, and the place of each trial's word as its values; a parameter has its `axis`.
export const columns = new Map();

function add(name, column) {
  let free = name;
  while (columns.has(free)) free = `${column.kind}.${free}`;
  columns.set(free, { name: free, title: name, ...column });
  return columns.get(free);
}

function addNumbers(name, column, kind = "trial") {
  if (column) return add(name, { kind, values: numbers(column) });
  return null;
}

function addWords(name, words, column) {
  if (!words) return null;
  return add(name, { kind: "trial", words, values: numbers(wholes(column)).map((v) => (v < 0 ? NaN : v)) });
}

add("id", { kind: "trial", values: Float64Array.from({ length: N }, (_, i) => i) });
const rounds = new Float64Array(N).fill(NaN);
trials.rounds.forEach(([first, round], k) => {
  if (round != null) rounds.fill(round, first, k + 1 < trials.rounds.length ? trials.rounds[k + 1][0] : N);
});
add("round", { kind: "trial", values: rounds });
addWords("state", trials.states, trials.state);
export const metric = addNumbers(data.study.metric, trials.value || [], "metric");
export const score = addNumbers("score", trials.score) || metric;
for (const name of ["n", "stage", "repeat", "member"]) {
  if (trials[name]) addNumbers(name, Array.from(wholes(trials[name])));
}
export const params = data.axes.map((axis, j) => {
  const level = wholes(trials.levels[j]);
  const numeric = axis.numeric ? axis.values.map(Number) : null;
  const column = { kind: "param", axis, level, words: numeric ? null : axis.labels };
  column.values = Float64Array.from(level, (l) => (l < 0 ? NaN : numeric ? numeric[l] : l));
  return add(axis.name, column);
});
export const metrics = (trials.metrics || []).map((given) =>
  Object.assign(addNumbers(given.name, given.values, "metric"), { bounds: given }));
Object.assign(metric, { bounds: data.study.bounds[0] });
addNumbers("seconds", trials.seconds);
addNumbers("start", trials.start);
addNumbers("end", trials.end);
addNumbers("parent", trials.parent);
addWords("worker", trials.workers, trials.worker);
addWords("phase", trials.phases, trials.phase);
if (data.failures) {
  const groups = data.failures.groups;
  const reason = new Array(N).fill(null);
  groups.forEach((group, k) => group.ids.forEach((id) => { reason[id] = k; }));
  addWords("failure", groups.map((_, k) => `#${k + 1}`), reason);
}

// What is not a grid value: parameters that a trial changed off the grid, by name and id.
const overrides = new Map();
for (const [name, pairs] of Object.entries(trials.overrides || {})) overrides.set(name, new Map(pairs));
for (const column of params) {
  for (const [id, value] of overrides.get(column.axis.name) || []) {
    if (column.axis.numeric) column.values[id] = Number(value);
  }
}

// The text of a cell of the table.
export function cell(column, i, write) {
  const value = column.values[i];
  if (Number.isNaN(value)) return "";
  if (column.words) return String(column.words[value]);
  if (column.axis) {
    const off = overrides.get(column.axis.name);
    return off && off.has(i) ? write(off.get(i)) : column.axis.labels[column.level[i]];
  }
  return write(value);
}

export const stateColumn = columns.get("state");
export const stateOf = (i) => (stateColumn ? stateColumn.words[stateColumn.values[i]] : "");
const ofStage = columns.get("stage");
// Whether a trial is of the stage that the goal is about.
export const counts = (i) => (ofStage ? ofStage.values[i] : 0) === data.study.stage;
const kept = trials.feasible ? wholes(trials.feasible) : null;
// Whether a trial was measured and breaks a bound of the goal.
export const breaks = (i) => kept !== null && kept[i] === 0 && stateOf(i) === "done";
const sign = data.study.maximize ? -1 : 1;

// All trials that have a value, the worst first; those that break a bound are worse than the others.
export const worstFirst = Array.from({ length: N }, (_, i) => i)
  .filter((i) => !Number.isNaN(metric.values[i]))
  .sort((a, b) => breaks(b) - breaks(a)
    || sign * (metric.values[b] - metric.values[a]) || b - a);
