// Filters as text: "lr<0.1, state=failed". Clauses stand between commas and all of them must hold.
// Operators are < <= > >= = != and ~ (contains); `=` takes ranges (1..5) and alternatives (a|b).
// Names and values with odd characters stand in `backticks` and "quotes".

import { columns, N } from "./data.js";

const ODD = /[<>=!~,`"|\s]/;
const CLAUSE = /^\s*(?:`((?:[^`]|``)+)`|([^<>=!~`]+?))\s*(<=|>=|!=|<|>|=|~)\s*([^]*?)\s*$/;

// Columns of their own kind, such as "the curve goes through here": from a text to a test. A chart
// that marks what no column holds registers one.
export const special = new Map();

export const quoteName = (name) => (ODD.test(name) ? `\`${name.replaceAll("`", "``")}\`` : name);
export const quoteValue = (text) => (/[,|"]|\.\.|^\s|\s$|^$/.test(text) ? JSON.stringify(text) : text);

// Pieces of a text between separators that stand in no quotes.
function split(text, separator) {
  const pieces = [""];
  let quote = "";
  for (let k = 0; k < text.length; k++) {
    const c = text[k];
    if (quote) {
      if (c === "\\" && quote === '"') pieces[pieces.length - 1] += text[k++];
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "`") quote = c;
    if (!quote && text.startsWith(separator, k)) {
      pieces.push("");
      k += separator.length - 1;
    } else pieces[pieces.length - 1] += text[k] ?? "";
  }
  return pieces;
}

export const clauses = (text) => split(text, ",").map((clause) => clause.trim()).filter(Boolean);

function unquoted(text) {
  try {
    return text.startsWith('"') ? JSON.parse(text) : text;
  } catch {
    throw new Error(`${text}: the quotes do not close`);
  }
}

export function nameOf(clause) {
  const match = CLAUSE.exec(clause);
  return match && (match[1] ? match[1].replaceAll("``", "`") : match[2]);
}

// The test of one clause: from the number of a trial to whether it holds.
export function parse(clause) {
  const match = CLAUSE.exec(clause);
  if (!match) throw new Error(`"${clause}": write a name, an operator and a value, such as state=failed`);
  const name = nameOf(clause);
  const [operator, given] = match.slice(3);
  if (special.has(name)) return special.get(name)(unquoted(given));
  const column = columns.get(name);
  if (!column) throw new Error(`there is no column "${name}"; there are ${[...columns.keys()].join(", ")}`);
  if (operator === "=" || operator === "!=") {
    const tests = split(given, "|").map((value) => oneOf(column, value.trim()));
    return (i) => tests.some((test) => test(i)) === (operator === "=");
  }
  const wanted = unquoted(given);
  if (operator === "~") {
    const part = wanted.toLowerCase();
    return (i) => !Number.isNaN(column.values[i]) && textOf(column, i).toLowerCase().includes(part);
  }
  const limit = place(column, wanted);
  const v = column.values;
  if (operator === "<") return (i) => v[i] < limit;
  if (operator === "<=") return (i) => v[i] <= limit;
  if (operator === ">") return (i) => v[i] > limit;
  return (i) => v[i] >= limit;
}

function oneOf(column, text) {
  const ends = split(text, "..");
  if (ends.length === 2) {
    const low = ends[0] ? place(column, unquoted(ends[0])) : -Infinity;
    const high = ends[1] ? place(column, unquoted(ends[1])) : Infinity;
    return (i) => column.values[i] >= low && column.values[i] <= high;
  }
  const wanted = unquoted(text);
  if (column.words) return (i) => textOf(column, i) === wanted;
  const value = place(column, wanted);
  return (i) => Math.abs(column.values[i] - value) <= 1e-9 * Math.abs(value) || textOf(column, i) === wanted;
}

const textOf = (column, i) =>
  String(column.words ? column.words[column.values[i]] : column.axis ? column.axis.labels[column.level[i]] : column.values[i]);

// The number that a column compares by.
function place(column, text) {
  const value = column.words ? column.words.indexOf(text) : text.trim() ? Number(text) : NaN;
  if (Number.isNaN(value) || (column.words && value < 0)) {
    throw new Error(`${column.name}: "${text}" is ${column.words ? "none of its values" : "no number"}`);
  }
  return value;
}

// Which trials pass all clauses of a text, 0 or 1 each.
export function select(text) {
  const tests = clauses(text).map(parse);
  const mask = new Uint8Array(N);
  for (let i = 0; i < N; i++) mask[i] = tests.every((test) => test(i)) ? 1 : 0;
  return mask;
}
