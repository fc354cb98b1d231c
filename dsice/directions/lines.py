"""Lines of the lattice: all grid points through one point along one direction.

A line runs to the border of the grid both ways. Points that a constraint forbids are holes: the
line goes on behind them, and its positions keep counting, so that a d-spline on the line sees true
distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsice.directions.ladder import Direction
from dsice.typing import Ints


@dataclass(frozen=True, eq=False)
class Line:
    """A line of the lattice.

    Attributes
    ----------
    points
        Its grid points from the low end (where the first changed axis is lowest), int64 of shape
        (length, axes).
    base
        Position of the point that the line was drawn through.
    direction
        Step from one point to the next.

    Examples
    --------
    >>> from dsice.directions import line
    >>> diagonal = line((1, 1), (1, 1), shape=(3, 4))
    >>> len(diagonal), diagonal.width, diagonal.base
    (3, 2, 1)
    """

    points: Ints
    base: int
    direction: Direction

    def __len__(self) -> int:
        return len(self.points)

    @property
    def width(self) -> int:
        """Number of axes that the direction changes."""
        return sum(step != 0 for step in self.direction)


def line(point: Sequence[int], direction: Sequence[int], shape: Sequence[int]) -> Line:
    """The line through `point` along `direction` on a grid of that shape.

    Examples
    --------
    >>> line((2, 1), (1, -1), (4, 4)).points.tolist()
    [[0, 3], [1, 2], [2, 1], [3, 0]]
    """
    back = _steps_to_border(point, [-step for step in direction], shape)
    ahead = _steps_to_border(point, direction, shape)
    position = np.arange(-back, ahead + 1, dtype=np.int64)
    step = np.asarray(direction, dtype=np.int64)
    points = np.asarray(point, dtype=np.int64) + position[:, None] * step
    return Line(points, back, tuple(int(change) for change in direction))


def _steps_to_border(point: Sequence[int], direction: Sequence[int], shape: Sequence[int]) -> int:
    """How many steps lead from the point to the border."""
    free = [
        (size - 1 - level if step > 0 else level)
        for level, step, size in zip(point, direction, shape, strict=True)
        if step
    ]
    return int(min(free, default=0))
