"""Line search: what to expect on the lines of the grid, given every measurement.

Two d-splines work together. The *trend* is additive: one d-spline per axis through the
means of its levels, fitted to the residuals of the others in turn (backfitting; Hastie and
Tibshirani 1990); it carries what all parallel lines of an axis have in common. The *line
fit* is a d-spline through what the trend leaves over on one line: measured points at
their residual with the weight of their number, every other position at zero with a small
weight, so that the line returns to the trend away from its measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsice import spline
from dsice.directions import Line

Array = np.ndarray[Any, np.dtype[Any]]
Alpha = float | str
SWEEPS = 4  # of the backfitting; further ones change the trend by less than its noise
TREND_WEIGHT = 0.05  # of the trend at an unmeasured position, where a measurement has 1
LINE_ALPHA = 0.5  # lam = 0.25 on the unit grid, the choice for few points
REFERENCE = 7  # levels on a line to which LINE_ALPHA belongs


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
        """Trend at points of shape (k, axes): shape (k,)."""
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
    spread = float(np.sqrt(np.mean(left**2)))
    return Trend(mean, tuple(effects), max(spread, 1e-9 * (float(np.abs(values).max()) or 1.0)))


def _effect(levels: Array, left: Array, m: int, ordered: bool, alpha: Alpha) -> Array:
    """Effect of one axis from what the others leave over, zero in the mean of the measurements."""
    counts = np.bincount(levels, minlength=m).astype(float)
    sums = np.bincount(levels, weights=left, minlength=m)
    seen = np.flatnonzero(counts)
    if not ordered or len(seen) < 3:
        effect = sums / (counts + 1.0)
    else:
        fitted = spline.fit(seen, sums[seen] / counts[seen], m, alpha=alpha, weights=counts[seen])
        effect = fitted.at(np.arange(m))
        low, high = effect[seen].min(), effect[seen].max()
        effect = np.clip(effect, low - (high - low), high + (high - low))  # no wild extrapolation beyond the measured levels
    shrunk = effect * (1.0 - 1.0 / (1.0 + counts.sum() / m))
    return np.asarray(shrunk - shrunk @ counts / counts.sum())


@dataclass(frozen=True)
class Measured:
    """What is known at a point: mean residual of its measurements and their number (0: pending)."""

    residual: float
    count: int


def line_mean(line: Line, known: Mapping[tuple[int, ...], Measured]) -> Array:
    """Expected deviation from the trend at every position of a line, shape (len(line),).

    Parameters
    ----------
    line
        A line of the lattice.
    known
        Measured and pending points; pending ones carry no value and do not count here.
    """
    values, weights = np.zeros(len(line)), np.full(len(line), TREND_WEIGHT)
    for i, point in enumerate(map(tuple, line.points.tolist())):
        if (found := known.get(point)) is not None and found.count:
            values[i], weights[i] = found.residual, found.count
    if not values.any():
        return values
    if len(line) < 3:
        return np.asarray(values * weights / (weights + TREND_WEIGHT))
    return np.asarray(spline.fit(np.arange(len(line)), values, len(line), alpha=_alpha(len(line)), weights=weights).at(np.arange(len(line))))


def line_sd(line: Line, known: Mapping[tuple[int, ...], Measured]) -> Array:
    """Standard deviation of the line fit in units of the trend's sigma, shape (len(line),).

    Pending points count as if they were measured: that is what keeps a batch apart.
    """
    weights = np.full(len(line), TREND_WEIGHT)
    for i, point in enumerate(map(tuple, line.points.tolist())):
        if (found := known.get(point)) is not None:
            weights[i] = max(found.count, 1)
    return np.sqrt(np.diag(_covariance(len(line), weights)))


def _alpha(n: int) -> float:
    """Smoothing of a line of n positions: its reach, (lam/weight)^(1/4) levels, grows with the line."""
    return LINE_ALPHA * max(1.0, (n - 1) / REFERENCE) ** 2


def _covariance(n: int, weights: Array) -> Array:
    d = np.diff(np.eye(n), n=2, axis=0) if n > 2 else np.zeros((0, n))
    return np.asarray(np.linalg.inv(np.diag(weights) + _alpha(n) ** 2 * d.T @ d))
