"""Many points as people have them - levels, params, a table - as rows of levels, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np

from dsice.checks import plain, shown
from dsice.errors import SpaceError
from dsice.space.axes import Axis
from dsice.space.points import as_rows, check_on_grid
from dsice.space.validity import Validity, describe_unknown
from dsice.space.values import has_parts
from dsice.typing import Array, Ints

Levels = Mapping[Any, int]
"""The level of each value of an axis, by the value's type and the value."""
_NOTHING: Final = object()
"""Stands for a parameter that a row leaves out."""
_ABSENT, _UNKNOWN = -1, -2  # in the place of a level: left out, and not looked up yet


def rows_of(points: object, rules: Validity, levels: Sequence[Levels]) -> Ints:
    """Return rows of levels on the grid, shape (k, d).

    Parameters
    ----------
    points
        An array of levels, shape (k, d), or a list of points; a list of params; or a DataFrame
        with a column for each parameter, of which cells do not count where the parameter is
        inactive.
    rules
        The rules of the space; of these only the conditions count.
    levels
        The level of each value, for each axis.

    Raises
    ------
    SpaceError
        It is no such thing, or a row is not on the grid or lacks a parameter; the message names
        the row.
    """
    if hasattr(points, "columns") and hasattr(points, "iloc"):
        return _settled(_cells_of_frame(points, rules, levels), rules, levels, strict=False)
    if isinstance(points, Iterable) and not isinstance(points, (np.ndarray, str, Mapping)):
        points = list(points)
        if any(isinstance(point, Mapping) for point in points[:1]):
            return _settled(_cells_of_params(points, rules), rules, levels, strict=True)
    rows = _rows_of_levels(points, rules)
    check_on_grid(rows, rules.names, rules.shape, what="points")
    return rows


def _rows_of_levels(points: Any, rules: Validity) -> Ints:
    if isinstance(points, list) and not points:
        return np.empty((0, len(rules.names)), dtype=np.int64)
    try:
        array: Array = np.asarray(points)
    except (OverflowError, TypeError, ValueError):  # rows of different lengths
        array = np.empty(0)
    if array.ndim != 2:
        raise SpaceError(
            f"points must be levels of shape (k, {len(rules.names)}), a list of params, or a "
            f"DataFrame with the columns {', '.join(rules.names)}; got {shown(points)}"
        )
    return as_rows(array, rules.names)


def _cells_of_frame(frame: Any, rules: Validity, levels: Sequence[Levels]) -> list[list[Any]]:
    """The cells of each parameter in a DataFrame; an empty one is a parameter left out."""
    names = list(frame.columns)
    for name in names:
        if name not in rules.names:
            raise SpaceError(
                f"points: {describe_unknown(name, rules.names)}; choose their columns, "
                "frame[list(space.names)]"
            )
    columns = []
    for name, known in zip(rules.names, levels, strict=True):
        if names.count(name) != 1:
            how = "twice" if name in names else "missing"
            raise SpaceError(f"points: the column of {name!r} is {how}; the table needs it once")
        column = frame.iloc[:, names.index(name)]
        cells = column.tolist()
        for row in np.flatnonzero(column.isna().to_numpy()).tolist():
            if cells[row] is not None or (type(None), None) not in known:
                cells[row] = _NOTHING
        columns.append(cells)
    return columns


def _cells_of_params(params: Sequence[Any], rules: Validity) -> list[list[Any]]:
    """The values of each parameter in a list of params."""
    known = set(rules.names)
    for row, own in enumerate(params):
        if not isinstance(own, Mapping):
            raise SpaceError(f"points, row {row}: expected params as before, got {shown(own)}")
        if not known.issuperset(own):
            name = next(name for name in own if name not in known)
            raise SpaceError(f"points, row {row}: {describe_unknown(name, rules.names)}")
    return [[own.get(name, _NOTHING) for own in params] for name in rules.names]


def _settled(
    columns: Sequence[list[Any]], rules: Validity, levels: Sequence[Levels], *, strict: bool
) -> Ints:
    """The levels of these values, inactive parameters at level 0.

    Parameters
    ----------
    columns
        The values of each parameter, `_NOTHING` where it was left out.
    strict
        Whether an inactive parameter must be left out.
    """
    axes = zip(rules.names, rules.axes, columns, levels, strict=True)
    rows = np.stack([_column(*axis) for axis in axes], axis=1)
    given = rows != _ABSENT
    rows[~given] = 0
    active = rules.active(rows)
    wrong = (active & ~given) | (given & ~active & strict)
    for row in np.flatnonzero(wrong.any(axis=1))[:1].tolist():
        seen = given[row] & (active[row] | strict)
        cells = zip(rules.names, columns, seen.tolist(), strict=True)
        params = {name: cells[row] for name, cells, is_seen in cells if is_seen}
        try:
            rules.check(params, rows[row : row + 1])
        except SpaceError as error:
            raise SpaceError(f"points, row {row}: {error}") from None
    return np.where(active, rows, 0)


def _column(name: str, axis: Axis, cells: list[Any], known: Levels) -> Ints:
    """The levels of the values of one parameter, `_ABSENT` where it was left out."""
    try:
        found = [known.get((type(cell), cell), _UNKNOWN) for cell in cells]
    except Exception:  # a cell without a hash, or of a user's class that raises when it is compared
        found = [_UNKNOWN] * len(cells)
    looked_up: dict[Any, int] = {}
    for row, level in enumerate(found):
        if level == _UNKNOWN:
            found[row] = _ABSENT
            if cells[row] is not _NOTHING:
                found[row] = _looked_up(
                    cells[row], axis, looked_up, f"points, row {row}: parameter {name!r}"
                )
    return np.array(found, dtype=np.int64)


def _looked_up(cell: object, axis: Axis, known: dict[Any, int], where: str) -> int:
    """The level of a value that is not exactly one of the axis, such as a rounded float."""
    with suppress(Exception):  # as above
        if (type(cell), cell) in known:
            return known[type(cell), cell]
    try:
        level = axis.level(plain(cell))
    except SpaceError as error:
        raise SpaceError(f"{where}: {error}") from None
    with suppress(Exception):
        if not has_parts(cell):  # Python calls (1,) and (True,) equal
            known[type(cell), cell] = level
    return level
