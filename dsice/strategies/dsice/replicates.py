"""Which points to measure again under noise: those that may be the best, as long as it is unknown.

The next one is where the lower confidence bound of the true value is lowest. See "Noise" in
docs/method.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from dsice.history import History
from dsice.spline.surface import Surface
from dsice.strategies.dsice.model import Measurements
from dsice.trial import State
from dsice.typing import Floats, Point

MAX_POINTS = 20  # best points that may be measured again
MAX_TIMES = 12  # that one point is measured
BETA = 1.0  # of mean - BETA * sd


@dataclass(eq=False)
class Replicates:
    """Measured points that may be measured again in one ask.

    Each choice narrows the variance at that point as one more measurement will.

    Attributes
    ----------
    points
        The points.
    mean, variance
        Of their true values, shape (k,); the variance in units of `scale`.
    count
        How often each was asked.
    scale
        Variance of the model's prior.
    noise
        Variance of a single measurement around the true value of its point, in units of `scale`.
    """

    points: list[Point]
    mean: Floats
    variance: Floats
    count: list[int]
    scale: float
    noise: float

    @classmethod
    def of(cls, surface: Surface, data: Measurements, history: History) -> Replicates:
        """The points with the lowest means; pending repeats have narrowed them already."""
        mean, variance = surface.predict_observed()
        usable = np.flatnonzero(
            ~data.failed[surface.indices] & history.allowed()[data.ids[surface.indices]]
        )
        best = usable[np.argsort(np.round(mean[usable], 9), kind="stable")[:MAX_POINTS]]
        points = list(map(tuple, data.points[surface.indices[best]].tolist()))
        trials = [t for t in history if t.stage == history.goal.stage]
        count = Counter(t.point for t in trials)
        noise = (
            surface.single_noise
            if surface.hyperparameters is None
            else surface.hyperparameters.noise_variance
        )
        noise *= history.goal.noise_of_many  # of what one more value adds
        found = cls(
            points,
            mean[best],
            variance[best].copy(),
            [count[p] for p in points],
            surface.scale,
            max(noise, 1e-12),
        )
        pending = Counter(t.point for t in trials if t.state is State.PENDING)
        for number, point in enumerate(points):
            for _ in range(pending[point]):
                found._narrow(number)
        return found

    def take(self) -> tuple[Point, float, int] | None:
        """Point, mean and repeat of the next one; None if all were measured often enough."""
        merit = np.round(self.mean - BETA * np.sqrt(self.scale * self.variance), 9)
        merit[np.array(self.count) >= MAX_TIMES] = np.inf
        if not len(merit) or not np.isfinite(merit.min()):
            return None
        chosen = int(np.argmin(merit))
        self._narrow(chosen)
        self.count[chosen] += 1
        return self.points[chosen], float(self.mean[chosen]), self.count[chosen] - 1

    def _narrow(self, number: int) -> None:
        """The variance of a point after one more measurement of it."""
        self.variance[number] = 1.0 / (1.0 / self.variance[number] + 1.0 / self.noise)
