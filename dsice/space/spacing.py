"""Evenly and logarithmically spaced values of an axis, rounded as a person would type them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from dsice.errors import SpaceError
from dsice.space.values import Number

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
