"""A plain batched hill climber with random restarts: a yardstick that any search should beat."""

from __future__ import annotations

from math import isnan

import numpy as np

from benchmarks.quality.tables import Point, Problem


class Climber:
    """Measure the neighbours of the best point of the climb; start anew at a local optimum.

    Neighbours are one step away on one axis, then one step on each of two axes. On an axis without
    order every other level is one step away. A batch is filled with random points; if one of them
    is better, the climb goes on from there. When all neighbours are measured and none was better,
    the best of the last random points is the next start.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._unseen = [
            tuple(map(int, point))
            for point in self._rng.permutation(list(np.ndindex(problem.shape)))
        ]
        self._values: dict[Point, float] = {}
        self._top: Point | None = None
        self._filling = list[Point]()

    def ask(self, n: int) -> list[Point]:
        """`n` points that were never asked; fewer only when the grid is used up."""
        near = (
            []
            if self._top is None
            else [p for p in self._neighbours(self._top) if p not in self._values][:n]
        )
        self._values.update(dict.fromkeys(near, float("nan")))
        self._filling = list[Point]()
        while len(near) + len(self._filling) < n and self._unseen:
            point = self._unseen.pop()
            if point not in self._values:
                self._filling.append(point)
                self._values[point] = float("nan")
        return near + self._filling

    def tell(self, points: list[Point], values: list[float]) -> None:
        """Climb on, or start anew. NaN: the point failed."""
        self._values.update(zip(points, values, strict=True))
        best = self._best(points)
        if best is not None and (self._top is None or self._values[best] < self._values[self._top]):
            self._top = best
        elif self._top is not None and all(p in self._values for p in self._neighbours(self._top)):
            self._top = self._best(self._filling)

    def _best(self, points: list[Point]) -> Point | None:
        return min(
            (p for p in points if not isnan(self._values[p])),
            key=self._values.__getitem__,
            default=None,
        )

    def _steps(self, point: Point, axis: int) -> list[Point]:
        levels, level = self._problem.shape[axis], point[axis]
        to = (
            [level - 1, level + 1]
            if self._problem.ordered[axis]
            else [x for x in range(levels) if x != level]
        )
        return [(*point[:axis], x, *point[axis + 1 :]) for x in to if 0 <= x < levels]

    def _neighbours(self, point: Point) -> list[Point]:
        """One step, then two steps on different axes, each in random order."""
        axes = range(len(point))
        one = [p for axis in axes for p in self._steps(point, axis)]
        two = [
            q
            for a in axes
            for p in self._steps(point, a)
            for b in range(a + 1, len(point))
            for q in self._steps(p, b)
        ]
        self._rng.shuffle(one)
        self._rng.shuffle(two)
        return one + two
