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
    at_once,
    no_lines,
    random_centres,
    shuffled,
)
from benchmarks.quality.peers import Kind, strategy
from dsice.history import History
from dsice.space import Space
from dsice.strategies import DSICE, Random, Strategy, Stream
from dsice.trial import Proposal


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
    "no lines": strategy(
        lambda batch: Altered(
            {
                "dsice.strategies.dsice.search.open_lines": no_lines,
                "dsice.strategies.dsice.search.SCAN": 4000,
                "dsice.strategies.dsice.search.SINGLES": 2000,
            }
        ),
        "4000 random points of the grid are the candidates",
    ),
    "all widths at once": strategy(
        lambda batch: Altered({"dsice.collinear.lines.WidthSchedule.of": at_once}),
        "directions of up to four axes from the first line on",
    ),
    "random directions": strategy(
        lambda batch: Altered({"dsice.collinear.lines._ladder": shuffled}),
        "directions in random order, no ladder within a width",
    ),
    "one-line fits": strategy(
        lambda batch: Altered(
            {
                "dsice.strategies.dsice.strategy.LineSearch": OneLine,
                "dsice.strategies.dsice.search.choose_centres": random_centres,
                "dsice.strategies.dsice.search.SHORTLIST": 10**6,
            }
        ),
        "a d-spline of alpha 0.1 on each line by itself, random new centres",
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
