"""Continuous ranges as the values of a grid."""

from __future__ import annotations

import numpy as np


def levels_between(low: float, high: float, count: int, *, log: bool) -> list[float]:
    """So many values from `low` to `high`, both included, with equal steps or equal ratios.

    They have 12 significant digits, so that 0.3 is not 0.30000000000000004, unless two of them
    would be one. There are fewer where the floats between the ends are.
    """
    if low == high:
        return [float(low)]
    part = np.linspace(0.0, 1.0, count)
    if log:
        exact = np.exp(np.log(low) * (1.0 - part) + np.log(high) * part)
    else:
        exact = low * (1.0 - part) + high * part  # without a difference that overflows
    exact[0], exact[-1] = low, high
    exact = np.clip(exact, low, high)
    rounded = np.clip([float(f"{value:.12g}") for value in exact.tolist()], low, high)
    rounded[0], rounded[-1] = low, high
    distinct = np.unique(rounded)
    return [float(v) for v in (distinct if len(distinct) == count else np.unique(exact)).tolist()]


def usual_levels(continuous: int) -> int:
    """How many levels a continuous parameter has by default where there are so many of them.

    What an ask costs grows with the levels.
    """
    return 101 if continuous <= 2 else 21
