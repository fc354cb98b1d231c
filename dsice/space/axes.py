"""Axes of a space: a list of numbers in order (`Ordinal`) or a set of alternatives (`Choice`).

An axis turns values into levels (0, 1, 2, ...) and back. Everything below the space works on levels
only.

To add a type of axis: derive it from `Axis` here, say what is asked of it there, and list it in
`AXIS_TYPES`. Nothing outside this package asks for the class of an axis.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Final

import numpy as np

from dsice.checks import is_finite, plain, shown
from dsice.errors import SpaceError
from dsice.space.spacing import linear_values, log_values
from dsice.space.values import RELATIVE, Number, Value, brief, same_value
from dsice.typing import Array

MOST_LEVELS: Final = 10_000_000
"""More values of an axis than these fill the memory."""


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
        return {"kind": self.kind, "values": list(self.values)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Axis:
        """Return the axis of this type that `to_dict` wrote."""
        return cls(record["values"])

    def same(self, other: Axis) -> bool:
        """Whether another axis has the same type and values, numbers to rel 1e-9."""
        return (
            type(self) is type(other)
            and len(self) == len(other)
            and all(map(same_value, self.values, other.values))
        )


@dataclass(frozen=True, repr=False)
class Ordinal(Axis):
    """An axis of numbers in order; neighbouring levels are neighbours in effect.

    Parameters
    ----------
    values
        Finite int or float, strictly ascending or strictly descending; the order is kept. numpy
        scalars and arrays become Python numbers.

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
        numbers = tuple(_as_number(value) for value in _as_list(values, "Ordinal"))
        if not numbers:
            raise SpaceError("Ordinal needs at least one value, got none")
        _check_order(numbers)
        object.__setattr__(self, "values", numbers)

    @classmethod
    def linear(cls, lo: Number, hi: Number, n: int) -> Ordinal:
        """Make `n` evenly spaced values from `lo` to `hi`, both included.

        Two integer ends give integers: rounded, and moved apart where rounding makes two of them
        equal. If fewer than `n` integers lie between the ends, the axis is all of them and has
        fewer than `n` levels. Floats are rounded to 12 digits of the larger end, so that 0.3 is
        0.3 and not 0.30000000000000004. `lo > hi` gives a descending axis.
        """
        return cls(linear_values(*_check_ends(lo, hi, n, "linear")))

    @classmethod
    def log(cls, lo: Number, hi: Number, n: int) -> Ordinal:
        """Make `n` values from `lo` to `hi` with a constant ratio; both ends included, positive.

        Two integer ends give distinct integers, as in `linear`; floats are rounded to 12 digits.
        """
        first, last, count = _check_ends(lo, hi, n, "log")
        if first <= 0 or last <= 0:
            raise SpaceError(
                f"Ordinal.log needs two positive ends, got lo={lo!r}, hi={hi!r}; "
                "use Ordinal.linear or list the values"
            )
        return cls(log_values(first, last, count))

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError with the nearest values where there is none."""
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
        gaps = [abs(number - own) for own in self.values]
        best = min(range(len(gaps)), key=gaps.__getitem__)
        if gaps[best] <= self._tolerance(best):
            return best
        nearest = self._enclosing(number)
        values = "values are" if len(nearest) > 1 else "value is"
        raise SpaceError(
            f"{number!r} is not on the axis; "
            f"the nearest {values} {' and '.join(map(repr, nearest))}"
        )

    def _enclosing(self, number: Number) -> tuple[Number, ...]:
        """The two values that enclose a number.

        The two closest ones are no help: on a logarithmic axis both may lie below it.
        """
        above = sum((own < number) == (self.values[0] < self.values[-1]) for own in self.values)
        start = min(max(above - 1, 0), max(len(self) - 2, 0))
        return self.values[start : start + 2]

    def _tolerance(self, level: int) -> float:
        """How far a number may be from the value of `level`; where that is 0, the gap matters."""
        own = self.values[level]
        near = self.values[max(level - 1, 0) : level + 2]
        gap = min((abs(a - b) for a, b in pairwise(near)), default=0.0)
        return min(RELATIVE * max(abs(own), gap), 0.5 * gap if gap else math.inf)


@dataclass(frozen=True, repr=False, eq=False)
class Choice(Axis):
    """An axis of alternatives without order: strings, bools, numbers or None.

    Raises
    ------
    SpaceError
        No values, a value of another type, NaN or infinity, or two equal values (1, 1.0 and True
        are equal).

    Examples
    --------
    >>> Choice(["sgd", "adam"]).level("adam")
    1
    """

    kind: ClassVar[str] = "choice"
    ordered: ClassVar[bool] = False
    numeric: ClassVar[bool] = False

    values: tuple[Value, ...]

    def __init__(self, values: Sequence[Value] | Array) -> None:
        items = tuple(plain(value) for value in _as_list(values, "Choice"))
        if not items:
            raise SpaceError("Choice needs at least one value, got none")
        kept: dict[Value, Value] = {}
        for item in items:
            if not (item is None or isinstance(item, (str, bool, int, float))):
                raise SpaceError(
                    "Choice takes strings, bools, numbers and None, "
                    f"got {item!r} ({type(item).__name__})"
                )
            if isinstance(item, (int, float)) and not is_finite(item):
                raise SpaceError(f"Choice takes finite numbers only, got {shown(item)}")
            if item in kept:
                raise SpaceError(
                    f"the values of a Choice must be distinct, got {_repeated(kept[item], item)}"
                )
            kept[item] = item
        object.__setattr__(self, "values", tuple(kept))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice):
            return NotImplemented
        return [_identity(v) for v in self.values] == [_identity(v) for v in other.values]

    def __hash__(self) -> int:
        return hash(tuple(_identity(v) for v in self.values))

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError where there is none."""
        wanted = plain(value)
        for level, own in enumerate(self.values):
            if same_value(own, wanted):
                return level
        raise SpaceError(
            f"expected one of {brief(self.values)}, got {shown(value)} ({type(value).__name__})"
        )


