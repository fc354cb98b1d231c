"""Checks of one entry of a column: each takes the column's name, the row and what was given.

Every error is a `TellError` that names column and row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Final

import numpy as np

from dsice.checks import shown
from dsice.errors import TellError
from dsice.history.curve import GrowingCurve
from dsice.trial import State
from dsice.typing import Curve

_STATES: Final[Mapping[object, State]] = {str(state): state for state in State}
_LARGEST: Final = 2**63 - 1


def wrong(name: str, row: int, cell: object, expected: str) -> TellError:
    """The error for an entry that cannot be taken."""
    return TellError(f"{name}, row {row}: expected {expected}, got {shown(cell)}")


def state(name: str, row: int, cell: Any) -> State:
    """What became of a trial."""
    known = _STATES.get(cell) if isinstance(cell, str) else None
    if known is None:
        raise wrong(name, row, cell, f"one of {', '.join(State)}")
    return known


def number(name: str, row: int, cell: Any) -> float:
    """A float from a real number; NaN and infinity pass."""
    if type(cell) is float:
        return cell
    if not isinstance(cell, Real) or isinstance(cell, (bool, np.bool_)):
        raise wrong(name, row, cell, "a number")
    try:
        return float(cell)
    except OverflowError:  # a whole number beyond the floats
        return math.inf if cell > 0 else -math.inf  # type: ignore[operator]


def numbers(name: str, row: int, cell: Any) -> tuple[float, ...]:
    """One number, a list of repeats, or None."""
    if cell is None:
        return ()
    repeats = cell.tolist() if isinstance(cell, np.ndarray) else cell
    if isinstance(repeats, (list, tuple)) and repeats:
        return tuple(number(name, row, part) for part in repeats)
    return (number(name, row, cell),)


def seconds(name: str, row: int, cell: Any) -> float:
    """A run time; NaN where there is none."""
    told = math.nan if cell is None else number(name, row, cell)
    if told < 0 or math.isinf(told):
        raise wrong(name, row, cell, "a finite number >= 0, or None")
    return told


def whole(name: str, row: int, cell: Any) -> int:
    """A whole number that arrays hold."""
    if not isinstance(cell, Integral) or isinstance(cell, (bool, np.bool_)):
        raise wrong(name, row, cell, "a whole number >= 0")
    if not 0 <= int(cell) <= _LARGEST:
        raise wrong(name, row, cell, "a whole number >= 0")
    return int(cell)


def whole_or_none(name: str, row: int, cell: Any) -> int | None:
    """A whole number, or None."""
    return None if cell is None else whole(name, row, cell)


def mapping(name: str, row: int, cell: Any) -> dict[str, Any]:
    """A mapping, empty for None."""
    if cell is not None and not isinstance(cell, Mapping):
        raise wrong(name, row, cell, "a mapping, or None")
    return dict(cell or {})


def curve(name: str, row: int, cell: Any) -> Curve:
    """A learning curve; as in `Tuner.step`, a step that is not beyond the last begins anew."""
    growing = GrowingCurve()
    try:
        pairs = [(step, value) for step, value in (() if cell is None else cell)]
    except (TypeError, ValueError):
        raise wrong(name, row, cell, "a list of (step, value), or None") from None
    for step, value in pairs:
        growing.append(whole(name, row, step), number(name, row, value))
    return growing.points()
