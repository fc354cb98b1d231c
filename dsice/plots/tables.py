"""A history from the table of another: the DataFrame that ``history.frame()`` gave, or its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import DsiceError, OptionError
from dsice.goal import Goal
from dsice.history import History
from dsice.space import Choice, Ordinal, Space

if TYPE_CHECKING:
    import pandas as pd


def history_of_frame(frame: pd.DataFrame) -> tuple[History, Space]:
    """The history and the space that a frame of ``History.frame`` tells of.

    The parameters are the columns between ``state`` and ``value``, with the values that they have
    here. The score becomes the goal's metric; it is turned where it is minus the value.

    Raises
    ------
    OptionError
        The frame is of another kind.
    """
    names = frame.columns.tolist()
    needed = ("id", "round", "state", "value", "score")
    missing = [name for name in needed if name not in names]
    if missing or not names.index("state") < names.index("value") - 1:
        raise OptionError(
            f"a DataFrame without the columns {', '.join(missing) or 'of parameters'} cannot be "
            "drawn: expected that of history.frame(); of other tables make a history: "
            "History.of(space, frame, values)"
        )
    parameters = names[names.index("state") + 1 : names.index("value")]
    try:
        space = Space({str(name): _axis(frame[name]) for name in parameters})
        return _history(frame, space, parameters), space
    except DsiceError as error:
        raise OptionError(f"the DataFrame cannot be read as history.frame(): {error}") from error


def _axis(column: pd.Series[Any]) -> Choice | Ordinal:
    present = [v for v in column.tolist() if v is not None and v == v]
    numeric = present and all(isinstance(v, (int, float)) and v is not True for v in present)
    if numeric and not any(isinstance(v, bool) for v in present):
        return Ordinal(sorted(set(present)))
    return Choice(list(dict.fromkeys(present)) or [None])


def _history(frame: pd.DataFrame, space: Space, parameters: list[Any]) -> History:
    value = frame["value"].to_numpy(dtype=float)
    score = frame["score"].to_numpy(dtype=float)
    both = np.isfinite(value) & np.isfinite(score)
    maximize = bool(both.any() and np.array_equal(score[both], -value[both]) and score[both].any())
    levels = np.zeros((len(frame), space.ndim), dtype=np.int64)
    for j, name in enumerate(parameters):
        axis = space.axes[str(name)]
        cells = frame[name].tolist()
        levels[:, j] = [axis.level(v) if v is not None and v == v else 0 for v in cells]
    optional: dict[str, Any] = {}
    for column, option in (("seconds", "seconds"), ("stage", "stages"), ("member", "members")):
        if column in frame:
            optional[option] = [None if v != v else v for v in frame[column].tolist()]
    states = frame["state"].tolist()
    stage = frame["stage"].to_numpy()[both].max() if "stage" in frame and both.any() else 0
    return History.of(
        space,
        levels,
        [None if v != v else float(v) for v in value.tolist()],
        states=states,
        rounds=[None if v != v else int(v) for v in frame["round"].tolist()],
        repeats="count",
        goal=Goal(maximize=maximize, stage=int(stage)),
        **optional,
    )
