"""Trials of related tasks that inform a search, as values of parameters and normal scores.

A source belongs to no trial of the study: it blocks no point, is never best, and counts for no
budget. It is kept as values of parameters, not as levels, so that it holds when the space grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dsice.errors import SpaceError
from dsice.space import Axis, Space
from dsice.typing import Floats, Ints, Params

ABSENT = -1
"""Level of a parameter that a source says nothing about."""


@dataclass(frozen=True, eq=False)
class SourceTrials:
    """Trials of a related task.

    Attributes
    ----------
    name
        What users call it, such as the path that it was read from.
    sha256
        Of what it was read from.
    metric, maximize
        What the task was about, as in `Goal`.
    params
        Values of the parameters of each point; one that the source does not have is left out.
    values
        The metric at each point; None where it has none.
    states
        What became of each, as in `State`.
    scores
        Normal scores within the task, less is better, shape (points,); failed points are worst.
    """

    name: str
    sha256: str
    metric: str
    maximize: bool
    params: tuple[Params, ...]
    values: tuple[float | None, ...]
    states: tuple[str, ...]
    scores: Floats
    _placed: list[tuple[Space, Ints, Floats]] = field(default_factory=list, init=False, repr=False)

    def on(self, space: Space) -> tuple[Ints, Floats]:
        """The points that lie on a grid, and their scores.

        A value of an ordered axis stands for the nearest level, if that is within half a step of
        it; other values must be on the axis. A point with a value off the grid is left out.

        Returns
        -------
        points, scores
            Levels, int of shape (k, axes), ABSENT for a parameter that the source does not have;
            shape (k,). A point may stand there more than once.
        """
        if not self._placed or self._placed[0][0] is not space:
            self._placed[:] = [(space, *self._on(space))]
        return self._placed[0][1:]

    def _on(self, space: Space) -> tuple[Ints, Floats]:
        axes = dict(zip(space.names, space.axes.values(), strict=True))
        columns = [
            _levels(axes[name], [params.get(name, _MISSING) for params in self.params])
            for name in space.names
        ]
        levels = np.stack(columns, axis=1) if columns else np.empty((len(self.params), 0))
        kept = np.flatnonzero((levels != _OFF).all(axis=1) & (levels != ABSENT).any(axis=1))
        return levels[kept].astype(np.int64), self.scores[kept]


_MISSING = object()
_OFF = -2  # level of a value that is off the axis


def _levels(axis: Axis, values: Sequence[object]) -> Ints:
    """Level of each value on an axis, shape (values,)."""
    known: dict[tuple[type, str], int] = {}
    found = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        if value is _MISSING:
            found[row] = ABSENT
            continue
        key = (type(value), repr(value))
        if key not in known:
            known[key] = _level(axis, value)
        found[row] = known[key]
    return found


def _level(axis: Axis, value: object) -> int:
    """The level of a value, the nearest one within half a step, or that there is none."""
    try:
        return axis.level(value)
    except SpaceError:
        pass
    try:
        near = axis.level(axis.nearest(value))
        number, own = float(value), float(axis.values[near])  # type: ignore[arg-type]
        low, high = max(near - 1, 0), min(near + 1, len(axis) - 1)
        ends = sorted([float(axis.values[low]), float(axis.values[high])])
    except (SpaceError, OverflowError):  # no finite number, or an axis without numbers
        return _OFF
    step = (ends[1] - own if number > own else own - ends[0]) or ends[1] - ends[0]
    return near if abs(number - own) <= step / 2 else _OFF
