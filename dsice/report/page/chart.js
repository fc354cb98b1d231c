// A chart: a canvas that fits its place, marks that select trials by mouse, touch and keyboard, and
// the same in words. A chart draws itself by `spec.draw(pen)`, which returns its tracks: boxes with
// scales in which a range can be marked. `track.set(x, y)` gets the marked ranges, in units of the
// data, or null; `track.get()` says what is marked now.

import { el, say, table } from "./dom.js";
import { N } from "./data.js";
import { onChange, state } from "./state.js";
import { theme } from "./theme.js";

const FINGER = 5; // pixels; what moves less is a click
const MOST_ROWS = 200; // of a chart in words
const STEP = 0.05; // of a track, by a key
export const charts = [];
const tip = el("div", { class: "tip", hidden: true });
document.body.append(tip);

export class Chart {
  constructor(spec) {
    this.spec = spec;
    this.tracks = [];
    this.track = 0;
    this.layers = new Map();
    this.canvas = el("canvas", { role: "img" });
    this.plot = el("div", { class: spec.still ? "plot still" : "plot" }, this.canvas);
    this.words = el("details", { class: "words" }, el("summary", null, "In words"));
    this.words.addEventListener("toggle", () => this.describe());
    this.node = el("figure", { class: spec.class },
      el("figcaption", null, spec.class && el("strong", null, spec.title), " ", el("span", null, spec.note)),
      spec.controls, this.plot, this.words);
    if (!spec.still) this.listen();
    charts.push(this);
  }

  // -------------------------------------------------------------- drawing
  draw(paper) {
    const width = paper ? (this.spec.class === "panel" ? 330 : 700) : this.plot.clientWidth;
    if (!width) return;
    const height = this.spec.height(width);
    const density = paper ? 2 : Math.min(window.devicePixelRatio || 1, 2);
    const size = `${width} ${height} ${density} ${document.documentElement.dataset.shown}`;
    if (size !== this.size) this.layers.clear();
    this.size = size;
    this.canvas.width = width * density;
    this.canvas.height = height * density;
    this.canvas.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    context.scale(density, density);
    this.hits = { x: [], y: [], id: [] };
    this.pen = new Pen(context, width, height, this);
    this.tracks = this.spec.draw(this.pen) || [];
    this.showMarks();
    this.describe();
  }

  // A layer that depends on size and theme alone is painted once.
  layer(name, paint) {
    const density = this.canvas.width / this.pen.width;
    if (!this.layers.has(name)) {
      const copy = el("canvas", { width: this.canvas.width, height: this.canvas.height });
      const context = copy.getContext("2d");
      context.scale(density, density);
      paint(new Pen(context, this.pen.width, this.pen.height, this));
      this.layers.set(name, copy);
    }
    this.pen.c.drawImage(this.layers.get(name), 0, 0, this.pen.width, this.pen.height);
  }

  describe() {
    const text = this.spec.words();
    this.canvas.setAttribute("aria-label", `${this.spec.title}. ${text}`);
    if (!this.words.open) return;
    const parts = [el("p", null, text)];
    if (this.spec.rows) {
      const [header, rows, numbers] = this.spec.rows();
      parts.push(table(header, rows.slice(0, MOST_ROWS), numbers));
      if (rows.length > MOST_ROWS) parts.push(el("p", null, `and ${rows.length - MOST_ROWS} more`));
    }
    this.words.replaceChildren(this.words.firstChild, ...parts);
  }

