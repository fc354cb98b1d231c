"""A model of each bound of the goal: how likely a point that was not measured satisfies it.

Bounds are modelled by surfaces of their own, through the signed distance of each measured point
from the bound: how far an infeasible trial is off, and how far a feasible one is from the edge,
both say where the edge runs. What a search minimises is then its model of the goal's metric plus a
penalty for the chance of breaking a bound, which is that of constrained Bayesian optimisation
(Gardner et al., ICML 2014). See "Bounds" in docs/method.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Surface
from dsice.strategies.dsice.model import Measurements, surface_through
from dsice.typing import Floats, Ints

FAR = 1e3  # distance beyond which all are alike
ROUGH_VARIANCE = 0.1  # of a rough penalty, relative to the scale: some steps off the measured
PENALTY = 4.0  # of a point that breaks a bound for sure, in standard deviations of normal scores


class ConstraintModel:
    """The chance that points break a bound.

    Parameters
    ----------
    space, history
        The grid and what is known; the goal has at least one bound.
    data
        The points of `history`.
    log_lam
        Logarithm of the weight of bending of the d-splines; None: fitted.
    """

    def __init__(
        self, space: Space, history: History, data: Measurements, log_lam: float | None
    ) -> None:
        self._space = space
        self._surfaces: list[Surface] = []
        ids = np.sort(history.order())
        for distance in history.distances(ids).T:
            values = data.mean_per_point(history, ids, _squashed(distance))
            # A bound that came later may lack the metric of old trials.
            known = np.flatnonzero(np.isfinite(values))
            if len(known):
                surface = surface_through(space, data.subset(known), values[known], log_lam)
                self._surfaces.append(surface)

    def penalty(self, points: Ints) -> Floats:
        """What is added to the model's mean at points, int of shape (k, axes): shape (k,).

        It is 4 (1 - p), where p is the product of the chances that each bound holds (method.md,
        eq. (19)).
        """
        from scipy.special import ndtr

        feasible = np.ones(len(points))
        for surface in self._surfaces:
            prediction = surface.predict(self._space.coded(points))
            sd = np.sqrt(surface.scale * np.maximum(prediction.variance, MIN_VARIANCE))
            feasible *= ndtr(-prediction.mean / sd)
        return np.asarray(PENALTY * (1.0 - feasible))

    def rough_penalty(self, mean_of: Callable[[Surface], Floats]) -> Floats:
        """The same from means alone, each with the same standard deviation: cheap at many points.

        Parameters
        ----------
        mean_of
            The means of a surface at the points, shape (k,).
        """
        from scipy.special import ndtr

        holds: Floats | float = 1.0
        for surface in self._surfaces:
            sd = np.sqrt(surface.scale * ROUGH_VARIANCE)
            holds = holds * ndtr(-mean_of(surface) / sd)
        return np.asarray(PENALTY * (1.0 - holds))


def _squashed(distance: Floats) -> Floats:
    """Distances of about 1, the sign kept and the far ones drawn in by arcsinh, shape (n,).

    A trial that is far off says no more than a clear no. The unit is a power of two near the
    median: it seldom changes, and so seldom are the hyperparameters fitted anew.
    """
    sizes = np.sort(np.abs(distance[np.isfinite(distance) & (distance != 0)]))
    # One of them: the mean of two huge ones would overflow.
    middle = float(sizes[len(sizes) // 2]) if len(sizes) else 1.0
    with np.errstate(over="ignore"):
        scaled = np.ldexp(distance, -int(np.round(np.log2(middle))))
    return np.asarray(np.arcsinh(np.clip(scaled, -FAR, FAR)))
