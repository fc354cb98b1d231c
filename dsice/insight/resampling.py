"""How sure the shares of a model are: what halves of the measurements say of them.

The shares hang on how smooth and how noisy the model takes the program to be, and few measurements
leave both open. So the surface is fitted anew, with its hyperparameters, to random halves of the
points: a half that is drawn without replacement varies around the whole about as the whole varies
around the truth (the delete-half jackknife; Shao and Wu, Annals of Statistics 17, 1989). From the
5 % to the 95 % quantile of 40 halves is an interval of nominally 90 %. Between halves and the whole
a share also drifts, as the model learns to see what is rough; from the whole to the truth it may
drift as far again, so the interval is widened by that, and to hold the share of the whole.

What no half can see, since it is finer than all of them, is missed where points are left out of the
model. It is interaction of parameters nobody knows: half of it is added to the upper end of each
total share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dsice.insight.model import MAX_POINTS, MIN_POINTS, Model, even_subset, fit
from dsice.spline.anova import Anova, SobolIndices
from dsice.typing import Floats

HALVES: Final = 40
"""Halves that are drawn."""
QUANTILES: Final = (0.05, 0.95)
"""Ends of an interval, among the halves."""
MISSED: Final = 0.5
"""Part of what the model misses that is in the upper end of a total share."""
AGREEING: Final = 0.9
"""Share of the halves that must name the same parameter first, or it is too early."""
WIDEST: Final = 0.5
"""Width of the interval of the first parameter's total share from which on it is too early."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper ends of some shares, of the shape of these."""

    low: Floats
    high: Floats

    @classmethod
    def of(cls, share: Floats, halves: Floats) -> Interval:
        """The interval of a share, from what the halves say of it, shape (halves, ...)."""
        low, high = np.quantile(halves, QUANTILES, axis=0)
        drift = 2.0 * (share - np.median(halves, axis=0))
        low = np.minimum(np.minimum(low, low + drift), share)
        high = np.maximum(np.maximum(high, high + drift), share)
        return cls(np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0))

    def with_part_of(self, missed: float) -> Interval:
        """With upper ends that take a part in a share that nobody can place."""
        return Interval(self.low, self.high + (1.0 - self.high) * missed)

    def at(self, place: int | tuple[int, int]) -> tuple[float, float]:
        """The interval of one share."""
        return float(self.low[place]), float(self.high[place])


@dataclass(frozen=True, eq=False)
class ShareIntervals:
    """Intervals of the shares of a model.

    Attributes
    ----------
    first, total, pairs
        As in `SobolIndices`.
    early
        Why it is too early to trust the shares; empty where it is not.
    """

    first: Interval
    total: Interval
    pairs: Interval
    early: str


def share_intervals(model: Model, shares: SobolIndices) -> ShareIntervals:
    """Fit halves of the measurements, the same ones for the same number of points.

    Parameters
    ----------
    shares
        Those of all measurements.
    """
    kept = even_subset(model.values, MAX_POINTS)
    size = (len(kept) + 1) // 2
    d = len(model.space.shape)
    if size < MIN_POINTS:
        nothing = Interval(np.zeros(d), np.ones(d))
        pairs = Interval(np.zeros((d, d)), np.ones((d, d)))
        return ShareIntervals(nothing, nothing, pairs, f"there are {len(kept)} measured points")
    rng = np.random.default_rng(0)
    found = []
    for _ in range(HALVES):
        half = kept[np.sort(rng.permutation(len(kept))[:size])]
        surface, _ = fit(
            model.space,
            model.points[half],
            model.values[half],
            model.information[half],
            share=2,
        )
        anova = Anova(surface, model.space.shape, deciding=model.deciding, cells=model.cells)
        found.append(anova.sobol_indices())
    total = np.array([half.total for half in found])
    intervals = Interval.of(shares.total, total).with_part_of(MISSED * model.missed)
    return ShareIntervals(
        Interval.of(shares.first, np.array([half.first for half in found])),
        intervals,
        Interval.of(shares.pairs, np.array([half.pairs for half in found])),
        _early(model, shares.total, intervals, total),
    )


def _early(model: Model, total: Floats, intervals: Interval, halves: Floats) -> str:
    """Why it is too early to trust total shares, where it is."""
    first = int(np.argmax(total))
    name = model.space.names[first]
    agreeing = int(np.sum(np.argmax(halves, axis=1) == first))
    if agreeing < AGREEING * HALVES:
        return f"{agreeing} of {HALVES} random halves of the measurements have {name} first"
    low, high = intervals.low[first], intervals.high[first]
    if high - low > WIDEST:
        return f"random halves of the measurements give {name}, the first, {low:.0%} to {high:.0%}"
    return ""
