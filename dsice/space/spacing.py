"""Evenly and logarithmically spaced values of an axis, rounded as a person would type them."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from dsice.checks import flag, whole
from dsice.errors import DsiceWarning, SpaceError
from dsice.space.values import Number, as_number, check_count

_DIGITS: Final = 12
"""Significant digits by default: what a computation is off by stands behind them."""


def linear_values(first: Number, last: Number, n: int, digits: int | None = None) -> list[Number]:
    """Return `n` evenly spaced values from `first` to `last`; see `Ordinal.linear`."""
    values = [first + (last - first) * (i / (n - 1)) for i in range(1, n - 1)]
    # rounded to an absolute grid, so that a value that ought to be 0 is 0
    size = math.log10(max(abs(first), abs(last)))
    places = _DIGITS - 1 - math.floor(size) if digits is None else digits - math.ceil(size)
    if first > 0 and last > 0 and digits is None:
        return _spaced(first, last, values, _significant(_DIGITS), digits)
    return _spaced(first, last, values, lambda value: round(value, places) + 0.0, digits)


def log_values(first: Number, last: Number, n: int, digits: int | None = None) -> list[Number]:
    """Return `n` values from `first` to `last` with a constant ratio; see `Ordinal.log`."""
    low = math.log(first)
    high = math.log(last)
    values = [math.exp(low + (high - low) * (i / (n - 1))) for i in range(1, n - 1)]
    return _spaced(first, last, values, _significant(digits or _DIGITS), digits)


def _significant(digits: int) -> Callable[[float], float]:
    return lambda value: float(f"{value:.{digits}g}")


def _spaced(
    first: Number,
    last: Number,
    inner: list[float],
    rounded: Callable[[float], float],
    digits: int | None,
) -> list[Number]:
    """Values between two ends, strictly monotone; integers if both ends are.

    Parameters
    ----------
    rounded
        Rounds a value to the digits that are kept.
    digits
        As the user gave them: with these, nothing else than rounding is done.
    """
    if isinstance(first, int) and isinstance(last, int):
        if digits is None:
            return _distinct_integers(first, last, [round(value) for value in inner])
        tried: list[list[Number]] = [[first, *(round(rounded(value)) for value in inner), last]]
    else:
        tried = [[float(first), *map(rounded, inner), float(last)]]
        if digits is None:
            tried.append([float(first), *inner, float(last)])
    for values in tried:
        if all((a < b) == (first < last) and a != b for a, b in pairwise(values)):
            return values
    what = "floats" if digits is None else f"values of {digits} digits"
    raise SpaceError(
        f"{len(inner) + 2} different {what} do not fit between {first!r} and {last!r}; "
        f"ask for fewer{'' if digits is None else ', or more digits'}"
    )


def _distinct_integers(first: int, last: int, inner: list[int]) -> list[Number]:
    """Move equal integers apart, keeping both ends; all integers of the range if too few."""
    sign = 1 if first < last else -1
    n = len(inner) + 2
    if abs(last - first) + 1 <= n:
        return list(range(first, last + sign, sign))
    values = [sign * value for value in (first, *inner, last)]
    for i in range(1, n - 1):
        values[i] = max(values[i], values[i - 1] + 1)
    for i in range(n - 2, 0, -1):
        values[i] = min(values[i], values[i + 1] - 1)
    return [sign * value for value in values]


# ------------------------------------------------------------------ checks
def check_spacing(
    lo: Number, hi: Number, n: int, name: str, integer: object, digits: object
) -> tuple[Number, Number, int, int | None]:
    """Check two ends, a number of values and of digits; the ends are integers, or floats."""
    who = f"Ordinal.{name}"
    try:
        count = operator.index(n)
    except TypeError:
        raise SpaceError(f"{who} needs an integer n, got {n!r}") from None
    first = as_number(lo)
    last = as_number(hi)
    check_count(who, count)
    if isinstance(n, bool) or count < 2:
        raise SpaceError(
            f"{who} needs n of at least 2, got {n!r}; for one value use Ordinal([value])"
        )
    if first == last:
        raise SpaceError(
            f"{who} needs two different ends, got lo={lo!r}, hi={hi!r}; "
            "for one value use Ordinal([value])"
        )
    if digits is not None:
        digits = whole(who, "digits", digits, 1, most=17)
    if integer is not None:
        if flag(who, "integer", integer, "True, False or None (integers if both ends are)"):
            if first != int(first) or last != int(last):
                raise SpaceError(
                    f"{who} with integer=True needs two whole ends, got lo={lo!r}, hi={hi!r}"
                )
            first, last = int(first), int(last)
        else:
            first, last = float(first), float(last)
    return first, last, count, digits


def enough(values: list[Number], n: int, name: str) -> list[Number]:
    """Values of an axis, with a warning where they are fewer than were asked for."""
    if len(values) < n:
        warnings.warn(
            f"Ordinal.{name}: only {len(values)} of {n} values, for there are no more integers "
            f"from {values[0]} to {values[-1]}; for floats write integer=False, else "
            f"n={len(values)}",
            DsiceWarning,
            stacklevel=3,
        )
    return values
