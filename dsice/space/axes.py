"""Axes of a space: an ordered list of numbers (`Ordinal`) or a set of alternatives (`Choice`).

An axis turns values into levels (0, 1, 2, ...) and back. Everything below the space works on levels only.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsice.checks import shown
from dsice.errors import SpaceError

Number: TypeAlias = int | float
Value: TypeAlias = int | float | str | bool | None

RELATIVE = 1e-9
"""Floats match a value of an axis up to this, relative: they travel through CSV and JSON."""


@dataclass(frozen=True, repr=False)
class Ordinal:
    """An axis of numbers in order; neighbouring levels are neighbours in effect.

    Parameters
    ----------
    values
        Finite int or float, strictly ascending or strictly descending; the order is kept. numpy scalars and arrays
        become Python numbers.

    Raises
    ------
    SpaceError
        No values, a value that is not a finite number, a duplicate, or values out of order.

    Examples
    --------
    >>> Ordinal([16, 32, 64]).level(32)
    1
    >>> Ordinal.log(1, 1000, 4).values
    (1, 10, 100, 1000)
    """

    values: tuple[Number, ...]

    def __init__(self, values: Sequence[Number] | NDArray[Any]) -> None:
        numbers = tuple(_number(value) for value in as_list(values, "Ordinal"))
        if not numbers:
            raise SpaceError("Ordinal needs at least one value, got none")
        _check_order(numbers)
        object.__setattr__(self, "values", numbers)

    @classmethod
    def linear(cls, lo: Number, hi: Number, n: int) -> Ordinal:
        """Make `n` evenly spaced values from `lo` to `hi`, both included; `lo > hi` gives a descending axis.

        Two integer ends give integers: rounded, and moved apart where rounding makes two of them equal. If fewer than
        `n` integers lie between the ends, the axis is all of them and has fewer than `n` levels. Floats are rounded to
        12 digits of the larger end, so that 0.3 is 0.3 and not 0.30000000000000004.
        """
        first, last, count = _ends(lo, hi, n, "linear")
        return cls(_spread(first, last, count, lambda share: first + (last - first) * share))

    @classmethod
    def log(cls, lo: Number, hi: Number, n: int) -> Ordinal:
        """Make `n` values from `lo` to `hi` with a constant ratio; both ends are included and positive.

        Two integer ends give distinct integers, as in `linear`; floats are rounded to 12 digits.
        """
        first, last, count = _ends(lo, hi, n, "log")
        if first <= 0 or last <= 0:
            raise SpaceError(
                f"Ordinal.log needs two positive ends, got lo={lo!r}, hi={hi!r}; use Ordinal.linear or list the values"
            )
        low, high = math.log(first), math.log(last)
        return cls(_spread(first, last, count, lambda share: math.exp(low + (high - low) * share)))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Ordinal({_brief(self.values)})"

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError with the nearest values where there is none."""
        number = plain(value)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise SpaceError(
                f"expected one of the numbers {_brief(self.values)}, got {shown(value)} ({type(value).__name__})"
            )
        if not _finite(number):
            raise SpaceError(
                f"expected one of the numbers {_brief(self.values)}, got {shown(number)}"
            )
        gaps = [abs(number - own) for own in self.values]
        best = min(range(len(gaps)), key=gaps.__getitem__)
        if gaps[best] <= self._tolerance(best):
            return best
        # the two that enclose it, not the two closest: on a log axis these may both lie below
        above = sum((own < number) == (self.values[0] < self.values[-1]) for own in self.values)
        start = min(max(above - 1, 0), max(len(self) - 2, 0))
        nearest = self.values[start : start + 2]
        hint = " and ".join(map(repr, nearest))
        raise SpaceError(
            f"{number!r} is not on the axis; the nearest {'values are' if len(nearest) > 1 else 'value is'} {hint}"
        )

    def _tolerance(self, level: int) -> float:
        """How far a value may be from that of `level`; the gap matters where the value itself is 0."""
        own = self.values[level]
        near = self.values[max(level - 1, 0) : level + 2]
        gap = min((abs(a - b) for a, b in pairwise(near)), default=0.0)
        return min(RELATIVE * max(abs(own), gap), 0.5 * gap if gap else math.inf)


