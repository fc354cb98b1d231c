"""Reads a table - a DataFrame, a CSV or Parquet file - into a `Log`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import SpaceError, TableError
from dsice.launchers.table import read_journal
from dsice.launchers.table.log import Columns, Log
from dsice.reuse.files import bools, listed, numbers, read_frame
from dsice.reuse.results import is_results, read_results
from dsice.space import Axis, Choice, Ordinal, Space
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
    path = Path(source)
    if not path.is_file():
        raise TableError(
            f"no table {path}; give the path of a .csv, .csv.gz, .parquet, .jsonl or .json file"
        )
    if path.suffix == ".jsonl":
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
    if frame.empty:
        raise TableError(f"{source} has no rows")
    objective = columns.objective or "objective"
    seconds, valid = _optional(frame, "seconds", columns), _optional(frame, "valid", columns)
    if objective not in frame.columns:
        hint = "; name the column to optimise with objective= (dsice replay --objective)"
        if columns.objective:
            hint = ""
        raise TableError(
            f"{source} has no column {objective!r}{hint}; its columns are {listed(frame)}"
        )
    of_curves = () if isinstance(columns.curves, bool) else tuple(columns.curves.values())
    names = _names(frame, columns, objective, {seconds, valid, *of_curves})
    for name in (*names, *columns.metrics, *of_curves, *filter(None, (seconds, valid))):
        if name not in frame.columns:
            raise TableError(f"{source} has no column {name!r}; its columns are {listed(frame)}")
    levels = [_levels(frame[name], source) for name in names]
    given = columns.params if isinstance(columns.params, Mapping) else {}
    axes = {
        n: _axis(n, column, given.get(n), source) for n, column in zip(names, levels, strict=True)
    }
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
        numbers(frame[seconds], source) if seconds else np.full(len(frame), np.nan),
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
        return list(columns.params)
    order = [str(column) for column in frame.columns]
    # logs put the parameters first and the results behind them
    leading = order[: order.index(objective)]
    used = {objective, *others, *columns.metrics}
    names = [name for name in leading or order if name not in used]
    names = names or [name for name in order if name not in used]
    if not names:
        raise TableError(f"the table has no column of parameters beside {listed(frame)}")
    _check_levels(frame, names)
    return names


def _check_levels(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise TableError if columns look measured: floats, most of them different."""
    limit = max(50, len(frame) // 2)
    measured = [n for n in names if frame[n].dtype.kind == "f" and frame[n].nunique() > limit]
    if not measured:
        return
    first = frame[measured[0]].nunique()
    more = ""
    if measured[1:]:
        more = f", and so do {', '.join(map(repr, measured[1:6]))}{' ...' if measured[6:] else ''}"
    raise TableError(
        f"column {measured[0]!r} has {first} different numbers in {len(frame)} rows, so it looks "
        f"measured{more}; name the parameters with params= (dsice replay --params A,B,C), "
        "or the measured columns with metrics="
    )


def _levels(column: pd.Series[Any], source: str) -> list[Any]:
    """Values of a column of parameters, as Python objects."""
    if column.isna().any():
        row = int(np.flatnonzero(column.isna().to_numpy())[0])
        raise TableError(
            f"{source}: parameter {column.name!r} is empty in row {row} "
            f"(and {int(column.isna().sum())} rows in all); give every row a value, for example a "
            "level 'none' where the parameter does not apply"
        )
    values: list[Any] = column.tolist()
    return values


def _axis(
    name: str, column: Sequence[Any], given: Axis | Sequence[Any] | None, source: str
) -> Axis:
    found = set(column)
    try:
        if given is None:
            return _guess(found)
        axis = given if isinstance(given, Axis) else Space({name: given}).axes[name]
    except SpaceError as error:
        raise TableError(f"{source}: column {name!r} is no axis: {error}") from error
    strange = sorted(map(repr, found - set(axis.values)))
    if strange:
        raise TableError(
            f"{source}: column {name!r} holds {', '.join(strange[:3])}, not among the levels "
            f"given, {axis!r}"
        )
    return axis


def _guess(found: set[Any]) -> Axis:
    """Numbers become an Ordinal, everything else a Choice, in an order that no row changes."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found):
        return Ordinal(sorted(found))
    return Choice(sorted(found, key=lambda v: (str(type(v)), v)))
