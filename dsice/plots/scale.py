"""The scale of an axis with measured values: what most of them span, never what a few went astray.

A program that ended badly may have told 1e308 or -99. So an axis goes from the best value to a
fence above the quantiles; what lies beyond is drawn at the edge, and the figure says how many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.typing import Bools, Floats

if TYPE_CHECKING:
    from matplotlib.axis import Axis

DECADES: Final = 100.0
"""A scale is logarithmic where the largest value is more than so many times the smallest."""
CROWDED: Final = 0.1
"""Or where three quarters of the values lie in this share of the range."""
FENCE: Final = (5.0, 3.0)
"""The worse edge is beyond the 90 % quantile by so many times the way there from the 10 % quantile,
or on a logarithmic scale by that way once, and by so many decades at least."""
FAR_FENCE: Final = (100.0, 6.0)
"""The same beyond the 75 % quantile: what is so far off may be a quarter of all values."""
PLAIN: Final = 150
"""Powers of ten beyond which values are drawn in units of a power of ten."""
MARGIN: Final = 0.04


@dataclass(frozen=True)
class Scale:
    """Limits of an axis in drawn units, which are ``10**exponent`` of the values.

    Attributes
    ----------
    low, high
        The limits.
    logarithmic
        Whether the axis is.
    exponent
        0 but for numbers that no axis can hold.
    above, below
        How many values lie beyond each limit.
    """

    low: float
    high: float
    logarithmic: bool = False
    exponent: int = 0
    above: int = 0
    below: int = 0

    def drawn(self, values: Any) -> Floats:
        """Values where they are drawn, those beyond the limits at the edge; NaN stays NaN."""
        with np.errstate(all="ignore"):
            found = _in_units(np.asarray(values, dtype=float), self.exponent)
        return np.clip(found, self.low, self.high)

    def beyond(self, values: Any) -> Bools:
        """Which values lie beyond the limits."""
        found = _in_units(np.asarray(values, dtype=float), self.exponent)
        with np.errstate(invalid="ignore"):
            return np.asarray((found < self.low) | (found > self.high))

    def share(self, values: Any) -> Floats:
        """Places of values on the axis, from 0 to 1."""
        at, ends = self.drawn(values), np.array([self.low, self.high])
        if self.logarithmic:
            at, ends = np.log10(at), np.log10(ends)
        return np.asarray((at - ends[0]) / (ends[1] - ends[0]))

    def apply(self, axis: Axis, label: str = "") -> None:
        """Set limits, ticks and label of an axis."""
        from dsice.plots import ticks

        axes: Any = axis.axes
        name: str = axis.axis_name  # type: ignore[attr-defined]
        # first of all: an axis that still fits itself to the data may run over the largest number
        getattr(axes, f"set_{name}lim")(self.low, self.high)
        if self.logarithmic:
            getattr(axes, f"set_{name}scale")("log")
            ticks.plain_logarithmic(axis, self.low, self.high)
        else:
            ticks.plain(axis)
        getattr(axes, f"set_{name}lim")(self.low, self.high)
        if label:
            unit = f" (in units of 1e{self.exponent})" if self.exponent else ""
            axis.set_label_text(f"{label}{unit}")

    @property
    def said(self) -> str:
        """What lies beyond the limits, as a phrase; empty where nothing does."""
        unit = f"e{self.exponent}" if self.exponent else ""
        parts = []
        if self.above:
            parts.append(f"{self.above} above {self.high:.3g}{unit}")
        if self.below:
            parts.append(f"{self.below} below {self.low:.3g}{unit}")
        return f"{' and '.join(parts)} at the edge" if parts else ""


def scale_of(
    values: Any, *, less_is_better: bool = True, keep: Iterable[float] = (), linear: bool = False
) -> Scale:
    """The scale of an axis for these values.

    Parameters
    ----------
    values
        Any shape; what is not finite does not count.
    less_is_better
        Which side is never cut: that of the best.
    keep
        More values that the axis has to hold.
    linear
        Never logarithmic.
    """
    all_values = np.asarray(values, dtype=float).ravel()
    finite = all_values[np.isfinite(all_values)]
    kept = np.array([v for v in keep if math.isfinite(v)], dtype=float)
    if not len(finite):
        finite = kept
    if not len(finite):
        return Scale(0.0, 1.0)
    logarithmic = not linear and is_logarithmic(finite) and bool((kept > 0).all())
    low, high = _fenced(finite, logarithmic, less_is_better)
    low, high = float(min([low, *kept])), float(max([high, *kept]))
    exponent = 0 if logarithmic else _exponent(max(abs(low), abs(high)))
    if logarithmic:
        ends = np.log10([low, high])
        pad = MARGIN * (ends[1] - ends[0]) or 0.02
        ends = np.clip([ends[0] - pad, ends[1] + pad], -300.0, 308.0)
        if ends[1] - ends[0] < 1e-9:
            ends = np.array([ends[0] - 1e-9, ends[1] + 1e-9])
        low, high = (10.0**ends).tolist()
    else:
        low, high = _in_units(np.array([low, high]), exponent).tolist()
        pad = MARGIN * (high - low)
        if pad <= 1e-12 * max(abs(low), abs(high)):
            pad = 0.05 * max(abs(low), abs(high)) or 1.0
        low, high = low - pad, high + pad
    units = _in_units(finite, exponent)
    above, below = int((units > high).sum()), int((units < low).sum())
    return Scale(low, high, logarithmic, exponent, above, below)


def is_logarithmic(values: Floats) -> bool:
    """Whether positive values span two decades, or three quarters of them crowd at the bottom."""
    low, quartile, high = np.quantile(values / 2, [0.0, 0.75, 1.0])
    is_crowded = quartile - low < CROWDED * (high - low) and high > 3 * low
    with np.errstate(over="ignore"):
        return bool(low > 0 and (high / DECADES > low or is_crowded))


def _fenced(values: Floats, logarithmic: bool, less_is_better: bool) -> tuple[float, float]:
    """The lowest and the highest value within the fence on the worse side."""
    sign = 1.0 if less_is_better else -1.0
    worse = sign * (np.log10(values) if logarithmic else values)
    unit = max(1.0, float(np.abs(worse).max()))  # so that nothing overflows
    scaled = worse / unit
    low, quartile, high = np.quantile(scaled, [0.1, 0.75, 0.9])
    fence = math.inf
    for end, reach, decades in ((high, *FENCE), (quartile, *FAR_FENCE)):
        span = float(end - low)
        least = decades / unit if logarithmic else 0.1 * reach * abs(float(end))
        fence = min(fence, float(end) + max(reach * span if not logarithmic else span, least))
    inside = values[scaled <= fence]
    return float(inside.min()), float(inside.max())


def _exponent(largest: float) -> int:
    """The power of ten that numbers beyond all axes are drawn in; 0 for all others."""
    if not largest:
        return 0
    power = math.floor(math.log10(largest))
    return power if abs(power) > PLAIN else 0


def _in_units(values: Floats, exponent: int) -> Floats:
    """Values divided by a power of ten, in two steps: 10**-320 is no normal number."""
    if not exponent:
        return values
    half = exponent // 2
    return values / 10.0**half / 10.0 ** (exponent - half)
