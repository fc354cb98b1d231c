"""Collinear search: lines through centres, what the n-dimensional d-spline says on them, and what to measure.

1. `open_lines` draws the lines of the directions in use through the centres and packs them (CSR).
2. One compiled call gives mean and variance at every point of every line (`Surface.score`).
3. `Picker` chooses one point after the other: the lowest ``mean - beta * sd``; every choice narrows the
   variance as if it were measured, which is what keeps the points of a batch useful together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np

from dsice.directions import directions, line
from dsice.spline.surface import SMALLEST, Scores, Surface
from dsice.trial import Point

Array = np.ndarray[Any, np.dtype[Any]]
Alpha = float | Literal["reml"]
MANY = 2000  # directions of one width; where there are more, they are drawn at random


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of the grid, packed: line i holds ``points[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    offsets, points
        Shapes (lines + 1,) and (k, axes), both int64.
    widths, centres
        Width of each line and which centre it goes through, shape (lines,).
    directions
        Direction of each line.
    """

    offsets: Array
    points: Array
    widths: Array
    centres: Array
    directions: list[Point]

    def keep(self, wanted: Array) -> Lines:
        """The same lines with the wanted points only, bool of shape (k,)."""
        inside = np.concatenate([[0], np.cumsum(wanted)])
        return Lines(inside[self.offsets], self.points[wanted], self.widths, self.centres, self.directions)

    def line_of(self) -> Array:
        """Number of the line of each point, shape (k,)."""
        return np.repeat(np.arange(len(self.widths)), np.diff(self.offsets))


def open_lines(
    centres: Sequence[Point],
    shape: Sequence[int],
    movable: Sequence[int],
    width: int,
    room: int,
    rng: np.random.Generator,
) -> Lines:
    """Lines through the centres along all directions up to a width.

    Parameters
    ----------
    centres
        Points; a line through several of them is opened once, for the first.
    shape
        Levels per axis.
    movable
        Axes that oblique directions may change; the others (unordered ones) move alone.
    width
        Most axes that a direction changes.
    room
        Most points on the lines through one centre: where they hold more, a random choice of the lines, narrow
        ones first, is opened.
    rng
        For that choice.
    """
    parts, widths, through, found = [], [], [], []
    seen: set[tuple[Point, Point]] = set()
    for number, centre in enumerate(centres):
        left = room
        for w, direction in _ladder(len(shape), movable, width, rng, shape, room):
            if left <= 0:
                break
            drawn = line(centre, direction, shape)
            key = (tuple(drawn.points[0].tolist()), direction)
            if len(drawn) < 2 or key in seen:
                continue
            seen.add(key)
            left -= len(drawn) - 1
            parts.append(drawn.points)
            widths.append(w)
            through.append(number)
            found.append(direction)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    points = np.concatenate(parts) if parts else np.empty((0, len(shape)), dtype=np.int64)
    return Lines(offsets, points, np.array(widths, dtype=np.int64), np.array(through, dtype=np.int64), found)


def _ladder(
    ndim: int, movable: Sequence[int], width: int, rng: np.random.Generator, shape: Sequence[int], room: int
) -> Iterator[tuple[int, Point]]:
    """(width, direction), narrow first; in random order within a width where not all lines fit in."""
    axes = [int(j) for j in movable]
    for w in range(1, width + 1):
        pool = list(range(ndim)) if w == 1 else axes
        number = comb(len(pool), w) << (w - 1)
        if number > MANY:
            yield from ((w, _random(ndim, pool, w, rng)) for _ in range(MANY))
            continue
        found = list(directions(ndim, w, pool))
        if sum(max(shape[j] for j in range(ndim) if d[j]) for d in found) > room:
            found = [found[i] for i in rng.permutation(len(found))]
        yield from ((w, direction) for direction in found)


def _random(ndim: int, pool: Sequence[int], width: int, rng: np.random.Generator) -> Point:
    """A random direction, its first changed axis ascending."""
    chosen = np.sort(rng.choice(len(pool), size=width, replace=False))
    signs = [1, *(1 - 2 * rng.integers(0, 2, size=width - 1)).tolist()]
    out = [0] * ndim
    for place, sign in zip(chosen.tolist(), signs, strict=True):
        out[pool[place]] = sign
    return tuple(out)


class Picker:
    """Chooses points one after the other from scored candidates.

    Parameters
    ----------
    surface
        The model.
    points
        Candidates, int of shape (k, axes).
    scores
        What the surface says of them.
    most
        How many points will be chosen at most.
    """

    def __init__(self, surface: Surface, points: Array, scores: Scores, most: int) -> None:
        self._surface, self.points, self.mean = surface, points, scores.mean
        self._variance = np.maximum(scores.variance, SMALLEST)
        self._noise = surface.once  # as pending points have, however often the others were measured
        self._rows = np.empty((len(points), scores.projected.shape[1] + most))
        self._rows[:, : scores.projected.shape[1]] = scores.projected
        self._used = scores.projected.shape[1]

    @property
    def sd(self) -> Array:
        """Standard deviation at each candidate given all that was taken, shape (k,)."""
        return np.asarray(np.sqrt(self._surface.scale * self._variance))

    def best(self, beta: float, blocked: Array) -> int:
        """Number of the candidate with the lowest mean - beta * sd that is not blocked (bool, shape (k,)); -1: none."""
        if blocked.all():
            return -1
        merit = np.round(self.mean - beta * self.sd, 9)
        merit[blocked] = np.inf
        return int(np.argmin(merit))

    def take(self, chosen: int) -> None:
        """The variance of all candidates as if this one were measured."""
        rows = self._rows[:, : self._used]
        prior = self._surface.covariance(self.points, self.points[chosen])
        shared = prior - rows @ rows[chosen]
        step = shared / np.sqrt(max(float(shared[chosen]), SMALLEST) + self._noise)
        self._rows[:, self._used] = step
        self._used += 1
        self._variance = np.maximum(self._variance - step * step, SMALLEST)
