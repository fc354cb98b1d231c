"""Params that a person gives for a point of the grid, exactly or nearly."""

from __future__ import annotations

from dsice.errors import SpaceError
from dsice.space.space import Space
from dsice.typing import Params, Point


def point_of(params: Params, space: Space, *, nearest: bool) -> Point:
    """Return the point of params; with `nearest` each number is the nearest value of its axis.

    Raises
    ------
    SpaceError
        The params are not on the grid; without `nearest` it says what that would make of them.
    """
    if nearest:
        return space.point(space.nearest(params))
    try:
        return space.point(params)
    except SpaceError as error:
        try:
            close = space.nearest(params)
        except Exception:  # they are wrong in another way
            raise error from None
        raise SpaceError(f"{error}. nearest=True takes {close}") from error
