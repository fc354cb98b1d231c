"""Points of a grid as arrays: rows of levels, and sets of points that know their order.

A point is a row of levels, one for each axis, and its flat index is its place among all points of
the grid in lexicographic order (row-major order of an array). Grids of more than 2^62 points have
flat indices that no array of integers holds; so a `PointSet` takes the axes in groups, and the
places of what the first groups have in common stand for these in the next.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from dsice.errors import SpaceError
from dsice.typing import Array, Bools, Ints, Point

MAX_POINTS: Final = 1_000_000
"""So many points are enumerated, or listed, and not more."""
DIMENSIONS: Final = 32
"""Arrays of numpy have not more."""
_WHOLE: Final = 2**62
"""Grids of up to so many points are one group of axes."""
_GROUP: Final = 2**42
"""In larger ones a group has at most so many points: times MAX_POINTS it is a 64-bit integer."""


# ------------------------------------------------------------------ rows of levels
def as_rows(points: Array, names: Sequence[str]) -> Ints:
    """Return an array of integer levels as int64; SpaceError for any other shape or type."""
    array = np.asarray(points)
    if array.ndim != 2 or array.shape[1] != len(names):
        raise SpaceError(
            f"points must have the shape (k, {len(names)}), one level for each of "
            f"{', '.join(names)}; got {array.shape}"
        )
    if array.dtype.kind not in "iu" and array.size:
        raise SpaceError(f"points must be integer levels, got an array of {array.dtype}")
    return array.astype(np.int64, copy=False)


def on_grid(rows: Ints, shape: tuple[int, ...]) -> Bools:
    """Return which rows of levels, shape (k, d), are on the axes."""
    return np.asarray(((rows >= 0) & (rows < np.array(shape))).all(axis=1))


def check_on_grid(rows: Ints, names: Sequence[str], shape: tuple[int, ...], what: str = "") -> None:
    """Raise SpaceError for a row with a level that its axis has not; `what` the rows are."""
    for row in np.flatnonzero(~on_grid(rows, shape))[:1].tolist():
        levels = rows[row].tolist()
        where = f"{what}, row {row}: " if what else ""
        for name, level, n in zip(names, levels, shape, strict=True):
            if not 0 <= level < n:
                raise SpaceError(
                    f"{where}level of {name!r} must be 0 to {n - 1}, got {level} in {tuple(levels)}"
                )


def as_row(point: Sequence[int], names: Sequence[str], shape: tuple[int, ...]) -> Ints:
    """Return one point of the grid as rows of levels, shape (1, d)."""
    row = as_rows(np.array([tuple(point)]), names)
    check_on_grid(row, names, shape)
    return row


def fits(point: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Whether a point is plain whole numbers on the axes; `as_row` checks anything else."""
    same = len(point) == len(shape) and set(map(type, point)) == {int}
    return same and all(0 <= level < n for level, n in zip(point, shape, strict=True))


