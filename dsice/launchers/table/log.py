"""Read a log of measurements - a table or a journal - into arrays: one row per measurement."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsice.errors import MissingPackageError, OptionError, SpaceError, TableError
from dsice.space import Axis, Choice, Ordinal, Rule, Space
from dsice.typing import Curve

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Key = tuple[Any, ...]

ABSENT = "\0absent"
"""Stands in a key for a parameter that is not active."""

_NOT_A_NUMBER = {"", "na", "n/a", "nan", "none", "null", "<na>"}
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", *_NOT_A_NUMBER}


@dataclass(frozen=True)
class Log:
    """Measurements, one per row; repeats are rows with the same key.

    Attributes
    ----------
    source
        Where it comes from, for messages.
    axes, rules
        The grid it lies on, and the conditions of its conditional parameters.
    keys
        Values of the parameters, `ABSENT` where inactive, in the order of `axes`; rows entries.
    values, seconds
        Objective and run time, shape (rows,); NaN for a failed or unknown one.
    metrics
        Other measured columns, each of shape (rows,).
    curves
        Learning curve of each row, (step, value); empty where there is none. No rows at all: the log has no curves.
    """

    source: str
    axes: dict[str, Axis]
    rules: tuple[Rule, ...]
    keys: list[Key]
    values: Floats
    seconds: Floats
    metrics: dict[str, Floats]
    curves: Sequence[Curve] = ()


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are what; None: by their usual name, where they are there."""

    objective: str | None = None
    params: Sequence[str] | Mapping[str, Axis | Sequence[Any]] | None = None
    seconds: str | None = None
    valid: str | None = None
    metrics: Sequence[str] = ()
    curves: Mapping[int, str] | bool = False


def read(source: pd.DataFrame | str | os.PathLike[str], columns: Columns) -> Log:
    """Read a DataFrame, a CSV (.csv, .csv.gz, .tsv), a Parquet file or a journal (.jsonl).

    Raises
    ------
    TableError
        The file is missing, unreadable or empty, or a column is missing or holds what it should not.
    MissingPackageError
        Parquet without pyarrow.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _from_frame(source, columns, "the table")
    path = Path(source)
    if not path.is_file():
        raise TableError(
            f"no table {path}; give the path of a .csv, .csv.gz, .parquet or .jsonl file"
        )
    if path.suffix == ".jsonl":
        from dsice.launchers.table import read_journal

        return read_journal.read(path, columns)
    return _from_frame(_frame(path), columns, str(path))


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    name = path.name.lower()
    try:
        if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
            # "None" and "NA" are good names of levels; what is no number in the other columns is found there.
            frame = pd.read_csv(
                path, sep="\t" if ".tsv" in name else ",", keep_default_na=False, na_values=[""]
            )
            return frame.drop(
                columns=[c for c in frame.columns if str(c).startswith("Unnamed:")]
            )  # a saved row number
        if name.endswith((".parquet", ".pq")):
            return pd.read_parquet(path)
    except ImportError as error:
        raise MissingPackageError(
            f"reading {path} needs pyarrow: pip install 'dsice[parquet]'"
        ) from error
    except (OSError, ValueError) as error:  # pandas' and pyarrow's own errors are children of these
        raise TableError(f"table {path} cannot be read: {error}") from error
    raise TableError(
        f"table {path} has an unknown ending; expected .csv, .csv.gz, .tsv, .parquet, or .jsonl for a journal"
    )


def _from_frame(frame: pd.DataFrame, columns: Columns, source: str) -> Log:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TableError(f"source must be a DataFrame or a path, got {type(frame).__name__}")
    if frame.empty:
        raise TableError(f"{source} has no rows")
    objective = columns.objective or "objective"
    seconds, valid = _optional(frame, "seconds", columns), _optional(frame, "valid", columns)
    if objective not in frame.columns:
        hint = (
            ""
            if columns.objective
            else "; name the column to optimise with objective= (dsice replay --objective)"
        )
        raise TableError(
            f"{source} has no column {objective!r}{hint}; its columns are {', '.join(map(str, frame.columns))}"
        )
    of_curves = () if isinstance(columns.curves, bool) else tuple(columns.curves.values())
    names = _names(frame, columns, objective, {seconds, valid, *of_curves})
    for name in (*names, *columns.metrics, *of_curves, *filter(None, (seconds, valid))):
        if name not in frame.columns:
            raise TableError(
                f"{source} has no column {name!r}; its columns are {', '.join(map(str, frame.columns))}"
            )
    levels = [_levels(frame[name], source) for name in names]
    given = columns.params if isinstance(columns.params, Mapping) else {}
    axes = {
        n: _axis(n, column, given.get(n), source) for n, column in zip(names, levels, strict=True)
    }
    values = _numbers(frame[objective], source)
    if valid is not None:
        values = np.where(_bools(frame[valid], source), values, np.nan)
    return Log(
        source,
        axes,
        (),
        list(zip(*levels, strict=True)),
        np.where(np.isfinite(values), values, np.nan),
        _numbers(frame[seconds], source) if seconds else np.full(len(frame), np.nan),
        {name: _numbers(frame[name], source) for name in columns.metrics},
        _curves(frame, columns.curves, source),
    )


def _curves(frame: pd.DataFrame, columns: Mapping[int, str] | bool, source: str) -> list[Curve]:
    """The curve of each row: its column of every step, up to the last that is not empty."""
    if columns is False:
        return []
    if columns is True:
        raise TableError(
            f"{source} is a table, whose columns do not say what is a learning curve: name them with curves={{step: column}}; "
            "curves=True takes those of a journal"
        )
    steps = sorted(columns)
    values = np.column_stack([_numbers(frame[columns[step]], source) for step in steps])
    told = np.column_stack(
        [frame[columns[step]].notna().to_numpy() for step in steps]
    )  # a told NaN reads like an empty cell
    ends = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 0 for row in told]
    return [
        tuple(zip(steps[:end], row[:end].tolist(), strict=True))
        for row, end in zip(values, ends, strict=True)
    ]


def check_curves(curves: object) -> None:
    """Raise OptionError for what names no curves."""
    if isinstance(curves, bool):
        return
    good = isinstance(curves, Mapping) and len(curves) > 0
    if not good or any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in curves):  # type: ignore[attr-defined]
        raise OptionError(
            f"curves must map steps (whole numbers >= 0) to columns, or be True or False, got {curves!r}"
        )


def _optional(frame: pd.DataFrame, usual: str, columns: Columns) -> str | None:
    """Name of the column of run times or of validity; None if there is none."""
    given: str | None = getattr(columns, usual)
    if given is not None:
        return given
    return (
        usual
        if usual in frame.columns
        and usual not in (columns.params or ())
        and usual not in columns.metrics
        else None
    )


def _names(
    frame: pd.DataFrame, columns: Columns, objective: str, others: set[str | None]
) -> list[str]:
    if columns.params is not None:
        if isinstance(columns.params, str) or not list(columns.params):
            raise TableError(f"params must name at least one column, got {columns.params!r}")
        return list(columns.params)
    order = [str(c) for c in frame.columns]
    leading = order[
        : order.index(objective)
    ]  # logs put the parameters first and the results behind them
    names = [
        c
        for c in leading or order
        if c != objective and c not in others and c not in columns.metrics
    ]
    names = names or [
        c for c in order if c != objective and c not in others and c not in columns.metrics
    ]
    if not names:
        raise TableError(
            f"the table has no column of parameters beside {', '.join(map(str, frame.columns))}"
        )
    measured = [
        n
        for n in names
        if frame[n].dtype.kind == "f" and frame[n].nunique() > max(50, len(frame) // 2)
    ]
    if measured:
        many = f"column {measured[0]!r} has {frame[measured[0]].nunique()} different numbers in {len(frame)} rows"
        too = (
            f", and so do {', '.join(map(repr, measured[1:6]))}{' ...' if measured[6:] else ''}"
            if measured[1:]
            else ""
        )
        raise TableError(
            f"{many}, so it looks measured{too}; name the parameters with params= (dsice replay --params A,B,C), "
            "or the measured columns with metrics="
        )
    return names


def _levels(column: pd.Series[Any], source: str) -> list[Any]:
    """Values of a column of parameters, as Python objects."""
    if column.isna().any():
        row = int(np.flatnonzero(column.isna().to_numpy())[0])
        raise TableError(
            f"{source}: parameter {column.name!r} is empty in row {row} (and {int(column.isna().sum())} rows in all); "
            "give every row a value, for example a level 'none' where the parameter does not apply"
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
            f"{source}: column {name!r} holds {', '.join(strange[:3])}, not among the levels given, {axis!r}"
        )
    return axis


def _guess(found: set[Any]) -> Axis:
    """Numbers in their order are an Ordinal, everything else a Choice in an order that does not depend on the rows."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found):
        return Ordinal(sorted(found))
    return Choice(sorted(found, key=lambda v: (str(type(v)), v)))


