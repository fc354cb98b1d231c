"""Evenly and logarithmically spaced values of an axis, rounded as a person would type them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from dsice.errors import SpaceError
from dsice.space.values import Number


def linear_values(first: Number, last: Number, n: int) -> list[Number]:
    """Return `n` evenly spaced values from `first` to `last`; see `Ordinal.linear`."""
    return _spaced(first, last, n, lambda share: first + (last - first) * share)


def log_values(first: Number, last: Number, n: int) -> list[Number]:
    """Return `n` values from `first` to `last` with a constant ratio; see `Ordinal.log`."""
    low = math.log(first)
    high = math.log(last)
    return _spaced(first, last, n, lambda share: math.exp(low + (high - low) * share))


def _spaced(first: Number, last: Number, n: int, at: Callable[[float], float]) -> list[Number]:
    """Values at `n` evenly spaced shares from 0 to 1, strictly monotone; integers if both ends are.

    Parameters
    ----------
    at
        The value at a share of the distance from `first` to `last`.
    """
    inner = [at(i / (n - 1)) for i in range(1, n - 1)]
    if isinstance(first, int) and isinstance(last, int):
        return _distinct_integers(first, last, [round(value) for value in inner])
    # an evenly spaced axis rounds to an absolute grid, so that a value that ought to be 0 is 0
    digits = 11 - math.floor(math.log10(max(abs(first), abs(last))))
    if first <= 0 or last <= 0:
        rounded = [round(value, digits) + 0.0 for value in inner]
    else:
        rounded = [float(f"{value:.12g}") for value in inner]
    for candidate in (rounded, inner):
        values = [float(first), *candidate, float(last)]
        if all((a < b) == (first < last) and a != b for a, b in pairwise(values)):
            return list(values)
    raise SpaceError(
        f"{n} different floats do not fit between {first!r} and {last!r}; ask for fewer"
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
