"""What the published algorithms know of the grid: starts, neighbours, lines, initial levels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from dsice.directions import directions, line
from dsice.directions.ladder import Direction
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.strategies.published.search import Entry, Search
from dsice.typing import Point

LATIN = 22  # key of the stream that draws the Latin hypercube
NEAREST = 23  # key of the stream that looks for a valid start where the space is too large to list
DRAWS = 1000  # points among which that start is looked for


def centre(shape: Sequence[int]) -> Point:
    """Middle of the grid, the upper one of two: the published start."""
    return tuple(m // 2 for m in shape)


def neighbours(base: Point, shape: Sequence[int], width: int) -> Iterator[tuple[Point, Direction]]:
    """Points one step away in exactly `width` axes, each with the direction of its line.

    By the set of axes as a binary number whose lowest bit is the first axis; within a set the
    signs count in binary, the lowest changed axis as bit 0 and 1 meaning minus: ++, -+, +-, --.
    Points outside the grid are left out (Mochizuki et al., iWAPT 2017).

    Examples
    --------
    >>> [point for point, _ in neighbours((0, 1), (3, 3), 2)]
    [(1, 2), (1, 0)]
    """
    for direction in directions(len(shape), width):
        for step in (direction, _flipped(direction)):
            point = tuple(x + s for x, s in zip(base, step, strict=True))
            if all(0 <= x < m for x, m in zip(point, shape, strict=True)):
                yield point, along(step)


def lines_through(base: Point, shape: Sequence[int], width: int) -> Iterator[Direction]:
    """Directions of the lines of one width through a point, as `neighbours` first meets them.

    That is another order than the ladder's: from three axes on +++, +-- (met as -++), +-+, ++-; and
    a line whose first neighbour lies outside the grid is met at the other one, later. A line that
    holds the point alone is never met.

    Examples
    --------
    >>> list(lines_through((1, 1, 1), (3, 3, 3), 3))
    [(1, 1, 1), (1, -1, -1), (1, -1, 1), (1, 1, -1)]
    >>> list(lines_through((2, 1), (3, 3), 2))
    [(1, -1), (1, 1)]
    """
    for point, direction in neighbours(base, shape, width):
        step = [x - b for x, b in zip(point, base, strict=True)]
        opposite = [b - s for b, s in zip(base, step, strict=True)]
        # Of a line's two neighbours, the one with this sign is listed later.
        second = next(s for s in reversed(step) if s) < 0
        if not (second and all(0 <= x < m for x, m in zip(opposite, shape, strict=True))):
            yield direction


def _flipped(direction: Direction) -> Direction:
    """The direction with its first changed axis turned round."""
    first = next(j for j, step in enumerate(direction) if step)
    return tuple(-step if j == first else step for j, step in enumerate(direction))


def along(step: Sequence[int]) -> Direction:
    """The direction of the line through a step: its first changed axis ascends."""
    first = next(s for s in step if s)
    return tuple(first * s for s in step)


def signs(point: Point, base: Point) -> list[int]:
    """Sign of the change of each axis from the base to a point: -1, 0 or +1."""
    return [(x > b) - (x < b) for x, b in zip(point, base, strict=True)]


def points_along(base: Point, direction: Direction, shape: Sequence[int]) -> list[Point]:
    """The line through `base`, border to border, from its low end.

    That is where the first changed axis is lowest.
    """
    return [tuple(point) for point in line(base, direction, shape).points.tolist()]


def thirds(left: int, right: int) -> tuple[int, int]:
    """The two levels that cut a segment.

    The first is ``left + len // 3``, the second the middle of what is right of it.
    """
    mid = left + (right - left) // 3
    return mid, mid + (right - mid) // 2


def four(m: int) -> list[int]:
    """The levels that a line of `m` levels is begun with: both ends, then thirds.

    Short lines repeat some.

    Examples
    --------
    >>> four(20)
    [0, 19, 6, 12]
    """
    return [0, 2, 1, 2] if m == 3 else [0, m - 1, *thirds(0, m - 1)]


def middle(space: Space, stream: Stream) -> Point:
    """The middle of the grid; where a rule forbids it, the valid point nearest to it.

    Of points at the same distance it is the one with the lowest levels.
    """
    wanted = centre(space.shape)
    plain: Point = tuple(space.collapse(np.array([wanted]))[0].tolist())
    if space.is_valid(plain):
        return plain
    if space.enumerable:
        points = space.points()
    else:
        points = np.array(sorted(space.sample(stream(NEAREST), DRAWS)))
    nearest = points[np.abs(points - np.array(wanted)).sum(axis=1).argmin()]
    return tuple(nearest.tolist())


def latin(space: Space, n: int, stream: Stream) -> list[Point]:
    """A Latin hypercube of `n` points.

    Each axis is cut into `n` equal parts, and each part is used once.
    """
    rng = stream(LATIN)
    columns = [(rng.permutation(n) + rng.uniform(size=n)) / n * m for m in space.shape]
    return list(dict.fromkeys(map(tuple, np.array(columns).T.astype(np.int64).tolist())))


class Designed(Search):
    """Several starting points; the search goes on from the best of them.

    If all of them fail, it goes on from the first.

    Parameters
    ----------
    points
        The starting points.
    make
        The search from one of them.
    """

    def __init__(self, points: Sequence[Point], make: Callable[[Point], Search]) -> None:
        self._make = make
        self._left = list(points)
        self.base = points[0]
        self.values = {}
        self._search: Search | None = None

    def jobs(self) -> Iterator[Entry]:
        """The starting points, then the search's list."""
        if self._search is None:
            return (Entry(point, "start") for point in self._left)
        return self._search.jobs()

    def open(self, jobs: Iterable[Entry]) -> list[Entry]:
        """Take the batch."""
        batch = super().open(jobs)
        if self._search is not None:
            self._search.open(batch)
        return batch

    def _take(self, point: Point, value: float) -> None:
        self.values[point] = value
        if self._search is not None:
            self._search.tell(point, value)
            self.base = self._search.base
        else:
            self._left.remove(point)

    def _close(self) -> None:
        if self._search is None and not self._left:
            self.base = min(self.values, key=self.values.__getitem__)
            self._search = self._make(self.base)
