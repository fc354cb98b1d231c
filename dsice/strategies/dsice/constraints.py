"""A model of each bound of the goal: how likely a point that was not measured keeps it.

Bounds are modelled by surfaces of their own, through the signed distance of each measured point from the bound: how far
an infeasible trial is off, and how much room a feasible one has left, both say where the edge runs. What a search
minimises is then its model of the goal's metric plus a penalty for the chance of breaking a bound.
"""

from __future__ import annotations

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Surface
from dsice.strategies.dsice.model import Measurements, pooled, surface_through
from dsice.typing import Array

FAR = 1e3  # distance beyond which all are alike
PENALTY = (
    4.0  # of a point that breaks a bound for sure, in standard deviations of all normal scores
)


class Bounds:
    """The chance that points break a bound.

    Parameters
    ----------
    space, history
        The grid and what is known; the goal has at least one bound.
    data
        The points of `history`.
    log_lam
        Option of DSICE.
    """

    def __init__(
        self, space: Space, history: History, data: Measurements, log_lam: float | None
    ) -> None:
        self._space, ids = space, np.sort(history.order())
        self._surfaces: list[Surface] = []
        for beyond in distances(history, ids).T:
            values = pooled(data, history, ids, _tamed(beyond))
            known = np.flatnonzero(
                np.isfinite(values)
            )  # a bound that came later may lack the metric of old trials
            if len(known):
                self._surfaces.append(
                    surface_through(space, data.some(known), values[known], (), log_lam)
                )

    def penalty(self, points: Array) -> Array:
        """What is added to the model's mean at points, int of shape (k, axes): shape (k,)."""
        from scipy.special import ndtr

        kept = np.ones(len(points))
        for surface in self._surfaces:
            scores = surface.predict(self._space.coded(points))
            kept *= ndtr(
                -scores.mean / np.sqrt(surface.scale * np.maximum(scores.variance, MIN_VARIANCE))
            )
        return np.asarray(PENALTY * (1.0 - kept))


def distances(history: History, ids: Array) -> Array:
    """How far trials are beyond each bound of the goal, relative to it, shape (ids, bounds); negative where it is kept.

    NaN where the metric is missing or no finite number.
    """
    goal = history.goal
    bounds = [(name, bound, 1.0) for name, bound in goal.at_most.items()]
    bounds += [(name, bound, -1.0) for name, bound in goal.at_least.items()]
    told = np.array(
        [
            [goal.named(trial, name) for name, _, _ in bounds]
            for trial in (history[int(i)] for i in ids)
        ],
        dtype=float,
    )
    limits, signs = (
        np.array([bound for _, bound, _ in bounds]),
        np.array([sign for _, _, sign in bounds]),
    )
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest float
        beyond = (
            signs
            * (told.reshape(-1, len(bounds)) - limits)
            / np.where(limits == 0, 1.0, np.abs(limits))
        )
    return np.where(np.isfinite(beyond), beyond, np.nan)


def _tamed(beyond: Array) -> Array:
    """Distances of about 1, the sign kept and the far ones drawn in: one that is far off says no more than a clear no.

    The unit is a power of two near their median: it seldom changes, and so seldom is smoothness fitted anew.
    """
    sizes = np.sort(np.abs(beyond[np.isfinite(beyond) & (beyond != 0)]))
    middle = (
        float(sizes[len(sizes) // 2]) if len(sizes) else 1.0
    )  # one of them: the mean of two huge ones would overflow
    with np.errstate(over="ignore"):
        scaled = np.ldexp(beyond, -int(np.round(np.log2(middle))))
    return np.asarray(np.arcsinh(np.clip(scaled, -FAR, FAR)))
