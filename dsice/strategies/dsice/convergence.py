"""When to stop: nothing left is likely to be better by more than a tolerance.

The model here is fitted to the scores themselves (not to their normal scores, which know no
distances), those above the median clipped to it. The points in question are a scan of the grid and
the neighbourhood of the best points; of the most promising of them the joint posterior is sampled.
See "Stopping" in docs/method.md.
"""

from __future__ import annotations

import numpy as np

from dsice.collinear.lines import open_lines
from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Surface
from dsice.strategies.base import Stream
from dsice.strategies.dsice.model import Measurements, surface_through
from dsice.typing import Ints

CHANCE = 0.05
SCAN = 4000  # points in question from the whole grid; where rules leave next to nothing a tenth of
TRIES = 50_000  # it, and fewer after so many tries
AROUND = 5  # best points whose lines are in question, too
ON_LINES_OF_ONE = 800  # points on the lines of each
SAMPLED = 300  # most promising ones of which the joint posterior is sampled
DRAWS = 500


def converged(space: Space, history: History, stream: Stream, tolerance: float) -> bool:
    """Whether the chance that any unmeasured point is better by the tolerance is under 5 %.

    Parameters
    ----------
    tolerance
        By how much a point must beat the best one to count as better: a share of the distance from
        the best to the median of the measured feasible scores.
    """
    data = Measurements.of(history)
    usable = ~data.failed & history.feasible()[data.ids] & np.isfinite(data.scores)
    good = np.flatnonzero(usable)
    best, middle = float(data.scores[good].min()), float(np.median(data.scores[good]))
    if not best < middle:
        return False
    # The best is 0, the median and all that is worse is 1.
    share = np.minimum(data.scores / (middle - best) - best / (middle - best), 1.0)
    share[np.setdiff1d(np.arange(len(share)), good)] = 1.0
    centre, sd = float(share.mean()), float(share.std())
    surface = surface_through(space, data, (share - centre) / sd, (), None)
    points = _in_question(space, data, stream(len(data.points), 2))
    if not len(points):
        return True
    target = (-tolerance - centre) / sd
    return _chance(surface, space.coded(points), target, stream) < CHANCE


def _in_question(space: Space, data: Measurements, rng: np.random.Generator) -> Ints:
    """Unmeasured points: a scan of the grid, and those on lines through the best points."""
    measured = set(map(tuple, data.points.tolist()))
    count = SCAN if space.enumerable else SCAN // 10
    scan = space.sample(rng, count, exclude=measured, tries=TRIES)
    order = np.argsort(data.values, kind="stable")[:AROUND]
    best = list(map(tuple, data.points[order].tolist()))
    movable = [j for j, ordered in enumerate(space.ordered) if ordered]
    lines = open_lines(best, space.shape, movable, 2, ON_LINES_OF_ONE, rng)
    near = space.collapse(lines.points)
    near = near[space.valid(near)]
    scanned = np.array(scan, dtype=np.int64).reshape(-1, space.ndim)
    points = np.unique(np.concatenate([scanned, near]), axis=0)
    return points[[tuple(p) not in measured for p in points.tolist()]]


def _chance(surface: Surface, points: Ints, target: float, stream: Stream) -> float:
    """Chance that the surface is below the target at any of the points.

    Where one point alone has the chance that matters, it is the answer. Else the joint posterior of
    the most promising points is sampled, through its Cholesky factor.
    """
    from scipy.special import ndtr

    prediction = surface.predict(points)
    single = ndtr((target - prediction.mean) / np.sqrt(surface.scale * prediction.variance))
    if single.max() >= CHANCE:
        return float(single.max())
    most = np.argsort(-single, kind="stable")[:SAMPLED]
    rows, entries = prediction.projected[most], surface.entries(points[most])
    covariance = surface.tables.covariance(entries, entries) - rows @ rows.T
    jitter = MIN_VARIANCE * 100 * np.eye(len(most))
    lower = np.linalg.cholesky(surface.scale * (covariance + jitter))
    normal = stream(len(points), 3).standard_normal((DRAWS, len(most)))
    drawn = prediction.mean[most] + normal @ lower.T
    return float((drawn.min(axis=1) < target).mean())
