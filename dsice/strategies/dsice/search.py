"""The search, one ask: from exploring the model to a batch.

1. `promising_points`: collinear exploration of the model's mean from the best measured points and
   the best of a random scan; what it saw, and random points.
2. `Candidates`: those of them with the lowest merit.
3. `Search`: the choice among them, one point after the other.

What is a candidate follows from what was told alone, and each choice from the id of its trial;
pending points narrow the variance and are never chosen again. So a batch asked in two parts holds
the same points, and the search of one ask serves the next ones until something is told
(`strategy`). See "The search" in docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.collinear.exploration import (
    ON_RUNG,
    Exploration,
    Lines,
    Seen,
    lowest_places,
    point_keys,
    scan,
    width_reached,
)
from dsice.collinear.picker import Picker, shortlist
from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import Prediction, Surface
from dsice.strategies.base import Stream
from dsice.strategies.dsice.constraints import ConstraintModel
from dsice.strategies.dsice.initial_design import Noted
from dsice.strategies.dsice.model import Measurements, surface_through
from dsice.strategies.dsice.replicates import Replicates
from dsice.trial import Proposal
from dsice.typing import Floats, Ints, Point

if TYPE_CHECKING:
    from dsice.strategies.dsice.sources import Sources

BETAS = (0.5, 1.0, 2.0, 3.0)  # of mean - beta * sd, by the id of the trial
KNOWN = 300  # measured points from which on each beta falls, as one over the root of their number
BEST = 5  # best measured points that the model is explored from
BEST_OF_SCAN = 20  # and of the scan
FOUND = 1500  # lowest points of the exploration that are candidates
BESIDE = 2000  # points on the lines through the best measured points that are, too
RANDOM = 1000  # and points of the scan
SHORTLIST = 500  # candidates kept for each beta
MODELLED = 500  # pending points that narrow the variance, at least; twice as many at most


@dataclass(frozen=True, eq=False)
class SearchModel:
    """What the search minimises: the d-spline of the metric, and a penalty once a bound was broken.

    Attributes
    ----------
    space
        The grid.
    data
        What was measured.
    log_lam
        Logarithm of the weight of bending; None: fitted.
    surface
        The d-spline of the metric's normal scores, or of what related tasks leave over of them.
    constraints
        Model of the bounds; None as long as no trial has broken one.
    sources
        What related tasks add to the surface; None: nothing.
    """

    space: Space
    data: Measurements
    log_lam: float | None
    surface: Surface
    constraints: ConstraintModel | None
    sources: Sources | None = None

    @classmethod
    def of(
        cls,
        space: Space,
        history: History,
        log_lam: float | None,
        sources: Sources | None = None,
    ) -> SearchModel:
        """The model of a history with at least one score, and of its sources if it has any.

        Related tasks count where the marginal likelihood of what they leave over is higher than
        that of the values themselves.
        """
        data = Measurements.of(history)
        broken = (history.violation() > 0).any()
        constraints = ConstraintModel(space, history, data, log_lam) if broken else None
        values = data.values if constraints is None else data.metric
        own = surface_through(space, data, values, log_lam, normal=True)
        alone = cls(space, data, log_lam, own, constraints)
        if sources is None:
            return alone
        surface = surface_through(space, data, values, log_lam, normal=True, less=sources.rest)
        if not _likelier(surface, own):
            return alone
        values = values[surface.indices]
        means = sources.at(space.coded(data.points[surface.indices]))
        sources = sources.weighed(means, values, surface)
        surface = surface.through(values - means @ sources.weights)
        return replace(alone, surface=surface, sources=sources)

    @classmethod
    def of_sources(cls, space: Space, sources: Sources) -> SearchModel:
        """The model of what related tasks say, before anything is told."""
        data = Measurements.none(space.ndim)
        return cls(space, data, None, sources.pooled, None)

    def predict(self, points: Ints) -> Prediction:
        """Mean and variance of the normal score at points, without what the bounds add."""
        coded = self.space.coded(points)
        prediction = self.surface.predict(coded)
        if self.sources is None:
            return prediction
        return replace(prediction, mean=prediction.mean + self.sources.mean(coded))

    def penalty(self, points: Ints) -> Floats:
        """What the bounds add to the mean of points, int of shape (k, axes): shape (k,)."""
        if self.constraints is None or not len(points):
            return np.zeros(len(points))
        return self.constraints.penalty(points)

    def along(self, lines: Lines) -> Floats:
        """What is explored: the mean at all points of lines, with a rough penalty, shape (k,)."""
        if self.space.conditional:  # a step may switch a parameter off
            return self.at(self.space.collapse(lines.points()))

        def mean_of(surface: Surface) -> Floats:
            return surface.line_means(lines.lows, lines.steps, lines.lengths)

        mean = mean_of(self.surface)
        if self.sources is not None:
            mean = mean + self.sources.line_means(lines.lows, lines.steps, lines.lengths)
        return mean if self.constraints is None else mean + self.constraints.rough_penalty(mean_of)

    def at(self, points: Ints) -> Floats:
        """The same at points, int of shape (k, axes): shape (k,)."""
        coded = self.space.coded(points)
        mean = self.surface.mean(coded)
        if self.sources is not None:
            mean = mean + self.sources.mean(coded)
        if self.constraints is None:
            return mean
        return mean + self.constraints.rough_penalty(lambda surface: surface.mean(coded))

    def owed(self, point: Ints) -> dict[str, float]:
        """What each related task adds to the mean at a point, shape (axes,), by its name."""
        return {} if self.sources is None else self.sources.shares(self.space.coded(point[None]))

    def surface_of_order(self) -> Surface:
        """The d-spline of the normal scores by which points are ordered, bounds included."""
        if self.constraints is None and self.sources is None:
            return self.surface
        return surface_through(self.space, self.data, self.data.values, self.log_lam, normal=True)


def _likelier(surface: Surface, other: Surface) -> bool:
    """Whether the hyperparameters of a surface have the higher marginal likelihood."""
    assert surface.hyperparameters is not None and other.hyperparameters is not None
    return surface.hyperparameters.evidence > other.hyperparameters.evidence


# ---------------------------------------------------------------- candidates


def promising_points(model: SearchModel, width: int, rng: np.random.Generator) -> Seen:
    """Unmeasured points that may be worth measuring, each once.

    They are the lowest that an exploration of the model sees; points on the lines through the best
    measured ones, low or not, where exploring is worth most; and random ones.

    Parameters
    ----------
    width
        Most axes that a direction changes.
    """
    space, data = model.space, model.data
    scanned = scan(space, data.points, rng)
    expected = model.at(scanned)
    usable = np.flatnonzero(~data.failed)
    best = data.points[usable[np.argsort(data.values[usable], kind="stable")[:BEST]]]
    lowest = lowest_places(expected, BEST_OF_SCAN)
    starts = np.concatenate([best, scanned[lowest]])
    values = np.concatenate([model.at(best), expected[lowest]])
    walks = Exploration(space, model.along, width, FOUND + len(data.points), rng)
    seen = walks.run(starts, values)
    beside = Exploration(space, model.along, width, 2 * BEST * ON_RUNG, rng).look(best)
    known = point_keys(data.points, space.shape)
    parts: list[Seen] = []
    alone = np.unique(np.append(lowest, np.arange(min(RANDOM, len(scanned)))))
    for part, most in (
        (seen, FOUND),
        (beside[rng.permutation(len(beside.values))], BESIDE),
        (Seen.alone(scanned[alone], expected[alone]), len(alone)),
    ):
        keys = point_keys(part.points, space.shape)
        new = np.flatnonzero(~np.isin(keys, known))[:most]
        known = np.concatenate([known, keys[new]])
        parts.append(part[new])
    return Seen.of(parts)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The shortlist of one ask.

    Attributes
    ----------
    seen
        The points, and the lines on which they were found.
    places
        Place of each point in this list.
    penalty
        What was added to the mean of each for the bounds, shape (k,).
    picker
        The choice among them.
    """

    seen: Seen
    places: dict[Point, int]
    penalty: Floats
    picker: Picker

    @classmethod
    def of(cls, model: SearchModel, seen: Seen) -> Candidates:
        """Those of the points with the lowest merit."""
        prediction, penalty = model.predict(seen.points), model.penalty(seen.points)
        prediction = replace(prediction, mean=prediction.mean + penalty)
        short = shortlist(prediction, model.surface.scale, BETAS, SHORTLIST)
        kept = Prediction(
            prediction.mean[short], prediction.variance[short], prediction.projected[short]
        )
        points = seen.points[short]
        places = {tuple(p): place for place, p in enumerate(points.tolist())}
        picker = Picker(model.surface, model.space.coded(points), kept)
        return cls(seen[short], places, penalty[short], picker)


