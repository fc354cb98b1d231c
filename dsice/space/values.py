"""The values of axes: which two are the same, and what becomes of what a user gives as one.

A value is a number, a string, a bool, None, or a tuple or mapping of values. What a user gives is
made plain first: scalars of numpy and members of subclasses (of ``class Kind(str, Enum)``, for
example) become what they stand for, lists become tuples, dicts `FrozenDict`.
"""

from __future__ import annotations

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
DEEPEST: Final = 32
"""Lists and dicts inside one another, in one value."""


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


# ------------------------------------------------------------------ as JSON, and for people
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
