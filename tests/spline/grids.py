"""Plain twins of the n-dimensional d-spline: dense matrices, loops over axes, textbook formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsice.spline.evidence import JITTER, LOG_LAM_PRIOR, LOG_NOISE_PRIOR, LOG_THETA_PRIOR

Array = np.ndarray[Any, np.dtype[Any]]  # of levels or of values: the tests mix them
Ints = NDArray[np.int64]


def axis_covariance(m: int, lam: float) -> Array:
    """Inverse of Q = lam D2'D2 / h^3 + D1'D1 / h + h I, centred, scaled to mean variance 1."""
    h = 1.0 / (m - 1)
    first, second = np.diff(np.eye(m), 1, axis=0), np.diff(np.eye(m), 2, axis=0)
    centre = np.eye(m) - 1.0 / m
    raw = (
        centre
        @ np.linalg.inv(lam * second.T @ second / h**3 + first.T @ first / h + h * np.eye(m))
        @ centre
    )
    return raw / np.diag(raw).mean()


def exchangeable(m: int) -> Array:
    """All levels alike, sum zero, variance 1."""
    return (np.eye(m) - 1.0 / m) * m / (m - 1.0)


def with_absent(covariance: Array) -> Array:
    """One more level, "does not exist here": no effect."""
    return np.pad(covariance, (0, 1))


def product(factors: Sequence[Array], theta: Array, a: Ints, b: Ints) -> Array:
    """Covariance prod_j (1 + theta_j K_j) between points a and b."""
    out = np.ones((len(a), len(b)))
    for j, factor in enumerate(factors):
        out *= 1.0 + theta[j] * factor[np.ix_(a[:, j], b[:, j])]
    return out


def factors_of(shape: Sequence[int], ordered: Sequence[bool], lam: float) -> list[Array]:
    """One table per axis, "does not exist here" last."""
    return [
        with_absent(axis_covariance(m, lam) if o else exchangeable(m))
        for m, o in zip(shape, ordered, strict=True)
    ]


def penalised(
    points: Ints,
    values: Array,
    counts: Array,
    shape: Sequence[int],
    ordered: Sequence[bool],
    p: Array,
) -> float:
    """Minus log likelihood minus log priors at p = (log theta, log lam, log noise).

    The scale is profiled out; constants are left out.
    """
    d, n = len(shape), len(values)
    covariance = product(factors_of(shape, ordered, math.exp(p[d])), np.exp(p[:d]), points, points)
    covariance = covariance + np.diag(math.exp(p[d + 1]) / counts + JITTER)
    energy = values @ np.linalg.solve(covariance, values)
    priors = [*[LOG_THETA_PRIOR] * d, LOG_LAM_PRIOR, LOG_NOISE_PRIOR]
    penalty = sum(
        ((x - middle) / spread) ** 2 for x, (middle, spread) in zip(p, priors, strict=True)
    )
    return float(
        0.5 * n * np.log(energy / n) + 0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * penalty
    )


def posterior(
    covariance: Array, noise: Array, cross: Array, own: Array, values: Array
) -> tuple[Array, Array]:
    """Mean and variance of a Gaussian process of mean 0.

    `cross` is the covariance of the wanted points with the data.
    """
    solved = np.linalg.solve(covariance + np.diag(noise), np.c_[values, cross.T])
    return cross @ solved[:, 0], own - np.einsum("ij,ji->i", cross, solved[:, 1:])


def grid(shape: Sequence[int]) -> Ints:
    """All points."""
    return np.array(list(np.ndindex(*shape)), dtype=np.int64)


def some(shape: Sequence[int], n: int, seed: int = 0) -> Ints:
    """n different points, in random order."""
    return np.random.default_rng(seed).permutation(grid(shape))[:n]
