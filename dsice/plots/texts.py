"""Texts of a journal inside a figure: names, values and words of programs, which may hold anything.

matplotlib reads what stands between two ``$`` as mathematics, leaves labels that begin with ``_``
out of legends, and draws ten thousand letters across the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dsice.errors import VISIBLE_IN_LINE
from dsice.space.values import labels

NAME: Final = 40
"""Letters of a name in a legend or beside an axis, at most."""


def text(given: object, most: int = NAME) -> str:
    """A text as a figure can hold it: in one line, of so many letters at most, no mathematics."""
    return escaped(shortened(str(given).translate(VISIBLE_IN_LINE), most))


def escaped(given: str) -> str:
    """A text that matplotlib draws letter for letter."""
    return given.replace("$", r"\$")


def shortened(given: str, most: int) -> str:
    """A text with its middle left out where it has more than `most` letters."""
    if len(given) <= most:
        return given
    end = max(0, (most - 1) // 3)
    return given[: max(1, most - 1 - end)] + "…" + (given[-end:] if end else "")


def value_texts(values: Sequence[object], most: int) -> list[str]:
    """Texts of values of an axis, with as many digits as tell them apart."""
    return [text(label, most) for label in labels(values)]


def letters(inches: float, size: float) -> int:
    """How many letters of a font of `size` points there is space for."""
    return max(4, int(inches * 72.0 / (0.6 * size)))
