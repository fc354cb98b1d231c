"""A table as a source: a DataFrame, a file, or the rows of a launcher that replays one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import OptionError, SpaceError, TableError
from dsice.goal import Goal
from dsice.reuse.files import bools, listed, numbers
from dsice.reuse.points import SourcePoints
from dsice.space import Axis, Space
from dsice.space.values import as_json, as_text, plain_value
from dsice.trial import State, mean
from dsice.typing import Floats, Params

if TYPE_CHECKING:
    import pandas as pd

USUAL = "objective"
"""Column of the metric where it has no name of its own, as in `dsice.launchers.Table`."""
_UNTOLD = ("pending", "lost", "withdrawn")
"""Words of a column of states for rows that say nothing."""


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
    if frame.empty:
        raise TableError(f"{source} has no rows")
    column = _metric_column(frame, goal, metric, source)
    names = [name for name in space.names if name in frame.columns and name != column]
    if not names:
        raise OptionError(
            f"source {source!r} has no column of a parameter of this study, which are "
            f"{', '.join(space.names)}; its columns are {listed(frame)}: parameters are matched "
            "by their names"
        )
    cells = [_cells(frame[name], space.axes[name]) for name in names]
    params = [
        {name: value for name, value in zip(names, row, strict=True) if value is not _EMPTY}
        for row in (zip(*cells, strict=True) if cells else [()] * len(frame))
    ]
    values = numbers(frame[column], source)
    if "valid" in frame.columns and "valid" not in (*space.names, column):
        values = np.where(bools(frame["valid"], source), values, np.nan)
    states = ["done"] * len(frame)
    if "state" in frame.columns and "state" not in (*space.names, column):
        states = [str(word).strip().lower() for word in frame["state"].tolist()]
    bounds = {
        name: numbers(frame[name], source)
        for name in goal.bounded
        if name in frame.columns and name != column
    }
    goal = replace(goal, metric=column, maximize=goal.maximize if maximize is None else maximize)
    rows = [row for row, state in enumerate(states) if state not in _UNTOLD]
    values = np.where([state == State.DONE for state in states], values, np.nan)
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
    if wanted in frame.columns:
        return wanted
    if metric is None and USUAL in frame.columns:
        return USUAL
    hint = "" if metric is not None else f"; say which one counts: Source({source!r}, metric=...)"
    raise TableError(f"{source} has no column {wanted!r}{hint}; its columns are {listed(frame)}")


_EMPTY = object()


def _cells(column: pd.Series[Any], axis: Axis) -> list[Any]:
    """The values of a parameter, _EMPTY where a cell is empty.

    A text that the axis does not have stands for the value that is written like it: a column of
    numbers and words is read as texts.
    """
    by_text: dict[str, list[Any]] = {}
    for value in axis.values:
        by_text.setdefault(as_text(value), []).append(value)
    found = []
    for cell, empty in zip(column.tolist(), column.isna().tolist(), strict=True):
        if empty:
            found.append(_EMPTY)
            continue
        same = by_text.get(cell, []) if isinstance(cell, str) else []
        try:
            plain = plain_value(cell)
        except SpaceError:  # a date, for example
            plain = str(cell)
        texts = len(same) == 1 and cell not in same
        found.append(same[0] if texts else plain)
    return found


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
