"""Neighbours of a point, and the four levels that a line is begun with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsice.directions import directions, line
from dsice.directions.ladder import Direction
from dsice.strategies.published.search import Point


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
    """Directions of the lines of one width through a point, in the order in which `neighbours` first meets them.

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
        second = (
            next(s for s in reversed(step) if s) < 0
        )  # of a line's two neighbours, this one is listed later
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


def points_along(base: Point, direction: Direction, shape: Sequence[int]) -> list[Point]:
    """The line through `base`, border to border, from its low end: where the first changed axis is lowest."""
    return [tuple(point) for point in line(base, direction, shape).points.tolist()]


def thirds(left: int, right: int) -> tuple[int, int]:
    """The two levels that cut a segment: ``left + len // 3``, then the middle of what is right of it."""
    mid = left + (right - left) // 3
    return mid, mid + (right - mid) // 2


def four(m: int) -> list[int]:
    """The levels that a line of `m` levels is begun with: both ends, then thirds; short lines repeat some.

    Examples
    --------
    >>> four(20)
    [0, 19, 6, 12]
    """
    return [0, 2, 1, 2] if m == 3 else [0, m - 1, *thirds(0, m - 1)]
