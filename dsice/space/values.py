"""The values of axes: what counts as one, which two are the same, how they are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from dsice.checks import shown
from dsice.errors import SpaceError

Number: TypeAlias = int | float
Value: TypeAlias = int | float | str | bool | None

RELATIVE: Final = 1e-9
"""Numbers match a value of an axis up to this, relative: they travel through CSV and JSON."""


def plain(value: object) -> object:
    """Return a numpy scalar as the Python number, bool or string it stands for; else the value."""
    return value.item() if isinstance(value, np.generic) else value


def is_finite(number: Number) -> bool:
    """Whether a number is finite as a float, which 10**400 is not."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def same_value(own: object, other: object) -> bool:
    """Whether two values are the same: bools only equal bools, numbers match to rel 1e-9."""
    if isinstance(own, bool) or isinstance(other, bool):
        return isinstance(own, bool) and own is other
    if isinstance(own, (int, float)) and isinstance(other, (int, float)):
        return own == other or (is_finite(other) and abs(own - other) <= RELATIVE * abs(own))
    return type(own) is type(other) and own == other


def as_number(value: object) -> Number:
    """Return a value of an Ordinal as a Python number; SpaceError for what is no finite number."""
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        hint = "use int or float"
        if isinstance(number, (bool, str)) or number is None:
            hint = "use Choice for values without order"
        raise SpaceError(
            f"Ordinal takes numbers, got {shown(value)} ({type(value).__name__}); {hint}"
        )
    if not is_finite(number):
        raise SpaceError(f"Ordinal takes finite numbers, got {shown(number)}")
    return number


def as_list(values: object, what: str) -> list[object]:
    """Return the values of a list, tuple, range or one-dimensional array.

    Parameters
    ----------
    what
        What takes the values, for the message.

    Raises
    ------
    SpaceError
        Anything else, such as a set, which has no order.
    """
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise SpaceError(
                f"{what} takes a one-dimensional array, got one of shape {values.shape}"
            )
        return list(values)
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes, bytearray)):
        return list(values)
    raise SpaceError(
        f"{what} takes a list, tuple, range or array of values, "
        f"got {shown(values)} ({type(values).__name__})"
    )


def brief(values: Sequence[object]) -> str:
    """Repr of a list of values; of a long one the first four and the last."""
    if len(values) <= 10:
        return "[" + ", ".join(map(repr, values)) + "]"
    head = ", ".join(map(repr, values[:4]))
    return f"[{head}, ..., {values[-1]!r}] ({len(values)} values)"
