// Colours, those of the styles, so that a canvas looks like the page around it. The palette is that
// of Okabe and Ito, which everybody can tell apart; marks differ in form as well.

import { breaks, stateOf } from "./data.js";
import { keep, setting } from "./state.js";

const NAMES = ["ink", "quiet", "rule", "paper", "blue", "orange", "red", "green", "purple", "faded", "band"];
let colours = null;

export function theme() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  return colours;
}

const OF_STATE = { done: "blue", stopped: "orange", pending: "green", withdrawn: "purple", lost: "quiet" };
export const stateColour = (state) => theme()[OF_STATE[state] || "red"];

export const trialColour = (i) => (breaks(i) ? theme().quiet : stateColour(stateOf(i)));

// Steps from the worst to the best, light to dark and grey to blue.
export function ramp(share) {
  const dark = document.documentElement.dataset.shown === "dark";
  const from = dark ? [95, 95, 90] : [205, 200, 185];
  const to = dark ? [120, 200, 255] : [0, 80, 160];
  const mixed = from.map((c, k) => Math.round(c + (to[k] - c) * share ** 1.5));
  return `rgb(${mixed})`;
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

// Show a theme: "light", "dark", or "" for what the system has.
export function showTheme(chosen = setting("theme")) {
  keep("theme", chosen);
  show(chosen || (prefersDark.matches ? "dark" : "light"));
}

export function show(shown) {
  document.documentElement.dataset.shown = shown;
  colours = null;
}

export function onTheme(listener) {
  prefersDark.addEventListener("change", () => {
    showTheme();
    listener();
  });
}