@dataclass(frozen=True, repr=False, eq=False)
class Choice:
    """An axis of alternatives without order: strings, bools, numbers or None.

    Raises
    ------
    SpaceError
        No values, a value of another type, NaN or infinity, or two equal values (1, 1.0 and True are equal).

    Examples
    --------
    >>> Choice(["sgd", "adam"]).level("adam")
    1
    """

    values: tuple[Value, ...]

    def __init__(self, values: Sequence[Value] | NDArray[Any]) -> None:
        items = tuple(plain(value) for value in as_list(values, "Choice"))
        if not items:
            raise SpaceError("Choice needs at least one value, got none")
        kept: list[Value] = []
        for item in items:
            if not (item is None or isinstance(item, (str, bool, int, float))):
                raise SpaceError(
                    f"Choice takes strings, bools, numbers and None, got {item!r} ({type(item).__name__})"
                )
            if isinstance(item, (int, float)) and not _finite(item):
                raise SpaceError(f"Choice takes finite numbers only, got {item!r}")
            if item in kept:
                first = kept[kept.index(item)]
                same = (
                    f"{item!r} twice"
                    if repr(first) == repr(item)
                    else f"{first!r} and {item!r}, which are equal in Python"
                )
                raise SpaceError(f"the values of a Choice must be distinct, got {same}")
            kept.append(item)
        object.__setattr__(self, "values", tuple(kept))

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice):
            return NotImplemented
        return [_identity(v) for v in self.values] == [_identity(v) for v in other.values]

    def __hash__(self) -> int:
        return hash(tuple(_identity(v) for v in self.values))

    def __repr__(self) -> str:
        return f"Choice({_brief(self.values)})"

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError where there is none."""
        wanted = plain(value)
        for level, own in enumerate(self.values):
            if same_value(own, wanted):
                return level
        raise SpaceError(
            f"expected one of {_brief(self.values)}, got {shown(value)} ({type(value).__name__})"
        )


Axis: TypeAlias = Ordinal | Choice


def as_axis(values: object) -> Axis:
    """Turn what a user gives as an axis into one: numbers become an Ordinal, strings, bools and None a Choice."""
    if isinstance(values, (Ordinal, Choice)):
        return values
    items = [plain(value) for value in as_list(values, "an axis")]
    if not items:
        raise SpaceError("it has no values; an axis needs at least one")
    numeric = [isinstance(item, (int, float)) and not isinstance(item, bool) for item in items]
    if all(numeric):
        return Ordinal(items)  # type: ignore[arg-type]
    if any(numeric):
        odd = items[numeric.index(False)]
        raise SpaceError(
            f"numbers mixed with {odd!r}: use Choice([...]) for alternatives without order, or numbers only for an Ordinal"
        )
    return Choice(items)  # type: ignore[arg-type]


def as_list(values: object, what: str) -> list[object]:
    """Return the values of a list, tuple, range or one-dimensional array; anything without an order is refused."""
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise SpaceError(
                f"{what} takes a one-dimensional array, got one of shape {values.shape}"
            )
        return list(values)
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes, bytearray)):
        return list(values)
    raise SpaceError(
        f"{what} takes a list, tuple, range or array of values, got {shown(values)} ({type(values).__name__})"
    )


def plain(value: object) -> object:
    """Return a numpy scalar as the Python number, bool or string it stands for; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def same_value(own: object, other: object) -> bool:
    """Whether two values of an axis are the same one: bools only equal bools, numbers match to rel 1e-9."""
    if isinstance(own, bool) or isinstance(other, bool):
        return isinstance(own, bool) and own is other
    if isinstance(own, (int, float)) and isinstance(other, (int, float)):
        return own == other or (_finite(other) and abs(own - other) <= RELATIVE * abs(own))
    return type(own) is type(other) and own == other


def _identity(value: Value) -> tuple[bool, Value]:
    """Tell True from 1, which Python calls equal."""
    return isinstance(value, bool), value


def _number(value: object) -> Number:
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        hint = (
            "use Choice for values without order"
            if isinstance(number, (bool, str)) or number is None
            else "use int or float"
        )
        raise SpaceError(
            f"Ordinal takes numbers, got {shown(value)} ({type(value).__name__}); {hint}"
        )
    if not _finite(number):
        raise SpaceError(f"Ordinal takes finite numbers, got {shown(number)}")
    return number


def _finite(number: Number) -> bool:
    """Whether a number is finite as a float, which 10**400 is not."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _check_order(numbers: tuple[Number, ...]) -> None:
    """Raise SpaceError unless the numbers strictly rise or strictly fall."""
    if len(set(numbers)) < len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise SpaceError(
            f"the values of an Ordinal must be distinct, got {twice!r} {numbers.count(twice)} times"
        )
    before = operator.lt if numbers[0] <= numbers[-1] else operator.gt
    for place, (a, b) in enumerate(pairwise(numbers)):
        if not before(a, b):
            raise SpaceError(
                f"the values of an Ordinal must rise or fall all the way, got {b!r} after {a!r} "
                f"(places {place} and {place + 1}); sort them, or use Choice if they have no order"
            )


def _ends(lo: Number, hi: Number, n: int, name: str) -> tuple[Number, Number, int]:
    try:
        count = operator.index(n)
    except TypeError:
        raise SpaceError(f"Ordinal.{name} needs an integer n, got {n!r}") from None
    first, last = _number(lo), _number(hi)
    if isinstance(n, bool) or count < 2:
        raise SpaceError(
            f"Ordinal.{name} needs n of at least 2, got {n!r}; for one value use Ordinal([value])"
        )
    if first == last:
        raise SpaceError(
            f"Ordinal.{name} needs two different ends, got lo={lo!r}, hi={hi!r}; for one value use Ordinal([value])"
        )
    return first, last, count


def _spread(first: Number, last: Number, n: int, at: Callable[[float], float]) -> list[Number]:
    """Values at shares 0 .. 1, integers if both ends are, and strictly monotone."""
    inner = [at(i / (n - 1)) for i in range(1, n - 1)]
    if isinstance(first, int) and isinstance(last, int):
        return _distinct_integers(first, last, [round(value) for value in inner])
    digits = 11 - math.floor(math.log10(max(abs(first), abs(last))))
    # an evenly spaced axis rounds to an absolute grid, so that a value that ought to be 0 is 0
    rounded = (
        [round(value, digits) + 0.0 for value in inner]
        if first <= 0 or last <= 0
        else [float(f"{value:.12g}") for value in inner]
    )
    for candidate in (rounded, inner):
        values = [float(first), *candidate, float(last)]
        if all((a < b) == (first < last) and a != b for a, b in pairwise(values)):
            return list(values)
    raise SpaceError(
        f"{n} different floats do not fit between {first!r} and {last!r}; ask for fewer"
    )


def _distinct_integers(first: int, last: int, inner: list[int]) -> list[Number]:
    """Move equal integers apart, keeping both ends; all integers of the range where there are too few."""
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


def _brief(values: Sequence[object]) -> str:
    if len(values) <= 10:
        return "[" + ", ".join(map(repr, values)) + "]"
    head = ", ".join(map(repr, values[:4]))
    return f"[{head}, ..., {values[-1]!r}] ({len(values)} values)"
