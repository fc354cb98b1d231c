"""The same line fitted by other libraries.

Each fit is a function without arguments that gives the curve at all n levels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import whittaker_eilers
from csaps import csaps
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline
from scipy.linalg import solveh_banded

from dsice.spline import fit, kernels

Array = NDArray[np.float64]
Curve = Callable[[], Array]
NOWHERE = np.empty(0)


class Line:
    """k measured levels of n, their values and lam = alpha^2."""

    def __init__(self, n: int, k: int, lam: float = 0.25, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, n, k])
        self.n, self.k, self.lam = n, k, lam
        self.levels = np.sort(rng.choice(n, k, replace=False)) if k < n else np.arange(n)
        self.values = np.sin(6.0 * self.levels / n) + 0.2 * rng.normal(size=k)
        self.all = np.arange(n)
        self.out = np.zeros(n)

    # ------------------------------------------------------------------ dsice
    def kernel(self) -> tuple[int, float]:
        """Fit and minimum by the kernel."""
        return kernels.fit_one(self.levels, self.values, self.n, self.lam, NOWHERE)

    def kernel_curve(self) -> Array:
        """Fit, minimum and the values at all levels by the kernel, into an array touched before."""
        kernels.fit_one(self.levels, self.values, self.n, self.lam, self.out)
        return self.out

    def public(self) -> Callable[[], int]:
        """Fit and minimum by the public function, from lists."""
        levels, values, n, alpha = self.levels.tolist(), self.values.tolist(), self.n, self.lam**0.5
        return lambda: fit(levels, values, n, alpha=alpha).argmin

    # ------------------------------------------------------------------ others
    def banded(self, check: bool = False) -> Curve:
        """scipy.linalg.solveh_banded on the n-point system; the penalty's band exists before."""
        n, levels, values = self.n, self.levels, self.values
        band = np.zeros((3, n))
        band[0, 2:] = self.lam
        band[1, 1:] = -4.0 * self.lam
        band[2] = 6.0 * self.lam
        band[1, [1, -1]] = -2.0 * self.lam
        band[2, [0, -1]], band[2, [1, -2]] = self.lam, 5.0 * self.lam

        def run() -> Array:
            system, right = band.copy(), np.zeros(n)
            system[2, levels] += 1.0
            right[levels] = values
            return np.asarray(
                solveh_banded(
                    system, right, overwrite_ab=True, overwrite_b=True, check_finite=check
                )
            )

        return run

    def dense(self) -> Curve:
        """numpy.linalg.solve on the full system; the penalty is made beforehand."""
        rows = np.diff(np.eye(self.n), 2, axis=0)
        penalty = self.lam * rows.T @ rows

        def run() -> Array:
            system, right = penalty.copy(), np.zeros(self.n)
            system[self.levels, self.levels] += 1.0
            right[self.levels] = self.values
            return np.linalg.solve(system, right)

        return run

    def whittaker(self, fresh: bool) -> Curve:
        """whittaker-eilers, from lists; `fresh`: made anew for each fit, else made beforehand."""
        weights, values = np.zeros(self.n), np.zeros(self.n)
        weights[self.levels], values[self.levels] = 1.0, self.values
        w, y = weights.tolist(), values.tolist()
        if fresh:
            return lambda: whittaker_eilers.WhittakerSmoother(
                self.lam, 2, self.n, weights=w
            ).smooth(y)  # type: ignore[no-any-return]
        smoother = whittaker_eilers.WhittakerSmoother(self.lam, 2, self.n, weights=w)
        return lambda: smoother.smooth(y)  # type: ignore[no-any-return]

    def scipy_spline(self, lam: float | None) -> Curve:
        """scipy.interpolate.make_smoothing_spline, the continuous spline.

        `lam` is given, or None for its search by GCV.
        """
        x = self.levels.astype(float)
        return lambda: np.asarray(make_smoothing_spline(x, self.values, lam=lam)(self.all))

    def csaps(self) -> Curve:
        """csaps (the continuous spline) with the same lam."""
        x, smooth = self.levels.astype(float), 1.0 / (1.0 + self.lam)
        return lambda: np.asarray(csaps(x, self.values, self.all, smooth=smooth))
