// What the user has chosen: filters, order of the table, theme. All of it stands in the fragment of
// the address, so that a page that reloads, or a link that is sent on, shows the same.

import { N } from "./data.js";
import { clauses, nameOf, quoteName, select } from "./query.js";

export const state = { query: "", mask: new Uint8Array(N).fill(1), selected: N, error: "" };
const chosen = new URLSearchParams(location.hash.slice(1));
const listeners = [];
let waiting = false;

export const onChange = (listener) => listeners.push(listener);
export const setting = (name) => chosen.get(name) || "";

export function keep(name, value) {
  if (value) chosen.set(name, value);
  else chosen.delete(name);
  const text = chosen.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

// Take a whole query; a wrong one changes nothing but the message.
export function setQuery(text) {
  try {
    state.mask = select(text);
    state.error = "";
    state.query = clauses(text).join(", ");
    state.selected = state.mask.reduce((sum, one) => sum + one, 0);
    keep("q", state.query);
  } catch (error) {
    state.error = error.message;
  }
  changed();
}

// Exchange the clauses of columns: [name, "=1..5"], or [name, null] to take them away.
export function setClauses(...changes) {
  const names = changes.map(([name]) => name);
  const kept = clauses(state.query).filter((clause) => !names.includes(nameOf(clause)));
  const added = changes.filter(([, rest]) => rest).map(([name, rest]) => quoteName(name) + rest);
  setQuery([...kept, ...added].join(", "));
}

// What stands behind the name in the only clause of a column, such as "=1..5"; "" where none does.
export function clauseOf(name) {
  const found = clauses(state.query).filter((clause) => nameOf(clause) === name);
  return found.length === 1 ? found[0].slice(quoteName(name).length).trim() : "";
}

// Everything is drawn once per frame, however often something changes in between.
export function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const begin = performance.now();
    listeners.forEach((listener) => listener());
    document.documentElement.dataset.drawn = Math.round(performance.now() - begin);
  });
}