  // -------------------------------------------------------------- marking
  listen() {
    const help = "Arrow keys mark a range, with shift they widen it, escape takes it away";
    for (const [name, value] of [["tabindex", 0], ["role", "group"], ["aria-label", `${this.spec.title}. ${help}`]]) {
      this.plot.setAttribute(name, value);
    }
    const on = (event, act) => this.plot.addEventListener(event, act);
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => (this.from ? this.drag(event) : this.hover(event)));
    on("pointerup", (event) => this.end(event));
    on("pointercancel", () => { this.from = null; });
    on("pointerleave", () => { tip.hidden = true; });
    on("keydown", (event) => this.key(event));
  }

  at(event) {
    const box = this.plot.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  begin(event) {
    if (event.button) return;
    const [x, y] = this.at(event);
    const near = (box) => Math.max(0, box.y - y, y - box.y - box.h) + Math.max(0, box.x - x, x - box.x - box.w);
    let found = -1;
    this.tracks.forEach((track, k) => {
      if (near(track.box) < 16 && (found < 0 || near(track.box) < near(this.tracks[found].box))) found = k;
    });
    if (found < 0) return;
    this.track = found;
    this.from = [x, y];
    this.plot.setPointerCapture(event.pointerId);
  }

  drag(event) {
    const [x, y] = this.at(event);
    const [x0, y0] = this.from;
    if (Math.hypot(x - x0, y - y0) < FINGER) return;
    tip.hidden = true;
    const track = this.tracks[this.track];
    // a flat drag marks along one axis only
    const wide = Math.abs(x - x0) >= FINGER || !track.y;
    const high = Math.abs(y - y0) >= (track.x ? 3 * FINGER : FINGER);
    this.mark(wide && track.x ? [x0, x] : null, high && track.y ? [y0, y] : null);
  }

  // Give the ranges between pixels to the track.
  mark(xs, ys) {
    const track = this.tracks[this.track];
    const range = (ends, s) => ends && s && ends.map((p) => s.inside(s.invert(p))).sort((a, b) => a - b);
    track.set(range(xs, track.x), range(ys, track.y));
  }

  end(event) {
    if (!this.from) return;
    const [x, y] = this.at(event);
    const still = Math.hypot(x - this.from[0], y - this.from[1]) < FINGER;
    this.from = null;
    if (still && this.tracks[this.track]) this.tracks[this.track].set(null, null);
    this.announce();
  }

  announce() {
    say(`${state.selected} of ${N} trials selected`);
  }

  key(event) {
    const track = this.tracks[this.track];
    const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!track || event.target !== this.plot) return;
    if (event.key === "Escape" || event.key === "Delete") track.set(null, null);
    else if (keys[event.key]) {
      const [dx, dy] = keys[event.key];
      if (dy && !track.y) {
        if (this.tracks.length < 2) return;
        this.track = (this.track + dy + this.tracks.length) % this.tracks.length;
        this.showMarks();
      } else {
        const [x, y] = track.get();
        const move = (range, s, by) => {
          if (!s || (!range && !by)) return null;
          const length = s.to - s.from;
          let [a, b] = range ? range.map(s) : [s.from + 0.4 * length, s.from + 0.6 * length];
          const step = by * STEP * Math.abs(length);
          if (event.shiftKey) b += step;
          else if (range) [a, b] = [a + step, b + step];
          return [a, b];
        };
        this.mark(move(x, track.x, dx), move(y, track.y, dy));
      }
      this.announce();
    } else return;
    event.preventDefault();
  }

  // Show on each track what is marked.
  showMarks() {
    this.plot.querySelectorAll(".mark").forEach((node) => node.remove());
    this.tracks.forEach((track, k) => {
      const [x, y] = track.get();
      const focus = k === this.track && this.tracks.length > 1;
      if (!x && !y && !focus) return;
      const box = track.box;
      const ends = (range, s, from, size) => (range && s ? range.map(s).sort((a, b) => a - b) : [from, from + size]);
      const [l, r] = ends(x, track.x, box.x, box.w);
      const [t, b] = ends(y, track.y, box.y, box.h);
      const node = el("div", { class: x || y ? "mark" : "mark focus" });
      Object.assign(node.style, { left: `${l}px`, top: `${t}px`, width: `${Math.max(r - l, 3)}px`, height: `${Math.max(b - t, 3)}px` });
      this.plot.append(node);
    });
  }

  hover(event) {
    const [x, y] = this.at(event);
    const { x: xs, y: ys, id } = this.hits;
    let [found, least] = [-1, 12 ** 2];
    for (let k = 0; k < id.length; k++) {
      const d = (xs[k] - x) ** 2 + (ys[k] - y) ** 2;
      if (d < least) [found, least] = [k, d];
    }
    tip.hidden = found < 0;
    if (found < 0) return;
    tip.textContent = this.spec.tip ? this.spec.tip(id[found]) : Chart.about(id[found]);
    const left = Math.min(event.pageX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
    Object.assign(tip.style, { left: `${Math.max(left, 4)}px`, top: `${event.pageY + 16}px` });
  }
}

Chart.about = (id) => `trial ${id}`;

// What charts draw with: a canvas, and axes in the style of the page.
class Pen {
  constructor(context, width, height, chart) {
    Object.assign(this, { c: context, width, height, chart });
    context.font = "12px system-ui, sans-serif";
    context.lineJoin = "round";
  }

  box(left = 58, right = 12, top = 12, bottom = 38) {
    return { x: left, y: top, w: Math.max(this.width - left - right, 10), h: this.height - top - bottom };
  }

  text(text, x, y, { align = "left", colour = theme().quiet, most = Infinity, base = "alphabetic" } = {}) {
    Object.assign(this.c, { fillStyle: colour, textAlign: align, textBaseline: base });
    this.c.fillText(this.cut(text, most), x, y);
  }

  // As much of a text as has room.
  cut(text, most) {
    let shown = text.length > 200 ? text.slice(0, 200) : text;
    while (shown.length > 2 && this.c.measureText(shown).width > most) {
      shown = `${shown.slice(0, Math.max(1, shown.length - 2 - Math.ceil(shown.length / 12)))}\u2026`;
    }
    return shown;
  }

