// Marked ranges of charts as clauses of the filter, and back.

import { fmt } from "./format.js";
import { quoteValue } from "./query.js";
import { clauseOf, setClauses } from "./state.js";

const RANGE = /^=\s*(.+?)\.\.(.+)$/;

// The clause of a range of a column: of words those in it, of numbers their ends, `places` of an
// axis the ends' values.
export function rangeClause(column, range) {
  if (!range) return [column.name, null];
  const [low, high] = range;
  const labels = column.axis ? column.axis.labels : column.words;
  if (!labels) return [column.name, `=${exact(low)}..${exact(high)}`];
  const [a, b] = [Math.max(0, Math.ceil(low - 0.25)), Math.min(labels.length - 1, Math.floor(high + 0.25))];
  if (a > b) return [column.name, `=${quoteValue(labels[Math.round((low + high) / 2)])}`];
  if (column.words) return [column.name, `=${labels.slice(a, b + 1).map(quoteValue).join("|")}`];
  const ends = [column.axis.values[a], column.axis.values[b]].map(Number).sort((p, q) => p - q);
  return [column.name, `=${ends[0]}..${ends[1]}`];
}

const exact = (value) => fmt(value, 5);

// The range of a column that is marked now, in its scale; null where none is.
export function markedRange(column) {
  const rest = clauseOf(column.name);
  if (!rest) return null;
  const labels = column.words || (column.axis && column.axis.labels);
  if (column.words) {
    const found = rest.slice(1).split("|").map((word) => labels.findIndex((l) => quoteValue(l) === word.trim()));
    return found.includes(-1) ? null : [Math.min(...found) - 0.4, Math.max(...found) + 0.4];
  }
  const match = RANGE.exec(rest);
  if (!match) return null;
  const ends = match.slice(1).map(Number);
  if (!column.axis) return ends;
  const inside = column.axis.values.map(Number).flatMap((v, k) => (v >= ends[0] && v <= ends[1] ? [k] : []));
  return inside.length ? [inside[0] - 0.4, inside[inside.length - 1] + 0.4] : null;
}

// A track of a chart whose axes are columns.
export function track(box, x, y, ofX, ofY) {
  return {
    box, x, y,
    get: () => [ofX ? markedRange(ofX) : null, ofY ? markedRange(ofY) : null],
    set(xs, ys) {
      const changes = [];
      if (ofX) changes.push(rangeClause(ofX, xs));
      if (ofY && ofY !== ofX) changes.push(rangeClause(ofY, ys));
      setClauses(...changes);
    },
  };
}
