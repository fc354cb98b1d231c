"""The initial design: points that cover the grid evenly, one after the other.

It takes the place of a Latin hypercube or a Sobol sequence, which know no rules and no unordered
axes. Greedy minimisation of the discrepancy of a product kernel (kernel herding; Chen, Welling and
Smola, UAI 2010): of some random candidates the one least similar to all points so far. The kernel
of an axis, -|difference of levels| or "same level" on an unordered one, is centred, so that a
perfectly even sample has similarity zero to every point. See "Initial design" in docs/method.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.trial import Proposal
from dsice.typing import Floats, Ints, Point

CANDIDATES = 64
FEW = 8  # candidates left after those that were asked before; with fewer, others are drawn
TRIES = 4000  # random points per candidate set: fewer candidates where rules leave next to nothing
NEAR = 256  # points before that count: the last ones, so many at least and twice as many at most
LISTED = 256  # levels of an axis whose kernel is kept as a table
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
        self._axes = [_Axis(m, o) for m, o in zip(space.shape, space.ordered, strict=True)]
        self._first = max(0, len(before) // NEAR - 1) * NEAR  # of the points that count
        self._count = self._first
        for point in before[self._first :].tolist():
            self.choose(tuple(point))

    def pick(self, taken: Collection[Point], rng: np.random.Generator) -> Noted | None:
        """The next point, not one of `taken`, and its note; None when all valid ones are taken."""
        drawn = self._space.sample(rng, CANDIDATES, tries=TRIES)
        drawn = [point for point in drawn if point not in taken]
        if len(drawn) < FEW:
            drawn = self._space.sample(rng, CANDIDATES, exclude=taken, tries=TRIES)
        if not drawn:
            return None
        best = int(np.argmin(np.round(self._similarity(np.array(drawn)), 9)))
        return drawn[best], {"phase": "spread"}

    def choose(self, point: Point) -> None:
        """Take a point into the design."""
        if self._count - self._first == 2 * NEAR - 1:
            # as many count as in a design made anew
            for axis in self._axes:
                axis.forget(NEAR)
            self._first += NEAR
        for axis, level in zip(self._axes, point, strict=True):
            axis.add(self._count - self._first, level)
        self._count += 1

    def _similarity(self, candidates: Ints) -> Floats:
        """Half the similarity to itself plus that to the points before, shape (candidates,).

        This is method.md, eq. (20).
        """
        own = np.ones(len(candidates))
        others = np.ones((len(candidates), self._count - self._first))
        for axis, levels in zip(self._axes, candidates.T, strict=True):
            own *= axis.factor(levels, levels)
            others *= axis.with_added(levels, others.shape[1])
        return np.asarray(0.5 * own + others.sum(axis=1))


class _Axis:
    """Factor of one axis in the similarity of two points: 1 + WEIGHT times its kernel.

    On short axes the factor of each level with the points added is a row of a table.
    """

    def __init__(self, m: int, ordered: bool) -> None:
        self._kernel = _kernel(m, ordered)
        self._added = np.zeros(2 * NEAR, dtype=np.int64)
        self._levels = np.arange(m) if m <= LISTED else None
        self._rows = np.empty((len(self._levels), 2 * NEAR)) if self._levels is not None else None

    def factor(self, a: Ints, b: Ints) -> Floats:
        """Factor of levels."""
        return 1.0 + WEIGHT * self._kernel(a, b)

    def add(self, place: int, level: int) -> None:
        """Add the level of a point."""
        self._added[place] = level
        if self._rows is not None and self._levels is not None:
            self._rows[:, place] = self.factor(self._levels, np.array(level))

    def forget(self, k: int) -> None:
        """Forget the first `k` points; the others move up."""
        self._added[:-k] = self._added[k:]
        if self._rows is not None:
            self._rows[:, :-k] = self._rows[:, k:].copy()

    def with_added(self, levels: Ints, n: int) -> Floats:
        """Factors of levels with the first `n` points added, shape (levels, n)."""
        if self._rows is None:
            return self.factor(levels[:, None], self._added[None, :n])
        return np.asarray(self._rows[levels, :n])


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


def proposed_design(
    n: int, space: Space, history: History, stream: Stream, starts: Sequence[Point]
) -> list[Proposal]:
    """The next `n` of the starts, what is measured around the first of them, and the design."""
    taken = set(history.taken())
    design = InitialDesign(space, history.points())
    first = first_points(space, starts)
    found: list[Proposal] = []
    for id in range(len(history), len(history) + n):
        chosen = next((noted for noted in first if noted[0] not in taken), None)
        if chosen is None:
            chosen = design.pick(taken, stream(id))
        if chosen is None:
            break
        design.choose(chosen[0])
        taken.add(chosen[0])
        found.append(Proposal(*chosen, stage=history.goal.stage))
    return found
