"""When to stop: nothing left is likely to be better by more than a tolerance.

The model here is fitted to the scores themselves (not to their normal scores, which know no
distances), those above the median clipped to it. The points in question are what the search saw;
of the most promising of them the joint posterior is sampled. See "Stopping" in docs/method.md.
"""

from __future__ import annotations

import numpy as np

from dsice.history import History
from dsice.spline.surface import MIN_VARIANCE, Surface
from dsice.strategies.base import Stream
from dsice.strategies.dsice.model import surface_through
from dsice.strategies.dsice.search import SearchModel
from dsice.typing import Floats, Ints

CHANCE = 0.05
MARGIN = 2.0  # times the errors at points left out
GOOD = 10  # points left out at least: the best quarter of them
SAMPLED = 300  # most promising ones of which the joint posterior is sampled
DRAWS = 500


def chance_of_better(
    model: SearchModel, points: Ints, history: History, stream: Stream, tolerance: float
) -> float:
    """Chance that any unmeasured point is better than the best by the tolerance.

    Parameters
    ----------
    model
        What was measured.
    points
        Unmeasured points in question, int of shape (k, axes).
    tolerance
        By how much a point must beat the best one to count as better: a share of the distance from
        the best to the median of the measured feasible scores.
    """
    data, space = model.data, model.space
    usable = ~data.failed & history.feasible()[data.ids] & np.isfinite(data.scores)
    good = np.flatnonzero(usable & history.allowed()[data.ids])
    if not len(good):
        return 1.0
    best, middle = float(data.scores[good].min()), float(np.median(data.scores[good]))
    if not best < middle:
        return 1.0
    # The best is 0, the median and all that is worse is 1.
    share = np.minimum(data.scores / (middle - best) - best / (middle - best), 1.0)
    share[~usable] = 1.0
    centre, sd = float(share.mean()), float(share.std())
    if not len(points):
        return 0.0
    values = (share - centre) / sd
    surface = surface_through(space, data, values, None)
    target = (-tolerance - centre) / sd
    wider = _widening(surface, values[surface.indices])
    return _chance(surface, space.coded(points), target, stream, wider)


def _widening(surface: Surface, values: Floats) -> float:
    """By how much standard deviations must grow to be honest near the best.

    At the good points, each left out in turn, the errors of the surface are compared with the
    standard deviations that it states. MARGIN was chosen on tables of measurements: where a search
    looks for something better, a model errs more than at points that it chose for being good.
    """
    good = np.argsort(values, kind="stable")[: max(GOOD, len(values) // 4)]
    errors = surface.loo_residuals()[good]
    return max(1.0, MARGIN * float(np.sqrt(np.mean(errors * errors))))


def _chance(surface: Surface, points: Ints, target: float, stream: Stream, wider: float) -> float:
    """Chance that the surface is below the target at any of the points.

    All standard deviations are `wider` times those of the surface.

    Where one point alone has the chance that matters, it is the answer. Else the joint posterior of
    the most promising points is sampled, through its Cholesky factor.
    """
    from scipy.special import ndtr

    prediction = surface.predict(points)
    sd = wider * np.sqrt(surface.scale * prediction.variance)
    single = ndtr((target - prediction.mean) / sd)
    if single.max() >= CHANCE:
        return float(single.max())
    most = np.argsort(-single, kind="stable")[:SAMPLED]
    rows, entries = prediction.projected[most], surface.entries(points[most])
    covariance = surface.tables.covariance(entries, entries) - rows @ rows.T
    jitter = MIN_VARIANCE * 100 * np.eye(len(most))
    lower = np.linalg.cholesky(surface.scale * (covariance + jitter))
    normal = stream(len(points), 3).standard_normal((DRAWS, len(most)))
    drawn = prediction.mean[most] + wider * (normal @ lower.T)
    return float((drawn.min(axis=1) < target).mean())
