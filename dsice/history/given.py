"""Trials as columns, from whoever keeps them elsewhere: every field of every row checked.

It is to a history what a journal is: all rows at once, as `TrialColumns`. What is taken, and what
becomes of it, is as in `Tuner.tell`; row `i` is the trial with the id `i`.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dsice.checks import shown
from dsice.errors import DsiceWarning, TellError
from dsice.goal import Goal
from dsice.history import entries
from dsice.history.columns import TrialColumns
from dsice.space import Space
from dsice.trial import State, Trial, mean
from dsice.typing import Curve, Point

COUNT: Final = "count"
"""As `repeats`: equal measurements are numbered in the order of their rows."""
_NO_CURVE: Final[Curve] = ()


@dataclass(frozen=True)
class Given:
    """Columns as they were given, unchecked; the fields are arguments of `History.of`."""

    values: object = None
    states: object = None
    metrics: Mapping[str, object] | None = None
    seconds: object = None
    stages: object = None
    repeats: object = None
    members: object = None
    parents: object = None
    rounds: object = None
    notes: object = None
    overrides: object = None
    curves: object = None


class GivenTrials:
    """Trials of which every field is checked.

    Parameters
    ----------
    given
        The columns.
    space
        What the points are points of.
    points
        As `Space.levels` takes them.
    goal
        What done trials must have a number of.

    Attributes
    ----------
    columns
        The trials as a history takes them.
    unusable
        What is no finite number though the goal needs it, by row: such trials have failed.

    Raises
    ------
    SpaceError
        A row of `points` is no valid point.
    TellError
        Something else cannot be taken, or two rows are one measurement; the message names row
        and column.
    """

    def __init__(self, given: Given, space: Space, points: object, goal: Goal) -> None:
        self._space = space
        self._goal = goal
        self._points: list[Point] = list(map(tuple, space.levels(points).tolist()))
        self._n = len(self._points)
        self._states = self._read("states", given.states, entries.state, State.DONE)
        self._parents = self._read("parents", given.parents, entries.whole_or_none, None)
        for row, parent in enumerate(self._parents):
            if parent is not None and parent >= row:
                raise entries.wrong("parents", row, parent, "the row of an earlier trial, or None")
        self._notes = self._read("notes", given.notes, entries.mapping, {})
        self._overrides = self._read("overrides", given.overrides, entries.mapping, {})
        self._curves: list[Curve] = self._read("curves", given.curves, entries.curve, _NO_CURVE)
        self._rounds = self._read("rounds", given.rounds, entries.whole_or_none, None)
        self._keys = self._identities(given)
        self._seconds = self._read("seconds", given.seconds, entries.seconds, math.nan)
        self._metrics: list[dict[str, float]] = []
        self._repeats: dict[int, dict[str, tuple[float, ...]]] = {}
        self._values = self._measured(given)
        self._means = list(map(_mean, self._values))
        self.unusable: dict[int, str] = {}
        for row, state in enumerate(self._states):
            if state is State.DONE and (goal.bounded or not math.isfinite(self._means[row])):
                self._complete(row)
        self.columns = TrialColumns(
            self._points,
            self._rounds,
            self._keys,
            self._states,
            self._means,
            list(self._metrics),
            self._seconds,
            list(map(len, self._values)),
            {row: self._all_repeats(row) for row in self._repeats},
            {row for row, round in enumerate(self._rounds) if round is None},
        )

    def trial(self, id: int) -> Trial:
        """The trial of an id, made when it is looked at."""
        seconds = self._seconds[id]
        return Trial(
            id,
            self._rounds[id],
            self._space.params(self._points[id]) | self._overrides[id],
            self._points[id],
            *self._keys[id],
            parent=self._parents[id],
            overrides=dict(self._overrides[id]),
            note=dict(self._notes[id]),
            state=self._states[id],
            values=self._values[id],
            value=self._means[id] if self._values[id] else None,
            metrics=dict(self._metrics[id]),
            seconds=None if math.isnan(seconds) else seconds,
            curve=tuple(self._curves[id]),
            error=self.unusable.get(id),
            repeats=dict(self._repeats.get(id, {})),
        )

    def _all_repeats(self, row: int) -> Mapping[str, tuple[float, ...]]:
        """What `TrialColumns.repeats` holds of a row."""
        values, named = self._values[row], self._repeats[row]
        plain = len(values) > 1 and "value" not in self._metrics[row]
        return {"value": values, **named} if plain else named

    def warn(self) -> None:
        """Warn that numbers could not be used, as `Tuner.tell` does."""
        for row, problem in list(self.unusable.items())[:1]:
            many = len(self.unusable)
            rows = f"row {row}" if many == 1 else f"{many} rows, the first is row {row}"
            warnings.warn(
                f"History.of: {rows}: {problem}; recorded as failed", DsiceWarning, stacklevel=3
            )

    def require_seconds(self) -> None:
        """Raise TellError for a done trial of the goal's stage without a run time."""
        for row, (state, key) in enumerate(zip(self._states, self._keys, strict=True)):
            scored = state is State.DONE and key[0] == self._goal.stage
            if scored and math.isnan(self._seconds[row]):
                raise TellError(
                    f"seconds, row {row}: the goal weighs run time (time_weight="
                    f"{self._goal.time_weight!r}), and this trial has none"
                )

    def _read(
        self, name: str, given: object, check: Callable[[str, int, Any], Any], default: Any
    ) -> list[Any]:
        """A column with one checked entry per row; the default in each where none was given."""
        if given is None:
            return [default] * self._n
        return [check(name, row, cell) for row, cell in enumerate(self._cells(name, given))]

    def _cells(self, name: str, given: object) -> list[Any]:
        """The entries of a column as Python's own objects."""
        cells = given.tolist() if hasattr(given, "tolist") else given
        if not isinstance(cells, Iterable) or isinstance(cells, (str, bytes, Mapping)):
            raise TellError(f"{name}: expected one entry for each point, got {shown(given)}")
        cells = list(cells)
        if len(cells) != self._n:
            raise TellError(f"{name} has {len(cells)} entries, and there are {self._n} points")
        return cells

    def _identities(self, given: Given) -> list[tuple[int, int, int]]:
        """Stage, repeat and member of each row; TellError where two rows are one measurement."""
        stages = self._read("stages", given.stages, entries.whole, 0)
        members = self._read("members", given.members, entries.whole, 0)
        if isinstance(given.repeats, str) and given.repeats == COUNT:
            repeats = []
            seen: Counter[object] = Counter()
            for same in zip(self._points, stages, members, strict=True):
                repeats.append(seen[same])
                seen[same] += 1
        else:
            repeats = self._read("repeats", given.repeats, entries.whole, 0)
        keys = list(zip(stages, repeats, members, strict=True))
        if len(set(zip(self._points, keys, strict=True))) < self._n:
            self._name_the_double(keys)
        return keys

    def _name_the_double(self, keys: Sequence[tuple[int, int, int]]) -> None:
        first: dict[object, int] = {}
        for row, own in enumerate(zip(self._points, keys, strict=True)):
            if own in first:
                stage, repeat, member = keys[row]
                raise TellError(
                    f"rows {first[own]} and {row} are one measurement, "
                    f"{self._space.params(self._points[row])!r} (stage {stage}, repeat {repeat}, "
                    f"member {member}): leave one out, or number them with repeats=; "
                    f"repeats={COUNT!r} numbers equal ones in their order"
                )
            first[own] = row

    def _measured(self, given: Given) -> list[tuple[float, ...]]:
        """The values of each row; `_metrics` and `_repeats` get its named numbers."""
        if given.metrics is not None and not isinstance(given.metrics, Mapping):
            raise TellError(
                f"metrics: expected a mapping of names to columns, got {shown(given.metrics)}"
            )
        values = self._read("values", given.values, entries.numbers, ())
        columns = {
            str(name): self._read(f"metrics[{name!r}]", column, entries.numbers, ())
            for name, column in (given.metrics or {}).items()
        }
        for row, told in enumerate(values):
            named = {name: column[row] for name, column in columns.items() if column[row]}
            if self._states[row] is not State.DONE:
                told = _without_nan(told)
                told_names = {name: _without_nan(several) for name, several in named.items()}
                named = {name: several for name, several in told_names.items() if several}
            if self._states[row] is State.PENDING:
                self._require_untold(row, told, named)
            values[row] = self._of_goal(row, told, named)
            self._metrics.append({name: _mean(several) for name, several in named.items()})
            if len(values[row]) > 1 or any(len(several) > 1 for several in named.values()):
                own_first = sorted(named, key=lambda name: name != self._goal.metric)
                self._repeats[row] = {n: named[n] for n in own_first if len(named[n]) > 1}
        return values

    def _require_untold(self, row: int, told: object, named: object) -> None:
        if told or named or not math.isnan(self._seconds[row]):
            raise TellError(
                f"values, row {row}: a pending trial has no value, metric or run time; leave them "
                "None, or say in states= what became of it"
            )

    def _of_goal(
        self, row: int, told: tuple[float, ...], named: dict[str, tuple[float, ...]]
    ) -> tuple[float, ...]:
        """The measurements of the goal's metric, which `named` gets, too, unless it is "value"."""
        metric = self._goal.metric
        own = named.get(metric, ())
        value, other = _mean(told), _mean(own)
        if told and own and other != value and not math.isnan(value):
            raise TellError(
                f"values, row {row}: {value!r} and metrics[{metric!r}], {other!r}, are both the "
                "goal's metric and differ; give one of them"
            )
        told = max(told, own, key=len)
        if told:
            named[metric] = told
        if metric == "value":
            named.pop(metric, None)
        return told

    def _complete(self, row: int) -> None:
        """Check that a done trial has what the goal needs; without finite numbers it has failed."""
        goal = self._goal
        named = self._metrics[row]
        missing = [] if self._values[row] else [goal.metric]
        missing += [name for name in goal.bounded if name not in named and name != "value"]
        if missing:
            column = "values" if missing[0] == "value" else f"metrics[{missing[0]!r}]"
            raise TellError(
                f"{column}, row {row}: a done trial needs a number there; give it, or say in "
                "states= what became of the trial: 'pending', 'failed', ..."
            )
        problem = goal.not_finite(self._means[row], named)
        if problem:
            self._states[row] = State.FAILED
            self.unusable[row] = problem


def _mean(values: Sequence[float]) -> float:
    """The mean of the values in a trial; NaN where there are none."""
    if len(values) == 1:
        return values[0]
    found = mean(values)
    return math.nan if found is None else found


def _without_nan(values: tuple[float, ...]) -> tuple[float, ...]:
    """The values that are there: of a trial that is not done, NaN stands for none."""
    return tuple(value for value in values if not math.isnan(value))
