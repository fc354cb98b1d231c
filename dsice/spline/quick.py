"""The fit of a line in one compiled call, for programs that fit line after line.

It needs numba, and loading numba takes as long as thousands of fits of a small line in plain
Python. So it is used only where numba is loaded anyway, for `fit_many` or a search, and only once
so much was fitted in plain Python that loading the kernel pays. The result is the same to the last
bit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from dsice.spline.knots import Knots
from dsice.spline.plain import FloatList
from dsice.spline.smoothing import MAX_ALPHA, MIN_ALPHA, fixed_lam
from dsice.typing import Floats

LineKernel = Callable[[Floats, Floats, Floats, float, float, float], tuple[float, float, float]]
"""`kernels.fit_knots`."""

SWITCH_AFTER = 20_000
"""Measurements fitted in plain Python before the kernel is loaded: as much time as that takes."""
LOOK_AGAIN = 1000
"""Measurements after which numba is looked for again where it was not loaded."""
EXACT_LEVELS = 2**53
"""Levels below which a level is a position to the last digit, and an int64."""


class Switch:
    """Which code fits the next line.

    Attributes
    ----------
    kernel : callable or None
        The compiled fit, once it is used.
    left : int
        Measurements still to be fitted in plain Python.
    """

    def __init__(self, after: int = SWITCH_AFTER) -> None:
        self.kernel: LineKernel | None = None
        self.left = after

    def count(self, k: int) -> LineKernel | None:
        """The compiled fit if it is to be used from now on; k measurements are about to be fitted.

        Never with the JIT switched off: kernels are then slower than the plain lists.
        """
        self.left -= k  # a count lost between two threads does no harm
        if self.left > 0:
            return None
        self.left = LOOK_AGAIN
        compiled = getattr(sys.modules.get("dsice.spline.kernels"), "fit_knots", None)
        if hasattr(compiled, "signatures"):
            self.kernel = compiled
        return self.kernel


switch = Switch()


def run(
    kernel: LineKernel, knots: Knots, alpha: float | str, n: int
) -> tuple[int, float, float, tuple[Floats, Floats, Floats]]:
    """Lowest level, the curve there, lam, and x, f and m at the knots (as `plain.solve`).

    For three knots or more of weight 1 on n levels at unit distance.
    """
    k = len(knots.y)
    if type(alpha) is float and MIN_ALPHA <= alpha <= MAX_ALPHA:
        lam = alpha * alpha
    else:
        lam = 0.0 if isinstance(alpha, str) and alpha == "reml" else fixed_lam(alpha)
    x = np.fromiter(knots.levels, np.float64, k)
    f = np.fromiter(knots.y, np.float64, k)
    m = np.empty(k)
    place, low, lam = kernel(x, f, m, knots.mean, lam, n - 1.0)
    return int(place), low, lam, (x, f, m)


def listed(array: Floats) -> FloatList:
    """An array as `plain` takes it."""
    numbers: FloatList = array.tolist()
    return numbers
