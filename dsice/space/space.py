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
from dsice.space import sampling
from dsice.space.among import Among
from dsice.space.axes import Axis, as_axes
from dsice.space.points import (
    MAX_POINTS,
    PointSet,
    as_row,
    as_rows,
    fits,
    large,
    on_grid,
    tuples,
)
from dsice.space.rows import rows_of
from dsice.space.rules import Require, Rule, When
from dsice.space.serialise import StoredSpace
from dsice.space.summary import Summarised, Summary, space_summary
from dsice.space.validity import Validity, describe_unknown
from dsice.space.values import Value, has_parts
from dsice.typing import Array, Bools, Ints, Params, Point


class Space(Summarised, StoredSpace):
    """A grid of discrete axes and the rules that its points obey.

    The grid is never enumerated beyond 1e6 points, and up to there once, when first needed. An
    explicit set of valid points (`among`) takes its place, on grids of any size.

    Parameters
    ----------
    axes
        Names and axes, in the order of the levels in a point. Numbers in a list, tuple, range or
        array are an Ordinal; strings, bools and None are a Choice.
    where
        The rules: `Require` (which points are allowed) and `When` (where a parameter is active);
        sets of points that `among` made may be there, too.

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
        self._where = tuple(
            rule.on(self._axes) if isinstance(rule, Among) else rule for rule in as_rules(where)
        )
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
    def conditional(self) -> bool:
        """Whether a parameter may be inactive."""
        return self._conditional

    @property
    def enumerable(self) -> bool:
        """Whether all valid points can be listed: up to 1e6 of the grid, or a set of points."""
        return self.size <= MAX_POINTS or any(isinstance(rule, Among) for rule in self._where)

    @property
    def count(self) -> int | None:
        """How many points are valid; None where the grid is too large to tell."""
        return len(self._valid_set) if self.enumerable else None

    def params(self, point: Sequence[int]) -> dict[str, Any]:
        """Return the names and values of a point (d levels), without inactive parameters."""
        if not self._conditional and fits(point, self._shape):
            return {
                name: axis.values[level]
                for (name, axis), level in zip(self._axes.items(), point, strict=True)
            }
        row = as_row(point, self._names, self._shape)
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
        return tuples(row)[0]

    def levels(self, points: Any) -> Ints:
        """Return the levels of many points at once, shape (k, d).

        Parameters
        ----------
        points
            An array of levels, or a list of points; a list of params; or a DataFrame with a column
            for each parameter, of which cells do not count where the parameter is inactive.

        Raises
        ------
        SpaceError
            As `point`; the message names the row.
        """
        rows = rows_of(points, self._rules, self._level_by_value)
        for row in np.flatnonzero(~self.valid(rows))[:1].tolist():
            point = rows[row].tolist()
            reason = self._rules.refusal(point, self.params(point))
            raise SpaceError(f"points, row {row}: {reason}")
        return rows

    def among(self, points: Any, *, name: str | None = None) -> Space:
        """Return this space with an explicit set of valid points.

        Of these, the points that obey all other rules are valid: `count`, `valid`, `sample` and
        `points` are exact on grids of any size. Journals hold the set whole.

        Parameters
        ----------
        points
            1 to 1e6 points of the grid, as for `levels`, in any order; repeated ones count once.
        name
            What the set is called in errors and in the journal.

        Raises
        ------
        SpaceError
            A row that is not on the grid, or too many; or no point obeys the other rules.

        Examples
        --------
        >>> space = Space({"x": range(1000), "y": range(1000), "z": range(1000)})
        >>> some = space.among([(1, 2, 3), (500, 0, 0)])
        >>> some.count, some.is_valid((1, 2, 3)), some.is_valid((1, 2, 4))
        (2, True, False)
        """
        found = PointSet.of(self._shape, rows_of(points, self._rules, self._level_by_value))
        return Space(self._axes, where=[*self._where, Among(self._axes, found, name=name)])

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
        rows = as_rows(points, self._names)
        if not self._where:
            return on_grid(rows, self._shape)
        known = vars(self).get("_valid_set")  # once all are known, they are looked up
        return self._rules.valid(rows) if known is None else known.holds(rows)

    def is_valid(self, point: Sequence[int]) -> bool:
        """Whether one point (d levels) is on the grid and satisfies all rules."""
        return bool(self.valid(np.array([tuple(point)]))[0])

    def active(self, point: Sequence[int]) -> tuple[bool, ...]:
        """Return which parameters mean something at a point (d levels)."""
        return tuple(self._rules.active(as_row(point, self._names, self._shape))[0].tolist())

    def collapse(self, points: Array) -> Ints:
        """Return `points` of the grid, shape (k, d), with inactive parameters at level 0.

        That is the one point that all values of an inactive parameter stand for.
        """
        rows = as_rows(points, self._names)
        if not on_grid(rows, self._shape).all():
            raise SpaceError(
                f"points must lie on the grid to be collapsed; the axes have {self._shape} levels"
            )
        return np.where(self._rules.active(rows), rows, 0) if self._conditional else rows.copy()

    def coded(self, points: Array) -> Ints:
        """Return `points` of the grid, shape (k, d), as a model sees them.

        An inactive parameter is at the level after its last one, which means "does not exist here".
        """
        rows = as_rows(points, self._names)
        if not self._conditional:
            return rows
        return np.where(self._rules.active(rows), rows, np.array(self._shape))

    def points(self) -> Ints:
        """Return all valid points, in lexicographic order, shape (count, d).

        The array is read-only. SpaceError where the space is not `enumerable`.
        """
        if not self.enumerable:
            raise SpaceError(
                f"a grid of {large(self.size)} points is not enumerated "
                f"(at most {MAX_POINTS:,} are); use sample()"
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

        Where the space is `enumerable`, fewer than `n` points are returned only if there are no
        more. Other grids are sampled by rejection, and fewer are returned if 1e6 tries in a row
        gave nothing new. The result depends on nothing but the arguments.

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
            return self._valid_set.sample(rng, n, exclude)
        return self._rejection_sampler.sample(rng, n, exclude, tries)

    def _summary(self) -> Summary:
        return space_summary(self._axes, self._where, large(self.size))

    @cached_property
    def _rules(self) -> Validity:
        """The rules bound to the axes; a space without rules seldom needs it."""
        return Validity(self._names, tuple(self._axes.values()), self._where)

    @cached_property
    def _valid_set(self) -> PointSet:
        """All valid points, where the space is enumerable."""
        return sampling.enumerate_valid(self._rules) if self._where else PointSet.whole(self._shape)

    @cached_property
    def _valid_points(self) -> Ints:
        points = self._valid_set.rows()
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
        for bound in self._rules.sets[:1]:
            probes = bound.points.rows(np.linspace(0, len(bound.points) - 1, 32).astype(np.int64))
        if not self._rules.valid(probes).any() and self.enumerable:
            _ = self._valid_set

    def _level(self, j: int, value: object) -> int:
        wanted = plain(value)
        try:
            return self._level_by_value[j][type(wanted), wanted]
        except Exception:  # not there, or a user's class that raises when hashed or compared
            pass
        return self._axes[self._names[j]].level(wanted)


def as_rules(where: object) -> tuple[Rule, ...]:
    """Return the rules of a space, from what a user gives for them."""
    if isinstance(where, (Require, When, Among)):
        return (where,)
    if isinstance(where, str) or not isinstance(where, Sequence):
        raise SpaceError(
            f"where must be a list of Require and When, got {where!r}; "
            "for example where=[Require('x * y <= 64')]"
        )
    for rule in where:
        if not isinstance(rule, (Require, When, Among)):
            raise SpaceError(
                f"where must hold Require and When only, got {rule!r}; wrap it: Require({rule!r})"
            )
    return tuple(where)
