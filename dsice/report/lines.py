"""Pictures of lines through the grid: measurements, the d-spline of the grid there, its band.

An axis line through the best point shows what each parameter alone would do from there; the lines
on which the search asked last show where it looks. A line that a search has drawn is in the notes
of its proposals: its direction, and a point that it goes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dsice.history import History
from dsice.insight.frames import BAND
from dsice.insight.lines import (
    Direction,
    axis_direction,
    labels_of,
    lowest,
    name_of,
    noted,
    on_line,
    points_of,
)
from dsice.insight.model import Model
from dsice.report.encode import number, text
from dsice.space.values import labels
from dsice.trial import State, Trial
from dsice.typing import Ints, Point

MOST_AXES: Final = 16
"""Axis lines through the best point."""
MOST_ASKED: Final = 8
"""Other lines: those on which was asked last."""
MOST_LEVELS: Final = 120
"""Levels of a line that are drawn, at most; the measured ones are among them."""


def lines(history: History, model: Model, best: Trial, sign: float) -> list[dict[str, Any]]:
    """Pictures of lines, those through the best point along each axis first."""
    space = model.space
    ordered = [j for j in range(space.ndim) if space.ordered[j] and space.shape[j] > 2]
    wanted: dict[tuple[Point, Direction], None] = {}
    for j in ordered[:MOST_AXES]:
        direction = axis_direction(j, space.ndim)
        wanted[lowest(best.point, direction, space.shape), direction] = None
    n_axes = len(wanted)
    for trial in reversed(list(history)):
        if len(wanted) >= n_axes + MOST_ASKED:
            break
        found = noted(trial, space.ndim)
        if found is not None:
            through, direction = found
            wanted.setdefault((lowest(through, direction, space.shape), direction))
    last_round = history.rounds - 1
    pictures = (
        _picture(history, model, low, direction, sign, last_round) for low, direction in wanted
    )
    return [picture for picture in pictures if picture is not None]


def _picture(
    history: History, model: Model, low: Point, direction: Direction, sign: float, last_round: int
) -> dict[str, Any] | None:
    """One line with all that is known on it; None where it has fewer than three valid points."""
    space = model.space
    points = points_of(low, direction, space.shape)
    on, at = on_line(history, points[0], direction)
    kept = _thinned(len(points), at)
    points = points[kept]
    valid = space.valid(points)
    if valid.sum() < 3:
        return None
    found = model.surface.predict(space.coded(points))
    middle = sign * (model.mean + model.unit * found.mean)
    half = BAND * model.unit * np.sqrt(found.variance * model.scale)
    place = {int(position): i for i, position in enumerate(kept)}
    values = [axis.values for axis in space.axes.values()]
    changed = [j for j, step in enumerate(direction) if step]
    asked = [
        id
        for id in on
        if history[id].state is State.PENDING
        or (history[id].round == last_round and len(changed) > 0)
    ]
    return {
        "name": text(name_of(space.names, direction), 300),
        "through": {
            text(name, 200): text(labels([v])[0], 200)
            for name, v in space.params(tuple(points[0].tolist())).items()
            if space.names.index(name) not in changed
        },
        "axes": changed,
        "labels": [text(label, 200) for label in labels_of(values, points, changed)],
        "mean": [number(v, 5) if ok else None for v, ok in zip(middle, valid, strict=True)],
        "half": [number(v, 3) if ok else None for v, ok in zip(half, valid, strict=True)],
        "ids": on,
        "at": [place[position] for position in at],
        "asked": asked,
    }


def _thinned(n: int, measured: Sequence[int]) -> Ints:
    """Positions of a line that are drawn, ascending: all, or the measured and an even choice."""
    if n <= MOST_LEVELS:
        return np.arange(n, dtype=np.int64)
    even = np.linspace(0, n - 1, MOST_LEVELS).astype(np.int64)
    return np.union1d(even, np.array(measured, dtype=np.int64))
