// Lineage: who continues whom, over the stages of a training.

import { Chart, drawAll } from "./chart.js";
import { columns, data, metric, N, params, trials } from "./data.js";
import { choose, el } from "./dom.js";
import { count } from "./format.js";
import { track } from "./ranges.js";
import { extent, scale } from "./scale.js";
import { keep, setting, state } from "./state.js";
import { theme } from "./theme.js";

export function lineage() {
  const [parent, stage, member] = ["parent", "stage", "member"].map((name) => columns.get(name));
  if (!trials.parent || !stage) return null;
  const known = [metric, ...params.filter(({ axis }) => axis.numeric)];
  let shown = known.find(({ name }) => name === setting("of")) || metric;
  const ofBest = new Set();
  for (let i = data.best ? data.best.id : NaN; i >= 0; i = parent.values[i]) ofBest.add(i);
  const isCopy = (i) => member && parent.values[i] >= 0 && member.values[i] !== member.values[parent.values[i]];
  const copies = Array.from({ length: N }, (_, i) => i).filter(isCopy).length;
  return new Chart({
    title: "Lineage",
    note: "lines go to the trial that is continued; red copies another member, bold leads to the best",
    controls: el("p", { class: "controls" }, choose("show", known.map(({ name, title }) => [name, title]), shown.name, (name) => {
      keep("of", name);
      shown = columns.get(name);
      drawAll();
    })),
    height: (width) => (width < 500 ? 260 : 320),
    draw(pen) {
      const box = pen.box(58, 14, 20);
      const e = extent(shown.values);
      const x = scale(Math.min(...stage.values), Math.max(...stage.values), box.x + 10, box.x + box.w - 10);
      const y = scale(e.low, e.high, box.y + box.h, box.y, e.log);
      x.ticks = (n) => scale(x.low, x.high, 0, 1).ticks(n).filter(([v]) => Number.isInteger(v));
      pen.axes(box, x, y, "stage", shown.title);
      const spot = (i) => [x(stage.values[i]), y(y.inside(shown.values[i]))];
      for (let i = 0; i < N; i++) {
        const from = parent.values[i];
        if (!(from >= 0) || Number.isNaN(shown.values[i] + shown.values[from])) continue;
        const best = ofBest.has(i);
        const colour = !state.mask[i] ? theme().faded : isCopy(i) ? theme().red : best ? theme().ink : theme().quiet;
        pen.line([spot(from), spot(i)], colour, best ? 3 : 1);
      }
      for (let i = 0; i < N; i++) {
        if (Number.isNaN(shown.values[i])) continue;
        pen.mark("dot", ...spot(i), 3, state.mask[i] ? theme().blue : theme().faded);
        pen.chart.hits.x.push(spot(i)[0]);
        pen.chart.hits.y.push(spot(i)[1]);
        pen.chart.hits.id.push(i);
      }
      return [track(box, x, y, stage, shown)];
    },
    words: () => `${count(N, "trial")} over ${count(new Set(stage.values).size, "stage")}; ${copies} copied another member. `
      + `The best goes back to trial ${[...ofBest].join(", which continued trial ")}.`,
  });
}
