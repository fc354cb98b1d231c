"""What an axis is: the discrete values of one parameter, by level (0, 1, 2, ...).

Everything below the space works on levels only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space.values import as_json, brief, has_parts, identity
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


def check_count(what: str, n: int) -> None:
    """Raise SpaceError for more values than fit into an axis."""
    if n > MOST_LEVELS:
        raise SpaceError(f"{what} takes at most {MOST_LEVELS:,} values, got {shown(n)}")
