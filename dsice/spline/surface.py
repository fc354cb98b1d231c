"""The n-dimensional d-spline: one model of a whole grid, from which every line gets its prediction.

`fit_surface` takes measured points of a grid and gives a `Surface`, which predicts mean and
variance at any points (`predict`), or the mean on many lines in one compiled call (`line_means`):
method.md, eqs. (9) and (10). The prior and its hyperparameters are in `evidence`.

The cost stays flat with thousands of measurements: of more than MAX_FIT_POINTS for the
hyperparameters and MAX_POSTERIOR_POINTS for the surface, `representative` ones are taken.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dsice.errors import FitError
from dsice.spline.evidence import (
    JITTER,
    AxisPrior,
    CovarianceTables,
    Hyperparameters,
    maximise_evidence,
    representative,
    table_codes,
    table_entries,
)
from dsice.typing import Floats, Ints

MAX_FIT_POINTS = 200
"""Points that the hyperparameters are fitted to, at most."""
MAX_POSTERIOR_POINTS = 400
"""Points that a surface is conditioned on, at most."""
MIN_VARIANCE = 1e-10
"""Floor of variances, relative to the scale."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction at k points.

    Attributes
    ----------
    mean, variance
        Shape (k,); the variance relative to the surface's scale.
    projected
        Covariance with the data times the inverse Cholesky factor, shape (k, n): the posterior
        covariance of two points is their prior covariance less the product of their rows.
    """

    mean: Floats
    variance: Floats
    projected: Floats


class Surface:
    """Posterior of the n-dimensional d-spline.

    Parameters
    ----------
    tables
        Covariance factors of the axes.
    points, values, noise_variance
        Measured points as entries of the tables, int64 of shape (n, axes), their values and the
        noise variances of these, both of shape (n,), in units of the covariance.
    basis
        Values of unpenalised functions at the points, shape (n, functions).
    codes
        Entry of the table for each level, by axis; levels are their own entries by default.
    hyperparameters
        What the tables were made with.
    indices
        Indices of the points among those of the caller, shape (n,); all by default.

    Attributes
    ----------
    single_noise
        Noise variance of a single measurement, in units of the covariance.
    coefficients
        M^-1 y of method.md, eq. (9), shape (n,).
    scale
        s^2 of method.md, eq. (10): turns variances relative to it into those of the values.
    """

    def __init__(
        self,
        tables: CovarianceTables,
        points: Ints,
        values: Floats,
        noise_variance: Floats,
        *,
        basis: Floats | None = None,
        codes: Sequence[Ints] | None = None,
        hyperparameters: Hyperparameters | None = None,
        indices: Ints | None = None,
    ) -> None:
        from scipy.linalg.lapack import dpotrf, dtrtri

        self.tables = tables
        self.hyperparameters = hyperparameters
        self._codes = codes
        self.indices = np.arange(len(points)) if indices is None else indices
        self.points = np.array(points, dtype=np.int64, order="C")
        self.noise_variance = noise_variance
        if hyperparameters:
            self.single_noise = hyperparameters.noise_variance + hyperparameters.nugget + JITTER
        else:
            self.single_noise = float(noise_variance.max())
        covariance = tables.covariance(self.points, self.points)
        covariance[np.diag_indices(len(points))] += noise_variance  # M of method.md, eq. (7)
        lower, info = dpotrf(covariance, lower=1)
        if info:
            raise FitError(
                "the covariance of the measured points is not positive definite; give more noise"
            )
        self._inverse = dtrtri(lower, lower=1)[0].T  # upper triangular, row by row
        self._basis, centred = basis, values
        if basis is not None:
            reduced = self._inverse.T @ basis
            self._gram = np.linalg.inv(reduced.T @ reduced)
            self._beta = self._gram @ (reduced.T @ (self._inverse.T @ values))
            self._reduced = reduced
            centred = values - basis @ self._beta
        self._condition_on(centred)

    def _condition_on(self, values: Floats) -> None:
        whitened = self.whitened(values)
        self.coefficients = self._inverse @ whitened
        self.scale = max(float(whitened @ whitened) / len(values), MIN_VARIANCE)

    def whitened(self, values: Floats) -> Floats:
        """Values at the measured points times the inverse Cholesky factor, of their shape."""
        return np.asarray(self._inverse.T @ values)

    def through(self, values: Floats) -> Surface:
        """The surface with the same points and covariance through other values, shape (n,)."""
        (other := copy.copy(self))._condition_on(values)
        return other

    def entries(self, points: Ints) -> Ints:
        """Levels, int of shape (k, axes), as entries of the tables."""
        if self._codes is None:  # a copy: read-only arrays are another signature of the kernels
            return np.array(points, dtype=np.int64, order="C")
        return table_entries(points, self._codes)

    def predict(self, points: Ints, basis: Floats | None = None) -> Prediction:
        """Mean and variance at points (k, axes); `basis`: the functions there, (k, functions)."""
        from scipy.linalg.blas import dtrmm  # half of the work of @: the factor is triangular

        covariance = self._with_data(points)
        mean = covariance @ self.coefficients
        projected = dtrmm(1.0, self._inverse.T, covariance.T, lower=1, overwrite_b=1).T
        variance = self.prior_variance(points) - np.einsum("ij,ij->i", projected, projected)
        if self._basis is None:
            return Prediction(mean, np.maximum(variance, MIN_VARIANCE), projected)
        if basis is None:
            raise FitError(
                "basis: this surface has unpenalised functions; give their values at the points"
            )
        rest = basis - projected @ self._reduced
        return Prediction(
            mean + basis @ self._beta,
            variance + np.einsum("ij,jk,ik->i", rest, self._gram, rest),
            projected,
        )

    def _with_data(self, points: Ints) -> Floats:
        """Prior covariance of points (k, axes) with the data, shape (k, n)."""
        from dsice.spline import kernels

        out = np.empty((len(points), len(self.points)))
        kernels.grid_products(np.array(points, dtype=np.int64, order="C"), *self._factors, out)
        return out

    def prior_variance(self, points: Ints) -> Floats:
        """Variance before anything was measured at points, shape (k,)."""
        entries, t = self.entries(points), self.tables
        return np.asarray(np.prod(t.values[t.starts + entries * (t.sizes + 1)], axis=1))

    def linear_functional(self, covariance: Floats, prior: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of weighted sums of the surface, such as averages: shapes (k,).

        Parameters
        ----------
        covariance
            Prior covariance of each sum with the surface at `points`, shape (k, n).
        prior
            Prior variance of each sum, shape (k,).
        """
        projected = covariance @ self._inverse
        return covariance @ self.coefficients, np.maximum(
            prior - np.einsum("ij,ij->i", projected, projected), 0.0
        )

    def loo_residuals(self) -> Floats:
        """Standardised leave-one-out residuals at the measured points, shape (n,).

        Each is the error of the surface through all other points, in its standard deviations.
        """
        squares = np.einsum("ij,ij->i", self._inverse, self._inverse)
        return np.asarray(self.coefficients / np.sqrt(squares * self.scale))

    def mean(self, points: Ints) -> Floats:
        """Mean at points, int of shape (k, axes): shape (k,). Cheaper than `predict`."""
        return self.line_means(points, np.zeros_like(points), np.ones(len(points), dtype=np.int64))

    def predict_observed(self) -> tuple[Floats, Floats]:
        """Mean and variance of the true values at the measured points, shapes (n,).

        The nugget of a point counts here, of which no other point knows: where a point was measured
        often, the mean of its measurements outweighs its neighbours.
        """
        prior = self.tables.covariance(self.points, self.points)
        prior[np.diag_indices(len(prior))] += getattr(self.hyperparameters, "nugget", 0.0)
        projected = prior @ self._inverse
        return prior @ self.coefficients, np.maximum(
            np.diag(prior) - np.einsum("ij,ij->i", projected, projected), MIN_VARIANCE
        )

    def line_means(self, lows: Ints, steps: Ints, lengths: Ints) -> Floats:
        """Mean at every point of many lines of the grid, in one compiled call.

        What the points of a line have in common is calculated once.

        Parameters
        ----------
        lows, steps
            First point of each line and the step from one of its points to the next, both int of
            shape (lines, axes).
        lengths
            Number of points of each line, shape (lines,).

        Returns
        -------
        numpy.ndarray
            Means, one line after the other, shape (sum of lengths,).
        """
        from dsice.spline import kernels

        lows, steps = (np.array(a, dtype=np.int64, order="C") for a in (lows, steps))
        lengths = np.array(lengths, dtype=np.int64)
        mean = np.empty(int(lengths.sum()))
        kernels.grid_line_means(lows, steps, lengths, *self._factors, self.coefficients, mean)
        return mean

    @cached_property
    def _factors(self) -> tuple[Ints, Ints, Floats]:
        """Row of each level of each axis, where those of an axis begin, and the rows.

        A row has the covariance factors of a level with all measured points, shape (n,).
        """
        t = self.tables
        ndim = len(t.sizes)
        codes = self._codes or [np.arange(size) for size in t.sizes]
        above = np.concatenate([[0], np.cumsum(t.sizes[:-1])])
        starts = np.concatenate([[0], np.cumsum([len(code) for code in codes[:-1]])])
        factors = [
            t.values[t.starts[j] : t.starts[j] + t.sizes[j] ** 2]
            .reshape(t.sizes[j], t.sizes[j])
            .take(self.points[:, j], axis=1)
            for j in range(ndim)
        ]
        return (
            np.concatenate([code + up for code, up in zip(codes, above, strict=True)]),
            starts.astype(np.int64),
            np.ascontiguousarray(np.concatenate(factors)),
        )

    def covariance(self, points: Ints, others: Ints) -> Floats:
        """Prior covariance of points (k, axes) with others (p, axes), shape (k, p)."""
        return self.tables.covariance(self.entries(points), self.entries(others))


