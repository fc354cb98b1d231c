"""Which parameters of a point are active, and which points are valid: all rules of a space together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dsice.errors import SpaceError, shown
from dsice.space.axes import Axis
from dsice.space.expression import normal_name
from dsice.space.rules import Require, Rule, When
from dsice.space.tabulated import ERROR, FALSE, INACTIVE, TRUE, Bools, Ints, Tabulated

_SAMPLED: Final = 4096


class Validity:
    """The rules of a space, bound to its axes.

    Conditions are decided in an order in which each comes after the parameters that it mentions. String rules are tried
    before functions, since they are cheap; otherwise rules are tried in the order given, and a rule is not evaluated at
    points that an earlier one has rejected.
    """

    def __init__(self, names: Sequence[str], axes: Sequence[Axis], where: Sequence[Rule]) -> None:
        self.names = tuple(names)
        self.axes = tuple(axes)
        self.shape = tuple(len(axis) for axis in axes)
        self._top = np.array(self.shape, dtype=np.int64)
        self._index = {normal_name(name): j for j, name in enumerate(names)}
        self._bound: dict[int, Tabulated] = {}
        self.conditions = self._decide([rule for rule in where if isinstance(rule, When)])
        everything = range(len(names))
        requires = [rule for rule in where if isinstance(rule, Require)]
        requires.sort(key=lambda rule: rule.expression is None)
        self.requires = [
            Tabulated(r, names, axes, everything if r.expression is None else self._mentioned(r))
            for r in requires
        ]

    @property
    def free(self) -> bool:
        """Whether every point of the grid is valid."""
        return not self.conditions and not self.requires

    def active(self, points: Ints) -> Bools:
        """Return which parameters are active at each of `points` (k, d) on the grid."""
        if not self.conditions:
            return np.broadcast_to(np.True_, points.shape)
        active = np.ones(points.shape, dtype=np.bool_)
        for axis, conditions in self.conditions.items():
            for condition in conditions:
                active[:, axis] &= self._holds(condition, points, active, vacuous=False)
        return active

    def valid(self, points: Ints, *, functions: bool = True) -> Bools:
        """Return which of `points` (k, d) are on the grid and allowed; `functions=False` leaves function rules out."""
        result: Bools = np.all((points >= 0) & (points < self._top), axis=1)
        if self.free:
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
            good = self._holds(rule, points, active, vacuous=True)
        result[:] = False
        result[left[good]] = True
        return result

    def broken(self, point: Sequence[int]) -> Rule | None:
        """Return the first rule that a point on the grid breaks, None if it is valid."""
        points = np.array([point], dtype=np.int64)
        active = self.active(points)
        for axis, conditions in self.conditions.items():
            if not active[0, axis] and point[axis]:
                return self.reason(conditions, points, active)
        for rule in self.requires:
            if not self._holds(rule, points, active, vacuous=True)[0]:
                return rule.rule
        return None

    def reason(self, conditions: Iterable[Tabulated], points: Ints, active: Bools) -> Rule | None:
        """Return the first of the conditions that does not hold at the one point given."""
        return next(
            (c.rule for c in conditions if not self._holds(c, points, active, vacuous=False)[0]),
            None,
        )

    def blame(self, points: Ints) -> str:
        """Say which rules reject most of `points` (k, d) of the grid, each tried alone, and what to do about it."""
        points = points[:_SAMPLED]
        active = self.active(points)
        canonical = np.where(active, points, 0)
        shares: list[tuple[float, Rule]] = []
        for rule in self.requires:
            rows = self._asked(rule, active)
            rejected = np.isin(rule.outcomes(canonical[rows], active[rows]), (FALSE, ERROR)).sum()
            shares.append((float(rejected) / len(points), rule.rule))
        shares.sort(key=lambda pair: -pair[0])
        most, *others = [(repr(rule), f"{100 * share:.3g} %") for share, rule in shares[:4]]
        rest = "".join(f"; {rule} {share}" for rule, share in others)
        told = f"{most[0]} rejects most, {most[1]} of the points tried against it alone{rest}"
        return f"{told}. Relax a rule, or give its axes other values"

    def _holds(self, rule: Tabulated, points: Ints, active: Bools, *, vacuous: bool) -> Bools:
        """Where a rule holds; `vacuous` is the answer where it mentions an inactive parameter."""
        rows = self._asked(rule, active)
        result = np.full(len(points), vacuous)
        found = rule.outcomes(points[rows], active[rows])
        if (found == ERROR).any():
            at = rows[int(np.argmax(found == ERROR))]
            raise rule.explain(points[at].tolist(), active[at].tolist())
        result[rows] = (found == TRUE) | ((found == INACTIVE) & vacuous)
        return result

    def _asked(self, rule: Tabulated, active: Bools) -> NDArray[np.intp]:
        """Where a rule is evaluated: a string where all that it mentions is active, a function everywhere."""
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

    def _decide(self, rules: Sequence[When]) -> dict[int, list[Tabulated]]:
        """Bind the conditions, each parameter after those that its conditions mention; SpaceError for a cycle."""
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
                raise SpaceError(_cycle(needs, waiting.keys(), self.names))
            # functions as late as possible: they see what is decided before them
            j = min(ready, key=lambda j: any(rule.expression is None for rule in waiting[j]))
            order[j] = [self._bind(rule, waiting.keys()) for rule in waiting[j]]
            del waiting[j]
        return order

    def _bind(self, rule: When, undecided: Iterable[int]) -> Tabulated:
        if id(rule) not in self._bound:
            later = set(undecided)
            columns = (
                [j for j in range(len(self.names)) if j not in later]
                if rule.expression is None
                else self._mentioned(rule)
            )
            self._bound[id(rule)] = Tabulated(rule, self.names, self.axes, columns)
        return self._bound[id(rule)]


def unknown(name: object, names: Sequence[str]) -> str:
    """Say that there is no such parameter, and which one may have been meant."""
    close = difflib.get_close_matches(name if isinstance(name, str) else "", names, 1, 0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown parameter {shown(name)}; {hint}the parameters are {', '.join(names)}"


def _cycle(needs: dict[int, set[int]], waiting: Iterable[int], names: Sequence[str]) -> str:
    left = list(waiting)
    path = [left[0]]
    while path.count(path[-1]) < 2:
        path.append(next(j for j in left if j in needs[path[-1]]))
    loop = path[path.index(path[-1]) :]
    return f"the conditions go in a circle: {' needs '.join(names[j] for j in loop)}; one of these must not depend on the others"
