"""The curve between and outside its knots: at one position in plain Python, at many by numpy."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from dsice.spline.plain import FloatList
from dsice.typing import Floats


def value_at(x: FloatList, f: FloatList, m: FloatList, c: float, place: float) -> float:
    """The curve at one grid position; x, f, m and c as in `plain`."""
    if len(x) == 1:
        return f[0]
    j = min(max(bisect_right(x, place) - 1, 0), len(x) - 2)
    h, s = x[j + 1] - x[j], place - x[j]
    c3 = (m[j + 1] - m[j]) / (6.0 * h)
    c1 = (f[j + 1] - f[j]) / h - h * (2.0 * m[j] + m[j + 1]) / 6.0
    if s < 0.0:
        return f[j] + s * (c1 + c * c3)
    if s > h:
        return f[j + 1] + (s - h) * (c1 + 0.5 * h * m[j] + c * c3)
    return f[j] + s * (c1 + s * (0.5 * m[j] + s * c3))


def values_at(x: Floats, f: Floats, m: Floats, c: float, where: Floats) -> Floats:
    """The curve at grid positions."""
    if len(x) == 1:
        return np.full(where.shape, f[0])
    h = np.diff(x)
    c3 = np.diff(m) / (6.0 * h)
    c1 = np.diff(f) / h - h * (2.0 * m[:-1] + m[1:]) / 6.0
    j = np.clip(np.searchsorted(x, where, side="right") - 1, 0, len(x) - 2)
    s = where - x[j]
    y: Floats = f[j] + s * (c1[j] + s * (0.5 * m[j] + s * c3[j]))
    left = f[0] + (where - x[0]) * (c1[0] + c * c3[0])
    right = f[-1] + (where - x[-1]) * (c1[-1] + 0.5 * h[-1] * m[-2] + c * c3[-1])
    return np.where(where < x[0], left, np.where(where > x[-1], right, y))
