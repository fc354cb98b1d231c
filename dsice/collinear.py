"""Line search: what to expect on the lines of the grid, given every measurement.

Two d-splines work together. The *trend* is additive: one d-spline per axis through the
means of its levels, fitted to what the other axes leave over, in turn (backfitting; Hastie
and Tibshirani 1990); it carries what all parallel lines of an axis have in common. The
*line fit* is a d-spline through what the trend leaves over on one line: measured points
at their residual with the weight of their number, every other position at zero with a
small weight, so that away from its measurements the line returns to the trend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dsice import spline
from dsice.trial import Point

Array = np.ndarray[Any, np.dtype[Any]]
Alpha = float | Literal["reml"]
SWEEPS = 4  # of the backfitting; further ones change the trend by less than its noise
TREND_WEIGHT = 0.05  # of the trend at an unmeasured position, where a measurement has 1
LINE_ALPHA = 0.5  # lam = 0.25, the choice for few points, on a line of REFERENCE gaps
REFERENCE = 6
STIFFEST = 1e6  # the d-spline's digits end somewhere above


@dataclass(frozen=True, eq=False)
class Trend:
    """Additive trend: a mean and an effect per level of each axis.

    Attributes
    ----------
    mean
        Mean of the measurements.
    effects
        One array of shape (levels,) per axis.
    sigma
        Standard deviation of what the trend leaves over; > 0.
    """

    mean: float
    effects: tuple[Array, ...]
    sigma: float

    def at(self, points: Array) -> Array:
        """Trend at points, int of shape (k, axes): shape (k,)."""
        total = np.full(len(points), self.mean)
        for axis, effect in enumerate(self.effects):
            total += effect[points[:, axis]]
        return total


def fit_trend(points: Array, values: Array, shape: Sequence[int], ordered: Sequence[bool], alpha: Alpha = "reml") -> Trend:
    """Fit the additive trend by backfitting.

    Parameters
    ----------
    points, values
        Measured points, int of shape (k, axes), and their values, shape (k,), k >= 1.
    shape, ordered
        Levels per axis, and whether their order means something; an unordered axis gets
        shrunken means of its levels in place of a d-spline.
    alpha
        Smoothing of the d-splines.
    """
    mean = float(values.mean())
    effects = [np.zeros(m) for m in shape]
    left = values - mean
    for _ in range(SWEEPS if len(values) > 2 else 0):
        for axis, m in enumerate(shape):
            left = left + effects[axis][points[:, axis]]
            effects[axis] = _effect(points[:, axis], left, m, ordered[axis], alpha)
            left = left - effects[axis][points[:, axis]]
    return Trend(mean, tuple(effects), float(np.sqrt(np.mean(left**2))) or 1e-9)


def _effect(levels: Array, left: Array, m: int, ordered: bool, alpha: Alpha) -> Array:
    """Effect of one axis on what the others leave over, zero in the mean of the measurements."""
    counts = np.bincount(levels, minlength=m).astype(float)
    sums = np.bincount(levels, weights=left, minlength=m)
    seen = np.flatnonzero(counts)
    if not ordered or len(seen) < 3:
        effect = sums / (counts + 1.0)
    else:
        means = sums[seen] / counts[seen]
        effect = spline.fit(seen, means, m, alpha=alpha, weights=counts[seen]).at(np.arange(m))
        span = np.ptp(means)  # the straight lines beyond the measured levels may not run away
        effect = np.clip(effect, means.min() - span, means.max() + span)
        effect *= 1.0 - 1.0 / (1.0 + counts.sum() / m)
    return np.asarray(effect - effect @ counts / counts.sum())


@dataclass(frozen=True)
class Known:
    """What is known at a point: the mean residual of its measurements and their number (0: pending)."""

    residual: float
    count: int


def line_fit(points: Sequence[Point], known: Mapping[Point, Known]) -> tuple[Array, Array]:
    """Deviation from the trend along a line, and its standard deviation.

    Parameters
    ----------
    points
        The points of the line in their order.
    known
        Measured and pending points. Pending ones have no value; they narrow the standard
        deviation as if they were measured, which is what keeps a batch apart.

    Returns
    -------
    mean, sd
        Both of shape (len(points),); sd in units of the trend's sigma.
    """
    found = [known.get(point) for point in points]
    values = np.array([f.residual if f and f.count else 0.0 for f in found])
    weights = np.array([float(f.count) if f and f.count else TREND_WEIGHT for f in found])
    coming = np.array([1.0 if f and not f.count else w for f, w in zip(found, weights, strict=True)])
    if len(points) < 3:
        return values * weights / (weights + TREND_WEIGHT), 1.0 / np.sqrt(coming + TREND_WEIGHT)
    return _smooth(values, weights)[0], np.sqrt(_smooth(values, coming)[1])


def _smooth(values: Array, weights: Array) -> tuple[Array, Array]:
    """d-spline over fully occupied positions: fit and variance per unit noise.

    The smoothing grows with the line, so that a line's reach, (lam / weight)^(1/4) levels,
    is the same share of every line.
    """
    n = len(values)
    alpha = min(LINE_ALPHA * max(1.0, (n - 1) / REFERENCE) ** 2, STIFFEST)
    fitted = spline.fit(np.arange(n), values, n, alpha=alpha, weights=weights)
    return fitted.at(np.arange(n)), np.asarray(fitted.leverages) / weights
