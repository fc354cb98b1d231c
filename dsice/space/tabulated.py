"""One rule bound to the axes of a space, evaluated for whole arrays of points and remembered.

A rule only sees the axes that it mentions. If their sub-grid is small enough, its answers live in a table that is filled
as cells are asked for; then a rule costs one look-up per point, whatever Python function stands behind it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dsice.errors import SpaceError
from dsice.space.axes import Axis
from dsice.space.rules import Predicate, Rule

Ints: TypeAlias = NDArray[np.integer[Any]]
Bools: TypeAlias = NDArray[np.bool_]
Outcomes: TypeAlias = NDArray[np.int8]

LIMIT: Final = 1_000_000
"""Grids up to this many cells are tabulated or enumerated."""
MEMO: Final = 200_000

FALSE: Final = 0
TRUE: Final = 1
INACTIVE: Final = 2  # the rule looked up an inactive parameter
ERROR: Final = -1
_UNKNOWN: Final = -2


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
        self._memo: dict[tuple[int, ...], int] = {}

    def outcomes(self, points: Ints, active: Bools) -> Outcomes:
        """Return the answer for each of `points` (k, d), given which parameters are active (k, d)."""
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
                f"{self.rule!r} cannot be evaluated ({what}) at {params!r}; make it hold or fail there"
            )
            found.__cause__ = error
            return found
        return SpaceError(
            f"{self.rule!r} failed at {params!r} and does not any more: it must give the same answer for the same params"
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
        if len(self._memo) > MEMO:
            self._memo.clear()
        todo = [i for i, key in enumerate(keys) if key not in self._memo]
        fresh = self._evaluate(sub[todo], seen[todo]).tolist()
        self._memo.update(zip((keys[i] for i in todo), fresh, strict=True))
        return np.array([self._memo[key] for key in keys], dtype=np.int8)

    def _evaluate(self, sub: Ints, seen: Bools) -> Outcomes:
        """Evaluate each row; a row that raises is an ERROR and does not stop the others."""
        if self.rule.expression is not None or seen.all():
            with contextlib.suppress(Exception):  # one row at least: find out which below
                return np.array(
                    [_truth(answer) for answer in self._all_answers(sub)], dtype=np.int8
                )
        return np.array(
            [self._outcome(row, on) for row, on in zip(sub.tolist(), seen.tolist(), strict=True)],
            dtype=np.int8,
        )

    def _all_answers(self, sub: Ints) -> Iterable[object]:
        """Answers of all rows in the fastest way Python has, for rows without inactive parameters."""
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
            return _truth(
                self.rule.expression.value(
                    *(values[i] for values, i in zip(self._values, row, strict=True))
                )
            )
        function = cast(Predicate, self.rule.rule)  # a string has an expression
        return _ask(function, self._params(row, seen), self._decided, self._all)

    def _params(self, row: list[int], seen: list[bool]) -> dict[str, Any]:
        return {
            name: values[i]
            for name, values, i, on in zip(self._names, self._values, row, seen, strict=True)
            if on
        }


def _ask(
    rule: Predicate, params: Mapping[str, Any], decided: frozenset[str], known: frozenset[str]
) -> int:
    """Call a function; a look-up of an inactive parameter is an answer of its own."""
    try:
        return _truth(rule(params))
    except KeyError as error:
        wanted = error.args[0] if error.args else None
        if wanted in params or wanted not in known:
            raise
        if wanted in decided:
            return INACTIVE
    raise SpaceError(
        f"it looks up {wanted!r}, which is decided later; list the When of {wanted!r} first, and let no two depend on each other"
    )


def _truth(answer: object) -> int:
    if answer is None or isinstance(answer, (str, tuple, list)):
        raise SpaceError(f"it gave {answer!r}; expected True or False")
    return TRUE if answer else FALSE


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
