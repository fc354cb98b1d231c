"""Random search without repetition: the plainest search, and the oracle of the contract tests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.trial import Point, Proposal

TRIES = 8  # draws from the whole space before its taken points are sorted out, which costs time that grows with their number


@dataclass(frozen=True)
class Random:
    """Uniform over the valid points that were not asked or added (Bergstra and Bengio, JMLR 2012)."""

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` points, each drawn from the stream of its own trial id; fewer only when the points run out."""
        taken, proposals = set(history.taken()), list[Proposal]()
        for id in range(len(history), len(history) + n):
            point = _draw(space, taken, stream(id))
            if point is None:
                break
            taken.add(point)
            proposals.append(Proposal(point, {"phase": "random"}))
        return proposals


def _draw(space: Space, taken: Collection[Point], rng: np.random.Generator) -> Point | None:
    for _ in range(TRIES):
        drawn = space.sample(rng, 1)[0]
        if drawn not in taken:
            return drawn
    left = space.sample(rng, 1, exclude=taken)
    return left[0] if left else None
