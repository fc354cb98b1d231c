"""Variants of the DSICE strategy for the ablation (`--ablation`): name -> kind, in the order of the table.

Add one with ``strategy(lambda batch: ..., "what is different")``.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        """Random points up to the id `first`, none beyond it in the same ask; afterwards what `then` proposes."""
        left = self.first - len(history)
        return (Random() if left > 0 else self.then).ask(min(n, left) if left > 0 else n, space, history, stream)


VARIANTS: dict[str, Kind] = {
    "as is": strategy(lambda batch: DSICE(tolerance=None), "the default search, without its stopping rule"),
    "random first batch": strategy(
        lambda batch: RandomFirst(batch, DSICE(tolerance=None)), "the first batch is random in place of the spread design"
    ),
    "axes only": strategy(lambda batch: DSICE(tolerance=None, max_width=1), "no oblique directions"),
}
