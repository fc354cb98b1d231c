"""Figures of a search.

Each function draws one figure of a tuner, a history, a journal, a study file or ``history.frame()``
- on a page of its own, or into ``ax`` -, writes it to a file if it is given a path, and returns it
as a matplotlib Figure. Outside notebooks a figure knows nothing of pyplot, so that it can be drawn
on a machine without a display. matplotlib is loaded on the first call. The best known of these
figures is the transition of a search: the value of every trial in turn, with the best so far.

- `progress`, of `transition`: the transition of a search;
- `effects`, `importance`: main effects of the parameters, and which of them matter;
- `line`: the d-spline on lines through the best; `slices`: all measurements over each parameter;
- `parallel`: all parameters at once;
- `tradeoff`: two metrics, and the Pareto front between them;
- `curves`: learning curves; `lineage`: the schedules of a population-based training;
- `timeline`: which trial ran where and when;
- `compare`: several searches; `sources`: what a search reuses;
- `given`, `tables`: what is drawn; `place`, `notebook`: where; `small_multiples`: its panels;
- `scale`, `ticks`: axes that no value distorts; `texts`, `style`: what else all figures share.
"""

from dsice.plots.compare import compare
from dsice.plots.curves import curves
from dsice.plots.effects import effects
from dsice.plots.importance import importance
from dsice.plots.line import line
from dsice.plots.lineage import lineage
from dsice.plots.parallel import parallel
from dsice.plots.progress import progress
from dsice.plots.slices import slices
from dsice.plots.sources import sources
from dsice.plots.timeline import timeline
from dsice.plots.tradeoff import tradeoff

__all__ = [
    "compare",
    "curves",
    "effects",
    "importance",
    "line",
    "lineage",
    "parallel",
    "progress",
    "slices",
    "sources",
    "timeline",
    "tradeoff",
]
