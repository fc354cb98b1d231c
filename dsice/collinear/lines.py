"""Collinear search: lines through centres, what the n-dimensional d-spline says on them, and what to measure.

1. `open_lines` draws the lines of the directions in use through the centres and packs them (CSR).
2. One compiled call gives mean and variance at every point of every line (`Surface.score`).
3. `Picker` chooses one point after the other: the lowest ``mean - beta * sd``; every choice narrows the
   variance as if it were measured, which is what keeps the points of a batch useful together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Literal

import numpy as np

from dsice.directions import directions
from dsice.spline.surface import MIN_VARIANCE, Prediction, Surface
from dsice.typing import Array, Point

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
        return Lines(
            inside[self.offsets], self.points[wanted], self.widths, self.centres, self.directions
        )

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
    sizes = np.array(shape, dtype=np.int64)
    lows, steps, lengths, through = [], [], [], []
    seen: set[bytes] = set()
    for number, centre in enumerate(centres):
        left = room
        for found in _ladder(len(shape), movable, width, rng, shape, room):
            if left <= 0:
                break
            low, length = _ends(np.array(centre, dtype=np.int64), found, sizes)
            taken, left, cut = _fresh(np.hstack([low, found]), length, left, seen)
            lows.append(low[taken])
            steps.append(found[taken])
            lengths.append(length[taken])
            through.append(np.full(len(taken), number, dtype=np.int64))
            if cut:
                break
    if not lows:
        none = np.empty((0, len(shape)), dtype=np.int64)
        return Lines(np.zeros(1, dtype=np.int64), none, none.sum(axis=1), none.sum(axis=1), [])
    return _packed(
        np.concatenate(lows),
        np.concatenate(steps),
        np.concatenate(lengths),
        np.concatenate(through),
    )


def _ends(centre: Array, found: Array, sizes: Array) -> tuple[Array, Array]:
    """Low end of the line through the centre along each direction, shape (k, axes), and its number of points, shape (k,)."""
    far = np.iinfo(np.int64).max
    above, below = sizes - 1 - centre, centre
    ahead = np.where(found > 0, above, np.where(found < 0, below, far)).min(axis=1)
    back = np.where(found > 0, below, np.where(found < 0, above, far)).min(axis=1)
    return centre - back[:, None] * found, back + ahead + 1


def _fresh(keys: Array, lengths: Array, left: int, seen: set[bytes]) -> tuple[Array, int, bool]:
    """Numbers of the new lines of two points and more until the room is used; what is left; whether some did not fit."""
    taken: list[int] = []
    for i in np.flatnonzero(lengths > 1).tolist():
        key = keys[i].tobytes()
        if key in seen:
            continue
        seen.add(key)
        taken.append(i)
        left -= int(lengths[i]) - 1
        if left <= 0:
            return np.array(taken, dtype=np.int64), left, i + 1 < len(lengths)
    return np.array(taken, dtype=np.int64), left, False


def _packed(lows: Array, steps: Array, lengths: Array, through: Array) -> Lines:
    """All points of lines, one line after the other."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    points = np.repeat(lows, lengths, axis=0) + place[:, None] * np.repeat(steps, lengths, axis=0)
    return Lines(
        offsets, points, np.count_nonzero(steps, axis=1), through, list(map(tuple, steps.tolist()))
    )


def _ladder(
    ndim: int,
    movable: Sequence[int],
    width: int,
    rng: np.random.Generator,
    shape: Sequence[int],
    room: int,
) -> Iterator[Array]:
    """Directions of one width after the other, (k, axes); in random order within a width where not all lines fit in."""
    axes = tuple(int(j) for j in movable)
    for w in range(1, width + 1):
        pool = tuple(range(ndim)) if w == 1 else axes
        if comb(len(pool), w) << (w - 1) > MANY:
            yield _random(ndim, np.array(pool), w, rng)
            continue
        found = _listed(ndim, w, pool)
        if int(np.where(found, np.array(shape), 0).max(axis=1, initial=0).sum()) > room:
            found = found[rng.permutation(len(found))]
        yield found


@lru_cache(maxsize=64)
def _listed(ndim: int, width: int, pool: Point) -> Array:
    """All directions of a width, in the order of the ladder."""
    return np.array(list(directions(ndim, width, pool)), dtype=np.int64).reshape(-1, ndim)


def _random(ndim: int, pool: Array, width: int, rng: np.random.Generator) -> Array:
    """MANY random directions, their first changed axes ascending; some may be the same."""
    axes = pool[np.sort(np.argsort(rng.random((MANY, len(pool))), axis=1)[:, :width], axis=1)]
    signs = 1 - 2 * rng.integers(0, 2, size=(MANY, width))
    signs[:, 0] = 1
    found = np.zeros((MANY, ndim), dtype=np.int64)
    np.put_along_axis(found, axes, signs, axis=1)
    return found


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

    def __init__(self, surface: Surface, points: Array, scores: Prediction, most: int) -> None:
        self._surface, self.points, self.mean = surface, points, scores.mean
        self._variance = np.maximum(scores.variance, MIN_VARIANCE)
        self._noise = (
            surface.single_noise
        )  # as pending points have, however often the others were measured
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
        step = shared / np.sqrt(max(float(shared[chosen]), MIN_VARIANCE) + self._noise)
        self._rows[:, self._used] = step
        self._used += 1
        self._variance = np.maximum(self._variance - step * step, MIN_VARIANCE)
