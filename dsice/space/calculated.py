"""Values of an expression at many points, and what is calculated with them, as Python does it.

Numpy does what it does like Python to the last bit: whole numbers that cannot overflow, sums and
products of floats, comparisons. What it has its own ways for (logarithms, powers, remainders of
floats) is left to Python, element by element. Where something may raise, such as a division by
zero, the point is *doubtful*.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final

import numpy as np

from dsice.space.expression import power
from dsice.typing import Array, Bools, Ints

EXACT: Final = 2**53
"""Up to here every whole number is a float."""
LARGEST: Final = 2**62
"""Whole numbers beyond these are left to Python."""

NO: Final = np.False_
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_DIVISIONS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Unsupported(Exception):
    """A rule that cannot be evaluated at many points at once."""


@dataclass(frozen=True)
class Values:
    """The values of an expression at many points.

    Attributes
    ----------
    data
        The values: bool, int64, float64, or object for what is no number.
    low, high
        Bounds of whole numbers.
    doubtful
        Where evaluating it may raise.
    mixed
        Whether floats stand for numbers some of which are whole in Python.
    """

    data: Array
    low: int = 0
    high: int = 0
    doubtful: Bools | np.bool_ = NO
    mixed: bool = False

    @property
    def kind(self) -> str:
        """b, i, f or O, as numpy calls it."""
        return self.data.dtype.kind

    @property
    def size(self) -> int:
        """The largest whole number that may be among them, without its sign."""
        return max(abs(self.low), abs(self.high))

    def at(self, places: Ints) -> Values:
        """The values at some places."""
        return replace(self, data=self.data[places])


def values_of(given: Sequence[object]) -> Values:
    """The values of an axis, or of a constant."""
    kinds = {type(value) for value in given}
    if kinds == {bool}:
        return Values(np.array(given, dtype=np.bool_), 0, 1)
    if kinds == {int}:
        return _whole(list(given))
    if kinds == {float}:
        return Values(np.array(given, dtype=np.float64))
    if kinds == {int, float}:
        if any(isinstance(value, int) and abs(value) > EXACT for value in given):
            raise Unsupported
        return Values(np.array(given, dtype=np.float64), mixed=True)
    return Values(np.fromiter(given, dtype=object))  # a tuple is one value


def _whole(numbers: Sequence[Any]) -> Values:
    low, high = min(numbers, default=0), max(numbers, default=0)
    if max(abs(low), abs(high)) > LARGEST:
        raise Unsupported
    return Values(np.array(numbers, dtype=np.int64), low, high)


# ------------------------------------------------------------------ numbers
def number(values: Values) -> Values:
    """A truth value counts as 0 or 1; what is no number is an error at most points."""
    if values.kind == "O":
        raise Unsupported
    if values.kind == "b":
        return replace(values, data=values.data.astype(np.int64), low=0, high=1)
    return values


def union(parts: Sequence[Values]) -> Values:
    """What can be said of values each of which is one of the parts."""
    return Values(
        parts[0].data,
        min(part.low for part in parts),
        max(part.high for part in parts),
        reduce(operator.or_, (part.doubtful for part in parts)),
        any(part.mixed for part in parts),
    )


def alike(parts: Sequence[Values]) -> list[Values]:
    """The same values, all of one kind."""
    kinds = {part.kind for part in parts}
    if len(kinds) == 1:
        return list(parts)
    parts = [number(part) for part in parts]
    if {part.kind for part in parts} == {"i"}:
        return parts
    if any(part.kind == "i" and part.size > EXACT for part in parts):
        raise Unsupported
    return [replace(part, data=part.data.astype(np.float64), mixed=True) for part in parts]


def negative(one: Values) -> Values:
    """What a minus makes of numbers."""
    return replace(one, data=-one.data, low=-one.high, high=-one.low)


def calculated(op: type[ast.operator], a: Values, b: Values) -> Values:
    """What an operator makes of two numbers."""
    doubtful = a.doubtful | b.doubtful
    whole = a.kind == b.kind == "i"
    if op in _ARITHMETIC:
        calculate = _ARITHMETIC[op]
        if whole:
            ends = [calculate(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
            if max(map(abs, ends)) > LARGEST:
                raise Unsupported
            return Values(calculate(a.data, b.data), min(ends), max(ends), doubtful)
        return _floats(calculate(_real(a), _real(b)), doubtful, mixed=a.mixed or b.mixed)
    if op is ast.Pow:
        return _raised(a, b)
    zero = b.data == 0
    doubtful = doubtful | zero
    if op is ast.Div:
        if whole and max(a.size, b.size) > EXACT:
            raise Unsupported
        return _floats(_real(a) / np.where(zero, 1.0, b.data), doubtful)
    if not whole:
        if a.mixed or b.mixed:
            raise Unsupported
        return one_by_one(_DIVISIONS[op], [a, b])
    found = _DIVISIONS[op](a.data, np.where(zero, 1, b.data))
    size = a.size if op is ast.FloorDiv else max(b.size, 1)
    return Values(found, -size - 1, size, doubtful)


def _real(values: Values) -> Array:
    return values.data.astype(np.float64, copy=False)


def _floats(data: Array, doubtful: Any, *, mixed: bool = False) -> Values:
    if mixed and bool((np.abs(data) >= EXACT).any()):
        raise Unsupported  # whole numbers are exact in Python
    return Values(np.asarray(data), doubtful=doubtful, mixed=mixed)


def _raised(a: Values, b: Values) -> Values:
    if a.mixed or b.mixed:
        raise Unsupported
    if a.kind == b.kind == "i" and b.low >= 0 and a.size.bit_length() * b.high <= 62:
        size = max(a.size, 1) ** b.high
        return Values(np.power(a.data, b.data), -size, size, a.doubtful | b.doubtful)
    return one_by_one(power, [a, b])


def extreme(name: str, a: Values, b: Values) -> Values:
    """The ``min`` or ``max`` of two numbers."""
    a, b = alike([a, b])
    first = operator.lt if name == "min" else operator.gt
    data = np.where(first(b.data, a.data), b.data, a.data)  # as Python does, with NaN too
    return replace(union([a, b]), data=data)


def _to_whole(how: Callable[[Array], Array]) -> Callable[[Values], Values]:
    def convert(one: Values) -> Values:
        if one.kind == "i":
            return one
        odd = ~(np.abs(one.data) < EXACT)
        data = np.where(odd, 0.0, how(one.data)).astype(np.int64)
        low, high = (int(data.min()), int(data.max())) if data.size else (0, 0)
        return Values(data, low, high, one.doubtful | odd)

    return convert


def _absolute(one: Values) -> Values:
    return replace(one, data=np.abs(one.data), low=0, high=one.size)


def _root(one: Values) -> Values:
    negative = one.data < 0
    return _floats(np.sqrt(np.where(negative, 0.0, _real(one))), one.doubtful | negative)


OF_ONE: Final[dict[str, Callable[[Values], Values]]] = {
    "abs": _absolute,
    "round": _to_whole(np.rint),
    "int": _to_whole(np.trunc),
    "float": lambda one: Values(_real(one), doubtful=one.doubtful),
    "ceil": _to_whole(np.ceil),
    "floor": _to_whole(np.floor),
    "sqrt": _root,
}


# ------------------------------------------------------------------ comparisons, and Python's own
def compare(how: Callable[[Any, Any], Any], a: Values, b: Values) -> Any:
    """What a comparison says, bool of their common shape."""
    if "O" in (a.kind, b.kind):
        found = how(a.data.astype(object), b.data.astype(object))
        return np.asarray(found).astype(np.bool_)[()]
    for one, other in ((a, b), (b, a)):
        if one.kind == "i" and other.kind == "f" and one.size > EXACT:
            raise Unsupported
    return how(a.data, b.data)


def one_by_one(call: Callable[..., Any], given: Sequence[Values]) -> Values:
    """What Python gives for each element; doubtful where it raises."""
    arrays = np.broadcast_arrays(*(one.data for one in given))
    found: list[Any] = []
    raised: list[bool] = []
    for row in zip(*(array.ravel().tolist() for array in arrays), strict=True):
        try:
            found.append(call(*row))
            raised.append(False)
        except Exception:
            found.append(None)
            raised.append(True)
    filler: Any = next((value for value in found if value is not None), 0)
    values = values_of([filler if value is None else value for value in found] or [0])
    if values.kind == "O":
        raise Unsupported
    shape = arrays[0].shape
    doubtful = reduce(operator.or_, (one.doubtful for one in given))
    return replace(
        values,
        data=values.data[: len(found)].reshape(shape),
        doubtful=doubtful | np.array(raised, dtype=np.bool_).reshape(shape),
    )
