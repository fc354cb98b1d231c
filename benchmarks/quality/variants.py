"""Variants of DSICE for the ablation (`--ablation`): name -> kind, in the order of the table.

Add one with ``strategy(lambda batch: ..., "what is different")``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from benchmarks.quality.altered import (
    Altered,
    Matern,
    OneLine,
    Quota,
    all_widths,
    any_directions,
    random_points,
    standing_lines,
    whole_grid,
)
from benchmarks.quality.peers import Kind, strategy
from dsice.history import History
from dsice.space import Space
from dsice.strategies import DSICE, Random, Strategy, Stream
from dsice.trial import Proposal

SEARCH, STRATEGY = "dsice.strategies.dsice.search", "dsice.strategies.dsice.strategy"


@dataclass(frozen=True)
class RandomFirst:
    """`then`, after `first` random points in place of its own first batch."""

    first: int
    then: Strategy

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Random points up to the id `first`, none beyond it in the same ask; then `then`."""
        left = self.first - len(history)
        return (Random() if left > 0 else self.then).ask(
            min(n, left) if left > 0 else n, space, history, stream
        )


VARIANTS: dict[str, Kind] = {
    "as is": strategy(
        lambda batch: DSICE(tolerance=None), "the default search, without its stopping rule"
    ),
    "random first batch": strategy(
        lambda batch: RandomFirst(batch, DSICE(tolerance=None)),
        "the first batch is random in place of the spread design",
    ),
    "whole grid ranked": strategy(
        lambda batch: Altered({f"{SEARCH}.promising_points": whole_grid}),
        "the oracle: every point of the grid by its mean, in place of exploration",
    ),
    "standing lines": strategy(
        lambda batch: Altered({f"{SEARCH}.promising_points": standing_lines}),
        "lines through 5 measured and 12 new points, no moves",
    ),
    "standing lines, quota": strategy(
        lambda batch: Altered(
            {f"{SEARCH}.promising_points": standing_lines, f"{STRATEGY}.Search": Quota}
        ),
        "the same, four of five proposals on lines: as in 0.1.0",
    ),
    "no lines": strategy(
        lambda batch: Altered({f"{SEARCH}.promising_points": random_points}),
        "4000 random points of the grid are the candidates",
    ),
    "all widths at once": strategy(
        lambda batch: Altered({f"{SEARCH}.width_reached": all_widths}),
        "directions of up to four axes from the start",
    ),
    "random directions": strategy(
        lambda batch: Altered({"dsice.collinear.exploration.rung": any_directions}),
        "directions of random widths, no ladder",
    ),
    "one-line fits": strategy(
        lambda batch: Altered(
            {
                f"{STRATEGY}.Search": OneLine,
                f"{SEARCH}.promising_points": standing_lines,
                f"{SEARCH}.SHORTLIST": 10**6,
            }
        ),
        "standing lines, a d-spline of alpha 0.1 on each by itself",
    ),
    "Matern prior": strategy(
        lambda batch: Altered(
            {
                "dsice.spline.surface.AxisPrior": Matern,
                "dsice.strategies.dsice.model._FITTED": OrderedDict(),  # a cache of its own
            }
        ),
        "Matern 5/2 in place of the d-spline prior",
    ),
    "axes only": strategy(
        lambda batch: DSICE(tolerance=None, max_width=1), "no oblique directions"
    ),
}
