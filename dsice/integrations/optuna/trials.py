"""The trials of a study of Optuna as a history, those included that are proposed and not measured.

A proposal is written to its trial, as a system attribute, before Optuna suggests a value of it. So
every process that reads the study sees it as pending.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

from dsice.goal import Goal
from dsice.history import History
from dsice.history.columns import TrialColumns
from dsice.history.sources import SourceTrials
from dsice.integrations.optuna.distributions import Grid
from dsice.reuse import Source
from dsice.trial import State, Trial
from dsice.typing import Point

PROPOSAL: Final = "dsice:proposal"
"""System attribute of a trial: the values proposed for it, in Optuna's numbers, and why."""
FIXED: Final = "fixed_params"
"""Optuna's own: the values of a trial that was enqueued."""
FAR: Final = 1e12  # a constraint counts as broken by no more than this
VALUE: Final = "value of the study"
"""The column of the values in a table of trials."""
BEGINS_WITHIN = timedelta(seconds=60)
"""A trial that has neither values nor a proposal after this time is not being asked any more."""


@dataclass(frozen=True)
class Row:
    """A trial as the search sees it.

    Attributes
    ----------
    number
        Of the trial in its study.
    point, state, value
        As in `dsice.Trial`.
    constraints
        By name; kept where <= 0.
    exact
        Whether the values are those of the point, and not only nearest to it.
    elsewhere
        Whether a parameter that is fixed on the grid had another value.
    """

    number: int
    point: Point
    state: State
    value: float | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)
    exact: bool = True
    elsewhere: bool = False


class StudyRows:
    """The rows of a study on a grid; those of finished trials are made once.

    Parameters
    ----------
    grid
        Where the points lie. A trial that has none there, or one that the rules forbid, says
        nothing.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._finished: dict[int, Row | None] = {}
        self._running: dict[int, tuple[Any, Row | None]] = {}  # what a row was made of

    def of(self, trials: Sequence[FrozenTrial], *, but: int) -> list[Row]:
        """The rows of trials other than the one with this number, in the order of their numbers."""
        found = []
        for trial in trials:
            number = trial.number
            if number in self._finished:
                row = self._finished[number]
            elif number == but:
                continue
            else:
                row = self._latest(trial)
            if row is not None:
                found.append(row)
        return found

    def _latest(self, trial: FrozenTrial) -> Row | None:
        """The row of a trial, made anew only where the trial has changed."""
        if trial.state.is_finished():
            self._running.pop(trial.number, None)
            self._finished[trial.number] = row = self._row(trial)
            return row
        attributes = trial.system_attrs
        now = (attributes.get(PROPOSAL), attributes.get(FIXED), dict(trial.params))
        before, row = self._running.get(trial.number, (None, None))
        if before != now:
            row = self._row(trial)
            self._running[trial.number] = (now, row)
        return row

    def _row(self, trial: FrozenTrial) -> Row | None:
        values = self._values(trial)
        point = self._grid.point(values)
        if point is None or (self._grid.space.where and not self._grid.space.is_valid(point)):
            return None
        state, value = outcome(trial)
        broken = {} if state is State.PENDING else trial.constraints
        exact = self._grid.holds(values, point)
        elsewhere = not self._grid.has_fixed(values)
        return Row(trial.number, point, state, value, broken, exact, elsewhere)

    def _values(self, trial: FrozenTrial) -> dict[str, float]:
        """What is known of a trial's values, in Optuna's numbers: measured, fixed or proposed."""
        if trial.state.is_finished():
            return self._grid.internal(trial.params)
        attributes = trial.system_attrs
        proposed = attributes.get(PROPOSAL, {}).get("values", {})
        fixed = attributes.get(FIXED, {})
        return {
            **{name: value for name, value in proposed.items() if name in self._grid.axes},
            **self._grid.internal(fixed),
            **self._grid.internal(trial.params),
        }


def outcome(trial: FrozenTrial) -> tuple[State, float | None]:
    """State and value of a trial; one that ended without a finite value has failed."""
    if trial.state is TrialState.COMPLETE:
        value = trial.value
        usable = value is not None and math.isfinite(value)
        return (State.DONE, value) if usable else (State.FAILED, None)
    if trial.state is TrialState.PRUNED:
        return State.STOPPED, None
    return (State.FAILED if trial.state is TrialState.FAIL else State.PENDING), None


def history_of(
    grid: Grid, rows: Sequence[Row], *, maximize: bool, sources: Sequence[SourceTrials]
) -> History:
    """Rows as a history on their grid; constraints become bounds of the goal.

    What was measured with other values of fixed parameters informs as a related task does.
    """
    sources = [*sources, *_elsewhere(grid, rows, maximize)]
    rows = _merged([row for row in rows if not row.elsewhere])
    names = sorted({name for row in rows for name in row.constraints})
    goal = Goal(maximize=maximize, at_most=dict.fromkeys(map(_metric, names), 0.0))
    history = History(goal)
    history.sources = tuple(sources)
    columns = _columns(rows, names)

    def trial(id: int) -> Trial:
        """The trial of an id, made when it is looked at."""
        row = rows[id]
        values = () if row.value is None else (row.value,)
        return Trial(
            id,
            None,
            grid.space.params(row.point),
            row.point,
            *columns.keys[id],
            state=row.state,
            values=values,
            value=row.value,
            metrics=dict(columns.metrics[id]),
        )

    history.load(columns, trial)
    return history


def _columns(rows: Sequence[Row], constraints: Sequence[str]) -> TrialColumns:
    """What `History.of` would make of rows, which need no more checks."""
    points = [row.point for row in rows]
    seen: Counter[Point] = Counter()
    keys = []
    for point in points:
        keys.append((0, seen[point], 0))
        seen[point] += 1
    kept = {name: _metric(name) for name in constraints}
    n = len(rows)
    return TrialColumns(
        points,
        [None] * n,
        keys,
        [row.state for row in rows],
        [math.nan if row.value is None else row.value for row in rows],
        [_bounded(row, kept) for row in rows] if kept else [{}] * n,
        [math.nan] * n,
        [int(row.value is not None) for row in rows],
    )


def _bounded(row: Row, names: Mapping[str, str]) -> dict[str, float]:
    """The constraints of a done trial as metrics; of one that lacks one, kept."""
    if row.state is not State.DONE:
        return {}
    return {
        metric: min(max(row.constraints.get(name, 0.0), -FAR), FAR)
        for name, metric in names.items()
    }


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Rows of which those near one point are one, with the mean of their values.

    Equal values are repeats of one measurement, whose scatter is noise; different ones are not.
    """
    if len({row.point for row in rows}) == len(rows):
        return list(rows)
    groups: dict[Point, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.point, []).append(row)
    found = []
    for group in groups.values():
        done = [row for row in group if row.value is not None]
        if len(group) == 1 or all(row.exact for row in group):
            found += group
        elif done:
            value = float(np.mean([row.value for row in done]))
            found.append(replace(done[0], number=group[0].number, value=value))
        else:
            found.append(group[0])
    return sorted(found, key=lambda row: row.number)


