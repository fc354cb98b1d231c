"""What related tasks say of a grid: a regression on their surfaces, with weights that are learnt.

The normal scores y of the told points are modelled as

    y = sum over the sources that inform of b_s m_s + f,    f the d-spline of this task,

m_s the mean of the d-spline through the normal scores of source s. Which sources inform is averaged
over, each set of them weighed by its marginal likelihood, so that the weight of one that misleads
falls to nothing. See "Related tasks" in docs/method.md.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dsice.history import History
from dsice.history.sources import ABSENT
from dsice.space import Space
from dsice.spline.surface import Surface, fit_surface
from dsice.strategies.dsice.model import distinct
from dsice.typing import Floats, Ints

FACTOR = 0.7  # expected sum of the factors b of the sources that inform,
FACTOR_SD = 0.35  # and the standard deviation of each
INFORMS = 0.8  # chance that a source informs, before anything is told
POINTS = 400  # of all sources together that the surfaces are drawn through, at most


@dataclass(frozen=True, eq=False)
class Sources:
    """Sources on a grid, and how much of each the model takes.

    Attributes
    ----------
    names
        What users call them.
    surfaces
        The d-spline of each.
    pooled
        That of all of them at once: the model until something is told.
    weights
        Expected factor of each, shape (sources,).
    """

    names: tuple[str, ...]
    surfaces: tuple[Surface, ...]
    pooled: Surface
    weights: Floats
    points: Ints
    scores: Floats

    @classmethod
    def of(cls, space: Space, history: History) -> Sources | None:
        """The sources of a history that have points on the grid; None: there are none."""
        found = [(source, *source.on(space)) for source in history.sources]
        found = [entry for entry in found if len(entry[2])]
        if not found:
            return None
        most = POINTS // len(found)
        surfaces = [_surface(space, points, scores, most) for _, points, scores in found]
        pooled = surfaces[0]
        points = np.concatenate([points for _, points, _ in found])
        scores = np.concatenate([scores for _, _, scores in found])
        if len(found) > 1:
            pooled = _surface(space, points, scores, POINTS)
        names = tuple(source.name for source, _, _ in found)
        weights = np.full(len(names), INFORMS * FACTOR / len(names))
        return cls(names, tuple(surfaces), pooled, weights, points, scores)

    def best(self, space: Space) -> Ints:
        """The points of the sources that are valid on the grid, best first, each once."""
        whole = np.flatnonzero((self.points != ABSENT).all(axis=1))
        points = space.collapse(self.points[whole])
        kept = np.flatnonzero(space.valid(points))
        order = kept[np.argsort(self.scores[whole[kept]], kind="stable")]
        points = points[order]
        first = distinct(points)[0]
        return points[np.sort(first)]

    def at(self, coded: Ints) -> Floats:
        """The mean of each source at points, int of shape (k, axes): shape (k, sources)."""
        return np.stack([surface.mean(coded) for surface in self.surfaces], axis=1)

    def mean(self, coded: Ints) -> Floats:
        """What the sources expect at points, int of shape (k, axes): shape (k,)."""
        return self.at(coded) @ self.weights

    def line_means(self, lows: Ints, steps: Ints, lengths: Ints) -> Floats:
        """The same at all points of lines, as `Surface.line_means`."""
        total = np.zeros(int(lengths.sum()))
        for weight, surface in zip(self.weights.tolist(), self.surfaces, strict=True):
            if weight > 0:
                total += weight * surface.line_means(lows, steps, lengths)
        return total

    def rest(self, coded: Ints, values: Floats) -> Floats:
        """What the sources leave over of values at points, whose covariance is not known yet."""
        means = self.at(coded)
        centred = means - means.mean(axis=0)
        return np.asarray(values - means @ posterior_weights(centred, values - values.mean()))

    def weighed(self, means: Floats, values: Floats, surface: Surface) -> Sources:
        """The same with weights by what was told.

        Parameters
        ----------
        means, values
            `at` the told points that `surface` is conditioned on, shape (n, sources), and their
            values, shape (n,).
        surface
            Its covariance is that of what the sources leave over.
        """
        weights = posterior_weights(surface.whitened(means), surface.whitened(values))
        return replace(self, weights=weights)


def posterior_weights(means: Floats, values: Floats) -> Floats:
    """Expected factor of each source, shape (sources,).

    Parameters
    ----------
    means, values
        Means of the sources at the told points, shape (n, sources), and the values there, shape
        (n,), both whitened by the covariance of what the sources leave over.
    """
    n, count = means.shape
    gram, cross, square = means.T @ means, means.T @ values, float(values @ values)
    prior = FACTOR_SD**2 / max(square / n, 1e-12)  # variance of a factor, in units of the scale
    evidence, factors = [], []
    for informs in product((False, True), repeat=count):
        kept = np.flatnonzero(informs)
        expected = np.full(len(kept), FACTOR / max(len(kept), 1))
        part = gram[np.ix_(kept, kept)]
        slope = cross[kept] - part @ expected
        solved = np.linalg.solve(part + np.eye(len(kept)) / prior, slope)
        rest = square - 2 * expected @ cross[kept] + expected @ part @ expected - slope @ solved
        log_det = np.linalg.slogdet(np.eye(len(kept)) + prior * part)[1]
        evidence.append(
            -0.5 * n * np.log(max(float(rest), 1e-12))
            - 0.5 * log_det
            + len(kept) * np.log(INFORMS)
            + (count - len(kept)) * np.log(1.0 - INFORMS)
        )
        factor = np.zeros(count)
        factor[kept] = np.maximum(expected + solved, 0.0)
        factors.append(factor)
    chance = np.exp(np.array(evidence) - max(evidence))
    return np.asarray(chance @ np.array(factors) / chance.sum())


def _surface(space: Space, points: Ints, scores: Floats, most: int) -> Surface:
    """The d-spline through the scores of a source, of one point their mean."""
    coded = np.where(points == ABSENT, np.array(space.shape), points)
    first, place = distinct(coded)
    counts = np.bincount(place).astype(float)
    values = np.bincount(place, weights=scores) / counts
    key = (space.shape, space.ordered, most, coded[first].tobytes(), values.tobytes())
    with _LOCK:
        found = _FITTED.get(key)
    if found is None:
        found = fit_surface(
            coded[first], values, space.shape, space.ordered, counts=counts, max_points=most
        )
        with _LOCK:
            while len(_FITTED) >= KEPT:
                _FITTED.pop(next(iter(_FITTED)))
            _FITTED[key] = found
    return found


KEPT = 16  # surfaces in memory
_FITTED: dict[tuple[object, ...], Surface] = {}  # each follows from its key alone
_LOCK = threading.Lock()
