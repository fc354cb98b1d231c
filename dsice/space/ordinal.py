"""`Ordinal`: an axis of numbers in order, listed or evenly or logarithmically spaced."""

from __future__ import annotations

import operator
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from dsice.checks import flag, is_finite, plain, shown, whole
from dsice.errors import DsiceWarning, SpaceError
from dsice.space.axis import Axis, as_list, check_count
from dsice.space.spacing import linear_values, log_values
from dsice.space.text import CLOSE, as_text
from dsice.space.values import RELATIVE, Number, brief
from dsice.typing import Array


@dataclass(frozen=True, repr=False)
class Ordinal(Axis):
    """An axis of numbers in order; neighbouring levels are neighbours in effect.

    Parameters
    ----------
    values
        Finite int or float, strictly ascending or strictly descending; the order is kept. Scalars
        and arrays of numpy, and members of an IntEnum, become plain numbers.

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

    kind: ClassVar[str] = "ordinal"
    ordered: ClassVar[bool] = True
    numeric: ClassVar[bool] = True

    values: tuple[Number, ...]

    def __init__(self, values: Sequence[Number] | Array) -> None:
        numbers = tuple(_as_number(value) for value in as_list(values, "Ordinal"))
        if not numbers:
            raise SpaceError("Ordinal needs at least one value, got none")
        _check_order(numbers)
        object.__setattr__(self, "values", numbers)

    @classmethod
    def linear(
        cls,
        lo: Number,
        hi: Number,
        n: int,
        *,
        integer: bool | None = None,
        digits: int | None = None,
    ) -> Ordinal:
        """Make `n` evenly spaced values from `lo` to `hi`, both included.

        `lo > hi` gives a descending axis.

        Parameters
        ----------
        integer
            True: integers, rounded, and moved apart where rounding makes two of them equal; if
            fewer than `n` lie between the ends, the axis is all of them, with a `DsiceWarning`.
            False: floats. None: integers if both ends are.
        digits
            How many digits are kept of the largest value between the ends, and as many decimals of
            the others; 12 by default, so that 0.3 is 0.3 and not 0.30000000000000004.
        """
        spacing = _check_spacing(lo, hi, n, "linear", integer, digits)
        return cls(_enough(linear_values(*spacing), n, "linear"))

    @classmethod
    def log(
        cls,
        lo: Number,
        hi: Number,
        n: int,
        *,
        integer: bool | None = None,
        digits: int | None = None,
    ) -> Ordinal:
        """Make `n` values from `lo` to `hi` with a constant ratio; both ends included, positive.

        Parameters
        ----------
        integer
            As in `linear`.
        digits
            How many significant digits are kept between the ends, 12 by default: with 3,
            0.00316227766017 is 0.00316.
        """
        spacing = _check_spacing(lo, hi, n, "log", integer, digits)
        if spacing[0] <= 0 or spacing[1] <= 0:
            raise SpaceError(
                f"Ordinal.log needs two positive ends, got lo={lo!r}, hi={hi!r}; "
                "use Ordinal.linear or list the values"
            )
        return cls(_enough(log_values(*spacing), n, "log"))

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError with the nearest values where there is none.

        A value that is not on the axis exactly counts as the level within rel 1e-9 of it, if value
        and level are floats and there is exactly one such level.
        """
        number = self._finite(value)
        place = self._place(number)
        if place < len(self) and self.values[place] == number:
            return place
        near = self._within(number, place)
        floats = [number, *(self.values[level] for level in near)]
        if len(near) == 1 and all(isinstance(value, float) for value in floats):
            return near[0]
        nearest = self._enclosing(place)
        values = "values are" if len(nearest) > 1 else "value is"
        raise SpaceError(
            f"{number!r} is not on the axis; "
            f"the nearest {values} {' and '.join(map(repr, nearest))}"
        )

    def nearest(self, value: object) -> Number:
        """Return the value of the axis that is nearest to a number, the first of two.

        A number beyond an end is nearest to that end.
        """
        number = self._finite(value)
        around = self._enclosing(self._place(number))
        return min(around, key=lambda own: abs(own - number))

    def _finite(self, value: object) -> Number:
        """A value as a plain finite number; SpaceError where it is none."""
        number = plain(value)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise SpaceError(
                f"expected one of the numbers {brief(self.values)}, "
                f"got {shown(value)} ({type(value).__name__})"
            )
        if not is_finite(number):
            raise SpaceError(
                f"expected one of the numbers {brief(self.values)}, got {shown(number)}"
            )
        return number

    def _place(self, number: Number) -> int:
        """The first level whose value is that number or lies behind it."""
        if self.values[0] > self.values[-1]:
            return bisect_left(self.values, -number, key=lambda own: -own)
        return bisect_left(self.values, number)

    def _within(self, number: Number, place: int) -> list[int]:
        """Levels within the tolerance of a number that belongs at `place`; of many, some."""
        around = range(max(place - 2, 0), min(place + 2, len(self)))
        return [level for level in around if self._is_close(number, level)]

    def _is_close(self, number: Number, level: int) -> bool:
        """Whether a number is the value of a level but for rounding."""
        own = self.values[level]
        return abs(number - own) <= max(RELATIVE * abs(own), self._noise(level))

    def _noise(self, level: int) -> float:
        """How far a value may be off that is 0, or ought to be: computed values miss it by that."""
        own = self.values[level]
        near = self.values[max(level - 1, 0) : level + 2]
        noise = min((CLOSE * abs(a - b) for a, b in pairwise(near)), default=0.0)
        is_zero = own == 0 or (near[0] < 0 < near[-1]) or (near[0] > 0 > near[-1])
        return min(noise, RELATIVE) if is_zero and abs(own) <= noise else 0.0

    def _enclosing(self, place: int) -> tuple[Number, ...]:
        """The two values that enclose a number that belongs at `place`.

        The two closest ones are no help: on a logarithmic axis both may lie below it.
        """
        start = min(max(place - 1, 0), max(len(self) - 2, 0))
        return self.values[start : start + 2]


def _as_number(value: object) -> Number:
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


def _check_spacing(
    lo: Number, hi: Number, n: int, name: str, integer: object, digits: object
) -> tuple[Number, Number, int, int | None]:
    """Check two ends, a number of values and of digits; the ends are integers, or floats."""
    who = f"Ordinal.{name}"
    try:
        count = operator.index(n)
    except TypeError:
        raise SpaceError(f"{who} needs an integer n, got {n!r}") from None
    first = _as_number(lo)
    last = _as_number(hi)
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


def _enough(values: list[Number], n: int, name: str) -> list[Number]:
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


def _check_order(numbers: tuple[Number, ...]) -> None:
    """Raise SpaceError unless the numbers strictly rise or strictly fall."""
    if len(set(numbers)) < len(numbers):
        counted = Counter(numbers)
        twice = next(number for number in numbers if counted[number] > 1)
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
        if isinstance(b, float) and abs(b - a) <= 3 * CLOSE * abs(b) and as_text(a) == as_text(b):
            warnings.warn(
                f"the values {a!r} and {b!r} of an Ordinal differ by rounding only: both are "
                f"{as_text(a)} on a command line; leave one of them out",
                DsiceWarning,
                stacklevel=4,
            )
