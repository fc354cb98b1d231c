"""The choice of points one after the other: the lowest ``mean - beta * sd``.

Every choice narrows the variance as if the point were measured already, which keeps the points of a
batch useful together: 40 of them do not measure one valley 40 times. See "The batch" in
docs/method.md; the rule is that of GP-BUCB (Desautels, Krause and Burdick, JMLR 2014).
"""

from __future__ import annotations

import numpy as np

from dsice.spline.surface import MIN_VARIANCE, Prediction, Surface
from dsice.typing import Array, Floats, Ints


class Picker:
    """Chooses points one after the other from scored candidates.

    Parameters
    ----------
    surface
        The model.
    points
        Candidates, int of shape (k, axes).
    prediction
        What the surface says of them.
    max_picks
        How many points will be chosen at most.

    Attributes
    ----------
    mean
        Mean at each candidate, shape (k,). No choice changes it.
    """

    def __init__(
        self, surface: Surface, points: Ints, prediction: Prediction, max_picks: int
    ) -> None:
        self.points = points
        self.mean = prediction.mean
        self._surface = surface
        self._variance = np.maximum(prediction.variance, MIN_VARIANCE)
        # As pending points have, however often the others were measured.
        self._noise = surface.single_noise
        # Rows whose products are what the data and all choices take off the prior covariance.
        self._used = prediction.projected.shape[1]
        self._rows = np.empty((len(points), self._used + max_picks))
        self._rows[:, : self._used] = prediction.projected

    @property
    def sd(self) -> Floats:
        """Standard deviation at each candidate given all that was taken, shape (k,)."""
        return np.asarray(np.sqrt(self._surface.scale * self._variance))

    def best(self, beta: float, blocked: Array) -> int:
        """Number of the candidate with the lowest mean - beta * sd; -1: all are blocked.

        This is method.md, eq. (21).

        Parameters
        ----------
        beta
            Weight of the standard deviation: small confirms, large explores.
        blocked
            Candidates that may not be chosen, bool of shape (k,).
        """
        if blocked.all():
            return -1
        merit = np.round(self.mean - beta * self.sd, 9)  # the same with the compiler switched off
        merit[blocked] = np.inf
        return int(np.argmin(merit))

    def take(self, chosen: int) -> None:
        """Narrow all variances as if this candidate were measured: method.md, eq. (22)."""
        rows = self._rows[:, : self._used]
        prior = self._surface.covariance(self.points, self.points[chosen])
        shared = prior - rows @ rows[chosen]
        step = shared / np.sqrt(max(float(shared[chosen]), MIN_VARIANCE) + self._noise)
        self._rows[:, self._used] = step
        self._used += 1
        self._variance = np.maximum(self._variance - step * step, MIN_VARIANCE)
