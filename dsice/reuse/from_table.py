"""A table as a source: a DataFrame, a file, or the rows of a launcher that replays one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dsice.errors import OptionError, TableError
from dsice.goal import Goal
from dsice.reuse.points import SourcePoints
from dsice.reuse.tables.cells import EMPTY, bools, numbers, states, values_on
from dsice.reuse.tables.columns import ABOUT, METRIC, USUAL, labelled, listed, missing
from dsice.reuse.tables.measurements import NO_NEWS
from dsice.space import Space
from dsice.space.values import as_json
from dsice.trial import State, mean
from dsice.typing import Floats, Params

if TYPE_CHECKING:
    import pandas as pd


def points_of_frame(
    frame: pd.DataFrame,
    space: Space,
    goal: Goal,
    metric: str | None,
    maximize: bool | None,
    source: str,
) -> SourcePoints:
    """The points of a table: its columns with the names of parameters, of the metric and of bounds.

    Parameters
    ----------
    space, goal
        What is searched now.
    metric, maximize
        What the table is about; None: as the goal says.
    source
        What users call it, for messages.

    Raises
    ------
    OptionError
        It has none of the parameters.
    TableError
        There is no such column, or it holds what is no number.
    """
    frame = labelled(frame, source)
    if not len(frame):
        raise TableError(f"{source} has no rows")
    column = _metric_column(frame, goal, metric, source)
    names = [name for name in space.names if name in frame.columns and name != column]
    if not names:
        raise OptionError(
            f"source {source!r} has no column of a parameter of this study, which are "
            f"{', '.join(space.names)}; its columns are {listed(frame)}: parameters are matched "
            "by their names"
        )
    cells = [values_on(frame[name], space.axes[name]) for name in names]
    params = [
        {name: value for name, value in zip(names, row, strict=True) if value is not EMPTY}
        for row in (zip(*cells, strict=True) if cells else [()] * len(frame))
    ]
    values = numbers(frame[column], source)
    if "valid" in frame.columns and "valid" not in (*space.names, column):
        values = np.where(bools(frame["valid"], source), values, np.nan)
    ends = [State.DONE] * len(frame)
    taken = (*space.names, column)
    label = next((name for name in ABOUT["state"] if name in frame and name not in taken), None)
    if label is not None:
        ends = states(frame[label], source)
    bounds = {
        name: numbers(frame[name], source)
        for name in goal.bounded
        if name in frame.columns and name != column
    }
    goal = replace(goal, metric=column, maximize=goal.maximize if maximize is None else maximize)
    rows = [row for row, state in enumerate(ends) if state not in NO_NEWS]
    values = np.where([state is State.DONE for state in ends], values, np.nan)
    return _distinct(params, values, bounds, goal, rows)


def points_of_rows(
    rows: Iterable[tuple[Params, float]], metric: str, goal: Goal, maximize: bool | None
) -> SourcePoints:
    """The points of params with their values, NaN where they failed."""
    params, values = zip(*rows, strict=True)
    goal = replace(goal, metric=metric, maximize=goal.maximize if maximize is None else maximize)
    return _distinct(params, np.array(values, dtype=float), {}, goal, range(len(params)))


def _metric_column(frame: pd.DataFrame, goal: Goal, metric: str | None, source: str) -> str:
    """Name of the column that the table is about."""
    wanted = goal.metric if metric is None else metric
    usual = (wanted,) if metric is not None else (wanted, f"{METRIC}{wanted}", USUAL)
    for label in usual:
        if label in frame.columns:
            return label
    hint = "" if metric is not None else f"; say which one counts: Source({source!r}, metric=...)"
    raise missing(frame, wanted, source, hint)


def _distinct(
    params: Sequence[Params],
    values: Floats,
    bounds: Mapping[str, Floats],
    goal: Goal,
    rows: Iterable[int],
) -> SourcePoints:
    """Rows of one point together, with what the goal makes of their values."""
    groups: dict[str, list[int]] = {}
    for row in rows:
        key = json.dumps(as_json(dict(params[row])), sort_keys=True, default=str)
        groups.setdefault(key, []).append(row)
    found: list[float | None] = []
    violations = []
    for group in groups.values():
        good = [row for row in group if math.isfinite(values[row])]
        value = goal.aggregate(values[good].tolist()) if good else None
        metrics = {name: mean(column[good].tolist()) or 0.0 for name, column in bounds.items()}
        known = replace(
            goal,
            at_most={n: b for n, b in goal.at_most.items() if n in metrics or n == goal.metric},
            at_least={n: b for n, b in goal.at_least.items() if n in metrics or n == goal.metric},
        )
        told = metrics if value is None else {**metrics, goal.metric: value}
        found.append(value)
        violations.append(0.0 if value is None else known.violation_of(value, told))
    first = [group[0] for group in groups.values()]
    return SourcePoints(
        goal.metric,
        goal.maximize,
        [params[row] for row in first],
        found,
        [str(State.FAILED if value is None else State.DONE) for value in found],
        np.array([np.nan if v is None else goal.signed(v) for v in found], dtype=float),
        np.array(violations, dtype=float),
    )
