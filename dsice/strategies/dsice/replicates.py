"""Which points to measure again under noise: those that may be the best, as long as it is not known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from dsice.history import History
from dsice.spline.surface import Surface
from dsice.strategies.dsice.model import Measurements
from dsice.trial import State
from dsice.typing import Array, Point

MANY = 20  # best points that may be measured again
OFTEN = 12  # times at most
DOUBT = 1.0  # of mean - DOUBT * sd


@dataclass(eq=False)
class Again:
    """Candidates of one ask: points, means and variances of their true values, and how often they were asked.

    Each choice narrows the variance at that point as one more measurement will.
    """

    points: list[Point]
    mean: Array
    variance: Array
    count: list[int]
    scale: float
    noise: float

    @classmethod
    def of(cls, surface: Surface, data: Measurements, history: History) -> Again:
        """The points with the lowest means; what is being measured again has narrowed them already."""
        mean, variance = surface.predict_observed()
        usable = np.flatnonzero(~data.failed[surface.indices])
        best = usable[np.argsort(np.round(mean[usable], 9), kind="stable")[:MANY]]
        points = list(map(tuple, data.points[surface.indices[best]].tolist()))
        trials = [t for t in history if t.stage == history.goal.stage]
        count = Counter(t.point for t in trials)
        found = cls(
            points,
            mean[best],
            variance[best].copy(),
            [count[p] for p in points],
            surface.scale,
            max(surface.single_noise, 1e-12),
        )
        if surface.hyperparameters is not None:
            found.noise = max(surface.hyperparameters.noise_variance, 1e-12)
        coming = Counter(t.point for t in trials if t.state is State.PENDING)
        for number, point in enumerate(points):
            for _ in range(coming[point]):
                found._narrow(number)
        return found

    def take(self) -> tuple[Point, float, int] | None:
        """Point, mean and repeat of the next one; None if all were measured often enough."""
        merit = np.round(self.mean - DOUBT * np.sqrt(self.scale * self.variance), 9)
        merit[np.array(self.count) >= OFTEN] = np.inf
        if not len(merit) or not np.isfinite(merit.min()):
            return None
        chosen = int(np.argmin(merit))
        self._narrow(chosen)
        self.count[chosen] += 1
        return self.points[chosen], float(self.mean[chosen]), self.count[chosen] - 1

    def _narrow(self, number: int) -> None:
        self.variance[number] = 1.0 / (1.0 / self.variance[number] + 1.0 / self.noise)
