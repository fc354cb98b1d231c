"""The lines through several centres, their fits, and the best points left on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dsice.collinear import Alpha, Known, fit_trend, line_fit
from dsice.directions import directions, line
from dsice.history import History
from dsice.space import Space
from dsice.strategies.measurements import Measurements
from dsice.trial import Point

Array = np.ndarray[Any, np.dtype[Any]]
CENTRES = 5
MAX_POSITIONS = 3000  # on the lines of one centre: on large grids the ladder is climbed up to here
BETAS = (0.5, 1.0, 2.0)  # of mean - beta * sd, by the id of the trial
DISTANT = 5  # every so many trials one is distant
DISTANT_CANDIDATES = 256
Found = tuple[Point, dict[str, Any]]


class Bundle:
    """Candidates on lines, with what the d-splines say of them.

    Parameters
    ----------
    space
        The grid.
    history
        What is measured and pending; at least one trial has a score.
    alpha
        Smoothing of the trend.
    max_width
        Most axes that a direction may change; all of them by default.
    """

    def __init__(self, space: Space, history: History, alpha: Alpha = "reml", max_width: int | None = None) -> None:
        self._space, self._data = space, Measurements.of(history)
        points, values = self._data.points, self._data.values
        self._trend = fit_trend(points, values, space.shape, space.ordered, alpha)
        self._known = {t.point: Known(0.0, 0) for t in history.pending() if t.stage == history.goal.stage}
        residuals = (values - self._trend.at(points)).tolist()
        for point, residual, count in zip(map(tuple, points.tolist()), residuals, self._data.counts.tolist(), strict=True):
            self._known[point] = Known(residual, int(count))
        self._lines: list[list[Point]] = []
        self._notes: list[dict[str, Any]] = []
        self._on: dict[Point, list[int]] = {}
        self._draw(_centres(history), open_width(history, min(space.ndim, max_width or space.ndim)))
        self._score()

    # ------------------------------------------------------------------ lines
    def _draw(self, centres: Sequence[tuple[Point, int]], width: int) -> None:
        """Lines through every centre; inactive parameters stand at level 0, so a step on one is no move."""
        space = self._space
        movable = [j for j, ordered in enumerate(space.ordered) if ordered]
        drawn: dict[tuple[Point, ...], Array] = {}
        for centre, id in centres:
            room = MAX_POSITIONS
            for w, direction in _ladder(space.ndim, movable, width):
                through = line(centre, direction, space.shape)
                room -= len(through)
                if room < 0 and w > 1:
                    break
                key = (tuple(through.points[0].tolist()), direction)
                if key not in drawn:  # else another centre lies on the same line
                    drawn[key] = through.points
                    self._notes.append({"phase": "line", "width": w, "direction": list(direction), "centre": id})
        ends = np.cumsum([len(points) for points in drawn.values()])
        flat = list(map(tuple, space.collapse(np.concatenate(list(drawn.values()))).tolist()))
        self._lines = [list(dict.fromkeys(flat[a:b])) for a, b in pairwise([0, *ends])]
        for number, points in enumerate(self._lines):
            for point in points:
                self._on.setdefault(point, []).append(number)

    def _score(self) -> None:
        """Fit every line; the candidates are its points that are neither measured nor pending."""
        flat = [
            (point, i, j) for i, points in enumerate(self._lines) for j, point in enumerate(points) if point not in self._known
        ]
        array = np.array([point for point, _, _ in flat], dtype=np.int64).reshape(-1, self._space.ndim)
        keep = np.flatnonzero(self._space.valid(array))
        self._points = [flat[k][0] for k in keep]
        self._line = np.array([flat[k][1] for k in keep], dtype=np.int64)
        self._place = np.array([flat[k][2] for k in keep], dtype=np.int64)
        fits = [line_fit(points, self._known) for points in self._lines]
        deviation = np.array([fits[i][0][j] for i, j in zip(self._line, self._place, strict=True)])
        self._sd = np.array([fits[i][1][j] for i, j in zip(self._line, self._place, strict=True)])
        self._mean = self._trend.at(array[keep]) + deviation
        self._entries: dict[int, list[int]] = {}
        for entry, number in enumerate(self._line.tolist()):
            self._entries.setdefault(number, []).append(entry)

    # ------------------------------------------------------------------ choosing
    def pick(self, id: int, taken: Collection[Point], rng: np.random.Generator) -> Found | None:
        """The next point, not one of `taken`, and its note; None when the grid is used up."""
        on_line = self._on_line(BETAS[id % len(BETAS)], taken) if id % DISTANT else None
        return on_line or self._distant(self._space.sample(rng, DISTANT_CANDIDATES, exclude=taken))

    def _on_line(self, beta: float, taken: Collection[Point]) -> Found | None:
        """The candidate with the lowest mean - beta * sd."""
        merit = np.round(self._mean / self._trend.sigma - beta * self._sd, 9)
        for entry in np.argsort(merit, kind="stable"):
            if (point := self._points[entry]) not in taken:
                return point, self._notes[self._line[entry]] | self._expected(self._mean[entry], self._sd[entry])
        return None

    def _distant(self, drawn: Sequence[Point]) -> Found | None:
        """The lowest trend among points drawn from the whole grid."""
        if not drawn:
            return None
        trend = self._trend.at(np.array(drawn))
        best = int(np.argmin(np.round(trend / self._trend.sigma, 9)))
        return drawn[best], {"phase": "distant"} | self._expected(trend[best])

    def _expected(self, mean: float, sd: float | None = None) -> dict[str, float]:
        """Prediction in units of the score, for the note; nothing where it overflows."""
        numbers = {"predicted": self._data.offset + self._data.factor * mean}
        if sd is not None:
            numbers["sd"] = self._data.factor * self._trend.sigma * sd
        return {name: float(number) for name, number in numbers.items() if np.isfinite(number)}

    def choose(self, point: Point) -> None:
        """Take a point into the batch: the lines through it get narrower there."""
        self._known.setdefault(point, Known(0.0, 0))
        for number in self._on.get(point, ()):
            entries = self._entries.get(number)
            if entries:  # every line through the point is narrower there now
                self._sd[entries] = line_fit(self._lines[number], self._known)[1][self._place[entries]]


def _ladder(ndim: int, movable: Sequence[int], width: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(width, direction), narrow first; unordered axes move alone only."""
    for w in range(1, width + 1):
        for direction in directions(ndim, w, None if w == 1 else movable):
            yield w, direction


def _centres(history: History) -> list[tuple[Point, int]]:
    """The best points, each with the id of its best trial."""
    best: dict[Point, int] = {}
    for id in history.order().tolist():
        best.setdefault(history[id].point, id)
        if len(best) == CENTRES:
            break
    return list(best.items())


def open_width(history: History, most: int) -> int:
    """How wide the directions are: one more after each stretch without improvement, never narrower again.

    A stretch is 2 measurements per axis, at least 20: what one round of axis probes costs.
    """
    width, stale = 1, 0
    best = (np.inf, np.inf)
    scores, violation = history.scores(), history.violation()
    stretch = max(20, 2 * (len(history[0].point) if len(history) else 1))
    for id in np.sort(history.order()):
        now = (float(violation[id]), float(scores[id]))
        best, stale = (now, 0) if now < best else (best, stale + 1)
        if stale >= stretch:
            width, stale = width + 1, 0
    return min(width, most)
