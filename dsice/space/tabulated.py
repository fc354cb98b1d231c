"""One rule of a space with the answers that it gave, so that it is asked only once each.

A rule sees few axes, so there are few combinations of their levels, and a table holds the answers.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dsice.errors import SpaceError
from dsice.space.axes import Axis
from dsice.space.rules import Predicate, Rule
from dsice.typing import Bools, Ints, Params, Point

Outcomes: TypeAlias = NDArray[np.int8]
"""Answers of a rule, one of the five below each."""

FALSE: Final = 0
TRUE: Final = 1
INACTIVE: Final = 2  # the rule looked up an inactive parameter
ERROR: Final = -1
_UNKNOWN: Final = -2  # not evaluated yet

MAX_CELLS: Final = 1_000_000
"""Grids up to this many cells are tabulated or enumerated."""
_REMEMBERED: Final = 200_000
"""So many answers of a function are remembered where its sub-grid is larger than MAX_CELLS."""


class TabulatedRule:
    """A rule with its answers: FALSE, TRUE, INACTIVE or ERROR for each row of levels.

    Parameters
    ----------
    rule
        The Require or When it stands for.
    names, axes
        All names and axes of the space.
    columns
        Which axes the rule sees: those that a string mentions, those decided before for a function.

    Attributes
    ----------
    is_text
        Whether the rule is a string, rather than a function.
    shape, cells
        How many levels the axes have that it sees, and how many combinations there are of them.
    """

    def __init__(
        self, rule: Rule, names: Sequence[str], axes: Sequence[Axis], columns: Sequence[int]
    ) -> None:
        self.rule = rule
        self.is_text = rule.expression is not None
        self.columns = np.array(columns, dtype=np.intp)
        self._names = [names[j] for j in columns]
        self._decided = frozenset(self._names)
        self._all = frozenset(names)
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
        if self.cells <= MAX_CELLS and self.shape:  # a function may see no axis at all
            return self._looked_up(sub, seen)
        if self.is_text:  # cheaper than remembering it
            return self._evaluate(sub, seen)
        return self._remembered(sub, seen)

    def explain(self, point: Sequence[int], active: Sequence[bool]) -> SpaceError:
        """Return the error that evaluating the rule at a point ends in."""
        row = [point[j] for j in self.columns]
        seen = [active[j] for j in self.columns]
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
        if self.is_text or seen.all():
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
        function = cast(Predicate, self.rule.rule)  # a string has an expression
        rows = zip(*columns, strict=True)
        return (function(dict(zip(self._names, row, strict=True))) for row in rows)

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
        columns = zip(self._names, self._values, row, seen, strict=True)
        return {name: values[level] for name, values, level, is_active in columns if is_active}


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
