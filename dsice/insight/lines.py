"""Lines through the grid to look at: along an axis through a point, or where a search asked.

A line that a search has drawn is in the notes of its proposals: its direction, and a point that it
goes through.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsice.directions.lines import line
from dsice.history import History
from dsice.space.values import labels
from dsice.trial import Trial
from dsice.typing import Array, Ints, Point

Direction = tuple[int, ...]


def axis_direction(axis: int, ndim: int) -> Direction:
    """The direction that changes one axis."""
    return tuple(int(k == axis) for k in range(ndim))


def noted(trial: Trial, ndim: int) -> tuple[Point, Direction] | None:
    """A point and the direction of the line on which a trial was asked, where its note says so."""
    direction = _levels(trial.note.get("direction"), ndim)
    if direction is None or not any(direction):
        return None
    return _levels(trial.note.get("through"), ndim) or trial.point, direction


def _levels(given: object, ndim: int) -> Point | None:
    """One whole number for each axis; None where a note holds anything else."""
    if not isinstance(given, (list, tuple)) or len(given) != ndim:
        return None
    return tuple(given) if all(type(step) is int for step in given) else None


def points_of(point: Sequence[int], direction: Direction, shape: Sequence[int]) -> Ints:
    """All points of a line from its low end, shape (length, axes)."""
    return line(point, direction, shape).points


def lowest(point: Sequence[int], direction: Direction, shape: Sequence[int]) -> Point:
    """The low end of a line, by which it is known."""
    return tuple(int(level) for level in points_of(point, direction, shape)[0])


def on_line(history: History, low: Array, direction: Direction) -> tuple[list[int], list[int]]:
    """Ids of the trials of the goal's stage on a line, and their positions from its low end."""
    step = np.array(direction, dtype=np.int64)
    first = int(np.flatnonzero(step)[0])
    levels = history.points()
    position = (levels[:, first] - low[first]) // step[first]
    on = (levels == low + position[:, None] * step).all(axis=1) & history.of_stage()
    ids = np.flatnonzero(on)
    return ids.tolist(), position[ids].tolist()


def name_of(names: Sequence[str], direction: Direction) -> str:
    """What a line is called: its parameter, or the steps of each."""
    steps = [(name, step) for name, step in zip(names, direction, strict=True) if step]
    if len(steps) == 1:
        return steps[0][0]
    return ", ".join(f"{name} {step:+d}" for name, step in steps)


def labels_of(
    values: Sequence[Sequence[object]], points: Ints, changed: Sequence[int]
) -> list[str]:
    """What stands below each point of a line: the values of the parameters that change.

    Parameters
    ----------
    values
        Of each axis.
    """
    columns = [labels([values[j][level] for level in points[:, j].tolist()]) for j in changed]
    return [", ".join(cells) for cells in zip(*columns, strict=True)]
