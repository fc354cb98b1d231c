"""Collinear exploration: DSICE run on a model, which costs nothing to ask.

From many points at once: take all lines along the axes and the oblique ones through two axes, move
to the lowest point on them; where no line is lower, take those through three axes, and so on; when
one is lower, move there and begin with the narrow ones again, until no line is lower. It is the
search of the authors' papers (Mochizuki et al., iWAPT 2017) with the model's mean in the place of
measurements, so it takes thousands of moves where they take dozens. Every point that is seen on the
way is a candidate for measuring. See "Exploration" in docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from itertools import chain

import numpy as np

from dsice.directions import directions
from dsice.space import Space
from dsice.typing import Array, Floats, Ints

FIRST = 2  # widths that are looked at together: axis lines and those through two axes
ON_RUNG = 2000  # points on the lines of one width through one point; where there are more, so many
ON_LINE = 1024  # points of one line that are looked at: the model knows no more nodes of an axis
AT_ONCE = 1_000_000  # levels of points in memory at the same time
SCAN = 2000  # random points of the whole grid; where rules leave next to nothing a tenth of it,
TRIES = 50_000  # and fewer after so many tries
IN_ALL = 600_000  # points seen; then no more moves are made


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of a grid.

    Attributes
    ----------
    lows, steps
        First point of each line and the step from one of its points to the next, both int of shape
        (lines, axes).
    lengths
        Number of points of each line, shape (lines,).
    """

    lows: Ints
    steps: Ints
    lengths: Ints

    def points(self) -> Ints:
        """All points, one line after the other, int of shape (k, axes)."""
        before = np.cumsum(self.lengths) - self.lengths
        position = np.arange(int(self.lengths.sum())) - np.repeat(before, self.lengths)
        along = position[:, None] * np.repeat(self.steps, self.lengths, axis=0)
        return np.repeat(self.lows, self.lengths, axis=0) + along


