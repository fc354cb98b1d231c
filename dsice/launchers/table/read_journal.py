"""Read a journal of dsice as a log of measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dsice.errors import SpaceError, TableError
from dsice.history import History
from dsice.journal.emptied import no_study
from dsice.journal.loader import JournalLoader
from dsice.journal.stored_space import stored_space
from dsice.launchers.table.log import ABSENT, Columns, Key, Log
from dsice.space import Space, When
from dsice.trial import Trial


def read(path: Path, columns: Columns) -> Log:
    """The told trials of the stage of the goal in force, on the journal's space.

    Raises
    ------
    TableError
        Nothing was measured, or the space cannot be rebuilt.
    JournalError
        The file is no journal, or has a bad line in the middle.
    """
    if columns != Columns(columns.objective, curves=columns.curves is True):
        raise TableError(
            f"{path} is a journal and names its parameters and metrics itself; "
            "leave out all but objective= and curves=True"
        )
    loader = JournalLoader.open(path)
    if loader.header is None:
        raise TableError(str(no_study(loader.path)))
    try:
        space = stored_space(loader.header["space"], to_measure=False)
    except SpaceError as error:
        raise TableError(f"journal {path} cannot be replayed: {error}") from error
    goal = loader.goal()
    history = History(goal)
    loader.fill(history, space)
    metric = columns.objective or goal.metric
    stage = goal.stage
    told = [
        t
        for t in history
        if t.stage == stage
        and not t.overrides
        and t.state in ("done", "failed", "timed_out", "invalid")
    ]
    names = sorted({name for trial in told for name in trial.metrics} - {metric})
    rows = [row for trial in told for row in _rows(trial, metric, names, space)]
    if not any(math.isfinite(value) for _, value, _, _ in rows):
        raise TableError(
            f"journal {path} has no told trial with the metric {metric!r}; "
            "choose another one with objective="
        )
    keys, values, seconds, others = zip(*rows, strict=True)
    matrix = np.array(others, dtype=np.float64).reshape(len(rows), len(names))
    rules = tuple(rule for rule in space.where if isinstance(rule, When))
    metrics = {name: matrix[:, j] for j, name in enumerate(names)}
    curves = (
        [trial.curve for trial in told for _ in _rows(trial, metric, names, space)]
        if columns.curves
        else []
    )
    if columns.curves and not any(curves):
        raise TableError(
            f"journal {path} has no learning curves (they come from dsice.step); "
            "leave out curves=True"
        )
    return Log(
        str(path),
        metric,
        dict(space.axes),
        rules,
        list(keys),
        np.array(values),
        np.array(seconds),
        metrics,
        curves,
    )


def _rows(
    trial: Trial, metric: str, names: Iterable[str], space: Space
) -> list[tuple[Key, float, float, list[float]]]:
    """One row for each repeat inside a trial; a failed trial is one row without a value."""
    done = trial.state == "done"
    values = trial.measured(metric) if done else ()
    finite = [v if math.isfinite(v) else math.nan for v in values or (math.nan,)]
    key = tuple(trial.params.get(name, ABSENT) for name in space.names)
    seconds = math.nan if trial.seconds is None else trial.seconds / len(finite)
    return [
        (key, value, seconds, [trial.metrics.get(name, math.nan) for name in names])
        for value in finite
    ]
