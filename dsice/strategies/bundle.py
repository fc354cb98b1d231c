"""The lines through several centres, their fits, and the best points left on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from dsice.collinear import Alpha, Known, Trend, fit_trend, line_fit
from dsice.directions import directions, line
from dsice.history import History
from dsice.space import Space, When
from dsice.trial import Point

Array = np.ndarray[Any, np.dtype[Any]]
CENTRES = 5
MAX_LINES = 600  # per centre: wider directions of many axes are taken in the order of the ladder up to here
CLIP = 0.3  # values above this quantile count as equally bad: what matters is the order near the top
Found = tuple[Point, dict[str, Any]]


class Bundle:
    """Candidates on lines, with what the d-splines say of them.

    Parameters
    ----------
    space
        The grid.
    trend
        Additive trend of the measurements.
    known
        Measured and pending points.
    centres
        (point, id of its trial or None) in order of merit.
    width
        Widest direction that is open.
    """

    def __init__(self, space: Space, trend: Trend, known: dict[Point, Known], centres: Sequence[tuple[Point, int | None]], width: int) -> None:
        self._space, self._trend, self._known = space, trend, known
        self._lines: list[list[Point]] = []
        self._notes: list[dict[str, Any]] = []
        self._on: dict[Point, list[int]] = {}
        for centre, id in centres:
            self._draw(centre, id, width)
        self._score()

    @classmethod
    def of(cls, space: Space, history: History, alpha: Alpha, max_width: int | None) -> Bundle:
        """What follows from the history: trend, centres and open widths."""
        points, values, counts = _measurements(history)
        trend = fit_trend(points, values, space.shape, space.ordered, alpha)
        known = {t.point: Known(0.0, 0) for t in history.pending() if t.stage == history.goal.stage}
        for point, residual, count in zip(map(tuple, points.tolist()), values - trend.at(points), counts, strict=True):
            known[point] = Known(float(residual), int(count))
        centres: list[tuple[Point, int | None]] = []
        for id in history.order():
            if len(centres) < CENTRES and history[int(id)].point not in {p for p, _ in centres}:
                centres.append((history[int(id)].point, int(id)))
        return cls(space, trend, known, centres, open_width(history, min(space.ndim, max_width or space.ndim)))

    # ------------------------------------------------------------------ lines
    def _draw(self, centre: Point, id: int | None, width: int) -> None:
        space = self._space
        movable = [j for j, ordered in enumerate(space.ordered) if ordered]
        for w, direction in islice(_ladder(space.ndim, movable, width), MAX_LINES):
            points = collapse(space, line(centre, direction, space.shape).points)
            if len(points) < 2:
                continue
            number = len(self._lines)
            self._lines.append(points)
            note = {"phase": "line", "width": w, "direction": list(direction)}
            self._notes.append(note if id is None else note | {"centre": id})
            for point in points:
                self._on.setdefault(point, []).append(number)

    def _score(self) -> None:
        """Fit every line; the candidates are its points that are neither measured nor pending."""
        flat = [(point, i, j) for i, points in enumerate(self._lines) for j, point in enumerate(points) if point not in self._known]
        array = np.array([point for point, _, _ in flat], dtype=np.int64).reshape(-1, self._space.ndim)
        valid = self._space.valid(array) if len(flat) else np.zeros(0, dtype=bool)
        keep = np.flatnonzero(valid)
        self._points = [flat[k][0] for k in keep]
        self._line = np.array([flat[k][1] for k in keep], dtype=np.int64)
        self._place = np.array([flat[k][2] for k in keep], dtype=np.int64)
        fits = [line_fit(points, self._known) for points in self._lines]
        mean = np.array([fits[i][0][j] for i, j in zip(self._line, self._place, strict=True)])
        self._sd = np.array([fits[i][1][j] for i, j in zip(self._line, self._place, strict=True)])
        self._mean = (self._trend.at(array[keep]) if len(keep) else np.zeros(0)) + mean
        self._entries: dict[int, list[int]] = {}
        for entry, number in enumerate(self._line):
            self._entries.setdefault(int(number), []).append(entry)

    # ------------------------------------------------------------------ choosing
    def pick(self, beta: float, taken: Collection[Point]) -> Found | None:
        """The candidate with the lowest mean - beta * sd; None when none is left."""
        if not self._points:
            return None
        scores = np.round((self._mean - beta * self._trend.sigma * self._sd) / self._trend.sigma, 9)
        for entry in np.argsort(scores, kind="stable"):
            point = self._points[entry]
            if point not in taken:
                predicted = {"predicted": float(self._mean[entry]), "sd": float(self._sd[entry] * self._trend.sigma)}
                return point, self._notes[self._line[entry]] | predicted
        return None

    def distant(self, drawn: Sequence[Point]) -> Found | None:
        """The lowest trend among points drawn from the whole grid."""
        if not drawn:
            return None
        trend = np.round(self._trend.at(np.array(drawn)) / self._trend.sigma, 9)
        best = int(np.argmin(trend))
        return drawn[best], {"phase": "distant", "predicted": float(trend[best] * self._trend.sigma)}

    def choose(self, point: Point) -> None:
        """Take a point into the batch: the lines through it get narrower there."""
        self._known.setdefault(point, Known(0.0, 0))
        for number in self._on.get(point, ()):
            entries = self._entries.get(number)
            if entries:
                self._sd[entries] = line_fit(self._lines[number], self._known)[1][self._place[entries]]


def _ladder(ndim: int, movable: Sequence[int], width: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(width, direction), narrow first; unordered axes move alone only."""
    for w in range(1, width + 1):
        for direction in directions(ndim, w, None if w == 1 else movable):
            yield w, direction


def collapse(space: Space, points: Array) -> list[Point]:
    """Points of a line with their inactive parameters at level 0, each once.

    A step on an inactive parameter is no move; a step that switches parameters off ends
    where they are off.
    """
    if not any(isinstance(rule, When) for rule in space.where):
        return list(map(tuple, points.tolist()))
    flat = (tuple(level if on else 0 for level, on in zip(p, space.active(p), strict=True)) for p in map(tuple, points.tolist()))
    return list(dict.fromkeys(flat))


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


def _measurements(history: History) -> tuple[Array, Array, Array]:
    """Distinct measured points, their values for the model, and the number of measurements of each.

    Values are scaled and clipped at their 30 % quantile; failed trials stand at the clip,
    infeasible ones there too, or by their violation while none is feasible.
    """
    scored = np.sort(history.order())
    feasible = history.feasible()[scored]
    values = history.scores()[scored] if feasible.any() else history.violation()[scored]
    values = values / (np.abs(values[np.isfinite(values)]).max(initial=0.0) or 1.0)  # no overflow below
    good = values[feasible] if feasible.any() else values[np.isfinite(values)]
    cap = float(np.quantile(good, CLIP)) if len(good) > 5 else float(good.max(initial=0.0))
    values = np.where(feasible | ~feasible.any(), np.minimum(values, cap), cap)
    bad = np.flatnonzero(history.failed())
    ids = np.concatenate([scored, bad])
    values = np.concatenate([values, np.full(len(bad), cap)])
    weights = np.array([len(history[int(i)].values) or 1 for i in ids], dtype=float)
    at_stage = np.array([history[int(i)].stage == history.goal.stage for i in ids], dtype=bool)
    points, first = np.unique(history.points()[ids[at_stage]], axis=0, return_inverse=True)
    counts = np.bincount(first, weights=weights[at_stage])
    means = np.bincount(first, weights=weights[at_stage] * values[at_stage]) / counts
    spread = float(means.std()) or 1.0
    return points, (means - float(np.median(means))) / spread, counts


