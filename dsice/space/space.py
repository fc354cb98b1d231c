"""The grid that is searched: params (names and values) to points (tuples of levels) and back."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from dsice.checks import plain, shown
from dsice.errors import SpaceError
from dsice.space import sampling, serialise
from dsice.space.axes import as_axes
from dsice.space.axis import Axis
from dsice.space.rules import Predicate, Rule, When, as_rules
from dsice.space.tabulated import MAX_CELLS
from dsice.space.validity import Validity, describe_unknown
from dsice.space.values import Value, has_parts
from dsice.typing import Array, Bools, Ints, Params, Point


class Space:
    """A grid of discrete axes and the rules that its points obey.

    The grid is never enumerated beyond 1e6 points, and up to there once, when first needed.

    Parameters
    ----------
    axes
        Names and axes, in the order of the levels in a point. Numbers in a list, tuple, range or
        array are an Ordinal; strings, bools and None are a Choice.
    where
        The rules: `Require` (which points are allowed) and `When` (where a parameter is active).

    Raises
    ------
    SpaceError
        An axis that is none (empty, duplicate or unordered values), a rule that mentions an unknown
        parameter, conditions that depend on each other, or rules that no point satisfies (found at
        once on up to 1e6 grid points).

    Examples
    --------
    >>> from dsice import Require
    >>> space = Space({"x": [1, 2, 4, 8], "y": range(3)}, where=[Require("x * y <= 8")])
    >>> space.params((2, 1))
    {'x': 4, 'y': 1}
    >>> space.point({"x": 4, "y": 1})
    (2, 1)
    >>> space.count
    11
    """

    def __init__(
        self,
        axes: Mapping[str, Axis | Sequence[Value] | Array],
        *,
        where: Sequence[Rule] | Rule = (),
    ) -> None:
        self._axes = as_axes(axes)
        self._where = as_rules(where)
        self._conditional = any(isinstance(rule, When) for rule in self._where)
        self._names = tuple(self._axes)
        self._shape = tuple(len(axis) for axis in self._axes.values())
        self._level_by_value = [
            {(type(v), v): i for i, v in enumerate(axis.values) if not has_parts(v)}
            for axis in self._axes.values()
        ]
        self._probe()

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, in the order of the levels in a point."""
        return self._names

    @property
    def axes(self) -> Mapping[str, Axis]:
        """Names and axes, read-only."""
        return MappingProxyType(self._axes)

    @property
    def where(self) -> tuple[Rule, ...]:
        """The rules, as given."""
        return self._where

    @property
    def shape(self) -> tuple[int, ...]:
        """How many levels each axis has."""
        return self._shape

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """How many points the full grid has, valid or not."""
        return math.prod(self._shape)

    @property
    def ordered(self) -> tuple[bool, ...]:
        """Along which axes neighbouring levels are neighbours in effect."""
        return tuple(axis.ordered for axis in self._axes.values())

    @property
    def enumerable(self) -> bool:
        """Whether the grid is small enough (1e6 points) to enumerate it once."""
        return self.size <= MAX_CELLS

    @property
    def count(self) -> int | None:
        """How many points are valid; None where the grid is too large to tell."""
        return len(self._valid_cells) if self.enumerable else None

    def params(self, point: Sequence[int]) -> dict[str, Any]:
        """Return the names and values of a point (d levels), without inactive parameters."""
        if not self._conditional and self._fits(point):
            return {
                name: axis.values[level]
                for (name, axis), level in zip(self._axes.items(), point, strict=True)
            }
        row = self._row(point)
        active = self._rules.active(row)[0]
        values = zip(self._names, self._axes.values(), row[0].tolist(), active, strict=True)
        return {name: axis.values[level] for name, axis, level, active in values if active}

    def point(self, params: Params) -> Point:
        """Return the levels of params; floats match to rel 1e-9: they may come from CSV or JSON.

        Raises
        ------
        SpaceError
            An unknown, missing or inactive parameter, a value off its axis, or params that break
            a rule.
        """
        return self._point(params, self._level)

    def nearest(self, params: Params) -> dict[str, Any]:
        """Return the params of the grid that are nearest to these, parameter by parameter.

        A number becomes the nearest value of its axis, and one beyond an end that end; what has no
        order must be on its axis. Errors are those of `point`.
        """

        def level(j: int, value: object) -> int:
            axis = self._axes[self._names[j]]
            return axis.level(axis.nearest(value))

        return self.params(self._point(params, level))

    def _point(self, params: Params, level: Callable[[int, object], int]) -> Point:
        """The levels of params, each by a function of axis and value."""
        if not isinstance(params, Mapping):
            raise SpaceError(
                "params must be a mapping of names to values, "
                f"got {shown(params)} ({type(params).__name__})"
            )
        for name in params:
            if name not in self._axes:
                raise SpaceError(describe_unknown(name, self._names))
        levels = [0] * self.ndim
        for j, name in enumerate(self._names):
            try:
                levels[j] = level(j, params[name]) if name in params else 0
            except SpaceError as error:
                raise SpaceError(f"parameter {name!r}: {error}") from None
        row = np.array([levels])
        self._rules.check(params, row)
        return sampling.tuples(row)[0]

    def valid(self, points: Array) -> Bools:
        """Return which of `points` are on the grid and satisfy all rules, shape (k,).

        A point with an inactive parameter off level 0 is not valid.

        Parameters
        ----------
        points
            Integer levels, shape (k, d).

        Raises
        ------
        SpaceError
            Not such an array, or a rule that raised an error at one of the points.
        """
        rows = self._array(points)
        return self._rules.valid(rows) if self._where else self._on_grid(rows)

    def is_valid(self, point: Sequence[int]) -> bool:
        """Whether one point (d levels) is on the grid and satisfies all rules."""
        return bool(self.valid(np.array([tuple(point)]))[0])

    def active(self, point: Sequence[int]) -> tuple[bool, ...]:
        """Return which parameters mean something at a point (d levels)."""
        return tuple(self._rules.active(self._row(point))[0].tolist())

    def collapse(self, points: Array) -> Ints:
        """Return `points` of the grid, shape (k, d), with inactive parameters at level 0.

        That is the one point that all values of an inactive parameter stand for.
        """
        rows = self._array(points)
        if not self._on_grid(rows).all():
            raise SpaceError(
                f"points must lie on the grid to be collapsed; the axes have {self._shape} levels"
            )
        return np.where(self._rules.active(rows), rows, 0) if self._conditional else rows.copy()

    def coded(self, points: Array) -> Ints:
        """Return `points` of the grid, shape (k, d), as a model sees them.

        An inactive parameter is at the level after its last one, which means "does not exist here".
        """
        rows = self._array(points)
        if not self._conditional:
            return rows
        return np.where(self._rules.active(rows), rows, np.array(self._shape))

    def points(self) -> Ints:
        """Return all valid points of a grid of up to 1e6, in lexicographic order, shape (count, d).

        The array is read-only.
        """
        if not self.enumerable:
            raise SpaceError(
                f"a grid of {_large(self.size)} points is not enumerated "
                f"(at most {MAX_CELLS:,} are); use sample()"
            )
        return self._valid_points

    def sample(
        self,
        rng: np.random.Generator,
        n: int,
        *,
        exclude: Collection[Point] | Array = (),
        tries: int | None = None,
    ) -> list[Point]:
        """Return up to `n` distinct valid points, drawn uniformly.

        Grids of up to 1e6 points are enumerated, and fewer than `n` points are returned only if
        there are no more. Larger grids are sampled by rejection, and fewer are returned if 1e6
        tries in a row gave nothing new. The result depends on nothing but the arguments.

        Parameters
        ----------
        exclude
            Points not to be returned, or an array of them, shape (k, d).
        tries
            Stop after that many tries, once at least one point was found: where the rules allow
            one point in a thousand, many points are expensive.

        Raises
        ------
        SpaceError
            1e6 tries without any valid point; the message names the rule that rejects most.
        """
        if isinstance(n, bool) or operator.index(n) < 0:
            raise SpaceError(f"n must be an integer of at least 0, got {n!r}")
        if self.enumerable:
            return sampling.pick(rng, n, self._valid_cells, self._shape, exclude)
        return self._rejection_sampler.sample(rng, n, exclude, tries)

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON data; a function rule is written as its name.

        Raises
        ------
        SpaceError
            A function rule has no name, or two different functions have the same one.
        """
        return serialise.space_record(self._axes, self._where)

    @classmethod
    def from_dict(
        cls, record: Mapping[str, Any], *, rules: Mapping[str, Predicate] | None = None
    ) -> Space:
        """Return the space that `to_dict` wrote; `rules` has the functions by name.

        Raises
        ------
        SpaceError
            A function that `rules` lacks, or data that `to_dict` did not write.
        """
        return cls(serialise.read_axes(record), where=serialise.read_rules(record, rules or {}))

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of axis names, values, string rules and names of function rules.

        The order of rules does not count.
        """
        return serialise.fingerprint(self._axes, self._where)

    def difference(self, record: Mapping[str, Any]) -> str | None:
        """Return a sentence about the first difference to a stored space; None if there is none.

        Parameters
        ----------
        record
            The stored space, as `to_dict` gave it.
        """
        return serialise.difference(self._axes, self._where, record)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return list(self._axes.items()) == list(other._axes.items()) and self._where == other._where

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        axes = ", ".join(f"{name!r}: {axis!r}" for name, axis in self._axes.items())
        rules = f", where={list(self._where)!r}" if self._where else ""
        return f"<Space {{{axes}}}{rules}; {_large(self.size)} grid points>"

    def __reduce__(self) -> tuple[Any, ...]:
        # without tables: they are quick to make again
        return _rebuild, (dict(self._axes), self._where)

    @cached_property
    def _rules(self) -> Validity:
        """The rules bound to the axes; a space without rules seldom needs it."""
        return Validity(self._names, tuple(self._axes.values()), self._where)

    @cached_property
    def _valid_cells(self) -> Ints:
        if not self._where:
            return np.arange(self.size, dtype=np.int64)
        return sampling.enumerate_valid(self._rules)

    @cached_property
    def _valid_points(self) -> Ints:
        points = sampling.unravel(self._valid_cells, self._shape)
        points.flags.writeable = False
        return points

    @cached_property
    def _rejection_sampler(self) -> sampling.RejectionSampler:
        return sampling.RejectionSampler(self._rules)

    def _probe(self) -> None:
        """Raise SpaceError if a rule cannot be evaluated or nothing is valid; a few points do."""
        if not self._where:
            return
        probes = np.random.default_rng(0).integers(0, self._shape, size=(32, self.ndim))
        if not self._rules.valid(probes).any() and self.enumerable:
            _ = self._valid_cells

    def _level(self, j: int, value: object) -> int:
        wanted = plain(value)
        try:
            return self._level_by_value[j][type(wanted), wanted]
        except Exception:  # not there, or a user's class that raises when hashed or compared
            pass
        return self._axes[self._names[j]].level(wanted)

    def _fits(self, point: Sequence[int]) -> bool:
        """Whether a point is plain whole numbers on the axes; `_row` checks anything else."""
        same = len(point) == len(self._shape) and set(map(type, point)) == {int}
        return same and all(0 <= level < n for level, n in zip(point, self._shape, strict=True))

    def _on_grid(self, rows: Ints) -> Bools:
        """Return which rows of levels, shape (k, d), are on the axes."""
        return np.asarray(((rows >= 0) & (rows < np.array(self._shape))).all(axis=1))

    def _row(self, point: Sequence[int]) -> Ints:
        row = self._array(np.array([tuple(point)]))
        for name, level, n in zip(self._names, row[0].tolist(), self._shape, strict=True):
            if not 0 <= level < n:
                raise SpaceError(
                    f"level of {name!r} must be 0 to {n - 1}, got {level} in {tuple(point)}"
                )
        return row

    def _array(self, points: Array) -> Ints:
        array = np.asarray(points)
        if array.ndim != 2 or array.shape[1] != self.ndim:
            raise SpaceError(
                f"points must have the shape (k, {self.ndim}), one level for each of "
                f"{', '.join(self._names)}; got {array.shape}"
            )
        if array.dtype.kind not in "iu" and array.size:
            raise SpaceError(f"points must be integer levels, got an array of {array.dtype}")
        return array.astype(np.int64, copy=False)


def _large(count: int) -> str:
    """Return a number as people read it; grids may exceed what a float holds."""
    return f"{count:,}" if count < 10**9 else f"about 1e{len(str(count)) - 1}"


def _rebuild(axes: dict[str, Axis], where: tuple[Rule, ...]) -> Space:
    return Space(axes, where=where)
