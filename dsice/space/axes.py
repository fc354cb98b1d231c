"""Axes: the discrete values of one parameter, by level (0, 1, 2, ...); those of numbers in order.

An axis turns values into levels and back. Everything below the space works on levels only.

To add a type of axis: derive it from `Axis` in a file of its own, as `choice` does, say what is
asked of it there, and enter it in `AXIS_TYPES`. Nothing outside this package asks for the class of
an axis.
"""

from __future__ import annotations

import operator
import warnings
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final

import numpy as np

from dsice.checks import is_finite, plain, shown
from dsice.errors import DsiceWarning, SpaceError
from dsice.space.spacing import (
    check_spacing,
    enough,
    linear_values,
    log_values,
)
from dsice.space.values import (
    CLOSE,
    RELATIVE,
    Number,
    as_json,
    as_number,
    as_text,
    brief,
    check_count,
    has_parts,
    identity,
)
from dsice.typing import Array


class Axis(ABC):
    """The discrete values of one parameter.

    Attributes
    ----------
    kind
        Name of the type in journals and other stored spaces.
    ordered
        Whether neighbouring levels are neighbours in effect, so that a model may be smooth along
        the axis and a line may run along it.
    numeric
        Whether all values are numbers in order, so that one between or beside them means something.
    values
        The values, by level.
    """

    kind: ClassVar[str]
    ordered: ClassVar[bool]
    numeric: ClassVar[bool]
    values: tuple[Any, ...]

    @abstractmethod
    def __init__(self, values: Sequence[Any] | Array) -> None: ...

    @abstractmethod
    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError where there is none."""

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({brief(self.values)})"

    def to_dict(self) -> dict[str, Any]:
        """Return the axis as plain JSON data, which `axis_from_dict` reads."""
        return {"kind": self.kind, "values": as_json(self.values)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Axis:
        """Return the axis of this type that `to_dict` wrote."""
        return cls(record["values"])

    def nearest(self, value: object) -> Any:
        """Return the value of the axis that is nearest to one; where there is no order, itself."""
        return self.values[self.level(value)]

    def same(self, other: Axis) -> bool:
        """Whether another axis has the same type and values, floats to rel 1e-9."""
        return (
            type(self) is type(other)
            and len(self) == len(other)
            and self.first_difference(other) is None
        )

    def first_difference(self, other: Axis) -> int | None:
        """Return the first level whose value is another on an axis as long as this one."""
        for level, (own, its) in enumerate(zip(self.values, other.values, strict=True)):
            if type(own) is type(its) and own == its and not has_parts(own):
                continue  # most of them
            both_floats = isinstance(own, float) and isinstance(its, float)
            if identity(own) != identity(its) and not (
                both_floats and other._means(own, level) and self._means(its, level)
            ):
                return level
        return None

    def _means(self, value: object, level: int) -> bool:
        """Whether a value means that level, and no other."""
        try:
            return self.level(value) == level
        except SpaceError:
            return False


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
        numbers = tuple(as_number(value) for value in as_list(values, "Ordinal"))
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
        spacing = check_spacing(lo, hi, n, "linear", integer, digits)
        return cls(enough(linear_values(*spacing), n, "linear"))

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
        spacing = check_spacing(lo, hi, n, "log", integer, digits)
        if spacing[0] <= 0 or spacing[1] <= 0:
            raise SpaceError(
                f"Ordinal.log needs two positive ends, got lo={lo!r}, hi={hi!r}; "
                "use Ordinal.linear or list the values"
            )
        return cls(enough(log_values(*spacing), n, "log"))

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError with the nearest values where there is none.

        A float that is not on the axis exactly counts as the level within rel 1e-9 of it, if there
        is exactly one such level that is a float.
        """
        number = self._finite(value)
        place = self._place(number)
        if place < len(self) and self.values[place] == number:
            return place
        near = [v for v in self._within(number, place) if isinstance(self.values[v], float)]
        if len(near) == 1 and isinstance(number, float):
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
        if isinstance(values, range):  # a short text for any number of values
            check_count(what, (values.stop - values.start) // values.step)
        return list(values)
    raise SpaceError(
        f"{what} takes a list, tuple, range or array of values, "
        f"got {shown(values)} ({type(values).__name__})"
    )


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


# ------------------------------------------------------------------ what a user gives
AXIS_TYPES: Final[dict[str, type[Axis]]] = {Ordinal.kind: Ordinal}
"""All types of axes, by their kind."""


def axis_from_dict(record: Mapping[str, Any]) -> Axis:
    """Return the axis that `Axis.to_dict` wrote, of whatever type."""
    return AXIS_TYPES[record["kind"]].from_dict(record)


def as_axis(values: object) -> Axis:
    """Return an axis for what a user gives as one.

    Numbers become an Ordinal; strings, bools, None, lists and dicts a Choice, and so do numbers
    beside None; an axis is kept.
    """
    if isinstance(values, Axis):
        return values
    items = [plain(value) for value in as_list(values, "an axis")]
    if not items:
        raise SpaceError("it has no values; an axis needs at least one")
    numeric = [isinstance(item, (int, float)) and not isinstance(item, bool) for item in items]
    if all(numeric):
        return Ordinal(items)  # type: ignore[arg-type]
    odd = [item for item, number in zip(items, numeric, strict=True) if not number]
    odd = [item for item in odd if item is not None]
    if any(numeric) and odd:
        raise SpaceError(
            f"numbers mixed with {shown(odd[0])}: use Choice([...]) for alternatives without "
            "order, or numbers only for an Ordinal"
        )
    return AXIS_TYPES["choice"](items)


def as_axes(axes: object) -> dict[str, Axis]:
    """Return the names and axes of a space, from what a user gives for them."""
    if not isinstance(axes, Mapping):
        raise SpaceError(
            "axes must be a mapping of names to axes, such as {'x': [1, 2, 4]}; "
            f"got {axes!r} ({type(axes).__name__})"
        )
    if not axes:
        raise SpaceError("axes is empty; a space needs at least one axis, such as {'x': [1, 2, 4]}")
    read: dict[str, Axis] = {}
    for name, values in axes.items():
        if not isinstance(name, str) or not name:
            raise SpaceError(f"the name of an axis must be a non-empty string, got {name!r}")
        try:
            read[name] = as_axis(values)
        except SpaceError as error:
            raise SpaceError(f"axis {name!r}: {error}") from None
    return read
