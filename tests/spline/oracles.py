"""Slow, plain ways to the same numbers: dense linear algebra on all levels, and 60 digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

Array = np.ndarray[Any, np.dtype[Any]]  # of levels or of values: the tests mix them
Numbers = Sequence[float] | NDArray[Any]


def dense(
    levels: Numbers, values: Numbers, n: int, lam: float, weights: Numbers
) -> tuple[Array, Array]:
    """Curve at all n levels and the posterior covariance over sigma^2.

    Every measurement has a row of its own, repeats too.
    """
    penalty = np.diff(np.eye(n), 2, axis=0)
    rows = np.eye(n)[np.asarray(levels)]
    w = np.asarray(weights, float)
    covariance = np.linalg.inv(rows.T @ (w[:, None] * rows) + lam * penalty.T @ penalty)
    return covariance @ (rows.T @ (w * np.asarray(values))), covariance


def restricted_likelihood(levels: Numbers, values: Numbers, n: int, lam: float) -> float:
    """-2 log restricted likelihood over the contrasts of all measurements.

    The noise variance is profiled out. The curve is a straight line (eliminated) plus second
    differences of variance 1 / lam; every measurement has a row of its own.
    """
    grid = np.arange(n)
    # level i from second differences at levels 1 .. n - 2
    steps = np.maximum(grid[:, None] - grid[None, 1:-1], 0.0)
    covariance = (
        np.eye(len(levels))
        + (steps @ steps.T)[np.ix_(np.asarray(levels), np.asarray(levels))] / lam
    )
    basis = np.linalg.svd(np.c_[np.ones(len(levels)), levels])[0][:, 2:]
    inner = basis.T @ covariance @ basis
    z = basis.T @ np.asarray(values)
    return float(len(z) * np.log(z @ np.linalg.solve(inner, z)) + np.linalg.slogdet(inner)[1])


def exact_grid(levels: Numbers, values: Numbers, n: int, lam: float) -> list[mpmath.mpf]:
    """Curve at all n levels to 60 digits, from the n x n pentadiagonal system (no knot form)."""
    with mpmath.workdps(60 + n // 20):
        stencil = {0: 1, 1: -2, 2: 1}
        band = [[mpmath.mpf(0)] * 3 for _ in range(n)]  # band[i][d]: row i, column i - d
        for row in range(n - 2):
            for a in range(3):
                for b in range(a + 1):
                    band[row + a][a - b] += mpmath.mpf(lam) * stencil[a] * stencil[b]
        right = [mpmath.mpf(0)] * n
        for t, y in zip(levels, values, strict=True):
            band[t][0] += 1
            right[t] += mpmath.mpf(y)
        return solve_band(band, right)


def solve_band(band: list[list[mpmath.mpf]], right: list[mpmath.mpf]) -> list[mpmath.mpf]:
    """Solve a symmetric pentadiagonal system by textbook elimination.

    ``band[i][d]`` is row i, column i - d.
    """
    n = len(right)
    pivots: list[mpmath.mpf] = []
    lower = [[mpmath.mpf(0)] * 3 for _ in range(n)]
    for i in range(n):
        if i > 1:
            lower[i][2] = band[i][2] / pivots[i - 2]
        if i > 0:
            lower[i][1] = (
                band[i][1] - (lower[i][2] * lower[i - 1][1] * pivots[i - 2] if i > 1 else 0)
            ) / pivots[i - 1]
        pivots.append(band[i][0] - sum(lower[i][d] ** 2 * pivots[i - d] for d in (1, 2) if i >= d))
        right[i] -= sum(lower[i][d] * right[i - d] for d in (1, 2) if i >= d)
    out = [r / p for r, p in zip(right, pivots, strict=True)]
    for i in range(n - 1, -1, -1):
        out[i] -= sum(lower[i + d][d] * out[i + d] for d in (1, 2) if i + d < n)
    return out


def exact_knots(
    levels: Numbers, values: Numbers, lam: float, at: Numbers, *, continuous: bool = False
) -> list[mpmath.mpf]:
    """Curve between the first and the last knot to 60 digits, from the knot form.

    With `continuous`, the natural cubic spline.
    """
    with mpmath.workdps(60):
        k, c = len(levels), 0 if continuous else 1
        y = [mpmath.mpf(v) for v in values]
        h = [mpmath.mpf(int(levels[j + 1]) - int(levels[j])) for j in range(k - 1)]
        # columns
        q = [
            {j: 1 / h[j], j + 1: -1 / h[j] - 1 / h[j + 1], j + 2: 1 / h[j + 1]}
            for j in range(k - 2)
        ]
        band = [[mpmath.mpf(0)] * 3 for _ in range(k - 2)]
        for i in range(k - 2):
            for d in range(min(i, 2) + 1):
                band[i][d] = mpmath.mpf(lam) * sum(q[i][a] * q[i - d].get(a, 0) for a in q[i])
            band[i][0] += (h[i] + h[i + 1]) / 3 + c * (1 / h[i] + 1 / h[i + 1]) / 6
            band[i][1] += (h[i] - c / h[i]) / 6
        inner = solve_band(band, [sum(c * y[a] for a, c in column.items()) for column in q])
        m = [mpmath.mpf(0), *inner, mpmath.mpf(0)]
        f = [
            y[a]
            - mpmath.mpf(lam)
            * sum(q[j][a] * inner[j] for j in range(max(0, a - 2), min(k - 2, a + 1)))
            for a in range(k)
        ]
        out = []
        for level in at:
            j = min(int(np.searchsorted(levels, level, side="right")) - 1, k - 2)
            s, d = (
                mpmath.mpf(int(level) - int(levels[j])),
                mpmath.mpf(int(levels[j + 1]) - int(level)),
            )
            bend = s * d * (m[j] * (h[j] + d) + m[j + 1] * (h[j] + s)) / (6 * h[j])
            out.append((f[j] * d + f[j + 1] * s) / h[j] - bend)
        return out


def error(found: Array, exact: Sequence[mpmath.mpf]) -> float:
    """Largest absolute error over the largest absolute value."""
    worst = max(abs(mpmath.mpf(float(a)) - b) for a, b in zip(found, exact, strict=True))
    return float(worst / max(abs(b) for b in exact))
