"""One rule of a space with the answers that it gave, so that it is asked only once each.

A rule sees few axes, so there are few combinations of their levels, and a table holds the answers.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dsice.errors import SpaceError
from dsice.space.axes import Axis
from dsice.space.calculated import Unsupported, Values, values_of
from dsice.space.points import DIMENSIONS, MAX_POINTS
from dsice.space.rules import EvaluatedRule, Predicate
from dsice.space.vectorised import VectorRule
from dsice.typing import Bools, Ints, Params, Point

Outcomes: TypeAlias = NDArray[np.int8]
"""Answers of a rule, one of the five below each."""

FALSE: Final = 0
TRUE: Final = 1
INACTIVE: Final = 2  # the rule looked up an inactive parameter
ERROR: Final = -1
_UNKNOWN: Final = -2  # not evaluated yet

MAX_CELLS: Final = MAX_POINTS
"""Tables of answers have at most so many cells."""
_SMALL: Final = 65_536
"""Tables of string rules that can be evaluated at many points at once are not larger than this."""
_MANY: Final = 64
"""From so many points on it pays to evaluate a string rule at all of them at once."""
MAX_SECONDS: Final = 30.0
"""So long string rules may be evaluated, of CPU time, for one question to a space."""
_FILL: Final = 16
"""A table is filled at once where it has at most so many times the cells that are asked for."""
_SLICE: Final = 1024
"""So many points are evaluated between two looks at the clock."""
_REMEMBERED: Final = 200_000
"""So many answers of a function are remembered where its sub-grid is larger than MAX_CELLS."""


class Stopwatch:
    """The time that the string rules of a space take.

    They may come from somebody else's journal, where a short text may take hours.
    """

    def __init__(self) -> None:
        self._spent = 0.0
        self._inside = False

    @contextlib.contextmanager
    def question(self) -> Iterator[None]:
        """One question to the space, for which all rules together have `MAX_SECONDS`."""
        outermost, self._inside = not self._inside, True
        if outermost:
            self._spent = 0.0
        try:
            yield
        finally:
            if outermost:
                self._inside = False

    @contextlib.contextmanager
    def evaluating(self, rule: EvaluatedRule) -> Iterator[Callable[[], None]]:
        """Count the time of the block, in which a rule is evaluated.

        It is given a function to call meanwhile, which raises SpaceError where the rules have
        taken too long by now; at the end it is called once more.
        """
        before = self._spent if self._inside else 0.0
        began = time.thread_time()

        def check() -> None:
            self._spent = before + time.thread_time() - began
            if self._spent > MAX_SECONDS:
                raise SpaceError(
                    f"{rule!r}: evaluating the rules takes more than {MAX_SECONDS:g} s; make it "
                    "simpler, split it into rules over fewer parameters, or use a function instead"
                )

        yield check
        check()


class Columns:
    """The values of all axes as arrays, for all rules of a space."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = axes
        self._objects: dict[int, NDArray[np.object_]] = {}
        self._values: dict[int, Values] = {}

    def objects(self, j: int) -> NDArray[np.object_]:
        """The values of an axis as they are: numpy would make numbers or strings of them."""
        if j not in self._objects:
            self._objects[j] = np.fromiter(self._axes[j].values, dtype=object)
        return self._objects[j]

    def values(self, j: int) -> Values:
        """The same with a type, where all are of one."""
        if j not in self._values:
            self._values[j] = values_of(self._axes[j].values)
        return self._values[j]


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
    shared
        What all rules of the space have in common.

    Attributes
    ----------
    is_text
        Whether the rule is a string, rather than a function.
    shape, cells
        How many levels the axes have that it sees, and how many combinations there are of them.
    """

    def __init__(
        self,
        rule: EvaluatedRule,
        names: Sequence[str],
        axes: Sequence[Axis],
        columns: Sequence[int],
        shared: tuple[Columns, Stopwatch],
    ) -> None:
        self.rule = rule
        self._expression = None if rule.expression is None else rule.expression.bound(names)
        self._axes, self._stopwatch = shared
        self.is_text = self._expression is not None
        self.columns = np.array(columns, dtype=np.intp)
        self._names = [names[j] for j in columns]
        self._decided = frozenset(self._names)
        self._all = frozenset(names)
        self.shape = tuple(len(axes[j]) for j in columns)
        self.cells = math.prod(self.shape)
        self._table: Outcomes | None = None
        self._vector: VectorRule | None = None
        self._is_vector = self.is_text  # until it turns out that it is none
        self._memo: dict[Point, int] = {}
        self._objects: list[NDArray[np.object_]] = []

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
        few = self.is_text and self._table is None and len(sub) < _MANY
        if few or (self.cells > _SMALL and self._can_be_vector()):
            return self._evaluate(sub, seen)
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

    def over_grid(self, shape: tuple[int, ...]) -> tuple[Bools, Bools] | None:
        """Whether a string rule holds on the whole grid, and where that is doubtful.

        The arrays have all axes of the grid, with one level where the rule does not see the axis.
        None: it can only be evaluated point by point.
        """
        if not self.is_text or len(shape) > DIMENSIONS:
            return None
        levels = []
        for j in self.columns.tolist():
            ones = [1] * len(shape)
            ones[j] = shape[j]
            levels.append(np.arange(shape[j]).reshape(ones))
        return self._at_once(levels)

    def _looked_up(self, sub: Ints, seen: Bools) -> Outcomes:
        if self._table is None:
            self._table = np.full(self.cells, _UNKNOWN, dtype=np.int8)
        flat = sub @ np.cumprod((1, *self.shape[:0:-1]), dtype=np.int64)[::-1]
        found: Outcomes = self._table[flat]
        todo = np.flatnonzero(found == _UNKNOWN)
        if todo.size >= _MANY and self.cells <= _FILL * todo.size and self._fill(self._table):
            found = self._table[flat]
            todo = np.flatnonzero(found == _UNKNOWN)
        if todo.size:
            cells, first = np.unique(flat[todo], return_index=True)
            rows = todo[first]
            self._table[cells] = self._evaluate(sub[rows], seen[rows])
            found = self._table[flat]
        return found

    def _fill(self, table: Outcomes) -> bool:
        """Put all answers of a string rule into its table, but for doubtful ones, if possible."""
        if len(self.shape) > DIMENSIONS:
            return False
        grid = [np.arange(n).reshape(-1, *[1] * i) for i, n in enumerate(self.shape[::-1])][::-1]
        found = self._at_once(grid)
        if found is None:
            return False
        truth, doubtful = found
        unknown = table == _UNKNOWN
        answers = np.where(doubtful, _UNKNOWN, truth).astype(np.int8).ravel()
        table[unknown] = answers[unknown]
        return True

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
        if not self.is_text:
            return np.array(self._in_turn(sub, seen), dtype=np.int8)
        rows = np.arange(len(sub))
        answers = np.full(len(sub), FALSE, dtype=np.int8)
        if len(sub) >= _MANY and (found := self._at_once(list(sub.T))) is not None:
            answers[:] = found[0]
            rows = np.flatnonzero(found[1])
        for start in range(0, len(rows), _SLICE):
            some = rows[start : start + _SLICE]
            with self._stopwatch.evaluating(self.rule):
                answers[some] = self._in_turn(sub[some], seen[some])
        return answers

    def _can_be_vector(self) -> bool:
        """Whether a string rule can be evaluated at many points at once, as far as is known."""
        if self._is_vector and self._vector is None:
            self._at_once([np.zeros(1, dtype=np.int64) for _ in self.shape])
        return self._is_vector

    def _at_once(self, levels: Sequence[Ints]) -> tuple[Bools, Bools] | None:
        """Whether a string rule holds at all levels, and where that is doubtful; None: unknown."""
        if not self._is_vector or self._expression is None:
            return None
        try:
            if self._vector is None:
                self._vector = VectorRule(self._expression)
            columns = {
                name: self._axes.values(j).at(levels[i])
                for i, (name, j) in enumerate(
                    zip(self._expression.names, self.columns.tolist(), strict=True)
                )
            }
            with self._stopwatch.evaluating(self.rule) as check:
                return self._vector(columns, check)
        except Unsupported:
            self._is_vector = False
            return None

    def _in_turn(self, sub: Ints, seen: Bools) -> list[int]:
        """Evaluate each row by itself."""
        if self.is_text or seen.all():
            with contextlib.suppress(Exception):  # at least one row raised: find out which below
                return [_truth(answer) for answer in self._all_answers(sub)]
        rows = zip(sub.tolist(), seen.tolist(), strict=True)
        return [self._outcome(row, on) for row, on in rows]

    def _all_answers(self, sub: Ints) -> Iterable[object]:
        """Answers of rows without inactive parameters, in the fastest way that Python has."""
        columns = [values[sub[:, i]].tolist() for i, values in enumerate(self._values())]
        if self._expression is not None:
            return map(self._expression.value, *columns)
        function = cast(Predicate, self.rule.rule)  # a string has an expression
        rows = zip(*columns, strict=True)
        return (function(dict(zip(self._names, row, strict=True))) for row in rows)

    def _outcome(self, row: list[int], seen: list[bool]) -> int:
        try:
            return self._answer(row, seen)
        except Exception:
            return ERROR

    def _answer(self, row: list[int], seen: list[bool]) -> int:
        if self._expression is not None:
            values = (own[i] for own, i in zip(self._values(), row, strict=True))
            return _truth(self._expression.value(*values))
        function = cast(Predicate, self.rule.rule)  # a string has an expression
        return _call(function, self._params(row, seen), self._decided, self._all)

    def _values(self) -> list[NDArray[np.object_]]:
        if not self._objects:
            self._objects = [self._axes.objects(j) for j in self.columns.tolist()]
        return self._objects

    def _params(self, row: list[int], seen: list[bool]) -> dict[str, Any]:
        columns = zip(self._names, self._values(), row, seen, strict=True)
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
