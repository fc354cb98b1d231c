"""Pictures of lines through the grid: measurements, the d-spline of the grid there, its band.

An axis line through the best point shows what each parameter alone would do from there; the lines
on which the search asked last show where it looks. A line that a search has drawn is in the notes
of its proposals: its direction, and a point that it goes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dsice.directions.lines import line
from dsice.history import History
from dsice.insight.frames import BAND
from dsice.insight.model import Model
from dsice.report.encode import number, text
from dsice.space.values import labels
from dsice.trial import State, Trial
from dsice.typing import Array, Ints, Point

MOST_AXES: Final = 16
"""Axis lines through the best point."""
MOST_ASKED: Final = 8
"""Other lines: those on which was asked last."""
MOST_LEVELS: Final = 120
"""Levels of a line that are drawn, at most; the measured ones are among them."""

Direction = tuple[int, ...]


def lines(history: History, model: Model, best: Trial, sign: float) -> list[dict[str, Any]]:
    """Pictures of lines, those through the best point along each axis first."""
    space = model.space
    ordered = [j for j in range(space.ndim) if space.ordered[j] and space.shape[j] > 2]
    wanted: dict[tuple[Point, Direction], None] = {}
    for j in ordered[:MOST_AXES]:
        direction = tuple(int(k == j) for k in range(space.ndim))
        wanted[_lowest(best.point, direction, space.shape), direction] = None
    n_axes = len(wanted)
    for trial in reversed(list(history)):
        if len(wanted) >= n_axes + MOST_ASKED:
            break
        found = _noted(trial, space.ndim)
        if found is not None:
            through, direction = found
            wanted.setdefault((_lowest(through, direction, space.shape), direction))
    last_round = history.rounds - 1
    pictures = (
        _picture(history, model, low, direction, sign, last_round) for low, direction in wanted
    )
    return [picture for picture in pictures if picture is not None]


def _noted(trial: Trial, ndim: int) -> tuple[Point, Direction] | None:
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


def _lowest(point: Sequence[int], direction: Direction, shape: Sequence[int]) -> Point:
    """The low end of a line, by which it is known."""
    return tuple(int(level) for level in line(point, direction, shape).points[0])


def _picture(
    history: History, model: Model, low: Point, direction: Direction, sign: float, last_round: int
) -> dict[str, Any] | None:
    """One line with all that is known on it; None where it has fewer than three valid points."""
    space = model.space
    points = line(low, direction, space.shape).points
    on, at = _on_line(history, points[0], direction)
    kept = _thinned(len(points), at)
    points = points[kept]
    valid = space.valid(points)
    if valid.sum() < 3:
        return None
    found = model.surface.predict(space.coded(points))
    middle = sign * (model.mean + model.unit * found.mean)
    half = BAND * model.unit * np.sqrt(found.variance * model.scale)
    place = {int(position): i for i, position in enumerate(kept)}
    changed = [j for j, step in enumerate(direction) if step]
    asked = [
        id
        for id in on
        if history[id].state is State.PENDING
        or (history[id].round == last_round and len(changed) > 0)
    ]
    return {
        "name": text(_name(space.names, direction), 300),
        "through": {
            text(name, 200): text(labels([v])[0], 200)
            for name, v in space.params(tuple(points[0].tolist())).items()
            if space.names.index(name) not in changed
        },
        "axes": changed,
        "labels": _labels(model, points, changed),
        "mean": [number(v, 5) if ok else None for v, ok in zip(middle, valid, strict=True)],
        "half": [number(v, 3) if ok else None for v, ok in zip(half, valid, strict=True)],
        "ids": on,
        "at": [place[position] for position in at],
        "asked": asked,
    }


def _on_line(history: History, low: Array, direction: Direction) -> tuple[list[int], list[int]]:
    """Ids of the trials of the goal's stage on a line, and their positions from its low end."""
    step = np.array(direction, dtype=np.int64)
    first = int(np.flatnonzero(step)[0])
    levels = history.points()
    position = (levels[:, first] - low[first]) // step[first]
    on = (levels == low + position[:, None] * step).all(axis=1) & history.of_stage()
    ids = np.flatnonzero(on)
    return ids.tolist(), position[ids].tolist()


def _thinned(n: int, measured: Sequence[int]) -> Ints:
    """Positions of a line that are drawn, ascending: all, or the measured and an even choice."""
    if n <= MOST_LEVELS:
        return np.arange(n, dtype=np.int64)
    even = np.linspace(0, n - 1, MOST_LEVELS).astype(np.int64)
    return np.union1d(even, np.array(measured, dtype=np.int64))


def _name(names: Sequence[str], direction: Direction) -> str:
    steps = [(name, step) for name, step in zip(names, direction, strict=True) if step]
    if len(steps) == 1:
        return steps[0][0]
    return ", ".join(f"{name} {step:+d}" for name, step in steps)


def _labels(model: Model, points: Ints, changed: Sequence[int]) -> list[str]:
    """What stands below each level: the values of the parameters that change."""
    axes = list(model.space.axes.values())
    columns = [labels([axes[j].values[level] for level in points[:, j].tolist()]) for j in changed]
    return [text(", ".join(cells), 200) for cells in zip(*columns, strict=True)]