AXIS_TYPES: Final[Mapping[str, type[Axis]]] = {axis.kind: axis for axis in (Ordinal, Choice)}
"""All types of axes, by their kind."""


def axis_from_dict(record: Mapping[str, Any]) -> Axis:
    """Return the axis that `Axis.to_dict` wrote, of whatever type."""
    return AXIS_TYPES[record["kind"]].from_dict(record)


def as_axis(values: object) -> Axis:
    """Return an axis for what a user gives as one.

    Numbers become an Ordinal, strings, bools and None a Choice; an axis is kept.
    """
    if isinstance(values, Axis):
        return values
    items = [plain(value) for value in _as_list(values, "an axis")]
    if not items:
        raise SpaceError("it has no values; an axis needs at least one")
    numeric = [isinstance(item, (int, float)) and not isinstance(item, bool) for item in items]
    if all(numeric):
        return Ordinal(items)  # type: ignore[arg-type]
    if any(numeric):
        odd = items[numeric.index(False)]
        raise SpaceError(
            f"numbers mixed with {odd!r}: use Choice([...]) for alternatives without order, "
            "or numbers only for an Ordinal"
        )
    return Choice(items)  # type: ignore[arg-type]


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


def _as_list(values: object, what: str) -> list[object]:
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
            _check_count(what, (values.stop - values.start) // values.step)
        return list(values)
    raise SpaceError(
        f"{what} takes a list, tuple, range or array of values, "
        f"got {shown(values)} ({type(values).__name__})"
    )


def _check_count(what: str, n: int) -> None:
    if n > MOST_LEVELS:
        raise SpaceError(f"{what} takes at most {MOST_LEVELS:,} values, got {shown(n)}")


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


def _check_ends(lo: Number, hi: Number, n: int, name: str) -> tuple[Number, Number, int]:
    """Check two ends and a number of values; return them as plain numbers."""
    try:
        count = operator.index(n)
    except TypeError:
        raise SpaceError(f"Ordinal.{name} needs an integer n, got {n!r}") from None
    first = _as_number(lo)
    last = _as_number(hi)
    _check_count(f"Ordinal.{name}", count)
    if isinstance(n, bool) or count < 2:
        raise SpaceError(
            f"Ordinal.{name} needs n of at least 2, got {n!r}; for one value use Ordinal([value])"
        )
    if first == last:
        raise SpaceError(
            f"Ordinal.{name} needs two different ends, got lo={lo!r}, hi={hi!r}; "
            "for one value use Ordinal([value])"
        )
    return first, last, count


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


def _identity(value: Value) -> tuple[bool, Value]:
    """Tell True from 1, which Python calls equal."""
    return isinstance(value, bool), value


def _repeated(first: Value, item: Value) -> str:
    """Say how two values of a Choice are equal."""
    if repr(first) == repr(item):
        return f"{item!r} twice"
    return f"{first!r} and {item!r}, which are equal in Python"
