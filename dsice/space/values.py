"""The values of axes: which two are the same, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from dsice.checks import is_finite

Number: TypeAlias = int | float
Value: TypeAlias = int | float | str | bool | None

RELATIVE: Final = 1e-9
"""Numbers match a value of an axis up to this, relative: they travel through CSV and JSON."""


def same_value(own: object, other: object) -> bool:
    """Whether two values are the same: bools only equal bools, numbers match to rel 1e-9."""
    if isinstance(own, bool) or isinstance(other, bool):
        return isinstance(own, bool) and own is other
    if isinstance(own, (int, float)) and isinstance(other, (int, float)):
        return own == other or (is_finite(other) and abs(own - other) <= RELATIVE * abs(own))
    return type(own) is type(other) and own == other


def brief(values: Sequence[object]) -> str:
    """Repr of a list of values; of a long one the first four and the last."""
    if len(values) <= 10:
        return "[" + ", ".join(map(repr, values)) + "]"
    head = ", ".join(map(repr, values[:4]))
    return f"[{head}, ..., {values[-1]!r}] ({len(values)} values)"
