"""Which parameters of a point are active, and which points are valid: all rules of a space."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space.among import Among
from dsice.space.axes import Axis
from dsice.space.names import as_parsed
from dsice.space.points import PointSet
from dsice.space.rules import EvaluatedRule, Require, Rule, When, check_number_of_rules
from dsice.space.tabulated import ERROR, FALSE, INACTIVE, TRUE, Columns, Stopwatch, TabulatedRule
from dsice.typing import Bools, Ints, Params

_SAMPLED: Final = 4096
"""So many points are tried to find out which rules reject most."""
_TYPED: Final = 100
"""Names of more characters are not compared with what was meant: that takes the square of it."""
_COMPARED: Final = 1000
"""So many names are compared with what was meant."""


class BoundSet(NamedTuple):
    """An `Among`, and its points with inactive parameters at level 0."""

    rule: Among
    points: PointSet


class Validity:
    """The rules of a space, bound to its axes.

    Conditions are decided in an order in which each comes after the parameters that it mentions.
    String rules are tried before functions, since they are cheap; otherwise rules are tried in the
    order given, and a rule is not evaluated at points that an earlier one has rejected. Sets of
    points (`Among`) come before all others.

    Attributes
    ----------
    stopwatch
        Limits the time that string rules take.
    sets
        The `Among` rules, the smallest first.
    conditions
        The `When` rules of each conditional axis, in the order in which axes are decided.
    requires
        The `Require` rules, in the order in which they are tried.
    """

    def __init__(self, names: Sequence[str], axes: Sequence[Axis], where: Sequence[Rule]) -> None:
        check_number_of_rules(len(where))
        self.names = tuple(names)
        self.axes = tuple(axes)
        self.shape = tuple(len(axis) for axis in axes)
        self._top = np.array(self.shape, dtype=np.int64)
        self._index = {as_parsed(name): j for j, name in enumerate(names)}
        self._bound: dict[int, TabulatedRule] = {}
        self.stopwatch = Stopwatch()
        self._shared = (Columns(self.axes), self.stopwatch)
        self.conditions = self._bind_conditions([rule for rule in where if isinstance(rule, When)])
        everything = range(len(names))
        requires = [rule for rule in where if isinstance(rule, Require)]
        requires.sort(key=lambda rule: rule.expression is None)
        self.requires = [
            self._tabulated(r, self._mentioned(r) if r.expression else everything) for r in requires
        ]
        sets = [self._bound_set(rule) for rule in where if isinstance(rule, Among)]
        self.sets = sorted(sets, key=lambda bound: len(bound.points))

    @property
    def unconstrained(self) -> bool:
        """Whether every point of the grid is valid."""
        return not self.conditions and not self.requires and not self.sets

    def active(self, points: Ints) -> Bools:
        """Return which parameters are active at each of `points` (k, d) on the grid."""
        if not self.conditions:
            return np.broadcast_to(np.True_, points.shape)
        active = np.ones(points.shape, dtype=np.bool_)
        for axis, conditions in self.conditions.items():
            for condition in conditions:
                active[:, axis] &= self._holds_at(condition, points, active, vacuous=False)
        return active

    def valid(self, points: Ints, *, functions: bool = True, skip: int = 0) -> Bools:
        """Return which of `points`, shape (k, d), are on the grid and allowed.

        ``functions=False`` leaves function rules out, `skip` so many of `requires`.
        """
        with self.stopwatch.question():
            return self._valid(points, self.requires[skip:], functions)

    def _valid(self, points: Ints, requires: Sequence[TabulatedRule], functions: bool) -> Bools:
        result: Bools = np.all((points >= 0) & (points < self._top), axis=1)
        if self.unconstrained:
            return result
        left = np.flatnonzero(result)  # rows that no rule has rejected yet
        for allowed in self.sets:
            left = left[allowed.points.holds(points[left])]
        points = points[left]
        active = self.active(points)
        good = (active | (points == 0)).all(axis=1)
        for rule in requires:
            if not rule.is_text and not functions:
                continue
            if not good.all():
                left = left[good]
                points = points[good]
                active = active[good]
            good = self._holds_at(rule, points, active, vacuous=True)
        result[:] = False
        result[left[good]] = True
        return result

    def on_grid(self) -> tuple[Bools, int]:
        """Return which points of the whole grid the first rules allow, and how many these are.

        The grid has all axes. Left out are rules that can only be evaluated point by point, with
        all that come after them.
        """
        allowed = np.ones(self.shape, dtype=np.bool_)
        if self.conditions:
            return allowed, 0
        for done, rule in enumerate(self.requires):
            found = rule.over_grid(self.shape)
            if found is None or bool((allowed & found[1]).any()):  # a point where it may raise
                return allowed, done
            allowed &= found[0]
        return allowed, len(self.requires)

    def broken_rule(self, point: Sequence[int]) -> Rule | None:
        """Return the first rule that a point on the grid breaks, None if it is valid."""
        points = np.array([point], dtype=np.int64)
        for allowed in self.sets:
            if not allowed.points.holds(points)[0]:
                return allowed.rule
        active = self.active(points)
        for axis, conditions in self.conditions.items():
            if not active[0, axis] and point[axis]:
                return self.reason(conditions, points, active)
        for rule in self.requires:
            if not self._holds_at(rule, points, active, vacuous=True)[0]:
                return rule.rule
        return None

    def refusal(self, point: Sequence[int], params: Params) -> str:
        """Say why a point of the grid, whose params these are, is not valid."""
        for j, conditions in self.conditions.items():
            points = np.array([point], dtype=np.int64)
            active = self.active(points)
            if not active[0, j] and point[j]:
                reason = self.reason(conditions, points, active)
                return f"parameter {self.names[j]!r} is inactive here by {reason!r}; its level is 0"
        return f"params break the rule {self.broken_rule(point)!r}: got {shown(dict(params))}"

    def reason(
        self, conditions: Iterable[TabulatedRule], points: Ints, active: Bools
    ) -> Rule | None:
        """Return the first of the conditions that does not hold at the one point given."""
        for condition in conditions:
            if not self._holds_at(condition, points, active, vacuous=False)[0]:
                return condition.rule
        return None

    def check(self, params: Params, points: Ints) -> None:
        """Raise SpaceError unless params are the active ones and break no rule.

        Parameters
        ----------
        params
            What was given, names and values.
        points
            Their levels, shape (1, d), on the grid; 0 for what was not given.
        """
        for j, name in enumerate(self.names):  # before any condition is asked about it
            if name not in params and j not in self.conditions:
                raise SpaceError(
                    f"parameter {name!r} is missing; got {', '.join(params) or 'no parameters'}"
                )
        self._check_active(params, points)
        rule = self.broken_rule(points[0].tolist())
        if rule is not None:
            raise SpaceError(f"params break the rule {rule!r}: got {shown(dict(params))}")

    def _check_active(self, params: Params, points: Ints) -> None:
        """Raise SpaceError unless exactly the active parameters are given."""
        active = self.active(points)
        for j, conditions in self.conditions.items():
            name = self.names[j]
            if active[0, j] and name not in params:
                reasons = ", ".join(repr(condition.rule) for condition in conditions)
                raise SpaceError(f"parameter {name!r} is missing; it is active here by {reasons}")
            if not active[0, j] and name in params:
                reason = self.reason(conditions, points, active)
                raise SpaceError(
                    f"parameter {name!r} is inactive here by {reason!r}; "
                    f"leave it out, got {shown(dict(params))}"
                )

    def explain_rejection(self, points: Ints) -> str:
        """Say which rules reject most of `points` of the grid, shape (k, d), and what to do.

        Each rule is tried alone.
        """
        points = points[:_SAMPLED]
        active = self.active(points)
        canonical = np.where(active, points, 0)
        shares: list[tuple[float, Rule]] = [
            (1.0 - float(allowed.points.holds(points).mean()), allowed.rule)
            for allowed in self.sets
        ]
        for rule in self.requires:
            rows = self._evaluated_rows(rule, active)
            answers = rule.outcomes(canonical[rows], active[rows])
            rejected = np.isin(answers, (FALSE, ERROR)).sum()
            shares.append((float(rejected) / len(points), rule.rule))
        shares.sort(key=lambda pair: -pair[0])
        most, *others = [(repr(rule), f"{100 * share:.3g} %") for share, rule in shares[:4]]
        rest = "".join(f"; {rule} {share}" for rule, share in others)
        return (
            f"{most[0]} rejects most, {most[1]} of the points tried against it alone{rest}. "
            "Relax a rule, or give its axes other values"
        )

    def _holds_at(
        self, rule: TabulatedRule, points: Ints, active: Bools, *, vacuous: bool
    ) -> Bools:
        """Where a rule holds; `vacuous` is the answer where it mentions an inactive parameter."""
        rows = self._evaluated_rows(rule, active)
        result = np.full(len(points), vacuous)
        found = rule.outcomes(points[rows], active[rows])
        if (found == ERROR).any():
            at = rows[int(np.argmax(found == ERROR))]
            raise rule.explain(points[at].tolist(), active[at].tolist())
        result[rows] = (found == TRUE) | ((found == INACTIVE) & vacuous)
        return result

    def _evaluated_rows(self, rule: TabulatedRule, active: Bools) -> NDArray[np.intp]:
        """Where a rule is evaluated: a function everywhere, a string where its names are active."""
        if not rule.is_text or not self.conditions:
            return np.arange(len(active))
        return np.flatnonzero(active[:, rule.columns].all(axis=1))

    def _bound_set(self, rule: Among) -> BoundSet:
        if not self.conditions:
            return BoundSet(rule, rule.points)
        rows = rule.points.rows()
        active = self.active(rows)
        if (active | (rows == 0)).all():
            return BoundSet(rule, rule.points)
        return BoundSet(rule, PointSet.of(self.shape, np.where(active, rows, 0)))

    def _mentioned(self, rule: EvaluatedRule) -> list[int]:
        """The axes that a string rule mentions."""
        names = () if rule.expression is None else rule.expression.bound(self.names).names
        if not names:
            raise SpaceError(
                f"{rule!r} mentions no parameter; the axes are {', '.join(self.names)}"
            )
        for name in names:
            if name not in self._index:
                raise SpaceError(f"{rule!r}: {describe_unknown(name, self.names)}")
        return [self._index[name] for name in names]

    def _bind_conditions(self, rules: Sequence[When]) -> dict[int, list[TabulatedRule]]:
        """Bind the conditions, each parameter after those that its conditions mention.

        Raises
        ------
        SpaceError
            The conditions depend on each other in a cycle.
        """
        waiting: dict[int, list[When]] = {}
        places = {name: j for j, name in enumerate(self.names)}
        for rule in rules:
            for name in rule.names:
                if name not in places:
                    raise SpaceError(f"{rule!r}: {describe_unknown(name, self.names)}")
                waiting.setdefault(places[name], []).append(rule)
        needs = {
            j: {m for r in own if r.expression is not None for m in self._mentioned(r)}
            for j, own in waiting.items()
        }
        order: dict[int, list[TabulatedRule]] = {}
        while waiting:
            ready = [j for j in waiting if not any(m in waiting for m in needs[j])]
            if not ready:
                raise SpaceError(_describe_cycle(needs, waiting.keys(), self.names))
            # functions as late as possible: they see what is decided before them
            j = min(ready, key=lambda j: any(rule.expression is None for rule in waiting[j]))
            order[j] = [self._bind(rule, waiting.keys()) for rule in waiting[j]]
            del waiting[j]
        return order

    def _bind(self, rule: When, undecided: Iterable[int]) -> TabulatedRule:
        if id(rule) not in self._bound:
            later = set(undecided)
            if rule.expression is None:
                columns = [j for j in range(len(self.names)) if j not in later]
            else:
                columns = self._mentioned(rule)
            self._bound[id(rule)] = self._tabulated(rule, columns)
        return self._bound[id(rule)]

    def _tabulated(self, rule: EvaluatedRule, columns: Sequence[int]) -> TabulatedRule:
        return TabulatedRule(rule, self.names, self.axes, columns, self._shared)


def describe_unknown(name: object, names: Sequence[str]) -> str:
    """Say that there is no such parameter, and which one may have been meant."""
    close: list[str] = []
    if isinstance(name, str) and len(name) <= _TYPED:
        near = [known for known in names if len(known) <= _TYPED][:_COMPARED]
        close = difflib.get_close_matches(name, near, 1, 0.6)
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
