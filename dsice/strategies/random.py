"""Random search without repetition: the plainest search, and the oracle of the contract tests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream, any_free
from dsice.trial import Proposal
from dsice.typing import Point

# Draws from the whole space before its taken points are sorted out, which costs time that grows
# with their number.
TRIES = 8


@dataclass(frozen=True)
class Random(Strategy):
    """Uniform over the valid points that were not asked or added.

    References
    ----------
    Bergstra and Bengio, JMLR 2012.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.strategies import Random
    >>> len(Tuner({"x": range(9), "y": range(9)}, Random(), seed=3).ask(5))
    5
    """

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` points, each drawn from the stream of its own trial id.

        Fewer only when the points run out.
        """
        batch: dict[Point, None] = {}
        for id in range(len(history), len(history) + n):
            point = _draw(space, history, batch, stream(id))
            if point is None:
                break
            batch[point] = None
        return [Proposal(point, {"phase": "random"}) for point in batch]

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether the points have run out; no result changes that."""
        return not self.ask(1, space, history, stream)


def _draw(
    space: Space, history: History, batch: Collection[Point], rng: np.random.Generator
) -> Point | None:
    """A random valid point that is in neither the history nor the batch; None: there is none."""
    taken = history.taken()
    for _ in range(TRIES):
        drawn = space.sample(rng, 1)[0]
        if drawn not in taken and drawn not in batch:
            return drawn
    return any_free(space, history, batch, rng)