class Search:
    """Candidates of one ask, and the choice among them.

    Parameters
    ----------
    space, history
        The grid and what is known; at least one trial has a score.
    stream
        Random numbers.
    max_width, log_lam
        Options of DSICE.
    models_pending
        Whether points that are being measured narrow the variance where they are.
    model
        What is minimised; by default that of the history alone.

    Attributes
    ----------
    seen
        Promising points.
    candidates
        Those of them that may be chosen.
    """

    def __init__(
        self,
        space: Space,
        history: History,
        stream: Stream,
        *,
        max_width: int | None = None,
        log_lam: float | None = None,
        models_pending: bool = True,
        model: SearchModel | None = None,
    ) -> None:
        self.model = model or SearchModel.of(space, history, log_lam)
        data = self.model.data
        # places of the scored trials, in the order of their ids
        ranks = np.argsort(history.order())
        width = width_reached(ranks, space.ndim, min(space.ndim, max_width or space.ndim))
        rng = stream(len(data.points), 1)
        self.seen = self.promising(width, rng)
        self.candidates = Candidates.of(self.model, self.seen)
        theirs = point_keys(self.candidates.seen.points, space.shape)
        taken = history.taken_points().reshape(-1, space.ndim)
        self._blocked = np.isin(theirs, point_keys(taken, space.shape))
        self._pending = self.pending(history) if models_pending else []
        self.models_pending = models_pending
        self._first = -1  # of the pending points that have narrowed the variance
        self._narrow()
        self._replicates: Replicates | None = None

    def promising(self, width: int, rng: np.random.Generator) -> Seen:
        """As `promising_points`."""
        return promising_points(self.model, width, rng)

    def pending(self, history: History) -> list[Point]:
        """Points that narrow the variance from the start."""
        stage = history.goal.stage
        pending = [trial.point for trial in history.pending() if trial.stage == stage]
        return [point for point in pending if self._trial_of(point) is None]

    def _trial_of(self, point: Sequence[int]) -> int | None:
        """The first trial that measured a point; None: it was not measured."""
        data = self.model.data
        place = np.flatnonzero((data.points == np.array(point)).all(axis=1))
        return int(data.ids[place[0]]) if len(place) else None

    def _narrow(self) -> None:
        """Begin anew with the pending points that count, where these are others than so far.

        They are the last ones, from `MODELLED` to twice as many, so that most choices change
        nothing; and as many as a search made anew would count.
        """
        first = max(0, len(self._pending) // MODELLED - 1) * MODELLED
        if first != self._first:
            self._first = first
            modelled = np.array(self._pending[first:], dtype=np.int64)
            space = self.model.space
            self.candidates.picker.restart(space.coded(modelled.reshape(-1, space.ndim)))

    def pick(self, id: int) -> Noted | None:
        """The next point and its note; None when no candidate is left."""
        known = max(KNOWN, len(self.model.data.points))
        beta = BETAS[id % len(BETAS)] * math.sqrt(KNOWN / known)
        chosen = self.candidates.picker.best(beta, self._blocked)
        if chosen < 0:
            return None
        point: Point = tuple(self.candidates.seen.points[chosen].tolist())
        return point, self._note(chosen)

    def _note(self, chosen: int) -> dict[str, Any]:
        """Where a candidate comes from, and what is expected of it in the goal's scores."""
        candidates, picker = self.candidates, self.candidates.picker
        direction = candidates.seen.directions[chosen].tolist()
        note: dict[str, Any] = {"phase": "distant"}
        if any(direction):
            through = candidates.seen.through[chosen].tolist()
            note = {
                "phase": "line",
                "width": sum(map(abs, direction)),
                "direction": direction,
                "through": through,
            }
            centre = self._trial_of(through)
            if centre is not None:
                note["centre"] = centre
        if owed := self.model.owed(candidates.seen.points[chosen]):
            note["sources"] = owed
        mean = float(picker.mean[chosen] - candidates.penalty[chosen])
        sd = float(picker.sd[chosen])
        scores = self.model.data.to_scores(np.array([mean - sd, mean, mean + sd]))
        low, middle, high = scores.tolist()
        expected = {"predicted": middle, "sd": high / 2 - low / 2}
        return note | {
            name: float(f"{value:.6g}")  # the same from a kept search and from one made anew
            for name, value in expected.items()
            if math.isfinite(value)
        }

    def choose(self, point: Point) -> None:
        """Take a point into the batch."""
        self._pending.append(point)
        place = self.candidates.places.get(point)
        if place is not None:
            self._blocked[place] = True
            self.candidates.picker.take(place)
        self._narrow()

    def repeat(self, history: History) -> Proposal | None:
        """The measured point that is worth measuring again; None if all were, often enough."""
        data = self.model.data
        if self._replicates is None:
            surface = self.model.surface_of_order()
            self._replicates = Replicates.of(surface, data, history)
        found = self._replicates.take()
        if found is None:
            return None
        point, mean, repeat = found
        note: dict[str, Any] = {"phase": "repeat"}
        # With bounds the mean is one of the order, not of the metric.
        expected = float(data.to_scores(np.array([mean]))[0])
        if self.model.constraints is None and math.isfinite(expected):
            note["predicted"] = expected
        return Proposal(point, note, stage=history.goal.stage, repeat=repeat)
