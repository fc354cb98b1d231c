"""Collinear search: lines through centres, what the n-dimensional d-spline says on them, and what to measure.

1. `open_lines` draws the lines of the directions in use through the centres and packs them (CSR).
2. One compiled call gives mean and variance at every point of every line (`Surface.score`).
3. `Picker` chooses one point after the other: the lowest ``mean - beta * sd``; every choice narrows the
   variance as if it were measured, which is what keeps the points of a batch useful together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np

from dsice.directions import directions
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
    steps, widths = _ladder(len(shape), movable, width, rng)
    drawn = [_through(np.asarray(centre, dtype=np.int64), steps, widths, np.asarray(shape), room, rng) for centre in centres]
    lows = np.concatenate([lows for lows, _, _ in drawn])
    lengths = np.concatenate([lengths for _, lengths, _ in drawn])
    kinds = np.concatenate([kinds for _, _, kinds in drawn])
    through = np.repeat(np.arange(len(centres)), [len(kinds) for _, _, kinds in drawn])
    once = np.sort(np.unique(np.column_stack([lows, kinds]), axis=0, return_index=True)[1])
    lows, lengths, kinds, through = lows[once], lengths[once], kinds[once], through[once]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    points = np.repeat(lows, lengths, axis=0) + place[:, None] * np.repeat(steps[kinds], lengths, axis=0)
    return Lines(offsets, points, widths[kinds], through, list(map(tuple, steps[kinds].tolist())))


def _through(
    centre: Array, steps: Array, widths: Array, shape: Array, room: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Low ends, lengths and numbers of the directions of the lines through a centre that fit into the room."""
    above, below = shape - 1 - centre, centre
    still = np.where(steps == 0, np.iinfo(np.int64).max, 0)
    ahead = (still + np.where(steps > 0, above, np.where(steps < 0, below, 0))).min(axis=1)
    back = (still + np.where(steps > 0, below, np.where(steps < 0, above, 0))).min(axis=1)
    kinds = np.flatnonzero(ahead + back > 0)
    if (ahead + back)[kinds].sum() > room:
        kinds = rng.permutation(kinds)
        kinds = kinds[np.argsort(widths[kinds], kind="stable")]
        before = np.cumsum((ahead + back)[kinds]) - (ahead + back)[kinds]
        kinds = kinds[before < room]
    return centre - back[kinds, None] * steps[kinds], (ahead + back + 1)[kinds], kinds


def _ladder(ndim: int, movable: Sequence[int], width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Directions, int64 of shape (k, axes), narrow ones first, and their widths; a random choice where there are too many."""
    parts = []
    for w in range(1, width + 1):
        pool = list(range(ndim)) if w == 1 else [int(j) for j in movable]
        if comb(len(pool), w) << (w - 1) <= MANY:
            found = list(directions(ndim, w, pool))
        else:
            found = list(dict.fromkeys(_random(ndim, pool, w, rng) for _ in range(MANY)))
        parts.append(np.array(found, dtype=np.int64).reshape(-1, ndim))
    steps = np.concatenate(parts)
    return steps, np.count_nonzero(steps, axis=1)


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
        self._noise = float(surface.noise.min())
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
