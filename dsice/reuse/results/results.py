"""`Results`: what a tuner measured, as a table; and what is needed to make one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dsice.checks import is_number
from dsice.errors import TableError
from dsice.typing import Params

if TYPE_CHECKING:
    import pandas as pd

TIME = "time"
"""The objective where a file names none, and the name of KTT's total duration here."""
CORRECT = "correct"
_MILLISECONDS = {
    "ns": 1e-6,
    "us": 1e-3,
    "ms": 1.0,
    "s": 1e3,
    "nanoseconds": 1e-6,
    "microseconds": 1e-3,
    "milliseconds": 1.0,
    "miliseconds": 1.0,  # as older files of Kernel Tuner have it
    "seconds": 1e3,
}
_HIGHER_IS_BETTER = ("GFLOP/s", "TFLOP/s", "GB/s", "TB/s", "GFLOPS/W", "TFLOPS/W", "GFLOP/J")
"""Objectives of which Kernel Tuner takes the highest, unless it is told otherwise."""


@dataclass(frozen=True, eq=False)
class Results:
    """What a tuner measured.

    Attributes
    ----------
    frame
        A row for each result: the parameters, the objective, ``seconds`` (what measuring it took),
        ``valid``, ``invalidity`` (the word of T4: correct, compile, runtime, correctness,
        constraints, timeout), then other measured numbers.
    objective
        Name of its column; run times are in milliseconds.
    params
        Names of the parameters.
    format
        What kind of file it was.
    device
        What it was measured on; empty where the file does not say.
    maximize
        Whether more of the objective is better, where that follows from its name; else None.
    """

    frame: pd.DataFrame
    objective: str
    params: tuple[str, ...]
    format: str
    device: str = ""

    @property
    def maximize(self) -> bool | None:
        """Whether more is better; None: the file does not say, and the name is not known."""
        if self.objective in _HIGHER_IS_BETTER:
            return True
        return False if self.objective in (TIME, "energy") else None


@dataclass(frozen=True)
class Row:
    """One result as a file has it.

    Attributes
    ----------
    params
        Its configuration.
    measured
        What was measured, the objective among it.
    seconds
        What measuring it took; NaN where the file does not say.
    invalidity
        Why it has no value, or `CORRECT`.
    """

    params: Params
    measured: Mapping[str, Any]
    seconds: float = math.nan
    invalidity: str = CORRECT


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes
    ----------
    name
        What messages call it.
    recognises
        Whether the content of a file, as JSON has it, is of this format.
    rows
        The results of a file, with the names of the parameters and the objective that it names
        first; called with the content and what messages call the file.
    """

    name: str
    recognises: Callable[[Any], bool]
    rows: Callable[[Any, str], Contents]


@dataclass(frozen=True)
class Contents:
    """What a reader found in a file.

    Attributes
    ----------
    rows
        The results in the order of the file.
    params
        Names of the parameters; empty: those of the rows.
    objectives
        What it was tuned for.
    device
        What it was measured on.
    """

    rows: Sequence[Row]
    params: Sequence[str] = ()
    objectives: Sequence[str] = field(default=(TIME,))
    device: str = ""


def milliseconds(unit: object, default: float = 1.0) -> float:
    """What a time in this unit is multiplied by."""
    return _MILLISECONDS.get(str(unit).strip().lower(), default)


def as_number(value: object) -> float:
    """A measured number; NaN for what is none, such as the name of an error."""
    return float(value) if is_number(value) else math.nan  # type: ignore[arg-type]


def _hashable(value: Any) -> Any:
    """The value of a parameter; a list as a tuple."""
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def as_table(contents: Contents, objective: str | None, source: str, format: str) -> Results:
    """The table of what was found in a file.

    Parameters
    ----------
    objective
        What counts; None: what the file was tuned for, the first of several.
    source
        What messages call the file.

    Raises
    ------
    TableError
        It has no results or no such objective, or results with different parameters.
    """
    import pandas as pd

    rows = contents.rows
    if not rows:
        raise TableError(f"{source} is {format} without results; nothing was measured yet")
    params = tuple(contents.params or rows[0].params)
    for number, row in enumerate(rows):
        missing = [name for name in params if name not in row.params]
        if missing or len(row.params) > len(params):
            raise TableError(
                f"{source}: result {number} has the parameters {', '.join(row.params) or 'none'}, "
                f"expected {', '.join(params)}; leave it out"
            )
    wanted = objective or (contents.objectives or (TIME,))[0]
    others = dict.fromkeys(name for row in rows for name in row.measured)
    if wanted not in others:
        raise TableError(
            f"{source} has no objective {wanted!r}; what was measured is {', '.join(others)}"
        )
    columns: dict[str, list[Any]] = {
        name: [_hashable(row.params[name]) for row in rows] for name in params
    }
    values = [
        as_number(row.measured.get(wanted)) if row.invalidity == CORRECT else math.nan
        for row in rows
    ]
    columns[wanted] = values
    usual: dict[str, list[Any]] = {
        "seconds": [row.seconds for row in rows],
        "valid": [not math.isnan(value) for value in values],
        "invalidity": [row.invalidity for row in rows],
    }
    for name, column in usual.items():
        columns.setdefault(name, column)
    for name in others:
        column = [as_number(row.measured.get(name)) for row in rows]
        if not all(map(math.isnan, column)):
            columns.setdefault(name, column)
    return Results(pd.DataFrame(columns), wanted, params, format, contents.device)
