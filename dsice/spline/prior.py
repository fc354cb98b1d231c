"""Prior covariance of one axis of a grid: what a d-spline says before anything is measured.

The d-spline prior of an ordered axis with m levels has the precision

    Q(lam) = lam D2'D2 / h^3 + D1'D1 / h + h I,    h = 1 / (m - 1),

where D1 and D2 take first and second differences: the energy of bending, of slope and of value of a
curve over an axis of length 1. Its inverse, centred over the levels and scaled to mean variance 1, is
the covariance K. An unordered axis has the exchangeable covariance: all levels alike, sum zero.

Q's parts are diagonalised once per number of levels, so that K and its derivative by log(lam) at any
levels cost one product. Of an axis of more than MODES levels the smoothest MODES modes are kept: the others
hold less than a thousandth of the variance at any lam in use.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
MODES = 128


class AxisPrior:
    """Prior covariance of the effect of one axis.

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

    def covariance(self, log_lam: float, at: Ints) -> tuple[Array, Array]:
        """Covariance between the levels `at`, shape (k, k), and its derivative by log(lam).

        A level outside the axis stands for "this parameter does not exist here": no effect, covariance 0.
        """
        m = self.levels
        here = (at >= 0) & (at < m)
        level = np.where(here, at, 0)
        if self._modes is None:
            same = (level[:, None] == level[None, :]).astype(float)
            value = (same - 1.0 / m) * (m / (m - 1.0)) if m > 1 else np.zeros_like(same)
            return value * np.outer(here, here), np.zeros_like(value)
        lam, (bending, shapes, size) = math.exp(log_lam), self._modes
        share = 1.0 / (1.0 + lam * bending)
        change = -lam * bending * share * share
        total = float(share @ size)
        modes = np.where(here[:, None], shapes[level], 0.0)
        value = (modes * share) @ modes.T / total
        slope = (modes * change) @ modes.T / total - value * (float(change @ size) / total)
        return value, slope


@lru_cache(maxsize=64)
def _modes(m: int) -> tuple[Array, Array, Array]:
    """Bending energy of each mode, the centred modes (levels, modes), and their mean squares."""
    from scipy.linalg import eigh

    h = 1.0 / (m - 1)
    second = np.diff(np.eye(m), 2, axis=0) if m > 2 else np.zeros((0, m))
    first = np.diff(np.eye(m), 1, axis=0)
    kept = [0, min(m, MODES) - 1]
    bending, modes = eigh(
        second.T @ second / h**3, first.T @ first / h + h * np.eye(m), subset_by_index=kept
    )
    modes = modes - modes.mean(axis=0)
    return np.maximum(bending, 0.0), np.ascontiguousarray(modes), (modes**2).mean(axis=0)
