"""The choice of points one after the other: the lowest ``mean - beta * sd``.

Every choice narrows the variance as if the point were measured already, which keeps the points of a
batch useful together: 40 of them do not measure one valley 40 times. Points that are being measured
narrow it in the same way. See "The batch" in docs/method.md; the rule is that of GP-BUCB
(Desautels, Krause and Burdick, JMLR 2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dsice.collinear.exploration import lowest_places
from dsice.spline.surface import MIN_VARIANCE, Prediction, Surface
from dsice.typing import Array, Floats, Ints

_ROOM = 64  # choices that there is room for at first


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

    Attributes
    ----------
    mean
        Mean at each candidate, shape (k,). No choice changes it.
    """

    def __init__(self, surface: Surface, points: Ints, prediction: Prediction) -> None:
        self.points = points
        self.mean = prediction.mean
        self._surface = surface
        self._first = prediction
        # Noise variance of a single measurement, however often the others were measured.
        self._noise = surface.single_noise
        self.restart(points[:0])

    def restart(self, pending: Ints) -> None:
        """Forget all choices; narrow all variances by points being measured, shape (p, axes)."""
        from scipy.linalg import cholesky, solve_triangular

        # Rows whose products are what the data and all choices take off the prior covariance.
        rows = self._first.projected
        variance = self._first.variance
        if len(pending):
            surface = self._surface
            theirs = surface.predict(pending).projected
            among = surface.covariance(pending, pending) - theirs @ theirs.T
            among[np.diag_indices(len(among))] += self._noise
            shared = surface.covariance(self.points, pending) - rows @ theirs.T
            lower = cholesky(among, lower=True)
            narrowed = solve_triangular(lower, shared.T, lower=True).T
            variance = variance - np.einsum("ij,ij->i", narrowed, narrowed)
            rows = np.concatenate([rows, narrowed], axis=1)
        self._variance = np.maximum(variance, MIN_VARIANCE)
        self._used = rows.shape[1]
        self._rows = np.empty((len(self.points), self._used + _ROOM))
        self._rows[:, : self._used] = rows

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
        if self._used == self._rows.shape[1]:
            room = np.empty((len(self._rows), len(self._rows[0]) + max(_ROOM, self._used // 2)))
            room[:, : self._used] = self._rows
            self._rows = room
        rows = self._rows[:, : self._used]
        prior = self._surface.covariance(self.points, self.points[chosen][None, :])[:, 0]
        shared = prior - rows @ rows[chosen]
        step = shared / np.sqrt(max(float(shared[chosen]), MIN_VARIANCE) + self._noise)
        self._rows[:, self._used] = step
        self._used += 1
        self._variance = np.maximum(self._variance - step * step, MIN_VARIANCE)


def shortlist(prediction: Prediction, scale: float, betas: Sequence[float], most: int) -> Ints:
    """Places of the candidates that may be chosen: for each beta so many with the lowest merit."""
    if len(prediction.mean) <= most:
        return np.arange(len(prediction.mean))
    sd = np.sqrt(scale * prediction.variance)
    lowest = [lowest_places(prediction.mean - beta * sd, most) for beta in betas]
    return np.unique(np.concatenate(lowest))
