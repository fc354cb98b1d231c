"""`Choice`: an axis of alternatives without order, such as the names of algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space.axes import AXIS_TYPES, Axis, as_list
from dsice.space.values import Value, are_close, brief, has_parts, identity, plain_value
from dsice.typing import Array


@dataclass(frozen=True, repr=False, eq=False)
class Choice(Axis):
    """An axis of alternatives without order.

    Parameters
    ----------
    values
        Strings, bools, numbers, None, and lists, tuples or dicts of these. Lists become tuples and
        dicts read-only ones (`FrozenDict`), also inside one another; members of subclasses of str,
        int and float, such as ``class Kind(str, Enum)``, become what they stand for.

    Raises
    ------
    SpaceError
        No values, a value of another type, NaN or infinity, or two equal values (1, 1.0 and True
        are equal; inside lists and dicts they are three).

    Examples
    --------
    >>> Choice(["sgd", "adam"]).level("adam")
    1
    >>> Choice([(16, 16), (32, 8)]).level([32, 8])
    1
    """

    kind: ClassVar[str] = "choice"
    ordered: ClassVar[bool] = False
    numeric: ClassVar[bool] = False

    values: tuple[Value, ...]

    def __init__(self, values: Sequence[Value] | Array) -> None:
        items = tuple(map(plain_value, as_list(values, "Choice")))
        if not items:
            raise SpaceError("Choice needs at least one value, got none")
        kept: dict[object, Value] = {}
        for item in items:
            # scalars that Python calls equal would be one key in a dict of the user's
            key = identity(item) if has_parts(item) else item
            if key in kept:
                raise SpaceError(
                    f"the values of a Choice must be distinct, got {_repeated(kept[key], item)}"
                )
            kept[key] = item
        object.__setattr__(self, "values", items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice):
            return NotImplemented
        return [*map(identity, self.values)] == [*map(identity, other.values)]

    def __hash__(self) -> int:
        return hash(tuple(map(identity, self.values)))

    def level(self, value: object) -> int:
        """Return the level of a value; SpaceError where there is none.

        It is the value that is the same exactly, else of floats the only one within rel 1e-9.
        """
        try:
            wanted = plain_value(value)
        except SpaceError:
            raise self._none_of_these(value) from None
        key = identity(wanted)
        for level, own in enumerate(self.values):
            if identity(own) == key:
                return level
        near = [level for level, own in enumerate(self.values) if are_close(own, wanted)]
        if len(near) != 1:
            raise self._none_of_these(value)
        return near[0]

    def _none_of_these(self, value: object) -> SpaceError:
        return SpaceError(
            f"expected one of {brief(self.values)}, got {shown(value)} ({type(value).__name__})"
        )


def _repeated(first: Value, item: Value) -> str:
    """Say how two values of a Choice are equal."""
    if repr(first) == repr(item):
        return f"{item!r} twice"
    return f"{first!r} and {item!r}, which are equal in Python"


AXIS_TYPES[Choice.kind] = Choice
