"""When to stop: nothing left is likely to be better by more than a tolerance.

The model here is fitted to the scores themselves (not to their normal scores, which know no
distances), those above the median clipped to it. The points in question are a scan of the grid and the
neighbourhood of the best points; of the most promising of them the joint posterior is sampled.
"""

from __future__ import annotations

import numpy as np

from dsice.collinear.lines import open_lines
from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Surface
from dsice.strategies.base import Stream
from dsice.strategies.dsice.model import Measurements, surface_through
from dsice.typing import Array

CHANCE = 0.05
SCAN = 4000  # points in question from the whole grid; a tenth, and fewer after so many TRIES, where rules leave next to nothing
TRIES = 50_000
AROUND = 5  # best points whose lines are in question, too
ROOM = 800  # points on the lines of each
SAMPLED = 300  # most promising ones of which the joint posterior is sampled
DRAWS = 500
STALE, STALE_PER_AXIS = 40, 4  # measurements without improvement before the question is asked


def converged(space: Space, history: History, stream: Stream, tolerance: float) -> bool:
    """Whether the chance that any point not measured beats the best by more than the tolerance is under 5 %.

    The tolerance is a share of the way from the best to the median of the measured feasible scores. The question is
    asked only after a stretch without improvement (4 measurements per axis, at least 40): before, the answer is no.
    """
    if _stale(history) < max(STALE, STALE_PER_AXIS * space.ndim):
        return False
    data = Measurements.of(history)
    good = np.flatnonzero(~data.failed & history.feasible()[data.ids] & np.isfinite(data.scores))
    best, middle = float(data.scores[good].min()), float(np.median(data.scores[good]))
    if not best < middle:
        return False
    share = np.minimum(data.scores / (middle - best) - best / (middle - best), 1.0)
    share[np.setdiff1d(np.arange(len(share)), good)] = 1.0
    centre, spread = float(share.mean()), float(share.std())
    surface = surface_through(space, data, (share - centre) / spread, (), None)
    points = _in_question(space, data, stream(len(data.points), 2))
    return (
        not len(points)
        or _chance(surface, space.coded(points), (-tolerance - centre) / spread, stream) < CHANCE
    )


def _stale(history: History) -> int:
    """Scored trials since the best became better."""
    order = history.order()
    return int((np.sort(order) > order[0]).sum()) if len(order) else 0


def _in_question(space: Space, data: Measurements, rng: np.random.Generator) -> Array:
    """Points not measured: a scan of the grid, all of it where it is small, and the lines through the best points."""
    measured = set(map(tuple, data.points.tolist()))
    scan = space.sample(
        rng, SCAN if space.enumerable else SCAN // 10, exclude=measured, tries=TRIES
    )
    order = np.argsort(data.values, kind="stable")[:AROUND]
    movable = [j for j, ordered in enumerate(space.ordered) if ordered]
    lines = open_lines(
        list(map(tuple, data.points[order].tolist())), space.shape, movable, 2, ROOM, rng
    )
    near = space.collapse(lines.points)
    near = near[space.valid(near)]
    points = np.unique(
        np.concatenate([np.array(scan, dtype=np.int64).reshape(-1, space.ndim), near]), axis=0
    )
    return points[[tuple(p) not in measured for p in points.tolist()]]


def _chance(surface: Surface, points: Array, target: float, stream: Stream) -> float:
    """Chance that the surface is below the target at any of the points."""
    from scipy.special import ndtr

    scores = surface.predict(points)
    single = ndtr((target - scores.mean) / np.sqrt(surface.scale * scores.variance))
    if single.max() >= CHANCE:
        return float(single.max())
    some = np.argsort(-single, kind="stable")[:SAMPLED]
    rows = scores.projected[some]
    prior = surface.tables.covariance(surface.entries(points[some]), surface.entries(points[some]))
    lower = np.linalg.cholesky(
        surface.scale * (prior - rows @ rows.T + MIN_VARIANCE * 100 * np.eye(len(some)))
    )
    drawn = scores.mean[some] + stream(len(points), 3).standard_normal((DRAWS, len(some))) @ lower.T
    return float((drawn.min(axis=1) < target).mean())