def fit_surface(
    points: Ints,
    values: Floats,
    shape: Sequence[int],
    ordered: Sequence[bool],
    *,
    counts: Floats | None = None,
    log_lam: float | None = None,
    hyperparameters: Hyperparameters | None = None,
    max_points: int | None = None,
) -> Surface:
    """Fit the n-dimensional d-spline.

    Parameters
    ----------
    points, values
        Distinct measured points, int of shape (n, axes), and their values, shape (n,); best of mean
        0 and standard deviation 1. Level ``shape[j]`` of axis j means "does not exist here".
    shape, ordered
        Levels of each axis, and whether their order means something.
    counts
        Number of measurements of each point; default 1.
    log_lam
        Fixes log(lam) in place of fitting it.
    hyperparameters
        Hyperparameters of an earlier fit, used in place of fitting them.
    max_points
        Points that the surface is conditioned on, at most; default MAX_POSTERIOR_POINTS.

    Raises
    ------
    FitError
        No points, values that are not finite, or lengths that differ.

    References
    ----------
    Wahba, Spline Models for Observational Data, 1990; Gu, Smoothing Spline ANOVA Models, 2013.
    """
    points, y, weights = _checked(points, values, counts, len(shape))
    fitted = hyperparameters or fit_hyperparameters(
        points, y, shape, ordered, counts=weights, log_lam=log_lam
    )
    codes = table_codes(shape)
    log = float(np.log(fitted.lam))
    tables = CovarianceTables.of(
        [
            1.0 + theta * prior.covariance(log, np.arange(prior.levels + 1))[0]
            for theta, prior in zip(fitted.theta, _priors(codes, ordered), strict=True)
        ]
    )
    subset = representative(y, max_points or MAX_POSTERIOR_POINTS)
    return Surface(
        tables,
        table_entries(points[subset], codes),
        y[subset],
        # the variance of the mean of the measurements of a point: method.md, eqs. (5) and (24)
        fitted.noise_variance / weights[subset] + fitted.nugget + JITTER,
        codes=codes,
        hyperparameters=fitted,
        indices=subset,
    )


