"""Random search without repetition: the plainest search, and the oracle of the contract tests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream
from dsice.trial import Proposal
from dsice.typing import Point

TRIES = 8  # draws from the whole space before its taken points are sorted out, which costs time that grows with their number


@dataclass(frozen=True)
class Random(Strategy):
    """Uniform over the valid points that were not asked or added (Bergstra and Bengio, JMLR 2012)."""

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` points, each drawn from the stream of its own trial id; fewer only when the points run out."""
        batch: dict[Point, None] = {}
        for id in range(len(history), len(history) + n):
            point = _draw(space, history, batch, stream(id))
            if point is None:
                break
            batch[point] = None
        return [Proposal(point, {"phase": "random"}) for point in batch]


def _draw(
    space: Space, history: History, batch: Collection[Point], rng: np.random.Generator
) -> Point | None:
    taken = history.taken()
    for _ in range(TRIES):
        drawn = space.sample(rng, 1)[0]
        if drawn not in taken and drawn not in batch:
            return drawn
    chosen = np.array(list(batch), dtype=np.int64).reshape(-1, space.ndim)
    left = space.sample(
        rng, 1, exclude=np.concatenate([history.taken_points().reshape(-1, space.ndim), chosen])
    )
    return left[0] if left else None