def _numbers(column: pd.Series[Any], source: str) -> Floats:
    """A measured column as floats; words for "nothing" are NaN."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    for row in np.flatnonzero(np.isnan(numbers)):
        text = column.iloc[row]
        if isinstance(text, str) and text.strip().lower() not in _NOT_A_NUMBER:
            raise TableError(
                f"{source}: column {column.name!r} holds {text!r} in row {row}, expected a number"
            )
    return np.asarray(numbers, dtype=np.float64)


def _bools(column: pd.Series[Any], source: str) -> NDArray[np.bool_]:
    if column.dtype.kind == "b":
        return column.to_numpy(dtype=bool)
    words = [str(value).strip().lower() for value in column.tolist()]
    for row, word in enumerate(words):
        if word not in _TRUE and word not in _FALSE:
            raise TableError(
                f"{source}: column {column.name!r} holds {word!r} in row {row}, expected true or false"
            )
    return np.array([word in _TRUE for word in words])


def known(log: Log, column: str) -> Floats:
    """Run time of every row, shape (rows,), in seconds; a row without one has the median of the others.

    Raises
    ------
    TableError
        No row has a run time, or one is negative.
    """
    seconds = log.seconds
    good = np.isfinite(seconds)
    if not good.any():
        raise TableError(
            f"{log.source} has no run times (column {column!r}), and workers= needs them for its virtual clock: name their "
            "column with seconds= (dsice replay --seconds; in a journal they are the seconds= told), or leave workers= out"
        )
    for row in np.flatnonzero(good & (seconds < 0))[:1]:
        raise TableError(
            f"{log.source}: column {column!r} holds {seconds[row]} in row {row}, expected seconds >= 0"
        )
    return np.where(good, seconds, np.median(seconds[good]))


def scaled(seconds: Floats, points: Iterable[Sequence[int]], scale: float, source: str) -> Floats:
    """Run times, all multiplied by one number, so that the median of the points - each the sum of its rows - is `scale`.

    Raises
    ------
    TableError
        That median is 0.
    """
    times = seconds.tolist()
    now = float(np.median([sum(times[row] for row in rows) for rows in points]))
    if not now > 0:
        raise TableError(
            f"half of the points of {source} took 0 seconds, so no factor makes their median scale={scale:g}"
        )
    return seconds * (scale / now)