def fit_hyperparameters(
    points: Ints,
    values: Floats,
    shape: Sequence[int],
    ordered: Sequence[bool],
    *,
    counts: Floats | None = None,
    log_lam: float | None = None,
    squares: Floats | None = None,
    dof: Floats | None = None,
) -> Hyperparameters:
    """Fit the hyperparameters alone; the arguments are those of `fit_surface`.

    Parameters
    ----------
    squares, dof
        Of the single measurements of each point: sum of squares around their mean and residual
        degrees of freedom, both of shape (n,).
    """
    points, y, weights = _checked(points, values, counts, len(shape))
    codes = table_codes(shape)
    subset = representative(y, MAX_FIT_POINTS)
    within = (0.0, 0)
    if squares is not None and dof is not None:
        within = (float(squares[subset].sum()), int(dof[subset].sum()))
    return maximise_evidence(
        table_entries(points[subset], codes),
        y[subset],
        weights[subset],
        _priors(codes, ordered),
        log_lam=log_lam,
        within=within,
    )


def _priors(codes: Sequence[Ints], ordered: Sequence[bool]) -> list[AxisPrior]:
    """The prior of each axis; the last entry, "does not exist here", lies beyond its levels."""
    return [AxisPrior(int(code[-1]), o) for code, o in zip(codes, ordered, strict=True)]


def _checked(
    points: Ints, values: Floats, counts: Floats | None, ndim: int
) -> tuple[Ints, Floats, Floats]:
    levels, y = np.asarray(points, dtype=np.int64), np.asarray(values, dtype=float)
    weights = np.ones(len(y)) if counts is None else np.asarray(counts, dtype=float)
    if (
        levels.ndim != 2
        or levels.shape[1] != ndim
        or not len(levels) == len(y) == len(weights)
        or not len(y)
    ):
        raise FitError(
            f"points, values, counts: expected shapes (n, {ndim}), (n,) and (n,) with n >= 1, "
            f"got {levels.shape}, {y.shape} and {weights.shape}"
        )
    if not np.isfinite(y).all():
        raise FitError(
            "values: expected finite numbers; leave failed points out, or give them a bad value"
        )
    return levels, y, weights
