"""The initial design: points that cover the grid evenly, one after the other.

It takes the place of a Latin hypercube or a Sobol sequence, which know no rules and no unordered
axes. Greedy minimisation of the discrepancy of a product kernel (kernel herding; Chen, Welling and
Smola, UAI 2010): of some random candidates the one least similar to all points so far. The kernel
of an axis, -|difference of levels| or "same level" on an unordered one, is centred, so that a
perfectly even sample has similarity zero to every point. See "Spread design" in docs/method.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from dsice.space import Space
from dsice.typing import Floats, Ints, Point

CANDIDATES = 64
TRIES = 4000  # random points per candidate set: fewer candidates where rules leave next to nothing
WEIGHT = 0.4  # of an axis in the product; from 1 on, interactions crowd out even levels and pairs

Noted = tuple[Point, dict[str, Any]]
"""A point and the note of its proposal."""


class InitialDesign:
    """Chooses evenly spread points of a space, given those chosen before.

    Parameters
    ----------
    space
        The grid.
    before
        Points that the design should stay away from, int of shape (k, axes).
    """

    def __init__(self, space: Space, before: Ints) -> None:
        self._space = space
        self._kernels = [
            _kernel(m, ordered) for m, ordered in zip(space.shape, space.ordered, strict=True)
        ]
        self._before = list(before.tolist())

    def pick(self, taken: Collection[Point], rng: np.random.Generator) -> Noted | None:
        """The next point, not one of `taken`, and its note; None when all valid ones are taken."""
        drawn = self._space.sample(rng, CANDIDATES, exclude=taken, tries=TRIES)
        if not drawn:
            return None
        before = np.array(self._before, dtype=np.int64).reshape(-1, self._space.ndim)
        best = int(np.argmin(np.round(self._similarity(np.array(drawn), before), 9)))
        return drawn[best], {"phase": "spread"}

    def choose(self, point: Point) -> None:
        """Take a point into the design."""
        self._before.append(point)

    def _similarity(self, candidates: Ints, before: Ints) -> Floats:
        """Half the similarity to itself plus that to all points before, shape (candidates,).

        This is method.md, eq. (20).
        """
        own = np.ones(len(candidates))
        others = np.ones((len(candidates), len(before)))
        for axis, kernel in enumerate(self._kernels):
            levels = candidates[:, axis]
            own *= 1.0 + WEIGHT * kernel(levels, levels)
            others *= 1.0 + WEIGHT * kernel(levels[:, None], before[None, :, axis])
        return np.asarray(0.5 * own + others.sum(axis=1))


def first_points(space: Space, starts: Sequence[Point]) -> list[Noted]:
    """The user's settings, then the neighbours of the first and the ends of its axis lines."""
    found: list[Noted] = [(point, {"phase": "start"}) for point in starts]
    if not starts:
        return found
    centre = starts[0]
    for phase in ("probe", "end"):
        for axis in range(space.ndim):
            direction = [int(j == axis) for j in range(space.ndim)]
            for level in _levels(phase, centre[axis], space.shape[axis], space.ordered[axis]):
                point = (*centre[:axis], level, *centre[axis + 1 :])
                if point != centre and space.is_valid(point):
                    found.append((point, {"phase": phase, "width": 1, "direction": direction}))
    return found


def _levels(phase: str, level: int, m: int, ordered: bool) -> Sequence[int]:
    """Levels of one axis that are asked beside a start: neighbours, or the ends of the axis.

    All levels of an unordered axis are neighbours, and it has no ends.
    """
    if not ordered:
        return range(m) if phase == "probe" else ()
    return (level + 1, level - 1) if phase == "probe" else (m - 1, 0)


def _kernel(m: int, ordered: bool) -> Callable[[Ints, Ints], Floats]:
    """Centred kernel of one axis with mean 1 on its diagonal, in closed form (no table)."""
    if m == 1:
        return lambda a, b: np.zeros(np.broadcast(a, b).shape)
    if not ordered:
        return lambda a, b: ((a == b) - 1.0 / m) * (m / (m - 1.0))

    def mean(a: Ints) -> Floats:  # of |a - b| over all levels b
        return np.asarray((a * (a + 1) + (m - 1 - a) * (m - a)) / (2.0 * m))

    total = (m * m - 1.0) / (3.0 * m)  # the mean of that
    return lambda a, b: (mean(a) + mean(b) - total - np.abs(a - b)) / total
