"""Which parameters of a point are active, and which points are valid: all rules of a space.

`Tabulated` is one rule with its remembered answers; `Validity` is all rules of a space together.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space.axes import Axis
from dsice.space.expression import normal_name
from dsice.space.rules import Predicate, Require, Rule, When
from dsice.typing import Bools, Ints, Params, Point

Outcomes: TypeAlias = NDArray[np.int8]
"""Answers of a rule, one of the five below each."""

FALSE: Final = 0
TRUE: Final = 1
INACTIVE: Final = 2  # the rule looked up an inactive parameter
ERROR: Final = -1
_UNKNOWN: Final = -2  # not evaluated yet

LIMIT: Final = 1_000_000
"""Grids up to this many cells are tabulated or enumerated."""
_REMEMBERED: Final = 200_000
"""So many answers of a function are remembered where its sub-grid is larger than LIMIT."""
_SAMPLED: Final = 4096
"""So many points are tried to find out which rules reject most."""


class Tabulated:
    """Answers of one rule: FALSE, TRUE, INACTIVE or ERROR for each row of levels.

    Parameters
    ----------
    rule
        The Require or When it stands for.
    names, axes
        All names and axes of the space.
    columns
        Which axes the rule sees: those that a string mentions, those decided before for a function.
    """

    def __init__(
        self, rule: Rule, names: Sequence[str], axes: Sequence[Axis], columns: Sequence[int]
    ) -> None:
        self.rule = rule
        self.columns = np.array(columns, dtype=np.intp)
        self._names = [names[j] for j in columns]
        self._decided, self._all = frozenset(self._names), frozenset(names)
        self._values = [_objects(axes[j].values) for j in columns]
        self.shape = tuple(len(axes[j]) for j in columns)
        self.cells = math.prod(self.shape)
        self._table: Outcomes | None = None
        self._memo: dict[Point, int] = {}

    def outcomes(self, points: Ints, active: Bools) -> Outcomes:
        """Return the answer for each of `points`, shape (k,).

        Parameters
        ----------
        points
            Levels, shape (k, d).
        active
            Which parameters are active there, shape (k, d).
        """
        sub = points[:, self.columns]
        seen = active[:, self.columns]
        if self.cells <= LIMIT and self.shape:  # a function may see no axis at all
            return self._looked_up(sub, seen)
        if self.rule.expression is not None:  # cheaper than remembering it
            return self._evaluate(sub, seen)
        return self._remembered(sub, seen)

    def explain(self, point: Sequence[int], active: Sequence[bool]) -> SpaceError:
        """Return the error that evaluating the rule at a point ends in."""
        row, seen = [point[j] for j in self.columns], [active[j] for j in self.columns]
        params = self._params(row, seen)
        try:
            self._answer(row, seen)
        except SpaceError as error:
            return SpaceError(f"{self.rule!r}: {error}; params: {params!r}")
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            found = SpaceError(
                f"{self.rule!r} cannot be evaluated ({what}) at {params!r}; "
                "make it hold or fail there"
            )
            found.__cause__ = error
            return found
        return SpaceError(
            f"{self.rule!r} failed at {params!r} and does not any more: "
            "it must give the same answer for the same params"
        )

    def _looked_up(self, sub: Ints, seen: Bools) -> Outcomes:
        if self._table is None:
            self._table = np.full(self.cells, _UNKNOWN, dtype=np.int8)
        flat = np.ravel_multi_index(tuple(sub.T), self.shape)
        found: Outcomes = self._table[flat]
        todo = np.flatnonzero(found == _UNKNOWN)
        if todo.size:
            cells, first = np.unique(flat[todo], return_index=True)
            rows = todo[first]
            self._table[cells] = self._evaluate(sub[rows], seen[rows])
            found = self._table[flat]
        return found

    def _remembered(self, sub: Ints, seen: Bools) -> Outcomes:
        keys = [tuple(row) for row in sub.tolist()]
        if len(self._memo) > _REMEMBERED:
            self._memo.clear()
        todo = [i for i, key in enumerate(keys) if key not in self._memo]
        fresh = self._evaluate(sub[todo], seen[todo]).tolist()
        self._memo.update(zip((keys[i] for i in todo), fresh, strict=True))
        return np.array([self._memo[key] for key in keys], dtype=np.int8)

    def _evaluate(self, sub: Ints, seen: Bools) -> Outcomes:
        """Evaluate each row; a row that raises is an ERROR and does not stop the others."""
        if self.rule.expression is not None or seen.all():
            with contextlib.suppress(Exception):  # at least one row raised: find out which below
                fast = [_truth(answer) for answer in self._all_answers(sub)]
                return np.array(fast, dtype=np.int8)
        rows = zip(sub.tolist(), seen.tolist(), strict=True)
        return np.array([self._outcome(row, on) for row, on in rows], dtype=np.int8)

    def _all_answers(self, sub: Ints) -> Iterable[object]:
        """Answers of rows without inactive parameters, in the fastest way that Python has."""
        columns = [values[sub[:, i]].tolist() for i, values in enumerate(self._values)]
        if self.rule.expression is not None:
            return map(self.rule.expression.value, *columns)
        function, names = cast(Predicate, self.rule.rule), self._names
        return (function(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))

    def _outcome(self, row: list[int], seen: list[bool]) -> int:
        try:
            return self._answer(row, seen)
        except Exception:
            return ERROR

    def _answer(self, row: list[int], seen: list[bool]) -> int:
        if self.rule.expression is not None:
            values = (own[i] for own, i in zip(self._values, row, strict=True))
            return _truth(self.rule.expression.value(*values))
        function = cast(Predicate, self.rule.rule)  # a string has an expression
        return _call(function, self._params(row, seen), self._decided, self._all)

    def _params(self, row: list[int], seen: list[bool]) -> dict[str, Any]:
        return {
            name: values[i]
            for name, values, i, on in zip(self._names, self._values, row, seen, strict=True)
            if on
        }


def _call(rule: Predicate, params: Params, decided: frozenset[str], known: frozenset[str]) -> int:
    """Call a function; a look-up of an inactive parameter is an answer of its own.

    Parameters
    ----------
    params
        The active parameters that the function sees.
    decided
        Names of the parameters of which it is known whether they are active.
    known
        Names of all parameters.
    """
    try:
        return _truth(rule(params))
    except KeyError as error:
        wanted = error.args[0] if error.args else None
        if wanted in params or wanted not in known:
            raise
        if wanted in decided:
            return INACTIVE
    raise SpaceError(
        f"it looks up {wanted!r}, which is decided later; list the When of {wanted!r} first, "
        "and let no two depend on each other"
    )


def _truth(answer: object) -> int:
    if answer is None or isinstance(answer, (str, tuple, list)):
        raise SpaceError(f"it gave {answer!r}; expected True or False")
    return TRUE if answer else FALSE


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    """The values as they are: numpy would make numbers or strings of them."""
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


class Validity:
    """The rules of a space, bound to its axes.

    Conditions are decided in an order in which each comes after the parameters that it mentions.
    String rules are tried before functions, since they are cheap; otherwise rules are tried in the
    order given, and a rule is not evaluated at points that an earlier one has rejected.

    Attributes
    ----------
    conditions
        The `When` rules of each conditional axis, in the order in which axes are decided.
    requires
        The `Require` rules, in the order in which they are tried.
    """

    def __init__(self, names: Sequence[str], axes: Sequence[Axis], where: Sequence[Rule]) -> None:
        self.names = tuple(names)
        self.axes = tuple(axes)
        self.shape = tuple(len(axis) for axis in axes)
        self._top = np.array(self.shape, dtype=np.int64)
        self._index = {normal_name(name): j for j, name in enumerate(names)}
        self._bound: dict[int, Tabulated] = {}
        self.conditions = self._bind_conditions([rule for rule in where if isinstance(rule, When)])
        everything = range(len(names))
        requires = [rule for rule in where if isinstance(rule, Require)]
        requires.sort(key=lambda rule: rule.expression is None)
        self.requires = [
            Tabulated(r, names, axes, everything if r.expression is None else self._mentioned(r))
            for r in requires
        ]

    @property
    def unconstrained(self) -> bool:
        """Whether every point of the grid is valid."""
        return not self.conditions and not self.requires

    def active(self, points: Ints) -> Bools:
        """Return which parameters are active at each of `points` (k, d) on the grid."""
        if not self.conditions:
            return np.broadcast_to(np.True_, points.shape)
        active = np.ones(points.shape, dtype=np.bool_)
        for axis, conditions in self.conditions.items():
            for condition in conditions:
                active[:, axis] &= self._holds_at(condition, points, active, vacuous=False)
        return active

    def valid(self, points: Ints, *, functions: bool = True) -> Bools:
        """Return which of `points`, shape (k, d), are on the grid and allowed.

        ``functions=False`` leaves function rules out.
        """
        result: Bools = np.all((points >= 0) & (points < self._top), axis=1)
        if self.unconstrained:
            return result
        left = np.flatnonzero(result)
        points = points[left]
        active = self.active(points)
        good = (active | (points == 0)).all(axis=1)
        for rule in self.requires:
            if rule.rule.expression is None and not functions:
                continue
            if not good.all():
                left, points, active = left[good], points[good], active[good]
            good = self._holds_at(rule, points, active, vacuous=True)
        result[:] = False
        result[left[good]] = True
        return result

    def broken_rule(self, point: Sequence[int]) -> Rule | None:
        """Return the first rule that a point on the grid breaks, None if it is valid."""
        points = np.array([point], dtype=np.int64)
        active = self.active(points)
        for axis, conditions in self.conditions.items():
            if not active[0, axis] and point[axis]:
                return self.reason(conditions, points, active)
        for rule in self.requires:
            if not self._holds_at(rule, points, active, vacuous=True)[0]:
                return rule.rule
        return None

    def reason(self, conditions: Iterable[Tabulated], points: Ints, active: Bools) -> Rule | None:
        """Return the first of the conditions that does not hold at the one point given."""
        return next(
            (c.rule for c in conditions if not self._holds_at(c, points, active, vacuous=False)[0]),
            None,
        )

    def explain_rejection(self, points: Ints) -> str:
        """Say which rules reject most of `points` of the grid, shape (k, d), and what to do.

        Each rule is tried alone.
        """
        points = points[:_SAMPLED]
        active = self.active(points)
        canonical = np.where(active, points, 0)
        shares: list[tuple[float, Rule]] = []
        for rule in self.requires:
            rows = self._evaluated_rows(rule, active)
            rejected = np.isin(rule.outcomes(canonical[rows], active[rows]), (FALSE, ERROR)).sum()
            shares.append((float(rejected) / len(points), rule.rule))
        shares.sort(key=lambda pair: -pair[0])
        most, *others = [(repr(rule), f"{100 * share:.3g} %") for share, rule in shares[:4]]
        rest = "".join(f"; {rule} {share}" for rule, share in others)
        return (
            f"{most[0]} rejects most, {most[1]} of the points tried against it alone{rest}. "
            "Relax a rule, or give its axes other values"
        )

    def _holds_at(self, rule: Tabulated, points: Ints, active: Bools, *, vacuous: bool) -> Bools:
        """Where a rule holds; `vacuous` is the answer where it mentions an inactive parameter."""
        rows = self._evaluated_rows(rule, active)
        result = np.full(len(points), vacuous)
        found = rule.outcomes(points[rows], active[rows])
        if (found == ERROR).any():
            at = rows[int(np.argmax(found == ERROR))]
            raise rule.explain(points[at].tolist(), active[at].tolist())
        result[rows] = (found == TRUE) | ((found == INACTIVE) & vacuous)
        return result

    def _evaluated_rows(self, rule: Tabulated, active: Bools) -> NDArray[np.intp]:
        """Where a rule is evaluated: a function everywhere, a string where its names are active."""
        if rule.rule.expression is None or not self.conditions:
            return np.arange(len(active))
        return np.flatnonzero(active[:, rule.columns].all(axis=1))

    def _mentioned(self, rule: Rule) -> list[int]:
        names = rule.expression.names if rule.expression is not None else ()
        if not names:
            raise SpaceError(
                f"{rule!r} mentions no parameter; the axes are {', '.join(self.names)}"
            )
        for name in names:
            if name not in self._index:
                raise SpaceError(f"{rule!r}: {unknown(name, self.names)}")
        return [self._index[name] for name in names]

    def _bind_conditions(self, rules: Sequence[When]) -> dict[int, list[Tabulated]]:
        """Bind the conditions, each parameter after those that its conditions mention.

        Raises
        ------
        SpaceError
            The conditions depend on each other in a cycle.
        """
        waiting: dict[int, list[When]] = {}
        for rule in rules:
            for name in rule.names:
                if name not in self.names:
                    raise SpaceError(f"{rule!r}: {unknown(name, self.names)}")
                waiting.setdefault(self.names.index(name), []).append(rule)
        needs = {
            j: {m for r in own if r.expression is not None for m in self._mentioned(r)}
            for j, own in waiting.items()
        }
        order: dict[int, list[Tabulated]] = {}
        while waiting:
            ready = [j for j in waiting if not needs[j] & waiting.keys()]
            if not ready:
                raise SpaceError(_describe_cycle(needs, waiting.keys(), self.names))
            # functions as late as possible: they see what is decided before them
            j = min(ready, key=lambda j: any(rule.expression is None for rule in waiting[j]))
            order[j] = [self._bind(rule, waiting.keys()) for rule in waiting[j]]
            del waiting[j]
        return order

    def _bind(self, rule: When, undecided: Iterable[int]) -> Tabulated:
        if id(rule) not in self._bound:
            later = set(undecided)
            if rule.expression is None:
                columns = [j for j in range(len(self.names)) if j not in later]
            else:
                columns = self._mentioned(rule)
            self._bound[id(rule)] = Tabulated(rule, self.names, self.axes, columns)
        return self._bound[id(rule)]


def unknown(name: object, names: Sequence[str]) -> str:
    """Say that there is no such parameter, and which one may have been meant."""
    close = difflib.get_close_matches(name if isinstance(name, str) else "", names, 1, 0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown parameter {shown(name)}; {hint}the parameters are {', '.join(names)}"


def _describe_cycle(
    needs: dict[int, set[int]], waiting: Iterable[int], names: Sequence[str]
) -> str:
    left = list(waiting)
    path = [left[0]]
    while path.count(path[-1]) < 2:
        path.append(next(j for j in left if j in needs[path[-1]]))
    loop = path[path.index(path[-1]) :]
    return (
        f"the conditions go in a circle: {' needs '.join(names[j] for j in loop)}; "
        "one of these must not depend on the others"
    )
