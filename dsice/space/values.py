"""The values of axes: which two are the same, what a user gives for one, how one is written.

A value is a number, a string, a bool, None, or a tuple or mapping of values. What a user gives is
made plain first: scalars of numpy and members of subclasses (of ``class Kind(str, Enum)``, for
example) become what they stand for, lists become tuples, dicts `FrozenDict`.

Values are never changed afterwards: what a computation left of a round number, such as
0.30000000000000004, is only written as 0.3, on command lines, in tables and under figures. Error
messages and files have all digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np

from dsice.checks import is_finite, plain, shown
from dsice.errors import SpaceError

Number: TypeAlias = int | float
Value: TypeAlias = int | float | str | bool | Sequence["Value"] | Mapping[str, "Value"] | None

RELATIVE: Final = 1e-9
"""Floats match a value of an axis up to this, relative: they travel through CSV and JSON."""
MOST_LEVELS: Final = 10_000_000
"""More values of an axis than these fill the memory."""
DEEPEST: Final = 32
"""Lists and dicts inside one another, in one value."""
CLOSE: Final = 1e-12
"""A text may be off by this, relative."""
_TYPED: Final = 15
"""So many digits survive a float; more are not typed, but computed."""
_FEWEST: Final = 4


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed and has a hash: a value of a `Choice`.

    It equals every mapping with the same entries, in whatever order.
    """

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a value of an axis cannot be changed; make a dict of your own: dict(...)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


# ------------------------------------------------------------------ what a user gives
def plain_value(value: object) -> Any:
    """Return what a user gives as a value in the form that an axis keeps.

    Raises
    ------
    SpaceError
        It is no value, or something in it is none.
    """
    return _plain(value, DEEPEST)


def _plain(value: object, depth: int) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    value = plain(value)
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        if not is_finite(value):
            raise SpaceError(f"Choice takes finite numbers only, got {shown(value)}")
        return value
    if not depth:
        raise SpaceError(f"a value is nested deeper than {DEEPEST} levels; make it flatter")
    if isinstance(value, (list, tuple)):
        return tuple([_plain(part, depth - 1) for part in value])
    if isinstance(value, Mapping):
        return FrozenDict({_key(name): _plain(part, depth - 1) for name, part in value.items()})
    hint = ""
    if isinstance(value, Enum):
        hint = f"; use what it stands for, {shown(value.value)}"
    raise SpaceError(
        "Choice takes strings, bools, numbers, None, and lists and dicts of these, "
        f"got {shown(value)} ({type(value).__name__}){hint}"
    )


def _key(name: object) -> str:
    found = plain(name)
    if not isinstance(found, str):
        raise SpaceError(
            f"the keys of a dict must be strings, got {shown(name)}: JSON has no other"
        )
    return found


def as_number(value: object) -> Number:
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


def check_count(what: str, n: int) -> None:
    """Raise SpaceError for more values than fit into an axis."""
    if n > MOST_LEVELS:
        raise SpaceError(f"{what} takes at most {MOST_LEVELS:,} values, got {shown(n)}")


def has_parts(value: object) -> bool:
    """Whether a value is a tuple or a mapping."""
    return isinstance(value, (tuple, Mapping))


def identity(value: object) -> object:
    """What two plain values have in common exactly if they are the same.

    True is not 1; inside tuples and mappings 1 is not 1.0 either.
    """
    if has_parts(value):
        return _exact(value)
    return isinstance(value, bool), value


def _exact(value: object) -> object:
    if isinstance(value, tuple):
        return "tuple", *map(_exact, value)
    if isinstance(value, Mapping):
        return "mapping", frozenset((name, _exact(part)) for name, part in value.items())
    return type(value), value


# ------------------------------------------------------------------ which two are the same
def same_value(own: object, other: object) -> bool:
    """Whether two values are the same: exactly, or both are floats within rel 1e-9."""
    return identity(own) == identity(other) or are_close(own, other)


def are_close(own: object, other: object) -> bool:
    """Whether both are floats within rel 1e-9 of each other."""
    if not (isinstance(own, float) and isinstance(other, float)):
        return False
    return is_finite(other) and abs(own - other) <= RELATIVE * abs(own)


def same_params(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether params have the same names and values; lists stand for tuples, as in JSON."""
    if some.keys() != others.keys():
        return False
    try:
        return all(
            same_value(plain_value(value), plain_value(others[name]))
            for name, value in some.items()
        )
    except SpaceError:
        return False


# ------------------------------------------------------------------ as JSON, and for functions
def as_json(value: Any) -> Any:
    """Return a value as JSON gives it back: tuples are lists, mappings are dicts.

    What is no value stays as it is.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return [as_json(part) for part in value]
    if isinstance(value, Mapping):
        return {plain(name): as_json(part) for name, part in value.items()}
    return plain(value)


def as_given(value: Any) -> Any:
    """Return a value as its user gets it: mappings are dicts of its own, tuples stay tuples."""
    if isinstance(value, (tuple, list)):
        return (tuple if isinstance(value, tuple) else list)(map(as_given, value))
    if isinstance(value, Mapping):
        return {name: as_given(part) for name, part in value.items()}
    return plain(value)


def has_tuples(value: object) -> bool:
    """Whether a value is a tuple or has one inside."""
    if isinstance(value, Mapping):
        return any(map(has_tuples, value.values()))
    return isinstance(value, tuple)


def brief(values: Sequence[object]) -> str:
    """Repr of a list of values; of a long one the first four and the last."""
    if len(values) <= 10:
        return "[" + ", ".join(map(repr, values)) + "]"
    head = ", ".join(map(repr, values[:4]))
    return f"[{head}, ..., {values[-1]!r}] ({len(values)} values)"


# ------------------------------------------------------------------ as text
def as_text(value: object) -> str:
    """Return a value as one word of a command: floats without noise, lists and dicts as JSON."""
    if isinstance(value, float):
        return repr(_short(value))
    if isinstance(value, (tuple, list, Mapping)):
        return json.dumps(_short_parts(value), separators=(",", ":"), ensure_ascii=False)
    return str(value)


def labels(values: Sequence[object]) -> list[str]:
    """Texts of the values of an axis for a figure: floats with 4 digits, or as many as differ."""
    floats = {value for value in values if isinstance(value, float)}
    digits = _FEWEST
    while digits < _TYPED and len({f"{value:.{digits}g}" for value in floats}) < len(floats):
        digits += 1
    return [f"{v:.{digits}g}" if isinstance(v, float) else as_text(v) for v in values]


def _short(value: float) -> float:
    """The float of fewest digits that is within `CLOSE`, where a value has more than are typed."""
    value = float(value)
    if float(f"{value:.{_TYPED}g}") == value:
        return value
    for digits in range(1, _TYPED + 1):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= CLOSE * abs(value):
            return short
    return value


def _short_parts(value: Any) -> Any:
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, (tuple, list)):
        return [_short_parts(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _short_parts(part) for name, part in value.items()}
    return value
