"""The spread design: points that cover the grid evenly, one after the other.

Greedy minimisation of the discrepancy of a product kernel (kernel herding; Chen, Welling and
Smola 2010): of some random candidates the one least similar to all points so far. The kernel of
an axis, -|difference of levels| or "same level" on an unordered one, is centred, so that a perfectly
even sample has similarity zero to every point.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from dsice.space import Space
from dsice.typing import Array, Point

CANDIDATES = 64
TRIES = 4000  # random points per candidate set: fewer candidates where rules leave next to nothing
WEIGHT = 0.4  # of an axis in the product; from 1 on, interactions of many axes crowd out even levels and pairs


class Spread:
    """Chooses spread points of a space, given those chosen before.

    Parameters
    ----------
    space
        The grid.
    before
        Points that the design should stay away from.
    """

    def __init__(self, space: Space, before: Sequence[Point]) -> None:
        self._space = space
        self._kernels = [
            _kernel(m, ordered) for m, ordered in zip(space.shape, space.ordered, strict=True)
        ]
        self._before = list(before)

    def pick(
        self, id: int, taken: Collection[Point], rng: np.random.Generator
    ) -> tuple[Point, dict[str, Any]] | None:
        """The next point, not one of `taken`, and its note; None when every valid point is taken."""
        drawn = self._space.sample(rng, CANDIDATES, exclude=taken, tries=TRIES)
        if not drawn:
            return None
        before = np.array(self._before, dtype=np.int64).reshape(-1, self._space.ndim)
        best = int(np.argmin(np.round(self._similarity(np.array(drawn), before), 9)))
        return drawn[best], {"phase": "spread"}

    def choose(self, point: Point) -> None:
        """Take a point into the design."""
        self._before.append(point)

    def _similarity(self, candidates: Array, before: Array) -> Array:
        """Half the similarity to itself plus that to all points before, shape (candidates,)."""
        own, others = np.ones(len(candidates)), np.ones((len(candidates), len(before)))
        for axis, kernel in enumerate(self._kernels):
            levels = candidates[:, axis]
            own *= 1.0 + WEIGHT * kernel(levels, levels)
            others *= 1.0 + WEIGHT * kernel(levels[:, None], before[None, :, axis])
        return np.asarray(0.5 * own + others.sum(axis=1))


def first_points(space: Space, starts: Sequence[Point]) -> list[tuple[Point, dict[str, Any]]]:
    """The user's settings; around the first of them its neighbours on each axis and the ends of its axis lines."""
    found: list[tuple[Point, dict[str, Any]]] = [(point, {"phase": "start"}) for point in starts]
    for near in (True, False) if starts else ():
        for axis, (m, ordered) in enumerate(zip(space.shape, space.ordered, strict=True)):
            centre = starts[0]
            ahead, back = (centre[axis] + 1, centre[axis] - 1) if near else (m - 1, 0)
            direction = [int(j == axis) for j in range(space.ndim)]
            for level in (ahead, back) if ordered else (range(m) if near else ()):
                point = (*centre[:axis], level, *centre[axis + 1 :])
                if point != centre and space.is_valid(point):
                    found.append(
                        (
                            point,
                            {
                                "phase": "probe" if near else "end",
                                "width": 1,
                                "direction": direction,
                            },
                        )
                    )
    return found


def _kernel(m: int, ordered: bool) -> Callable[[Array, Array], Array]:
    """Centred kernel of one axis with mean 1 on its diagonal, in closed form: no table of levels."""
    if m == 1:
        return lambda a, b: np.zeros(np.broadcast(a, b).shape)
    if not ordered:
        return lambda a, b: ((a == b) - 1.0 / m) * (m / (m - 1.0))

    def mean(a: Array) -> Array:  # of |a - b| over all levels b
        return np.asarray((a * (a + 1) + (m - 1 - a) * (m - a)) / (2.0 * m))

    total = (m * m - 1.0) / (3.0 * m)  # the mean of that
    return lambda a, b: (mean(a) + mean(b) - total - np.abs(a - b)) / total
