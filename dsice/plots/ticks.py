"""Ticks with plain numbers: as many digits as tell them apart, no factor in a corner, no powers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import (
    AutoLocator,
    FixedLocator,
    Formatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from dsice.space.values import labels

_STEPS = (1, 2, 2.5, 5, 10)


class PlainFormatter(Formatter):
    """Writes ticks as `dsice.space.values.labels` writes values."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """One number, such as the one below the mouse."""
        return f"{x:.4g}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """All ticks of an axis."""
        ticks = np.asarray(values, dtype=float)
        small = 1e-10 * float(np.ptp(ticks)) if len(ticks) else 0.0
        return labels([0.0 if abs(v) < small else v for v in ticks.tolist()])


def plain(axis: Axis) -> None:
    """Plain numbers at a linear axis."""
    axis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    axis.set_major_formatter(PlainFormatter())


def plain_logarithmic(axis: Axis, low: float, high: float) -> None:
    """Plain numbers at a logarithmic axis from `low` to `high`: at 1, 2, 5 of few decades."""
    decades = math.log10(high) - math.log10(low)
    if decades < 1.0:
        axis.set_major_locator(AutoLocator())
    elif decades < 3.5:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    else:  # LogLocator looks beyond the ends, where there may be no numbers left
        first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
        step = -(-(last - first) // 8)
        axis.set_major_locator(FixedLocator([10.0**p for p in range(first, last + 1, step)]))
    axis.set_major_formatter(PlainFormatter())
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def whole(axis: Axis) -> None:
    """Ticks at whole numbers."""
    axis.set_major_locator(MaxNLocator(6, integer=True, steps=_STEPS))
