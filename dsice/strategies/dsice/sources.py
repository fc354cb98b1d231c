"""What related tasks say of a grid: a regression on their surfaces, with weights that are learnt.

The normal scores y of the told points are modelled as

    y = sum over the sources that inform of b_s m_s + f,    f the d-spline of this task,

m_s the mean of the d-spline through the normal scores of source s. Which sources inform is averaged
over, each set of them weighed by its marginal likelihood, so that the weight of one that misleads
falls to nothing. The task as one more dimension of the process (Swersky, Snoek and Adams, NIPS
2013) gave less here at a higher cost. See "Related tasks" in docs/method.md.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dsice.history import FAILED, History
from dsice.history.sources import ABSENT
from dsice.space import Space
from dsice.spline.surface import Surface, fit_surface
from dsice.strategies.dsice.model import distinct, normal_scores
from dsice.typing import Floats, Ints, Point

FACTOR = 0.7  # expected sum of the factors b of the sources that inform,
FACTOR_SD = 0.35  # and the standard deviation of each
INFORMS = 0.8  # chance that a source informs, before anything is told
POINTS = 400  # of all sources together that the surfaces are drawn through, at most
LEAST = 0.01  # weight below which a source counts as nothing
FEWEST = 8  # points of another stage that make it a source


@dataclass(frozen=True, eq=False)
class SourcePoints:
    """Points of one source on the grid.

    Attributes
    ----------
    name
        What users call it.
    points, scores
        Levels, int of shape (k, axes), with ABSENT for what the source does not say; normal scores
        within the source, less is better, shape (k,).
    """

    name: str
    points: Ints
    scores: Floats


@dataclass(frozen=True, eq=False)
class Sources:
    """Sources on a grid, and how much of each the model takes.

    Attributes
    ----------
    found
        Their points.
    surfaces
        The d-spline of each.
    pooled
        That of all of them at once: the model until something is told.
    weights
        Expected factor of each, shape (sources,).
    """

    found: tuple[SourcePoints, ...]
    surfaces: tuple[Surface, ...]
    pooled: Surface
    weights: Floats

    @classmethod
    def of(cls, space: Space, history: History) -> Sources | None:
        """The sources of a history on the grid; None: there are none.

        They are logs of related tasks, and the trials of each other stage.
        """
        found = [SourcePoints(log.name, *log.on(space)) for log in history.sources]
        found = [source for source in found if len(source.points)]
        found += stages(history)
        if not found:
            return None
        each = tuple(_surface(space, [source], POINTS // len(found)) for source in found)
        pooled = each[0] if len(found) == 1 else _surface(space, found, POINTS)
        weights = np.full(len(found), INFORMS * FACTOR / len(found))
        return cls(tuple(found), each, pooled, weights)

    @property
    def names(self) -> list[str]:
        """What users call the sources."""
        return [source.name for source in self.found]

    def digest(self) -> bytes:
        """What all that the search takes from the sources follows from."""
        digest = hashlib.sha256()
        for source in self.found:
            digest.update(repr((source.name, source.points.shape)).encode())
            digest.update(source.points.tobytes() + source.scores.tobytes())
        return digest.digest()

    def best(self, space: Space) -> list[Point]:
        """Their points that are valid on the grid, best first."""
        points = np.concatenate([source.points for source in self.found])
        scores = np.concatenate([source.scores for source in self.found])
        whole = np.flatnonzero((points != ABSENT).all(axis=1))
        points = space.collapse(points[whole])
        kept = np.flatnonzero(space.valid(points))
        order = kept[np.argsort(scores[whole[kept]], kind="stable")]
        return list(dict.fromkeys(map(tuple, points[order].tolist())))

    def at(self, coded: Ints) -> Floats:
        """The mean of each source at points, int of shape (k, axes): shape (k, sources)."""
        return np.stack([surface.mean(coded) for surface in self.surfaces], axis=1)

    def mean(self, coded: Ints) -> Floats:
        """What the sources expect at points, int of shape (k, axes): shape (k,)."""
        lengths = np.ones(len(coded), dtype=np.int64)
        return self.line_means(coded, np.zeros_like(coded), lengths)

    def line_means(self, lows: Ints, steps: Ints, lengths: Ints) -> Floats:
        """The same at all points of lines, as `Surface.line_means`."""
        total = np.zeros(int(lengths.sum()))
        for weight, surface in zip(self.weights.tolist(), self.surfaces, strict=True):
            if weight > LEAST:
                total += weight * surface.line_means(lows, steps, lengths)
        return total

    def says(self) -> Floats:
        """Weight of each source as users see it, shape (sources,): how far it moves the mean.

        It is the factor times the standard deviation of the source's surface at its own points,
        which is small where the source has found next to nothing.
        """
        spread = [float(surface.predict_observed()[0].std()) for surface in self.surfaces]
        return np.asarray(self.weights * np.array(spread))

    def shares(self, coded: Ints) -> dict[str, float]:
        """What each source adds to the expected normal score of a point, shape (1, axes)."""
        shares = np.where(self.weights > LEAST, self.weights * self.at(coded)[0], 0.0)
        rounded = {n: float(f"{v:.3g}") for n, v in zip(self.names, shares.tolist(), strict=True)}
        return {name: share for name, share in rounded.items() if share}

    def rest(self, coded: Ints, values: Floats) -> Floats:
        """What the sources leave over of values at points whose covariance is not known yet."""
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
        return replace(self, weights=np.where(weights > LEAST, weights, 0.0))


def name_of_stage(stage: int) -> str:
    """What users call the trials of another stage, as a source."""
    return f"stage {stage}"


def stages(history: History) -> list[SourcePoints]:
    """The trials of each stage but the goal's, such as short trainings, as sources."""
    stage = history.keys().reshape(-1, 3)[:, 0]
    losses = history.losses()
    scored, failed = np.isfinite(losses), history.in_state(*FAILED)
    found = []
    for other in np.setdiff1d(stage, [history.goal.stage]).tolist():
        ids = np.flatnonzero((stage == other) & (scored | failed))
        first, place = distinct(history.points()[ids])
        if len(first) < FEWEST or not scored[ids].any():
            continue
        worst = np.where(scored[ids], losses[ids], np.inf)
        scores = normal_scores(worst)
        mean = np.bincount(place, weights=scores) / np.bincount(place)
        found.append(SourcePoints(name_of_stage(other), history.points()[ids[first]], mean))
    return found


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


def _surface(space: Space, found: Sequence[SourcePoints], most: int) -> Surface:
    """The d-spline through the scores of sources, of one point their mean."""
    points = np.concatenate([source.points for source in found])
    scores = np.concatenate([source.scores for source in found])
    coded = np.where(points == ABSENT, np.array(space.shape), space.coded(np.maximum(points, 0)))
    first, place = distinct(coded)
    counts = np.bincount(place).astype(float)
    values = np.bincount(place, weights=scores) / counts
    key = (space.shape, space.ordered, most, coded[first].tobytes(), values.tobytes())
    with _LOCK:
        surface = _FITTED.get(key)
    if surface is None:
        surface = fit_surface(
            coded[first], values, space.shape, space.ordered, counts=counts, max_points=most
        )
        with _LOCK:
            while len(_FITTED) >= KEPT:
                _FITTED.pop(next(iter(_FITTED)))
            _FITTED[key] = surface
    return surface


KEPT = 16  # surfaces in memory
_FITTED: dict[tuple[object, ...], Surface] = {}  # each follows from its key alone
_LOCK = threading.Lock()