  // A text over lines, readable by a rim in the colour of the paper.
  halo(text, x, y, most) {
    const shown = this.cut(text, most);
    const at = Math.min(x, this.width - this.c.measureText(shown).width / 2 - 1);
    Object.assign(this.c, { strokeStyle: theme().paper, lineWidth: 4, textAlign: "center", textBaseline: "alphabetic" });
    this.c.strokeText(shown, at, y);
    this.text(shown, at, y, { align: "center", colour: theme().ink });
  }

  // Why there is nothing in a chart.
  empty(text = "no trial has a value yet") {
    this.text(text, this.width / 2, this.height / 2, { align: "center", most: this.width });
  }

  // Axes below and left of a box; labels name what they show.
  axes(box, x, y, below = "", left = "") {
    const c = this.c;
    c.strokeStyle = theme().rule;
    c.lineWidth = 1;
    if (y) for (const [value, label] of y.ticks(box.h / 34)) {
      this.line([[box.x, y(value)], [box.x + box.w, y(value)]], theme().rule);
      this.text(label, box.x - 6, y(value), { align: "right", base: "middle", most: box.x - 8 });
    }
    if (x) {
      const ticks = this.fitting(x, box.w);
      ticks.forEach(([value, label], k) => {
        const room = box.w / Math.max(ticks.length, 1);
        const half = Math.min(this.c.measureText(label).width, room) / 2;
        const at = Math.min(Math.max(x(value), half), this.width - half);
        this.text(label, at, box.y + box.h + 16, { align: "center", most: Math.max(room - 4, 14) });
      });
      this.line([[box.x, box.y + box.h], [box.x + box.w, box.y + box.h]], theme().quiet);
    }
    if (below) this.text(below, box.x + box.w, box.y + box.h + 32, { align: "right", most: box.w });
    if (left) this.text(left, box.x, box.y - 5, { most: box.w });
  }

  // As many ticks as have room for their labels.
  fitting(x, width) {
    for (let most = width / 24; most > 1; most /= 1.4) {
      const ticks = x.ticks(most);
      const widest = Math.min(90, Math.max(...ticks.map(([, label]) => this.c.measureText(label).width)));
      if (ticks.length * (widest + 10) <= width) return ticks;
    }
    return x.ticks(2);
  }

  line(points, colour, width = 1, dash = []) {
    const c = this.c;
    Object.assign(c, { strokeStyle: colour, lineWidth: width });
    c.setLineDash(dash);
    c.beginPath();
    points.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.stroke();
    c.setLineDash([]);
  }

  area(points, colour) {
    const c = this.c;
    c.fillStyle = colour;
    c.beginPath();
    points.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.fill();
  }

  // One mark: "dot", "ring", "cross" or "diamond".
  mark(form, x, y, r, colour) {
    const c = this.c;
    Object.assign(c, { fillStyle: colour, strokeStyle: colour, lineWidth: form === "ring" ? 2 : 1.5 });
    c.beginPath();
    if (form === "cross") for (const s of [-1, 1]) {
      c.moveTo(x - r, y - s * r);
      c.lineTo(x + r, y + s * r);
    } else if (form === "diamond") {
      [[0, -r], [r, 0], [0, r], [-r, 0]].forEach(([a, b]) => c.lineTo(x + a, y + b));
      c.closePath();
    } else c.arc(x, y, r, 0, 7);
    if (form === "dot" || form === "diamond") c.fill();
    else c.stroke();
  }

  // Many small dots, those selected in the colour of each; the others are faded and painted once.
  // `at(i)` gives the place of a trial as [x, y], or null.
  dots(at, colour, r = 2.5) {
    const small = N > 2000 ? 2 : r;
    const spots = [];
    for (let i = 0; i < N; i++) {
      const spot = at(i);
      if (!spot) continue;
      spots.push([i, ...spot]);
      this.chart.hits.x.push(spot[0]);
      this.chart.hits.y.push(spot[1]);
      this.chart.hits.id.push(i);
    }
    if (!spots.length) this.empty();
    const paint = (pen, wanted, choose) => {
      const c = pen.c;
      let last = "";
      for (const [i, x, y] of spots) {
        if (!wanted(i)) continue;
        const chosen = choose(i);
        if (chosen !== last) c.fillStyle = last = chosen;
        if (N > 2000) c.fillRect(x - small / 2, y - small / 2, small, small);
        else {
          c.beginPath();
          c.arc(x, y, r, 0, 7);
          c.fill();
        }
      }
    };
    if (state.selected === N) {
      this.chart.layer("all", (pen) => paint(pen, () => true, colour));
      return;
    }
    this.chart.layer("faded", (pen) => paint(pen, () => true, () => theme().faded));
    paint(this, (i) => state.mask[i], colour);
  }
}

// -------------------------------------------------------------- all charts
export function drawAll(paper = false) {
  charts.forEach((chart) => chart.draw(paper));
}
onChange(() => drawAll());
