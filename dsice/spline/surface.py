"""The n-dimensional d-spline: one model over the whole grid, whose restriction to a line is a d-spline.
 `fit_surface` takes measured points of a grid and gives a `Surface`, which predicts mean and
variance at any points (`at`) or at every point of many lines in one compiled call (`score`). The
mathematics is in `evidence` and `prior`; docs/method.md has it in full.
 The cost stays flat with thousands of measurements: smoothness and noise are fitted to at most
MAX_FIT_POINTS points and the surface is drawn through at most MAX_POSTERIOR_POINTS, in both cases
the better half in full and an even choice, by rank, of the rest. What is left out is where the
values are bad, and there the model needs the coarse shape only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsice.errors import FitError
from dsice.spline.evidence import (
    JITTER,
    AxisPrior,
    CovarianceTables,
    Hyperparameters,
    maximise_evidence,
)
from dsice.typing import Floats, Ints

MAX_FIT_POINTS = 200
MAX_POSTERIOR_POINTS = 400
MAX_NODES = 1024  # an axis with more levels is modelled on this many
MAX_ENTRIES = 2_000_000  # of all tables together; beyond, the long axes get fewer nodes
MIN_VARIANCE = 1e-10  # variance


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction at the points of a batch of lines, packed in the order of the lines.

    Attributes
    ----------
    mean, variance
        Shape (k,); the variance relative to the surface's scale.
    projected
        Covariance with the data times the inverse Cholesky factor, shape (k, data): the posterior
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
        variances of these, both of shape (n,), in units of the covariance.
    pending
        Points that are being measured, shape (p, axes), with `pending_noise` (p,): they narrow the
        variance and say nothing of the mean.
    basis
        Values of unpenalised functions at the points, shape (n, functions); not together with
        `pending`.
    codes
        Entry of the table for each level, by axis; levels are their own entries by default.
    hyperparameters
        How the tables came about.
    indices
        Which of the caller's points these are, shape (n,); all by default.

    Attributes
    ----------
    single_noise
        Variance of a single measurement, in units of the covariance.
    """

    def __init__(
        self,
        tables: CovarianceTables,
        points: Ints,
        values: Floats,
        noise_variance: Floats,
        *,
        pending: Ints | None = None,
        pending_noise: Floats | None = None,
        basis: Floats | None = None,
        codes: Sequence[Ints] | None = None,
        hyperparameters: Hyperparameters | None = None,
        indices: Ints | None = None,
    ) -> None:
        from scipy.linalg.lapack import dpotrf, dtrtri

        self.tables, self.hyperparameters, self._codes = tables, hyperparameters, codes
        k = len(points)
        self.indices = np.arange(k) if indices is None else indices
        if pending is not None and len(pending):
            points = np.concatenate([points, pending])
            noise_variance = np.concatenate(
                [noise_variance, np.ones(len(pending)) if pending_noise is None else pending_noise]
            )
        self.points = np.array(points, dtype=np.int64, order="C")
        self.noise_variance, self.n_observed = noise_variance, k
        self.single_noise = (
            hyperparameters.noise_variance + hyperparameters.nugget + JITTER
            if hyperparameters
            else float(noise_variance.max())
        )
        covariance = tables.covariance(self.points, self.points)
        covariance[np.diag_indices(len(points))] += noise_variance
        lower, info = dpotrf(covariance, lower=1)
        if info:
            raise FitError(
                "the covariance of the measured points is not positive definite; give more noise"
            )
        self._inverse = np.ascontiguousarray(np.tril(dtrtri(lower, lower=1)[0]).T)
        self._basis, centred = basis, values
        if basis is not None:
            reduced = self._inverse[:k, :k].T @ basis
            self._gram = np.linalg.inv(reduced.T @ reduced)
            self._beta = self._gram @ (reduced.T @ (self._inverse[:k, :k].T @ values))
            self._reduced = reduced
            centred = values - basis @ self._beta
        whitened = self._inverse[:k, :k].T @ centred
        self.coefficients = np.zeros(len(points))
        self.coefficients[:k] = self._inverse[:k, :k] @ whitened
        self.scale = max(float(whitened @ whitened) / k, MIN_VARIANCE)

    def entries(self, points: Ints) -> Ints:
        """Levels, int of shape (k, axes), as entries of the tables."""
        if self._codes is None:
            return np.array(
                points, dtype=np.int64, order="C"
            )  # a copy: read-only arrays would be another signature
        return _entries(points, self._codes)

    def predict(self, points: Ints, basis: Floats | None = None) -> Prediction:
        """Mean and variance at points, int of shape (k, axes).

        `basis` holds the values of the unpenalised functions there, shape (k, functions).
        """
        covariance = self.tables.covariance(self.entries(points), self.points)
        projected = covariance @ self._inverse
        mean, variance = (
            covariance @ self.coefficients,
            self.prior_variance(points) - np.einsum("ij,ij->i", projected, projected),
        )
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

    def prior_variance(self, points: Ints) -> Floats:
        """Variance before anything was measured at points, shape (k,)."""
        entries, t = self.entries(points), self.tables
        return np.asarray(np.prod(t.values[t.starts + entries * (t.sizes + 1)], axis=1))

    def linear_functional(self, covariance: Floats, prior: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of weighted sums of the surface, such as averages over a part of the grid: shapes (k,).

        Parameters
        ----------
        covariance
            Prior covariance of each sum with the surface at the measured points (`points`), shape
            (k, n).
        prior
            Prior variance of each sum, shape (k,).
        """
        projected = covariance @ self._inverse
        return covariance @ self.coefficients, np.maximum(
            prior - np.einsum("ij,ij->i", projected, projected), 0.0
        )

    def loo_residuals(self) -> Floats:
        """Error at each measured point of the surface through all others, in its standard deviations: shape (n,)."""
        return np.asarray(
            self.coefficients
            / np.sqrt(np.einsum("ij,ij->i", self._inverse, self._inverse) * self.scale)
        )

    def mean(self, points: Ints) -> Floats:
        """Mean at points, shape (k,): cheaper than `at`."""
        return np.asarray(
            self.tables.covariance(self.entries(points), self.points) @ self.coefficients
        )

    def predict_observed(self) -> tuple[Floats, Floats]:
        """Mean and variance of the true values at the measured points, those of pending points left out: shapes (n,).

        Here a point's own roughness counts, which no other point knows of: where it was measured
        often, the mean of its measurements outweighs its neighbours.
        """
        k, rough = self.n_observed, self.hyperparameters.nugget if self.hyperparameters else 0.0
        prior = self.tables.covariance(self.points[:k], self.points[:k])
        prior[np.diag_indices(k)] += rough
        projected = prior @ self._inverse[:k, :k]
        return prior @ self.coefficients[:k], np.maximum(
            np.diag(prior) - np.einsum("ij,ij->i", projected, projected), MIN_VARIANCE
        )

    def predict_lines(self, offsets: Ints, points: Ints) -> Prediction:
        """Mean and variance at every point of every line, in one compiled call.

        Line i holds ``points[offsets[i]:offsets[i + 1]]``; points are int of shape (k, axes).
        """
        from dsice.spline import kernels

        k, n = len(points), len(self.points)
        scores = Prediction(np.empty(k), np.empty(k), np.empty((k, n)))
        t = self.tables
        kernels.grid_score(
            np.array(
                offsets, dtype=np.int64
            ),  # a copy: a read-only one would be another signature of the kernel
            self.entries(points),
            self.points,
            t.values,
            t.starts,
            t.sizes,
            self.coefficients,
            self._inverse,
            scores.mean,
            scores.variance,
            scores.projected,
        )
        return scores

    def covariance(self, points: Ints, one: Ints) -> Floats:
        """Prior covariance of points (k, axes) with one point (axes,), shape (k,)."""
        return self.tables.covariance(self.entries(points), self.entries(one[None, :]))[:, 0]


def fit_surface(
    points: Ints,
    values: Floats,
    shape: Sequence[int],
    ordered: Sequence[bool],
    *,
    counts: Floats | None = None,
    pending: Ints | None = None,
    log_lam: float | None = None,
    hyperparameters: Hyperparameters | None = None,
    max_points: int = MAX_POSTERIOR_POINTS,
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
    pending
        Points that are being measured, int of shape (p, axes).
    log_lam
        Fixes log(lam) in place of fitting it.
    hyperparameters
        Of an earlier fit: nothing is fitted.
    max_points
        Points that the surface is drawn through at most.

    Raises
    ------
    FitError
        No points, values that are not finite, or lengths that differ.

    References
    ----------
    Wahba, Spline Models for Observational Data, 1990; Gu, Smoothing Spline ANOVA Models, 2013.
    """
    places, y, weights = _checked(points, values, counts, len(shape))
    fitted = hyperparameters or fit_hyperparameters(
        places, y, shape, ordered, counts=weights, log_lam=log_lam
    )
    codes, log = _codes(shape), float(np.log(fitted.lam))
    priors = _priors(codes, ordered)
    tables = CovarianceTables.of(
        [
            1.0 + t * p.covariance(log, np.arange(p.levels + 1))[0]
            for t, p in zip(fitted.theta, priors, strict=True)
        ]
    )
    some = representative(y, max_points)
    noise = fitted.noise_variance / weights[some] + fitted.nugget + JITTER
    pending = (
        np.empty((0, len(shape)), dtype=np.int64)
        if pending is None
        else np.asarray(pending, dtype=np.int64)
    )
    single = np.full(len(pending), fitted.noise_variance + fitted.nugget + JITTER)
    options: dict[str, Any] = {
        "pending": _entries(pending, codes),
        "pending_noise": single,
        "indices": some,
    }
    return Surface(
        tables,
        _entries(places[some], codes),
        y[some],
        noise,
        codes=codes,
        hyperparameters=fitted,
        **options,
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
    """The hyperparameters alone; the arguments are those of `fit_surface`.

    `squares`, `dof`: of the single measurements of each point, the sum of squares around their mean
    and its degrees of freedom, shape (n,).
    """
    places, y, weights = _checked(points, values, counts, len(shape))
    codes = _codes(shape)
    some = representative(y, MAX_FIT_POINTS)
    within = (
        (0.0, 0)
        if squares is None or dof is None
        else (float(squares[some].sum()), int(dof[some].sum()))
    )
    entries, priors = _entries(places[some], codes), _priors(codes, ordered)
    return maximise_evidence(
        entries, y[some], weights[some], priors, log_lam=log_lam, within=within
    )


def _priors(codes: Sequence[Ints], ordered: Sequence[bool]) -> list[AxisPrior]:
    """One per axis; the last entry, "does not exist here", lies beyond the levels."""
    return [AxisPrior(int(code[-1]), o) for code, o in zip(codes, ordered, strict=True)]


def _entries(points: Ints, codes: Sequence[Ints]) -> Ints:
    return np.ascontiguousarray(
        np.stack([code[points[:, j]] for j, code in enumerate(codes)], axis=1)
    )


def representative(values: Floats, most: int) -> Ints:
    """Places of at most `most` values, ascending: the lowest, and an even choice by rank of the others."""
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    low, rest = order[: most // 2], order[most // 2 :]
    even = np.linspace(0, len(rest) - 1, most - len(low)).astype(np.int64)
    return np.sort(np.concatenate([low, rest[even]]))


def _codes(shape: Sequence[int]) -> list[Ints]:
    """Entry of the table for each level and for "does not exist here"; very long axes share entries."""
    most = MAX_NODES
    while sum(min(m, most) ** 2 for m in shape) > MAX_ENTRIES and most > 2:
        most = most * 3 // 4
    codes = []
    for m in shape:
        size = min(m, most)
        nodes = np.rint(np.arange(m) * ((size - 1) / max(m - 1, 1))).astype(np.int64)
        codes.append(np.append(nodes, size))
    return codes


def _checked(
    points: Ints, values: Floats, counts: Floats | None, ndim: int
) -> tuple[Ints, Floats, Floats]:
    places, y = np.asarray(points, dtype=np.int64), np.asarray(values, dtype=float)
    weights = np.ones(len(y)) if counts is None else np.asarray(counts, dtype=float)
    if (
        places.ndim != 2
        or places.shape[1] != ndim
        or not len(places) == len(y) == len(weights)
        or not len(y)
    ):
        raise FitError(
            f"points, values, counts: expected shapes (n, {ndim}), (n,) and (n,) with n >= 1, "
            f"got {places.shape}, {y.shape} and {weights.shape}"
        )
    if not np.isfinite(y).all():
        raise FitError(
            "values: expected finite numbers; leave failed points out, or give them a bad value"
        )
    return places, y, weights