@dataclass(frozen=True, eq=False)
class Seen:
    """Points that an exploration came across, and where from.

    Attributes
    ----------
    points
        The points, int of shape (k, axes).
    values
        What is explored at each, shape (k,).
    through, directions
        A point of the line on which each was found, and the line's direction, both int of shape
        (k, axes). A point that was on no line has direction 0 and goes through itself.
    """

    points: Ints
    values: Floats
    through: Ints
    directions: Ints

    @classmethod
    def alone(cls, points: Ints, values: Floats) -> Seen:
        """Points that were on no line."""
        return cls(points, values, points, np.zeros_like(points))

    @classmethod
    def of(cls, parts: list[Seen]) -> Seen:
        """All points of several parts."""
        names = [f.name for f in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def __getitem__(self, places: Array) -> Seen:
        return Seen(*(getattr(self, f.name)[places] for f in fields(self)))

    def lowest(self, k: int, shape: Sequence[int]) -> Seen:
        """The `k` distinct points with the lowest values, ascending; of equal ones the first.

        `shape` has the levels of each axis.
        """
        for most in (2 * k, len(self.values)):  # few are there twice: mostly the first will do
            order = lowest_places(self.values, most)
            distinct = np.unique(point_keys(self.points[order], shape), return_index=True)[1]
            if len(distinct) >= k or len(order) == len(self.values):
                break
        return self[order[np.sort(distinct)[:k]]]


def lowest_places(values: Floats, k: int) -> Ints:
    """Places of the `k` lowest values, ascending; of those equal in 9 decimals the first."""
    values = np.round(values, 9)  # the same with the compiler switched off
    if k >= len(values):
        return np.argsort(values, kind="stable")
    low = np.flatnonzero(~(values > np.partition(values, k)[k]))
    return low[np.argsort(values[low], kind="stable")[:k]]


def point_keys(points: Ints, shape: Sequence[int]) -> Array:
    """One key for each point of a grid, equal for equal points, shape (k,)."""
    rows = np.ascontiguousarray(points, dtype=np.int64)
    if math.prod(shape) < 2**63:
        strides = np.cumprod([1, *shape[:0:-1]], dtype=np.int64)[::-1]
        return np.asarray(rows @ strides)
    return rows.view(np.dtype((np.void, rows.shape[1] * 8))).ravel()


def scan(space: Space, measured: Ints, rng: np.random.Generator) -> Ints:
    """Random valid points of the whole grid that are not measured, int of shape (k, axes)."""
    if space.enumerable:
        drawn = space.sample(rng, SCAN, exclude=measured)
        return np.array(drawn, dtype=np.int64).reshape(-1, space.ndim)
    raw = space.collapse(rng.integers(0, space.shape, size=(SCAN, space.ndim)))
    found = raw[space.valid(raw)]
    keys = point_keys(found, space.shape)
    first = np.unique(keys, return_index=True)[1]
    first = first[~np.isin(keys[first], point_keys(measured, space.shape))]
    if len(first) < SCAN // 10:
        drawn = space.sample(rng, SCAN // 10, exclude=measured, tries=TRIES)
        return np.array(drawn, dtype=np.int64).reshape(-1, space.ndim)
    return found[np.sort(first)]


def width_reached(ranks: Ints, ndim: int, limit: int) -> int:
    """How wide directions are, given the results so far.

    Width 2 is open from the start; one more opens after each stretch of trials, 2 for each axis and
    at least 20, in which the best did not become better.

    Parameters
    ----------
    ranks
        Place of each scored trial among all of them, in the order in which they came.
    ndim
        Number of axes.
    limit
        Directions are never wider.
    """
    if not len(ranks):
        return min(2, limit)
    best = np.flatnonzero(ranks == np.minimum.accumulate(ranks))
    stretches = (np.diff(np.append(best, len(ranks))) - 1) // max(20, 2 * ndim)
    return int(min(2 + stretches.sum(), limit))


@dataclass
class Exploration:
    """Collinear exploration of a function of the points of a grid.

    Parameters
    ----------
    space
        The grid. Unordered axes move alone; points that its rules forbid are holes in the lines.
    values
        The function: its values at all points of lines, shape (k,).
    width
        Most axes that a direction changes.
    most
        So many of the lowest points are kept at least.
    rng
        For the choice of directions where there are too many.
    """

    space: Space
    values: Callable[[Lines], Floats]
    width: int
    most: int
    rng: np.random.Generator
    _parts: list[Seen] = field(default_factory=list)
    _seen: int = 0

    def run(self, starts: Ints, values: Floats) -> Seen:
        """Explore from points, int of shape (k, axes), with these values, shape (k,).

        Returns
        -------
        Seen
            The lowest valid points on all lines, measured ones included.
        """
        at, here = self._first_of_each(starts, np.asarray(values, dtype=float))
        shape = self.space.shape
        visited = set(point_keys(at, shape).tolist())
        first = min(FIRST, self.width)
        widths = np.full(len(at), first)  # of the lines that are looked at next
        while len(at) and self._seen < IN_ALL:
            width = int(widths.min())
            turn = np.flatnonzero(widths == width)
            lowest, lows = self._look(at[turn], width)
            lower = np.round(lows, 9) < np.round(here[turn], 9)
            widths[turn[~lower]] += 1
            at[turn[lower]], here[turn[lower]] = lowest[lower], lows[lower]
            widths[turn[lower]] = first
            goes_on = widths <= self.width
            keys = point_keys(lowest[lower], shape).tolist()
            for place, key in zip(turn[lower], keys, strict=True):
                goes_on[place] = key not in visited  # else it goes where another went before
                visited.add(key)
            at, here, widths = at[goes_on], here[goes_on], widths[goes_on]
        return self._lowest()

    def look(self, points: Ints) -> Seen:
        """What is on the lines of the first widths through points (k, axes), without moving."""
        self._look(points, min(FIRST, self.width))
        return self._lowest()

    def _lowest(self) -> Seen:
        if not self._parts:
            nothing = np.empty((0, self.space.ndim), dtype=np.int64)
            return Seen.alone(nothing, np.empty(0))
        return Seen.of(self._parts).lowest(self.most, self.space.shape)

    def _first_of_each(self, points: Ints, values: Floats) -> tuple[Ints, Floats]:
        first = np.sort(np.unique(point_keys(points, self.space.shape), return_index=True)[1])
        return points[first].copy(), values[first].copy()

    def _look(self, at: Ints, width: int) -> tuple[Ints, Floats]:
        """Look at the lines of a width through points; first at those of all widths up to `FIRST`.

        Returns
        -------
        lowest, values
            The lowest valid point on the lines through each point, shape (k, axes), and its value,
            shape (k,); infinite where there is none.
        """
        lowest, best = at.copy(), np.full(len(at), np.inf)
        several = range(1, width + 1) if width <= FIRST else [width]
        for number, lines, steps in chain.from_iterable(self._lines(at, w) for w in several):
            points = lines.points()
            if self.space.conditional:
                points = self.space.collapse(points)
            values = self.values(lines)
            if self.space.where:
                values = np.where(self.space.valid(points), values, np.inf)
            self._seen += len(values)
            line = np.repeat(np.arange(len(lines.lengths)), lines.lengths)
            self._keep(points, values, at[number][line], steps[line])
            ends_of = np.cumsum(lines.lengths)
            least = np.minimum.reduceat(values, ends_of - lines.lengths)
            order = np.lexsort((least, number))  # of equal ones the first
            first = order[np.flatnonzero(np.diff(number[order], prepend=-1))]
            for i in first[least[first] < best[number[first]]].tolist():
                start, stop = ends_of[i] - lines.lengths[i], ends_of[i]
                best[number[i]] = least[i]
                lowest[number[i]] = points[start + int(np.argmin(values[start:stop]))]
        return lowest, best

    def _keep(self, points: Ints, values: Floats, through: Ints, steps: Ints) -> None:
        good = np.flatnonzero(np.isfinite(values))
        if len(good) > self.most:
            good = good[np.argpartition(values[good], self.most)[: self.most]]
            good.sort()
        self._parts.append(Seen(points[good], values[good], through[good], steps[good]))
        if sum(len(part.values) for part in self._parts) > 8 * self.most:
            self._parts = [Seen.of(self._parts).lowest(self.most, self.space.shape)]

    def _lines(self, at: Ints, width: int) -> Iterator[tuple[Ints, Lines, Ints]]:
        """Lines of a width through points, as many at once as memory is for.

        Yields
        ------
        number, lines, directions
            Number of the point that each line goes through, shape (lines,); the lines; and the
            direction of each, shape (lines, axes).
        """
        space = self.space
        shape = np.array(space.shape, dtype=np.int64)
        axes = tuple(j for j, m in enumerate(shape.tolist()) if m > 1)
        if width > 1:
            axes = tuple(j for j in axes if space.ordered[j])
        found = rung(space.ndim, width, axes, ON_RUNG, self.rng)
        longest = np.where(found, shape, np.iinfo(np.int64).max).min(axis=1, initial=ON_LINE)
        if longest.sum() > ON_RUNG:
            chosen = self.rng.permutation(len(found))
            room = int((np.cumsum(longest[chosen]) <= ON_RUNG).sum())
            found = found[chosen[: max(1, room)]]
        through = np.repeat(np.arange(len(at)), len(found))
        steps = np.tile(found, (len(at), 1))
        lows, lengths = _ends(at[through], steps, shape)
        kept = np.flatnonzero(lengths > 1)
        through, steps, lows, lengths = through[kept], steps[kept], lows[kept], lengths[kept]
        stride = -(-lengths // ON_LINE)
        if (stride > 1).any():
            lows = lows + (self.rng.random(len(lows)) * stride).astype(np.int64)[:, None] * steps
            lengths = lengths // stride
        block = np.cumsum(lengths) // (AT_ONCE // space.ndim)
        for b in np.unique(block):
            here = np.flatnonzero(block == b)
            lines = Lines(lows[here], steps[here] * stride[here, None], lengths[here])
            yield through[here], lines, steps[here]


def _ends(points: Ints, steps: Ints, shape: Ints) -> tuple[Ints, Ints]:
    """Where lines begin, and how long they are.

    Parameters
    ----------
    points
        A point of each line, shape (k, axes); or one point of all of them, shape (axes,).
    steps
        Directions of the lines, shape (k, axes).
    shape
        Levels of each axis, shape (axes,).

    Returns
    -------
    lows, lengths
        The low end of each line, shape (k, axes), and its number of points, shape (k,).
    """
    never = np.iinfo(np.int64).max  # an axis that does not change sets no end
    above = shape - 1 - points
    below = points
    ahead = np.where(steps > 0, above, np.where(steps < 0, below, never)).min(axis=1)
    back = np.where(steps > 0, below, np.where(steps < 0, above, never)).min(axis=1)
    return points - back[:, None] * steps, back + ahead + 1


def rung(ndim: int, width: int, axes: tuple[int, ...], most: int, rng: np.random.Generator) -> Ints:
    """Directions of one width as an array, at most `most` of them.

    All of them in the fixed order; where there are more, `most` random ones, of which some may be
    the same.

    Parameters
    ----------
    ndim, width, axes
        As in `directions`.
    most
        Largest number of directions, >= 1.
    rng
        For that choice.

    Returns
    -------
    numpy.ndarray
        int64 of shape (k, ndim).
    """
    if width > len(axes):
        return np.empty((0, ndim), dtype=np.int64)
    if math.comb(len(axes), width) << (width - 1) <= most:
        return _listed(ndim, width, axes)
    order = np.argsort(rng.random((most, len(axes))), axis=1)
    changed = np.array(axes)[np.sort(order[:, :width], axis=1)]
    signs = 1 - 2 * rng.integers(0, 2, size=(most, width))
    signs[:, 0] = 1
    found = np.zeros((most, ndim), dtype=np.int64)
    np.put_along_axis(found, changed, signs, axis=1)
    return found


@lru_cache(maxsize=64)
def _listed(ndim: int, width: int, axes: tuple[int, ...]) -> Ints:
    """All directions of a width, in the order of the ladder, shape (k, ndim); read-only."""
    found = np.array(list(directions(ndim, width, axes)), dtype=np.int64).reshape(-1, ndim)
    found.flags.writeable = False
    return found
