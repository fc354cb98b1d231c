"""Points that the strategy did not propose: measured elsewhere, or to be asked next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsice.errors import TellError
from dsice.history import History
from dsice.space import Space
from dsice.space.nearest import point_of
from dsice.trial import Trial
from dsice.typing import Point


def added_trial(
    params: Mapping[str, object], space: Space, history: History, *, nearest: bool
) -> Trial:
    """The next trial, at params that nobody asked for.

    A point that was measured before gets one more repeat.
    """
    point = point_of(params, space, nearest=nearest)
    stage = history.goal.stage
    repeat = 0
    while history.id_of((point, stage, repeat, 0)) is not None:
        repeat += 1
    return Trial(len(history), None, space.params(point), point, stage, repeat)


def enqueued_point(
    params: Mapping[str, object],
    space: Space,
    history: History,
    queue: Sequence[Point],
    *,
    nearest: bool,
) -> Point:
    """The point that is to be asked next.

    Raises
    ------
    TellError
        It was asked or added before, or waits already.
    """
    point = point_of(params, space, nearest=nearest)
    known = history.id_of((point, 0, 0, 0))
    if known is not None:
        raise TellError(
            f"enqueue({dict(params)}): trial {known} is that point already; nothing was recorded"
        )
    if point in queue:
        raise TellError(
            f"enqueue({dict(params)}): it waits to be asked already; nothing was recorded"
        )
    return point
