"""What a column of a log looks like, by its label and cells: dates, an id, a parameter, numbers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.checks import plain, shown
from dsice.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

_ID = re.compile(
    r"(.*[ _.-])?(id|uuid|guid|index|idx|job|jobid|run|trial|timestamp|datetime|date)",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?$|\d{1,2}[./]\d{1,2}[./]\d{2,4}([T ].*)?$")
_NUMERIC = re.compile(r"[-+]?[\d.][\d.,_]*([eE][-+]?\d+)?$|\[[-+.\d\s,eENan]+\]$")
_SAMPLE = 100  # cells that are looked at to know a date
_FEW = 20  # different numbers that a parameter right of the objective may have
MEASURED_FROM = 50
"""A parameter of floats has at most so many different ones, or half as many as there are rows."""


def says_nothing(label: str, column: pd.Series[Any]) -> str:
    """Why a column says nothing about a measurement, by its label and kind; empty: it may."""
    if column.isna().all():
        return "empty"
    if column.dtype.kind == "m" or _all_of(column, (datetime.timedelta, np.timedelta64)):
        return "durations: name the one that is the run time with seconds= (--seconds)"
    if is_dated(column):
        return "dates"
    return "an id, by its name" if _ID.fullmatch(label) else ""


def is_dated(column: pd.Series[Any]) -> bool:
    """Whether a column holds dates."""
    if column.dtype.kind == "M":
        return True
    if column.dtype.kind in "biufcm":
        return False
    if _all_of(column, (datetime.date, np.datetime64)):
        return True
    cells = column.dropna().head(_SAMPLE).tolist()
    return bool(cells) and all(isinstance(cell, str) and _DATE.match(cell) for cell in cells)


def _all_of(column: pd.Series[Any], kinds: tuple[type, ...]) -> bool:
    if column.dtype.kind in "biufc":
        return False
    cells = column.dropna().head(_SAMPLE).tolist()
    return bool(cells) and all(isinstance(cell, kinds) for cell in cells)


def is_numeric(column: pd.Series[Any]) -> bool:
    """Whether most cells are numbers or lists of them."""
    if column.dtype.kind in "iuf":
        return True
    if column.dtype.kind in "bcmM":
        return False
    cells = column.dropna().head(_SAMPLE).tolist()
    good = sum(_looks_numeric(cell) for cell in cells)
    return 2 * good > len(cells)


def _looks_numeric(cell: object) -> bool:
    if isinstance(cell, (bool, np.bool_)):
        return False
    if isinstance(cell, (list, tuple)):
        return bool(cell) and all(map(_looks_numeric, cell))
    if isinstance(cell, str):
        return bool(_NUMERIC.match(cell.strip()))
    return isinstance(cell, (int, float, np.number))


def no_parameter(label: str, column: pd.Series[Any]) -> str:
    """Why a column of a log is no parameter though it differs from row to row; empty: it may be."""
    why = says_nothing(label, column)
    if why.startswith("an id") and column.dtype.kind not in "iu" and distinct(column) < len(column):
        why = ""
    if not why and column.dtype.kind not in "biufc" and _all_differ(column):
        return "an id: different in every row"
    return why


def row_counts(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Columns of candidates for parameters that count the rows, beside others that do not."""
    counting = [
        name
        for name in names
        if frame[name].dtype.kind in "iu"
        and _all_differ(frame[name])
        and (np.diff(frame[name].to_numpy()) == 1).all()
    ]
    if not any(distinct(frame[name]) < len(frame) for name in names if name not in counting):
        return {}  # such as a sweep of one parameter
    return dict.fromkeys(counting, "an id: it counts the rows")


def _all_differ(column: pd.Series[Any]) -> bool:
    return len(column) > _FEW and distinct(column) == len(column)


def looks_chosen(column: pd.Series[Any]) -> bool:
    """Whether a column looks like a parameter that has words as values."""
    return column.dtype.kind not in "iufcmM" and 1 < distinct(column) <= len(column) // 2


def constant(column: pd.Series[Any]) -> str:
    """Say that a column has one value in all rows; empty: it has more."""
    if len(column) > 1 and distinct(column) == 1 and column.notna().all():
        return f"always {shown(plain(column.iloc[0]))}"
    return ""


def distinct(column: pd.Series[Any]) -> int:
    """How many different values a column has, also of lists and dicts."""
    try:
        return int(column.nunique())
    except TypeError:
        return len({repr(cell) for cell in column.dropna().tolist()})


def is_discrete(column: pd.Series[Any]) -> bool:
    """Whether a column right of the objective looks like a parameter."""
    if column.dtype.kind in "iuf":
        return distinct(column) <= min(_FEW, len(column) // 2)
    return distinct(column) <= max(2, len(column) // 2)


def check_levels(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise TableError if columns look measured: floats, most of them different."""
    limit = max(MEASURED_FROM, len(frame) // 2)
    measured = [n for n in names if frame[n].dtype.kind == "f" and frame[n].nunique() > limit]
    if not measured:
        return
    first = frame[measured[0]].nunique()
    more = ""
    if measured[1:]:
        more = f", and so do {', '.join(map(repr, measured[1:6]))}{' ...' if measured[6:] else ''}"
    raise TableError(
        f"column {measured[0]!r} has {first} different numbers in {len(frame)} rows, so it looks "
        f"measured{more}; name the parameters with params= (--params A,B,C), "
        "or the measured columns with metrics="
    )
