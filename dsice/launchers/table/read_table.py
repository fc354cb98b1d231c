"""Reads a table - a DataFrame, a CSV or Parquet file - into a `Log`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.checks import expanded
from dsice.errors import DsiceWarning, SpaceError, TableError
from dsice.launchers.table import read_journal
from dsice.launchers.table.log import Columns, Log
from dsice.reuse.results import is_results, read_results
from dsice.reuse.tables.axes import guessed_axis
from dsice.reuse.tables.cells import (
    bools,
    numbers,
    require_filled,
    run_times,
    values_of,
    values_on,
)
from dsice.reuse.tables.columns import labelled, listed, missing
from dsice.reuse.tables.files import is_journal, read_frame
from dsice.reuse.tables.looks import check_levels, looks_chosen, no_parameter, row_counts
from dsice.space import Axis, Space
from dsice.typing import Curve

if TYPE_CHECKING:
    import pandas as pd


def read_log(source: pd.DataFrame | str | os.PathLike[str], columns: Columns) -> Log:
    """Read a DataFrame, a table, a journal (.jsonl) or the results of another tuner (.json, .xml).

    Raises
    ------
    TableError
        The file is missing, unreadable or empty, or a column is missing or holds what it should
        not.
    MissingPackageError
        Parquet without pyarrow.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _from_frame(source, columns, "the table")
    path = expanded(source)
    if not path.is_file():
        raise TableError(
            f"no table {path}; give the path of a .csv, .csv.gz, .parquet, .jsonl or .json file"
        )
    if is_journal(path):
        return read_journal.read(path, columns)
    if is_results(path):
        found = read_results(path, columns.objective)
        columns = replace(
            columns, objective=found.objective, params=columns.params or list(found.params)
        )
        return _from_frame(found.frame, columns, str(path))
    return _from_frame(read_frame(path), columns, str(path))


def _from_frame(frame: pd.DataFrame, columns: Columns, source: str) -> Log:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TableError(f"source must be a DataFrame or a path, got {type(frame).__name__}")
    frame = labelled(frame, source)
    if not len(frame):
        raise TableError(f"{source} has no rows")
    objective = columns.objective or "objective"
    seconds, valid = _optional(frame, "seconds", columns), _optional(frame, "valid", columns)
    if objective not in frame.columns:
        hint = "; name the column to optimise with objective= (dsice replay --objective)"
        if columns.objective:
            hint = ""
        raise missing(frame, objective, source, hint)
    of_curves = () if isinstance(columns.curves, bool) else tuple(columns.curves.values())
    names = _names(frame, columns, objective, {seconds, valid, *of_curves})
    for name in (*names, *columns.metrics, *of_curves, *filter(None, (seconds, valid))):
        if name not in frame.columns:
            raise missing(frame, name, source)
    params = columns.params if isinstance(columns.params, Mapping) else {}
    given = {str(name): axis for name, axis in params.items()}
    read = {name: _read_axis(frame[name], given.get(name), source) for name in names}
    axes = {name: axis for name, (axis, _) in read.items()}
    levels = [cells for _, cells in read.values()]
    values = numbers(frame[objective], source)
    if valid is not None:
        values = np.where(bools(frame[valid], source), values, np.nan)
    return Log(
        source,
        objective,
        axes,
        (),
        list(zip(*levels, strict=True)),
        np.where(np.isfinite(values), values, np.nan),
        run_times(frame[seconds], source) if seconds else np.full(len(frame), np.nan),
        {name: numbers(frame[name], source) for name in columns.metrics},
        _curves(frame, columns.curves, source),
    )


def _curves(frame: pd.DataFrame, columns: Mapping[int, str] | bool, source: str) -> list[Curve]:
    """The learning curve of each row: its cells of all steps, up to the last that is not empty."""
    if columns is False:
        return []
    if columns is True:
        raise TableError(
            f"{source} is a table, whose columns do not say what is a learning curve: name them "
            "with curves={step: column}; curves=True takes those of a journal"
        )
    steps = sorted(columns)
    values = np.column_stack([numbers(frame[columns[step]], source) for step in steps])
    # pandas reads a cell "NaN" like an empty one
    filled = np.column_stack([frame[columns[step]].notna().to_numpy() for step in steps])
    ends = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in filled]
    return [
        tuple(zip(steps[:end], row[:end].tolist(), strict=True))
        for row, end in zip(values, ends, strict=True)
    ]


def _optional(frame: pd.DataFrame, usual: str, columns: Columns) -> str | None:
    """Name of the column of run times or of validity; None if there is none."""
    given: str | None = getattr(columns, usual)
    if given is not None:
        return given
    taken = usual in (columns.params or ()) or usual in columns.metrics
    return usual if usual in frame.columns and not taken else None


def _names(
    frame: pd.DataFrame, columns: Columns, objective: str, others: set[str | None]
) -> list[str]:
    """Names of the columns of parameters; `others` are those of run times, validity and curves."""
    if columns.params is not None:
        if isinstance(columns.params, str) or not list(columns.params):
            raise TableError(f"params must name at least one column, got {columns.params!r}")
        return list(map(str, columns.params))
    order = list(frame.columns)
    # logs put the parameters first and the results behind them
    leading = order[: order.index(objective)]
    used = {objective, *others, *columns.metrics}
    names = [name for name in leading or order if name not in used]
    names = names or [name for name in order if name not in used]
    if not names:
        raise TableError(f"the table has no column of parameters beside {listed(frame)}")
    why = {name: no_parameter(name, frame[name]) for name in names} | row_counts(frame, names)
    if 0 < sum(map(bool, why.values())) < len(names):
        _say_left_out({name: reason for name, reason in why.items() if reason})
        names = [name for name in names if not why[name]]
    check_levels(frame, names)
    chosen = [
        name for name in order if name not in {*names, *used, *why} and looks_chosen(frame[name])
    ]
    if chosen:
        _say_left_out(dict.fromkeys(chosen, f"right of {objective!r}"))
    return names


def _say_left_out(why: Mapping[str, str]) -> None:
    named = ", ".join(f"{name!r} ({reason})" for name, reason in why.items())
    warnings.warn(
        f"no parameters of the log: {named}; name those that are with params= (--params A,B,C)",
        DsiceWarning,
        stacklevel=2,
    )


def _read_axis(
    column: pd.Series[Any], given: Axis | Sequence[Any] | None, source: str
) -> tuple[Axis, list[Any]]:
    """The axis of a parameter, and its value in each row."""
    name = str(column.name)
    require_filled(column, source)
    try:
        if given is None:
            cells = values_of(column, source)
            return guessed_axis(cells), cells
        axis = given if isinstance(given, Axis) else Space({name: given}).axes[name]
    except SpaceError as error:
        raise TableError(f"{source}: column {name!r} is no axis: {error}") from error
    cells = values_on(column, axis)
    strange = sorted({repr(cell) for cell in cells if not _is_on(axis, cell)})
    if strange:
        raise TableError(
            f"{source}: column {name!r} holds {', '.join(strange[:3])}, not among the levels "
            f"given, {axis!r}"
        )
    return axis, cells


def _is_on(axis: Axis, cell: Any) -> bool:
    return cell in axis.values
