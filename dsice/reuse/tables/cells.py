"""Cells of a table as numbers, run times, states of trials and values of parameters."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.checks import is_number, plain, shown
from dsice.errors import SpaceError, TableError
from dsice.reuse.tables.delimited import LINE
from dsice.space import Axis
from dsice.space.values import as_text, plain_value
from dsice.trial import State
from dsice.typing import Bools, Floats

if TYPE_CHECKING:
    import pandas as pd

NOT_A_NUMBER: Final = {"", "na", "n/a", "nan", "none", "null", "<na>", "-"}
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", *NOT_A_NUMBER}
_WORDS: dict[State, tuple[str, ...]] = {
    State.DONE: (
        *("ok", "okay", "done", "complete", "completed", "finished", "success", "successful"),
        *("succeeded", "pass", "passed", "valid", "true"),
    ),
    State.FAILED: (
        *("fail", "failed", "failure", "error", "errored", "crash", "crashed", "oom", "killed"),
        *("out_of_memory", "diverged", "nan", "exception", "false", "bad"),
    ),
    State.TIMED_OUT: ("timed_out", "timeout", "time_out", "timedout", "time_limit"),
    State.INVALID: ("invalid", "wrong", "incorrect"),
    State.STOPPED: ("stopped", "pruned", "early_stopped", "stopped_early"),
    State.LOST: ("lost", "node_fail", "preempted", "cancelled", "canceled"),
    State.PENDING: ("pending", "running", "waiting", "queued", "submitted", "started"),
    State.WITHDRAWN: ("withdrawn",),
}
_STATES = {word: state for state, words in _WORDS.items() for word in words}
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:([,.'_ \u00a0\u202f])\d{3})(?:\1\d{3})*(?:[.,]\d+)?$")
_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?$")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_MOMENTS = (datetime.date, datetime.time, np.datetime64)
EMPTY: Final = object()
"""Stands for a cell without a value of a parameter."""


def place(index: pd.Index[Any], row: int) -> str:
    """Where a row of a table with that index is, for messages: the line of a file, or the row."""
    return f"line {index[row]}" if index.name == LINE else f"row {row}"


def refused(column: pd.Series[Any], row: int, source: str, expected: str) -> TableError:
    """The error for a cell that cannot be what it should be."""
    cell = plain(column.iloc[row])
    text = cell if isinstance(cell, str) else ""
    return TableError(
        f"{source}: column {str(column.name)!r} holds {shown(cell)} in {place(column.index, row)}, "
        f"expected {expected}{spelling_hint(text)}"
    )


def spelling_hint(text: str) -> str:
    """What to do about a number that is written in another way; empty: it is none."""
    if _GROUPED.match(text.strip()):
        mark = next(mark for mark in text if not mark.isdigit() and mark not in "+-")
        either = ", or decimal=',' (--decimal ,)" if _COMMA.match(text.strip()) else ""
        return f"; its digits are in groups: thousands={mark!r} (--thousands '{mark}'){either}"
    if _COMMA.match(text.strip()):
        return "; it has a decimal comma: decimal=',' (--decimal ,)"
    return ""


# ------------------------------------------------------------------ measured columns
def numbers(column: pd.Series[Any], source: str) -> Floats:
    """A measured column as floats; words for "nothing" are NaN.

    Raises
    ------
    TableError
        A cell is no number; dates, durations, lists, true and false are none.
    """
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    cells = column.tolist()
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        try:
            found[row] = _number(cell)
        except (ArithmeticError, TypeError, ValueError):
            hint = _hint_of(cell)
            raise refused(column, row, source, f"a number{hint}") from None
    return found


def measured(column: pd.Series[Any], source: str) -> list[float | tuple[float, ...]]:
    """A measured column of numbers, or of lists of repeats; the errors are those of `numbers`."""
    if column.dtype.kind in "iuf":
        found: list[float | tuple[float, ...]] = numbers(column, source).tolist()
        return found
    found = []
    for row, cell in enumerate(column.tolist()):
        try:
            several = _list_in(cell)
            found.append(_number(cell) if several is None else tuple(map(_number, several)))
            if several is not None and not len(several):
                raise ValueError
        except (ArithmeticError, TypeError, ValueError):
            expected = f"a number, or a list of repeats{_hint_of(cell)}"
            raise refused(column, row, source, expected) from None
    return found


def _number(cell: object) -> float:
    """A cell as a float."""
    if cell is None or _is_missing(cell):
        return np.nan
    if isinstance(cell, (bool, np.bool_, *_MOMENTS, datetime.timedelta, np.timedelta64, complex)):
        raise TypeError
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in NOT_A_NUMBER:
            return np.nan
        if "_" in text:
            raise ValueError
        return float(text)
    try:
        return float(cell)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond the floats
        return np.inf if cell > 0 else -np.inf  # type: ignore[operator]


def _is_missing(cell: object) -> bool:
    """Whether pandas calls a cell empty: NA, NaT, NaN."""
    return type(cell).__name__ in ("NAType", "NaTType") or cell != cell


def _list_in(cell: object) -> Sequence[object] | None:
    """The list that a cell is or says; None: it is none."""
    if isinstance(cell, str) and cell.strip().startswith("["):
        try:
            cell = json.loads(cell)
        except (RecursionError, ValueError):
            return None
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    return cell if isinstance(cell, (list, tuple)) else None


def _hint_of(cell: object) -> str:
    if isinstance(cell, (datetime.timedelta, np.timedelta64)):
        return " (a run time goes into the column that seconds= names, --seconds)"
    if isinstance(cell, _MOMENTS):
        return " (this is a date)"
    return ""


def run_times(column: pd.Series[Any], source: str) -> Floats:
    """A column of run times in seconds, also of durations; NaN where there is none.

    Raises
    ------
    TableError
        A cell is no duration: a date, for example.
    """
    import pandas as pd

    if column.dtype.kind == "m":
        return np.asarray(column.dt.total_seconds(), dtype=np.float64)
    if column.dtype.kind in "iuf":
        return numbers(column, source)
    found = np.full(len(column), np.nan)
    for row, cell in enumerate(column.tolist()):
        written = isinstance(cell, str) and (":" in cell or "day" in cell)
        try:
            if written or isinstance(cell, (datetime.timedelta, np.timedelta64)):
                if _is_missing(cell):
                    continue
                found[row] = pd.Timedelta(cell).total_seconds()
            else:
                found[row] = _number(cell)
        except (ArithmeticError, TypeError, ValueError):
            expected = "seconds, or a duration such as 0:01:30"
            hint = " (this is a moment, and no duration)" if isinstance(cell, _MOMENTS) else ""
            raise refused(column, row, source, expected + hint) from None
    return found


# ------------------------------------------------------------------ what became of a row
def states(column: pd.Series[Any], source: str) -> list[State]:
    """What became of each row, by the words of its column; an empty cell: measured.

    Raises
    ------
    TableError
        An unknown word.
    """
    known: dict[object, State] = {}
    found = []
    for row, cell in enumerate(column.tolist()):
        key = cell if isinstance(cell, str) else repr(cell)
        if key not in known:
            empty = cell is None or _is_missing(cell)
            word = re.sub(r"[\s-]+", "_", str(cell).strip().lower())
            state = State.DONE if empty else _STATES.get(word.rpartition(".")[2])
            if state is None:
                words = ", ".join(words[0] for words in _WORDS.values())
                raise refused(column, row, source, f"a word for what became of it, such as {words}")
            known[key] = state
        found.append(known[key])
    return found


def bools(column: pd.Series[Any], source: str) -> Bools:
    """A column of true and false, also in words: those for states, too."""
    if column.dtype.kind == "b":
        return column.to_numpy(dtype=bool)
    words = [str(value).strip().lower() for value in column.tolist()]
    found = np.zeros(len(words), dtype=bool)
    for row, word in enumerate(words):
        state = _STATES.get(re.sub(r"[\s-]+", "_", word))
        if word not in _TRUE and word not in _FALSE and state is None:
            raise refused(column, row, source, "true or false, or a word such as ok or failed")
        found[row] = word in _TRUE or (word not in _FALSE and state is State.DONE)
    return found


# ------------------------------------------------------------------ parameters
def values_on(column: pd.Series[Any], axis: Axis) -> list[Any]:
    """The values of a parameter whose axis is known, `EMPTY` where a cell is empty.

    A text that the axis does not have stands for the value that is written like it: a column of
    numbers and words is read as texts.
    """
    by_text: dict[str, list[Any]] = {}
    for value in axis.values:
        by_text.setdefault(as_text(value).lower(), []).append(value)
    has_none = any(value is None for value in axis.values)
    known: dict[object, Any] = {}
    found = []
    for cell, empty in zip(column.tolist(), _empty(column), strict=True):
        if empty:
            found.append(None if has_none else EMPTY)
            continue
        if not isinstance(cell, str):
            found.append(_spelt(_plain(cell), axis, by_text))
            continue
        if cell not in known:
            known[cell] = _meant(cell, axis, by_text)
        found.append(known[cell])
    return found


def _meant(text: str, axis: Axis, by_text: dict[str, list[Any]]) -> Any:
    """The value of an axis that a text stands for; else the text."""
    if text in axis.values:
        return text
    same = [v for v in by_text.get(text.strip().lower(), []) if not isinstance(v, str)]
    if len(same) == 1:
        return same[0]
    bare = [v for v in axis.values if isinstance(v, str) and v.strip() == text.strip()]
    if len(bare) == 1:
        return bare[0]
    part = _parsed(text)
    if part is not text:
        return part
    if _NUMBER.match(text.strip()) and axis.numeric:
        return float(text)
    return text


def _spelt(cell: Any, axis: Axis, by_text: dict[str, list[Any]]) -> Any:
    """The text of an axis of texts that a number or bool stands for; else the cell."""
    if axis.numeric or isinstance(cell, (str, tuple, dict)) or cell in axis.values:
        return cell
    same = by_text.get(as_text(cell).lower(), [])
    if is_number(cell):  # a table reads 3.1 and 3.10, or 7 and 007, as the same number
        texts = (value for value in axis.values if isinstance(value, str))
        same = [text for text in texts if _NUMBER.match(text) and float(text) == cell]
    return same[0] if len(same) == 1 else cell


def _parsed(text: str) -> Any:
    """The list or table that a text says in JSON or as Python writes it; else the text."""
    if text.strip()[:1] in ("[", "{", "("):
        bare = text.strip()
        if bare.startswith("(") and bare.endswith(")"):
            bare = f"[{bare[1:-1].rstrip().removesuffix(',')}]"
        try:
            return plain_value(json.loads(bare))
        except (RecursionError, SpaceError, ValueError):
            return text
    return text


def _plain(cell: object) -> Any:
    try:
        return plain_value(cell)
    except SpaceError:  # a date, for example
        return str(cell)


def _empty(column: pd.Series[Any]) -> list[bool]:
    found: list[bool] = column.isna().tolist()
    return found


def require_filled(column: pd.Series[Any], source: str) -> None:
    """Raise TableError for a column of a parameter with empty cells."""
    empty = _empty(column)
    if any(empty):
        row = empty.index(True)
        raise TableError(
            f"{source}: parameter {str(column.name)!r} is empty in {place(column.index, row)} "
            f"(and {sum(empty)} rows in all); give every row a value, for example a "
            "level 'none' where the parameter does not apply"
        )


def values_of(column: pd.Series[Any], source: str) -> list[Any]:
    """The values of a parameter whose axis is to be guessed.

    In a column of words and numbers the texts that are numbers become numbers.

    Raises
    ------
    TableError
        A cell is empty, a date, or a number that is written in another way.
    """
    require_filled(column, source)
    if column.dtype.kind in "iufb":
        cells: list[Any] = column.tolist()
        return cells
    if column.dtype.kind in "mM":
        raise refused(column, 0, source, "values of a parameter, not dates or durations")
    cells = column.tolist()
    texts = {cell: _as_number(cell) for cell in cells if isinstance(cell, str)}
    mixed = None in texts.values() or not all(isinstance(cell, str) for cell in cells)
    found = []
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            if spelling_hint(cell):
                expected = "a number or a word (a study file that lists it takes it as it is)"
                raise refused(column, row, source, expected)
            number = texts[cell] if mixed else None
            cell = _parsed(cell) if number is None else number
        try:
            found.append(plain_value(cell))
        except SpaceError as error:
            raise refused(column, row, source, f"a value of a parameter ({error})") from None
    return found


def _as_number(text: str) -> int | float | None:
    """The number that a text writes as Python does; None for "007" and the like."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text or (kind is float and _NUMBER.match(text) and text[:1] != "0"):
            return number
    return None