def _elsewhere(grid: Grid, rows: Sequence[Row], maximize: bool) -> list[SourceTrials]:
    """What was measured with other values of the parameters that are fixed on the grid."""
    free = [name for name in grid.axes if name not in grid.fixed]
    measured = [row for row in rows if row.elsewhere and row.state is State.DONE]
    if not free or not measured:
        return []
    table = {
        name: [grid.axes[name].axis.values[row.point[j]] for row in measured]
        for j, name in enumerate(grid.axes)
        if name in free
    }
    table[VALUE] = [row.value for row in measured]
    source = Source(
        pd.DataFrame(table), metric=VALUE, maximize=maximize, name="other values of what is fixed"
    )
    return [source.trials(grid.space)]


def _metric(constraint: str) -> str:
    """Name of a constraint as a metric, never that of the goal's own."""
    return f"constraint {constraint}"


def propose(study: Study, trial: FrozenTrial, values: Mapping[str, float], phase: str) -> None:
    """Write down what is proposed for a trial, for all who read the study."""
    record: Any = {"values": dict(values), "phase": phase}
    study._storage.set_trial_system_attr(trial._trial_id, PROPOSAL, record)


def being_asked(trials: Sequence[FrozenTrial], trial: FrozenTrial, waiting: Collection[int]) -> int:
    """How many earlier trials are about to be proposed something by somebody else.

    Parameters
    ----------
    waiting
        Numbers of the trials that wait until this one has its proposal, and will see it.
    """
    now = datetime.now()
    return sum(
        other.state is TrialState.RUNNING
        and other.number < trial.number
        and other.number not in waiting
        and not other.params
        and PROPOSAL not in other.system_attrs
        and other.datetime_start is not None
        and now - other.datetime_start < BEGINS_WITHIN
        for other in trials
    )


class KnownSpace:
    """What is known of the search space of a study that says it while it runs.

    Parameters
    ----------
    conditional
        Names of the parameters that a trial may lack, by the rules.
    """

    def __init__(self, conditional: Collection[str]) -> None:
        self._conditional = conditional
        self._common = IntersectionSearchSpace(include_pruned=True)

    def of(self, study: Study, trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
        """The distributions that all finished trials have, and those of conditional parameters.

        One that was not always the same is left out.
        """
        found: dict[str, BaseDistribution] = dict(self._common.calculate(study))
        for name in self._conditional:
            seen = {
                trial.distributions[name]
                for trial in trials
                if trial.state.is_finished() and name in trial.distributions
            }
            if len(seen) == 1:
                found[name] = seen.pop()
        return found
