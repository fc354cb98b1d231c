"""Prior and hyperparameters of the n-dimensional d-spline, by penalised marginal likelihood.

The model is a smoothing-spline analysis of variance (Wahba 1990; Gu 2013): values at points of a
grid are a Gaussian process with the covariance of method.md, eq. (4),

    scale * prod_j (1 + theta_j K_j(lam)),

K_j the prior covariance of axis j (`AxisPrior`): a constant, a main effect of every axis, and all
interactions. theta_j says how much axis j matters, and lam how smooth all axes are. The noise
variance of one measurement, relative to scale, enters on the diagonal, divided by the number of
measurements (eqs. (5) and (7)). scale is profiled out. The penalties are normal priors: log theta ~
N(-1.5, 1.5^2), log lam ~ N(-4, 2^2), log noise variance ~ N(-4, 2^2).

The covariances of all axes are kept as one square table per axis (`CovarianceTables`). The product
of the tables over the axes is the covariance. An entry of a table is a level of its axis or, on
very long axes, a node that several levels share; the last entry stands for "this parameter does
not exist here".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dsice.typing import Floats, Ints

MAX_NODES = 1024
"""An axis with more levels is modelled on this many nodes."""
MAX_ENTRIES = 2_000_000
"""Entries of all covariance tables together; beyond, long axes get fewer nodes."""


@dataclass(frozen=True, eq=False)
class CovarianceTables:
    """Covariance factors of all axes, packed for the kernels.

    Axis j has a square table of sizes[j] rows in `values`, from starts[j] on.
    """

    values: Floats
    starts: Ints
    sizes: Ints

    @classmethod
    def of(cls, factors: Sequence[Floats]) -> CovarianceTables:
        """Pack one square table per axis."""
        sizes = np.array([len(factor) for factor in factors], dtype=np.int64)
        starts = np.zeros(len(factors), dtype=np.int64)
        np.cumsum(sizes[:-1] ** 2, out=starts[1:])
        return cls(np.concatenate([factor.ravel() for factor in factors]), starts, sizes)

    def covariance(self, a: Ints, b: Ints) -> Floats:
        """Covariance, shape (k, n), between points a (k, axes) and b (n, axes) as table entries."""
        from dsice.spline import kernels

        out = np.empty((len(a), len(b)))
        kernels.grid_covariance(a, b, self.values, self.starts, self.sizes, out)
        return out


def table_codes(shape: Sequence[int]) -> list[Ints]:
    """Entry of the table for each level and for "does not exist here".

    The levels of very long axes share entries.
    """
    max_nodes = MAX_NODES
    while sum(min(m, max_nodes) ** 2 for m in shape) > MAX_ENTRIES and max_nodes > 2:
        max_nodes = max_nodes * 3 // 4
    codes = []
    for m in shape:
        size = min(m, max_nodes)
        nodes = np.rint(np.arange(m) * ((size - 1) / max(m - 1, 1))).astype(np.int64)
        codes.append(np.append(nodes, size))
    return codes


def table_entries(points: Ints, codes: Sequence[Ints]) -> Ints:
    """Levels of points, shape (k, axes), as entries of the tables."""
    return np.ascontiguousarray(
        np.stack([code[points[:, j]] for j, code in enumerate(codes)], axis=1)
    )


MAX_MODES = 128
"""Modes kept of the prior of an axis, the smoothest ones."""
LOG_THETA_PRIOR = (-1.5, 1.5)
LOG_LAM_PRIOR = (-4.0, 2.0)
LOG_NOISE_PRIOR = (-4.0, 2.0)
"""Mean and standard deviation of the normal priors of the logarithms."""
LOG_BOUNDS = ((-6.0, 4.0), (-8.0, 3.0), (-9.0, 2.0))
"""Limits of the logarithms of theta, lam and the noise variance."""
MAX_ITERATIONS = 30
"""Further iterations change the search by less than one more measurement does."""
JITTER = 1e-8
"""Added to the diagonal of the covariance, against rounding."""
TINY = 1e-12
"""Least sum of squares, for values that are all alike."""


class AxisPrior:
    """Prior covariance of the effect of one axis: method.md, eqs. (1) to (3).

    Parameters
    ----------
    levels
        Number of levels.
    ordered
        Whether their order means something.
    """

    def __init__(self, levels: int, ordered: bool) -> None:
        self.levels, self.ordered = levels, ordered
        self._modes = _modes(levels) if ordered and levels > 1 else None

    def covariance(self, log_lam: float, at: Ints) -> tuple[Floats, Floats]:
        """Covariance between the levels `at`, shape (k, k), and its derivative by log(lam).

        A level outside the axis stands for "this parameter does not exist here": no effect,
        covariance 0.
        """
        m = self.levels
        exists = (at >= 0) & (at < m)
        level = np.where(exists, at, 0)
        if self._modes is None:
            same = (level[:, None] == level[None, :]).astype(float)
            value = (same - 1.0 / m) * (m / (m - 1.0)) if m > 1 else np.zeros_like(same)
            return value * np.outer(exists, exists), np.zeros_like(value)
        lam = math.exp(log_lam)
        bending, shapes, size = self._modes
        share = 1.0 / (1.0 + lam * bending)
        change = -lam * bending * share * share
        total = float(share @ size)
        modes = np.where(exists[:, None], shapes[level], 0.0)
        value = (modes * share) @ modes.T / total
        slope = (modes * change) @ modes.T / total - value * (float(change @ size) / total)
        return value, slope


@lru_cache(maxsize=64)
def _modes(m: int) -> tuple[Floats, Floats, Floats]:
    """Bending energy of each mode, the centred modes (levels, modes), and their mean squares."""
    from scipy.linalg import eigh

    h = 1.0 / (m - 1)
    second = np.diff(np.eye(m), 2, axis=0) if m > 2 else np.zeros((0, m))
    first = np.diff(np.eye(m), 1, axis=0)
    kept = [0, min(m, MAX_MODES) - 1]
    bending, modes = eigh(
        second.T @ second / h**3, first.T @ first / h + h * np.eye(m), subset_by_index=kept
    )
    modes = modes - modes.mean(axis=0)
    return np.maximum(bending, 0.0), np.ascontiguousarray(modes), (modes**2).mean(axis=0)


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """Hyperparameters of the model of a grid, estimated by the marginal likelihood.

    Attributes
    ----------
    theta
        Weight of each axis, shape (axes,).
    lam
        Smoothness: weight of bending against slope.
    noise_variance
        Noise variance of one measurement, relative to the scale: method.md, eq. (5).
    evidence
        Penalised log marginal likelihood reached, up to a constant.
    nugget
        Variance, relative to the scale, that belongs to a single point and is no noise: no
        neighbour knows of it, and measuring again does not change it (method.md, eq. (24)).
        Repeated measurements tell it from noise; 0 where there are none.
    """

    theta: Floats
    lam: float
    noise_variance: float
    evidence: float
    nugget: float = 0.0


def maximise_evidence(
    points: Ints,
    values: Floats,
    counts: Floats,
    priors: Sequence[AxisPrior],
    *,
    log_lam: float | None = None,
    within: tuple[float, int] = (0.0, 0),
) -> Hyperparameters:
    """Maximise the penalised marginal likelihood: method.md, eqs. (6) and (7).

    Parameters
    ----------
    points, values, counts
        Distinct measured points, int64 of shape (n, axes), their mean values (centred, of order 1)
        and numbers of measurements, both of shape (n,).
    priors
        One per axis.
    log_lam
        Fixes the smoothness.
    within
        Sum of squares of the single measurements around the means of their points, and its degrees
        of freedom (measurements less points); they tell noise from the nugget.
    """
    from scipy.optimize import minimize

    problem = _Evidence(points, values, counts, priors, within)
    d, own = len(priors), within[1] > 0
    start = np.concatenate(
        [
            np.full(d, LOG_THETA_PRIOR[0]),
            [LOG_LAM_PRIOR[0] if log_lam is None else log_lam, LOG_NOISE_PRIOR[0]],
            [LOG_NOISE_PRIOR[0]] * own,
        ]
    )
    bounds = (
        [LOG_BOUNDS[0]] * d
        + [LOG_BOUNDS[1] if log_lam is None else (log_lam, log_lam), LOG_BOUNDS[2]]
        + [LOG_BOUNDS[2]] * own
    )
    found = minimize(
        problem,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": MAX_ITERATIONS},
    )
    p = np.asarray(found.x, dtype=float)
    nugget = math.exp(p[d + 2]) if own else 0.0
    return Hyperparameters(
        np.exp(p[:d]), math.exp(p[d]), math.exp(p[d + 1]), -float(found.fun), nugget
    )


def representative(values: Floats, max_points: int) -> Ints:
    """Increasing indices of the lowest values and of an even choice, by rank, of the others."""
    if len(values) <= max_points:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    low, rest = order[: max_points // 2], order[max_points // 2 :]
    even = np.linspace(0, len(rest) - 1, max_points - len(low)).astype(np.int64)
    return np.sort(np.concatenate([low, rest[even]]))


class _Evidence:
    """Negative penalised log likelihood and its gradient: method.md, eqs. (6) to (8), (23), (24).

    The parameters are log theta, log lam, log noise variance and, with repeats, log nugget.
    """

    def __init__(
        self,
        points: Ints,
        values: Floats,
        counts: Floats,
        priors: Sequence[AxisPrior],
        within: tuple[float, int] = (0.0, 0),
    ) -> None:
        self._values, self._counts, self._priors, self._within = values, counts, priors, within
        found = [np.unique(points[:, j], return_inverse=True) for j in range(len(priors))]
        self._levels = [levels for levels, _ in found]
        self._places = np.ascontiguousarray(
            np.stack([place.ravel() for _, place in found], axis=1), dtype=np.int64
        )

    def __call__(self, p: Floats) -> tuple[float, Floats]:
        from scipy.linalg.lapack import dpotrf, dpotri

        from dsice.spline import kernels

        n, d = self._places.shape
        factors, slopes = self._factors(p)
        tables = CovarianceTables.of(factors)
        covariance = tables.covariance(self._places, self._places)
        noise_variance = math.exp(p[d + 1]) / self._counts
        nugget = math.exp(p[d + 2]) if len(p) > d + 2 else 0.0
        # the noise variance enters here: method.md, eqs. (7) and (24)
        covariance[np.diag_indices(n)] += noise_variance + nugget + JITTER
        lower, info = dpotrf(covariance, lower=1)
        if info:
            return 1e10, np.zeros_like(p)
        half = dpotri(lower, lower=1)[0]  # above the diagonal it stays 0
        inverse = half + half.T
        inverse[np.diag_indices(n)] = half.diagonal()
        weights = inverse @ self._values
        squares = self._within[0] / math.exp(p[d + 1])
        dof = self._within[1]
        energy = max(float(self._values @ weights) + squares, TINY)
        total = n + dof
        value = (
            0.5 * total * math.log(energy / total)
            + float(np.log(np.diag(lower)).sum())
            + 0.5 * dof * p[d + 1]
        )
        # S of eq. (8)
        sensitivity = np.ascontiguousarray(
            0.5 * inverse - (0.5 * total / energy) * np.outer(weights, weights)
        )
        out = np.zeros_like(tables.values)
        kernels.grid_gradient(
            self._places, tables.values, tables.starts, tables.sizes, sensitivity, out
        )
        gradient = np.zeros_like(p)
        for j in range(d):
            part = out[tables.starts[j] : tables.starts[j] + tables.sizes[j] ** 2]
            gradient[j] = part @ (factors[j] - 1.0).ravel()
            gradient[d] += part @ slopes[j].ravel()
        gradient[d + 1] = (
            np.diag(sensitivity) @ noise_variance + 0.5 * dof - 0.5 * total * squares / energy
        )
        if nugget:
            gradient[d + 2] = nugget * np.trace(sensitivity)
        for k, (middle, spread) in enumerate(
            ([LOG_THETA_PRIOR] * d + [LOG_LAM_PRIOR, LOG_NOISE_PRIOR, LOG_NOISE_PRIOR])[: len(p)]
        ):
            value += 0.5 * ((p[k] - middle) / spread) ** 2
            gradient[k] += (p[k] - middle) / spread**2
        return value, gradient

    def _factors(self, p: Floats) -> tuple[list[Floats], list[Floats]]:
        """1 + theta_j K_j over the measured levels of each axis, and derivatives by log(lam)."""
        factors, slopes = [], []
        for prior, levels, log_theta in zip(self._priors, self._levels, p, strict=False):
            value, slope = prior.covariance(float(p[len(self._priors)]), levels)
            theta = math.exp(log_theta)
            factors.append(1.0 + theta * value)
            slopes.append(theta * slope)
        return factors, slopes
