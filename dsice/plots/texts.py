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
MANY_DIGITS: Final = 10**7
MOST: Final = 10**300


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


def distinct(names: Sequence[object], most: int) -> list[str]:
    """Names of parameters, of so many letters at most, that tell them apart where they can.

    Names that are shortened to the same are shown from shortly before where they begin to differ.
    """
    shown = [text(name, most) for name in names]
    for one in {label for label in shown if shown.count(label) > 1}:
        here = [i for i, label in enumerate(shown) if label == one]
        plain = [str(names[i]).translate(VISIBLE_IN_LINE) for i in here]
        same = [len(set(letters)) == 1 for letters in zip(*plain, strict=False)]
        begin = max(0, [*same, False].index(False) - most // 3)
        for i, name in zip(here, plain, strict=True):
            rest = name[begin:]
            cut = rest if len(rest) < most else f"{rest[: most - 2]}…"
            shown[i] = escaped(f"…{cut}" if begin else cut)
    return shown


def value_texts(values: Sequence[object], most: int) -> list[str]:
    """Texts of values of an axis, with as many digits as tell them apart."""
    short = [_short(v) for v in values]
    kept = short if len(set(map(str, short))) == len(set(map(str, values))) else values
    return [text(label, most) for label in labels(kept)]


def _short(value: object) -> object:
    """A whole number of many digits as one that is written with few."""
    is_long = isinstance(value, int) and MANY_DIGITS <= abs(value) < MOST
    return float(value) if is_long else value  # type: ignore[arg-type]


def letters(inches: float, size: float) -> int:
    """How many letters of a font of `size` points there is space for."""
    return max(4, int(inches * 72.0 / (0.6 * size)))
