"""What the model of a search is fitted to: distinct points, their values, and how often each was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dsice.history import History
from dsice.trial import State

Array = np.ndarray[Any, np.dtype[Any]]
CLIP = 0.3  # values above this quantile count as equally bad: what matters is the order near the top
FEWEST = 6  # measurements from which the quantile means something


@dataclass(frozen=True, eq=False)
class Measurements:
    """Standardised measurements of a history.

    Attributes
    ----------
    points
        Distinct measured points, int of shape (k, axes).
    values
        One value per point, shape (k,): clipped at the 30 % quantile, median 0, standard deviation 1.
    counts
        Number of measurements of each point, shape (k,).
    offset, factor
        ``score = offset + factor * value`` below the clip.
    """

    points: Array
    values: Array
    counts: Array
    offset: float
    factor: float

    @classmethod
    def of(cls, history: History) -> Measurements:
        """Scored and failed trials of the goal's stage; at least one must be scored.

        Failed and stopped trials stand at the clip; so do infeasible ones, or while none is feasible,
        at their violation.
        """
        scored = np.sort(history.order())
        values, cap, scale = _clipped(history, scored)
        stages = np.array([trial.stage for trial in history])
        stopped = np.array([trial.state is State.STOPPED for trial in history])
        failed = np.flatnonzero((history.failed() | stopped) & (stages == history.goal.stage))
        ids = np.concatenate([scored, failed])
        values = np.concatenate([values, np.full(len(failed), cap)])
        weights = np.array([len(history[int(i)].values) or 1 for i in ids], dtype=float)
        points, place = np.unique(history.points()[ids], axis=0, return_inverse=True)
        counts = np.bincount(place, weights=weights)
        means = np.bincount(place, weights=weights * values) / counts
        middle, spread = float(np.median(means)), float(means.std()) or 1.0
        return cls(points, (means - middle) / spread, counts, scale * middle, scale * spread)


def _clipped(history: History, scored: Array) -> tuple[Array, float, float]:
    """Values of the scored trials, the clip, and the scale that was taken out against overflow."""
    feasible = history.feasible()[scored]
    values = history.scores()[scored] if feasible.any() else history.violation()[scored]
    good = np.sort(values[feasible] if feasible.any() else values[np.isfinite(values)])
    cap = _quantile(good) if len(good) >= FEWEST else float(good.max(initial=0.0))
    values = np.where(feasible | ~feasible.any(), np.minimum(values, cap), cap)
    scale = float(np.abs(values).max(initial=0.0)) or 1.0  # after the clip: a huge penalty must not drown the good ones
    return values / scale, cap / scale, scale


def _quantile(ascending: Array) -> float:
    """The clip; the weights come first, so that values near the largest float do not overflow."""
    place = CLIP * (len(ascending) - 1)
    low = int(place)
    return float(ascending[low] * (1 - place + low) + ascending[min(low + 1, len(ascending) - 1)] * (place - low))
