"""Figures of a search.

Each function draws one figure of a tuner or a history, writes it to a file if it is given a path,
and returns it as a matplotlib Figure that knows nothing of pyplot, so that figures can be drawn on
a machine without a display. matplotlib is loaded on the first call. The best known of these figures
is the transition of a search: the value of every trial in turn, with the best so far as a line.

- `progress`: the transition of a search;
- `insight`: main effects of the parameters, and which of them matter;
- `timeline`: which trial ran where and when;
- `tradeoff`: two metrics, and the Pareto front between them;
- `lineage`: the schedules of a population-based training;
- `style`: colours and what else all figures share.
"""

from dsice.plots.insight import effects, importance
from dsice.plots.lineage import lineage
from dsice.plots.progress import progress
from dsice.plots.timeline import timeline
from dsice.plots.tradeoff import tradeoff

__all__ = ["effects", "importance", "lineage", "progress", "timeline", "tradeoff"]
