"""Lines of the lattice: all grid points through one point along one direction.

A line runs to the border of the grid both ways. Points that a constraint forbids are
holes: the line goes on behind them, and its positions keep counting, so that a d-spline
on the line sees true distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsice.typing import Ints


@dataclass(frozen=True, eq=False)
class Line:
    """A line of the lattice.

    Attributes
    ----------
    points
        Its grid points from the low end (where the first changed axis is lowest), int64 of
        shape (length, axes).
    base
        Position of the point that the line was drawn through.
    direction
        Step from one point to the next.
    """

    points: Ints
    base: int
    direction: tuple[int, ...]

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
    back = _reach(point, [-step for step in direction], shape)
    ahead = _reach(point, direction, shape)
    steps = np.arange(-back, ahead + 1, dtype=np.int64)
    points = np.asarray(point, dtype=np.int64) + steps[:, None] * np.asarray(
        direction, dtype=np.int64
    )
    return Line(points, back, tuple(int(step) for step in direction))


def axis_line(point: Sequence[int], axis: int, shape: Sequence[int]) -> Line:
    """The line through `point` along one axis."""
    return line(point, [int(j == axis) for j in range(len(shape))], shape)


def _reach(point: Sequence[int], direction: Sequence[int], shape: Sequence[int]) -> int:
    """How many steps lead from the point to the border."""
    room = [
        (size - 1 - level if step > 0 else level)
        for level, step, size in zip(point, direction, shape, strict=True)
        if step
    ]
    return int(min(room, default=0))
