"""All types of axes, and the axes of a space from what a user gives for them.

To add a type of axis: derive it from `Axis`, say what is asked of it there, and list it in
`AXIS_TYPES`. Nothing outside this package asks for the class of an axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dsice.checks import plain, shown
from dsice.errors import SpaceError
from dsice.space.axis import Axis, as_list
from dsice.space.choice import Choice
from dsice.space.ordinal import Ordinal

AXIS_TYPES: Final[Mapping[str, type[Axis]]] = {axis.kind: axis for axis in (Ordinal, Choice)}
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
