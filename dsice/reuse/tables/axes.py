"""The axes of a log that no study describes: the values that its columns hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dsice.errors import SpaceError, TableError
from dsice.reuse.tables.cells import values_of
from dsice.reuse.tables.measurements import Log
from dsice.space import Axis, Choice, Ordinal, Space
from dsice.space.values import identity


def guessed_space(log: Log) -> Space:
    """A space with an axis for each parameter of a log.

    Raises
    ------
    TableError
        A column cannot be an axis; the message names it.
    """
    axes = {}
    for name, label in log.roles.params.items():
        column = log.frame[label]
        try:
            axes[name] = guessed_axis(values_of(column, log.source))
        except SpaceError as error:
            raise TableError(f"{log.source}: column {label!r} is no axis: {error}") from error
    return Space(axes)


def guessed_axis(cells: Collection[Any]) -> Axis:
    """Numbers become an Ordinal, everything else a Choice, in an order that no row changes."""
    found = list({identity(cell): cell for cell in cells}.values())
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in found):
        return Ordinal(sorted(found))
    plain = (str, int, float)
    return Choice(
        sorted(found, key=lambda v: (str(type(v)), v if isinstance(v, plain) else repr(v)))
    )