def unravel(flat: Ints, shape: tuple[int, ...]) -> Ints:
    """Return flat indices (k,) as rows of levels (k, d)."""
    if len(shape) > DIMENSIONS:
        return np.asarray(flat[:, None] // _strides(shape) % np.array(shape))
    return np.stack(np.unravel_index(flat, shape), axis=1).astype(np.int64, copy=False)


def tuples(points: Ints) -> list[Point]:
    """Return rows of levels as tuples of Python ints."""
    return [tuple(row) for row in points.tolist()]


def large(count: int) -> str:
    """Return a number as people read it; grids may exceed what a float holds."""
    return f"{count:,}" if count < 10**9 else f"about 1e{len(str(count)) - 1}"


def _strides(shape: tuple[int, ...]) -> Ints:
    return np.cumprod((1, *shape[:0:-1]), dtype=np.int64)[::-1]


# ------------------------------------------------------------------ sets of points
class Group(NamedTuple):
    """Axes next to each other whose levels are one integer.

    Attributes
    ----------
    columns
        The axes.
    shape, size
        How many levels each of them has, and how many combinations there are.
    """

    columns: slice
    shape: tuple[int, ...]
    size: int


def groups_of(shape: tuple[int, ...]) -> list[Group]:
    """Return all axes of a grid, in groups."""
    limit = _WHOLE if math.prod(shape) <= _WHOLE else _GROUP
    groups = []
    start = 0
    while start < len(shape):
        stop = start + 1
        while stop < len(shape) and math.prod(shape[start : stop + 1]) <= limit:
            stop += 1
        own = shape[start:stop]
        groups.append(Group(slice(start, stop), own, math.prod(own)))
        start = stop
    return groups


class PointSet:
    """Distinct points of a grid of any size, in lexicographic order.

    Parameters
    ----------
    shape
        How many levels each axis has.
    keys
        For each group of axes the distinct beginnings of the points up to its end, ascending: the
        place of what stands before the group, times the size of the group, plus the flat index of
        the levels in it. With one group these are the flat indices.
    """

    def __init__(self, shape: tuple[int, ...], keys: Sequence[Ints]) -> None:
        self.shape = shape
        self.groups = groups_of(shape)
        self.keys = list(keys)

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> PointSet:
        """Return all points of a grid of up to `MAX_POINTS`."""
        return cls(shape, [np.arange(math.prod(shape), dtype=np.int64)])

    @classmethod
    def of(cls, shape: tuple[int, ...], rows: Ints) -> PointSet:
        """Return the set of these points of the grid, shape (k, d), which may repeat."""
        words = [_word(rows, group) for group in groups_of(shape)]
        order = np.lexsort(words[::-1])
        return cls.of_sorted(shape, [word[order] for word in words])

    @classmethod
    def of_sorted(cls, shape: tuple[int, ...], words: Sequence[Ints]) -> PointSet:
        """Return the set of points in order, of which the flat index in each group is given."""
        keys: list[Ints] = []
        place: Ints = np.zeros(1, dtype=np.int64)
        for group, word in zip(groups_of(shape), words, strict=True):
            key = place * group.size + word
            new = np.diff(key, prepend=-1) != 0
            keys.append(key[new])
            place = np.cumsum(new) - 1
        return cls(shape, keys)

    def __len__(self) -> int:
        return len(self.keys[-1])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PointSet):
            return NotImplemented
        return self.shape == other.shape and all(
            np.array_equal(own, others) for own, others in zip(self.keys, other.keys, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def words(self, places: Ints | None = None) -> Iterator[Ints]:
        """Give the flat index of points in each group of axes, the last group first.

        Parameters
        ----------
        places
            Which points; all of them by default.
        """
        place = np.arange(len(self)) if places is None else places
        for group, keys in zip(reversed(self.groups), reversed(self.keys), strict=True):
            place, word = np.divmod(keys[place], group.size)
            yield word

    def rows(self, places: Ints | None = None) -> Ints:
        """Return the points at these places, or all, as levels of shape (k, d)."""
        parts = [
            unravel(word, group.shape)
            for group, word in zip(reversed(self.groups), self.words(places), strict=True)
        ]
        return np.concatenate(parts[::-1], axis=1)

    def places(self, rows: Ints) -> Ints:
        """Return the place of each point in this set, shape (k,); -1 where it is not there."""
        good = on_grid(rows, self.shape)
        rows = np.where(good[:, None], rows, 0)
        if self._table is not None:
            found = self._table[_word(rows, self.groups[0])]
            return np.where(good, found, -1)
        place = np.zeros(len(rows), dtype=np.int64)
        for group, keys in zip(self.groups, self.keys, strict=True):
            wanted = place * group.size + _word(rows, group)
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            good &= keys[place] == wanted
            place[~good] = 0
        return np.where(good, place, -1)

    def holds(self, rows: Ints) -> Bools:
        """Return which points, shape (k, d), are in this set."""
        return np.asarray(self.places(rows) >= 0)

    def only(self, wanted: Bools) -> PointSet:
        """Return the set of the points of this one that are wanted, a truth value for each."""
        if wanted.all():
            return self
        if len(self.groups) == 1:
            return PointSet(self.shape, [self.keys[0][wanted]])
        return PointSet.of(self.shape, self.rows(np.flatnonzero(wanted)))

    def sample(
        self, rng: np.random.Generator, n: int, exclude: Collection[Point] | Array
    ) -> list[Point]:
        """Return n of the points, drawn without replacement; fewer if they run out.

        Parameters
        ----------
        exclude
            Points not to be returned, or an array of them, shape (k, d).
        """
        if not len(exclude):
            chosen = rng.choice(len(self), size=min(n, len(self)), replace=False)
            return tuples(self.rows(chosen))
        rows = exclude if isinstance(exclude, np.ndarray) else list(exclude)
        taken = self.places(np.array(rows, dtype=np.int64).reshape(-1, len(self.shape)))
        taken = np.unique(taken[taken >= 0])
        left = len(self) - len(taken)
        chosen = rng.choice(left, size=min(n, left), replace=False)  # of those left, in order
        before = np.searchsorted(taken - np.arange(len(taken)), chosen, side="right")
        return tuples(self.rows(chosen + before))

    @cached_property
    def _table(self) -> Ints | None:
        """The place of each point of a small grid, -1 where it is not there; None: a large one."""
        size = self.groups[0].size
        if len(self.groups) > 1 or size > MAX_POINTS:
            return None
        table = np.full(size, -1, dtype=np.int64)
        table[self.keys[0]] = np.arange(len(self))
        return table


def _word(rows: Ints, group: Group) -> Ints:
    """The flat index of points, shape (k, d), in a group of axes."""
    return np.asarray(rows[:, group.columns] @ _strides(group.shape))
