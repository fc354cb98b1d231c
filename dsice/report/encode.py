"""Numbers, columns and texts as JSON that browsers read as it was meant.

JavaScript has floats only, so whole numbers beyond 2^53 become texts; JSON has no NaN and no
infinity, which become null and texts. Columns of small whole numbers, such as levels and states,
are written as one digit each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dsice.errors import VISIBLE
from dsice.space.values import as_text

EXACT: Final = 2**53
"""Up to here every whole number is a float."""
DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
NONE: Final = "."
"""In a column of digits: there is nothing."""
MOST_TEXT: Final = 2000
"""Characters of a text that a program wrote; in the page the rest is left out."""


def number(value: float | None, digits: int = 9) -> float | int | str | None:
    """A number with so many significant digits; None for NaN, texts for infinities."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int):
        return value if abs(value) <= EXACT else str(value)
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def numbers(values: Iterable[float | None], digits: int = 9) -> list[Any] | None:
    """A column of numbers; None where there is none at all."""
    column = [number(value, digits) for value in values]
    return column if any(value is not None for value in column) else None


def places(values: Sequence[int | None]) -> str | list[int | None]:
    """A column of whole numbers from 0 on: one digit each while they are below 36, else a list."""
    if max((value for value in values if value is not None), default=0) < len(DIGITS):
        return "".join(NONE if value is None else DIGITS[value] for value in values)
    return list(values)


def value(given: object) -> Any:
    """A value of a parameter: numbers, booleans and None as they are, all others as their text."""
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, int):
        return given if abs(given) <= EXACT else str(given)
    if isinstance(given, float):
        return given if math.isfinite(given) else str(given)
    return text(as_text(given))


def text(given: object, most: int = MOST_TEXT) -> str:
    """A text of somebody else: visible throughout, and cut in the middle where it is long."""
    shown = str(given)
    if len(shown) > most:
        left_out = len(shown) - most
        half = most // 2
        shown = f"{shown[:half]} ... ({left_out} characters) ... {shown[-half:]}"
    return shown.translate(VISIBLE)


def to_json(data: object) -> str:
    """JSON for a ``<script>`` element: no character in it can end the element or begin another."""
    written = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
