"""The grid that is searched: params (names -> values) to points (tuples of levels) and back, and which are valid."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space import sampling, serialise
from dsice.space.axes import Axis, Ordinal, Value, as_axis, plain
from dsice.space.rules import Predicate, Require, Rule, When
from dsice.space.validity import LIMIT, Bools, Ints, Validity, unknown


class Space:
    """A grid of discrete axes and the rules that its points obey.

    The grid is never enumerated beyond 1e6 points, and up to there once, when first needed.

    Parameters
    ----------
    axes
        Names and axes, in the order of the levels in a point. Numbers in a list, tuple, range or array are an Ordinal;
        strings, bools and None are a Choice.
    where
        Require and When, see there.

    Raises
    ------
    SpaceError
        An axis that is none (empty, duplicate or unordered values), a rule that mentions an unknown parameter, conditions
        that depend on each other, or rules that no point satisfies (found at once on up to 1e6 grid points).

    Examples
    --------
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
        axes: Mapping[str, Axis | Sequence[Value] | NDArray[Any]],
        *,
        where: Sequence[Rule] | Rule = (),
    ) -> None:
        self._axes = _read_axes(axes)
        self._where = _read_where(where)
        self._names = tuple(self._axes)
        self._shape = tuple(len(axis) for axis in self._axes.values())
        self._rules = Validity(self._names, tuple(self._axes.values()), self._where)
        self._exact = [
            {(type(v), v): i for i, v in enumerate(axis.values)} for axis in self._axes.values()
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
        """Which axes are an Ordinal."""
        return tuple(isinstance(axis, Ordinal) for axis in self._axes.values())

    @property
    def enumerable(self) -> bool:
        """Whether the grid is small enough (1e6 points) to enumerate it once."""
        return self.size <= LIMIT

    @property
    def count(self) -> int | None:
        """How many points are valid; None where the grid is too large to tell."""
        return len(self._valid_cells) if self.enumerable else None

    def params(self, point: Sequence[int]) -> dict[str, Any]:
        """Return the names and values of a point (d levels), without inactive parameters."""
        if not self._rules.conditions and self._fits(point):
            return {
                name: axis.values[level]
                for (name, axis), level in zip(self._axes.items(), point, strict=True)
            }
        row = self._row(point)
        values = zip(
            self._names,
            self._axes.values(),
            row[0].tolist(),
            self._rules.active(row)[0],
            strict=True,
        )
        return {name: axis.values[level] for name, axis, level, active in values if active}

    def point(self, params: Mapping[str, object]) -> tuple[int, ...]:
        """Return the levels of params; floats match to rel 1e-9, since they may come from CSV or JSON.

        Raises
        ------
        SpaceError
            An unknown, missing or inactive parameter, a value off its axis, or params that break a rule.
        """
        if not isinstance(params, Mapping):
            raise SpaceError(
                f"params must be a mapping of names to values, got {shown(params)} ({type(params).__name__})"
            )
        for name in params:
            if name not in self._axes:
                raise SpaceError(unknown(name, self._names))
        row = np.array(
            [
                [
                    self._level(j, params[name]) if name in params else 0
                    for j, name in enumerate(self._names)
                ]
            ]
        )
        for j, name in enumerate(self._names):  # before any condition is asked about it
            if name not in params and j not in self._rules.conditions:
                raise SpaceError(
                    f"parameter {name!r} is missing; got {', '.join(params) or 'no parameters'}"
                )
        self._check_active(params, row)
        point = sampling.tuples(row)[0]
        rule = self._rules.broken(point)
        if rule is not None:
            raise SpaceError(f"params break the rule {rule!r}: got {shown(dict(params))}")
        return point

    def valid(self, points: Ints) -> Bools:
        """Return which of `points`, integers of shape (k, d), are on the grid and satisfy all rules: shape (k,).

        A point with an inactive parameter off level 0 is not valid.

        Raises
        ------
        SpaceError
            Not such an array, or a rule that raised an error at one of the points.
        """
        return self._rules.valid(self._array(points))

    def is_valid(self, point: Sequence[int]) -> bool:
        """Whether one point (d levels) is on the grid and satisfies all rules."""
        return bool(self.valid(np.array([tuple(point)]))[0])

    def active(self, point: Sequence[int]) -> tuple[bool, ...]:
        """Return which parameters mean something at a point (d levels)."""
        return tuple(self._rules.active(self._row(point))[0].tolist())

    def collapse(self, points: Ints) -> NDArray[np.int64]:
        """Return `points` of the grid (k, d) with inactive parameters at level 0, where all their values are one point."""
        rows = self._array(points)
        if not ((rows >= 0) & (rows < np.array(self._shape))).all():
            raise SpaceError(
                f"points must lie on the grid to be collapsed; the axes have {self._shape} levels"
            )
        return np.where(self._rules.active(rows), rows, 0)

    def coded(self, points: Ints) -> NDArray[np.int64]:
        """Return `points` of the grid (k, d) with inactive parameters at the level after their last: "does not exist here"."""
        rows = self._array(points)
        return (
            rows
            if not self._rules.conditions
            else np.where(self._rules.active(rows), rows, np.array(self._shape))
        )

    def points(self) -> NDArray[np.int64]:
        """Return all valid points in lexicographic order, read-only, shape (count, d); for grids of up to 1e6 points."""
        if not self.enumerable:
            raise SpaceError(
                f"a grid of {_large(self.size)} points is not enumerated (at most {LIMIT:,} are); use sample()"
            )
        return self._valid_points

    def sample(
        self,
        rng: np.random.Generator,
        n: int,
        *,
        exclude: Collection[tuple[int, ...]] | Ints = (),
        tries: int | None = None,
    ) -> list[tuple[int, ...]]:
        """Return up to `n` distinct valid points, uniformly drawn, none of `exclude` (points, or an array of shape (k, d)).

        On grids of up to 1e6 points fewer than `n` come only if there are no more. Beyond, points come by rejection, and
        fewer than `n` come if 1e6 tries in a row gave nothing new, or if one point is there after `tries` of them: what
        rules allow one point in a thousand makes many points dear. The result depends on nothing but the arguments.

        Raises
        ------
        SpaceError
            1e6 tries without any valid point; the message names the rule that rejects most.
        """
        if isinstance(n, bool) or operator.index(n) < 0:
            raise SpaceError(f"n must be an integer of at least 0, got {n!r}")
        if self.enumerable:
            return sampling.pick(rng, n, self._valid_cells, self._shape, exclude)
        return self._rejection.sample(rng, n, exclude, tries)

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON data; a function rule is written as its name.

        Raises
        ------
        SpaceError
            A function rule has no name, or two different functions have the same one.
        """
        known: dict[str, object] = {}
        for rule in self._where:
            if (
                rule.expression is None
                and rule.name is not None
                and known.setdefault(rule.name, rule.rule) is not rule.rule
            ):
                raise SpaceError(
                    f"two different function rules are called {rule.name!r}; give one of them another name="
                )
        axes = [serialise.axis_record(name, axis) for name, axis in self._axes.items()]
        return {"axes": axes, "where": [serialise.rule_record(rule) for rule in self._where]}

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
        """12 hex digits of axis names, values, string rules and names of functions; the order of rules does not count."""
        return serialise.fingerprint(self._axes, self._where)

    def difference(self, record: Mapping[str, Any]) -> str | None:
        """Return a sentence about the first difference to a stored space (what `to_dict` gave), None if there is none."""
        return serialise.difference(self._axes, self._where, record)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return list(self._axes.items()) == list(other._axes.items()) and self._where == other._where

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        size = _large(self.size)
        axes = ", ".join(f"{name!r}: {axis!r}" for name, axis in self._axes.items())
        rules = f", where={list(self._where)!r}" if self._where else ""
        return f"<Space {{{axes}}}{rules}; {size} grid points>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (
            dict(self._axes),
            self._where,
        )  # without tables: they are quick to make again

    @cached_property
    def _valid_cells(self) -> NDArray[np.int64]:
        cells = sampling.enumerate_valid(self._rules)
        if not cells.size:
            cause = self._rules.blame(sampling.unravel(np.arange(self.size), self._shape))
            raise SpaceError(f"no point of the space satisfies all its rules: {cause}")
        return cells

    @cached_property
    def _valid_points(self) -> NDArray[np.int64]:
        points = sampling.unravel(self._valid_cells, self._shape)
        points.flags.writeable = False
        return points

    @cached_property
    def _rejection(self) -> sampling.Rejection:
        return sampling.Rejection(self._rules)

    def _probe(self) -> None:
        """Fail now if a rule cannot be evaluated or nothing is valid; a few points mostly settle it."""
        if self._rules.free:
            return
        some = np.random.default_rng(0).integers(0, self._shape, size=(32, self.ndim))
        if not self._rules.valid(some).any() and self.enumerable:
            _ = self._valid_cells

    def _level(self, j: int, value: object) -> int:
        wanted = plain(value)
        try:
            return self._exact[j][type(wanted), wanted]  # type: ignore[index]
        except (
            Exception
        ):  # not there, or what a value of somebody's own raises when it is hashed or compared
            pass
        name = self._names[j]
        try:
            return self._axes[name].level(wanted)
        except SpaceError as error:
            raise SpaceError(f"parameter {name!r}: {error}") from None

    def _check_active(self, params: Mapping[str, object], row: NDArray[np.int64]) -> None:
        """Raise unless exactly the active parameters are given."""
        active = self._rules.active(row)
        for j, conditions in self._rules.conditions.items():
            name = self._names[j]
            if active[0, j] and name not in params:
                reasons = ", ".join(repr(condition.rule) for condition in conditions)
                raise SpaceError(f"parameter {name!r} is missing; it is active here by {reasons}")
            if not active[0, j] and name in params:
                reason = self._rules.reason(conditions, row, active)
                raise SpaceError(
                    f"parameter {name!r} is inactive here by {reason!r}; leave it out, got {shown(dict(params))}"
                )

    def _fits(self, point: Sequence[int]) -> bool:
        """Whether a point is plain whole numbers on the axes; what is not is looked at more closely by `_row`."""
        same = len(point) == len(self._shape) and set(map(type, point)) == {int}
        return same and all(0 <= level < n for level, n in zip(point, self._shape, strict=True))

    def _row(self, point: Sequence[int]) -> NDArray[np.int64]:
        row = self._array(np.array([tuple(point)]))
        for name, level, n in zip(self._names, row[0].tolist(), self._shape, strict=True):
            if not 0 <= level < n:
                raise SpaceError(
                    f"level of {name!r} must be 0 to {n - 1}, got {level} in {tuple(point)}"
                )
        return row

    def _array(self, points: Ints) -> NDArray[np.int64]:
        array = np.asarray(points)
        if array.ndim != 2 or array.shape[1] != self.ndim:
            raise SpaceError(
                f"points must have the shape (k, {self.ndim}), one level for each of {', '.join(self._names)}; got {array.shape}"
            )
        if array.dtype.kind not in "iu" and array.size:
            raise SpaceError(f"points must be integer levels, got an array of {array.dtype}")
        return array.astype(np.int64, copy=False)


def _read_axes(axes: object) -> dict[str, Axis]:
    if not isinstance(axes, Mapping):
        raise SpaceError(
            f"axes must be a mapping of names to axes, such as {{'x': [1, 2, 4]}}; got {axes!r} ({type(axes).__name__})"
        )
    if not axes:
        raise SpaceError("axes is empty; a space needs at least one axis, such as {'x': [1, 2, 4]}")
    read: dict[str, Axis] = {}
    for name, values in axes.items():
        if not isinstance(name, str) or not name:
            raise SpaceError(f"the name of an axis must be a non-empty string, got {name!r}")
        try:
            read[name] = as_axis(values)
        except SpaceError as error:
            raise SpaceError(f"axis {name!r}: {error}") from None
    return read


def _read_where(where: object) -> tuple[Rule, ...]:
    if isinstance(where, (Require, When)):
        return (where,)
    if isinstance(where, str) or not isinstance(where, Sequence):
        raise SpaceError(
            f"where must be a list of Require and When, got {where!r}; for example where=[Require('x * y <= 64')]"
        )
    for rule in where:
        if not isinstance(rule, (Require, When)):
            raise SpaceError(
                f"where must hold Require and When only, got {rule!r}; wrap it: Require({rule!r})"
            )
    return tuple(where)


def _large(count: int) -> str:
    """Return a number as people read it; grids may exceed what a float holds."""
    return f"{count:,}" if count < 10**9 else f"about 1e{len(str(count)) - 1}"


def _rebuild(axes: dict[str, Axis], where: tuple[Rule, ...]) -> Space:
    return Space(axes, where=where)
