"""How well each of many alphas fits one line: REML, generalised cross-validation and leave-one-out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsice.spline.grid import UNIT, make_grid
from dsice.spline.knots import read_knots
from dsice.spline.line import SplineFit, fixed_lam

BULK_FROM = 2000
"""Knots times alphas from which numba is worth loading."""


class Scores(NamedTuple):
    """Lower is better; each of shape (A,), defined as the properties of the same names of ``SplineFit``."""

    reml: NDArray[np.float64]
    gcv: NDArray[np.float64]
    loo: NDArray[np.float64]


def score_alphas(
    levels: ArrayLike,
    values: ArrayLike,
    n: int,
    alphas: Iterable[float],
    *,
    weights: ArrayLike | None = None,
    spacing: str | Iterable[float] | None = None,
) -> Scores:
    """REML, GCV and leave-one-out score of A alphas on one line; arguments as in :func:`dsice.spline.fit`.

    Examples
    --------
    >>> scores = score_alphas(range(8), [5.0, 3.1, 2.2, 0.9, 1.1, 1.8, 3.3, 4.7], 8, [0.1, 1.0, 10.0])
    >>> scores.loo.round(2).tolist()
    [0.23, 0.35, 4.17]
    """
    knots = read_knots(levels, values, n, weights)
    grid = UNIT if spacing is None else make_grid(spacing, int(n))
    lams = np.array([fixed_lam(alpha) for alpha in alphas], np.float64)
    k = len(knots.y)
    if k < 3 or knots.rows > k or grid.positions is not None or k * len(lams) < BULK_FROM:
        fits = [SplineFit(knots, int(n), grid, math.sqrt(lam)) for lam in lams.tolist()]
        return Scores(
            *(np.array([getattr(fit, name) for fit in fits], np.float64) for name in Scores._fields)
        )
    from dsice.spline import kernels  # numba is loaded on first bulk use only

    out = np.empty((len(lams), 3))
    x = np.array(knots.levels) * float(grid.step)
    kernels.score_lams(x, np.array(knots.y), np.array(knots.w), lams, out)
    reml, gcv, loo = (np.ascontiguousarray(column) for column in out.T)
    reml += 2 * (k - 2) * math.log(knots.unit)
    return Scores(reml, gcv * knots.unit**2, loo * knots.unit**2)
