"""The search on lines, one ask: from centres to a batch.

1. `choose_centres`: the best measured points, and the most promising ones of a random scan.
2. `open_candidates`: unmeasured points on lines through the centres, and others of the scan.
3. `Candidates`: those of them with the lowest merit.
4. `LineSearch`: the choice among them, one point after the other, on the lines of centres that were
   asked, now and then a point alone. The lines of a new centre open as soon as it is asked itself.

What is a candidate follows from what was told alone, and each choice from the id of its trial;
pending points narrow the variance and are never chosen again. So a batch asked in two parts holds
the same points. See "The search" in docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dsice.collinear.lines import WidthSchedule, open_lines
from dsice.collinear.picker import Picker
from dsice.directions.lines import PackedLines
from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Prediction, Surface
from dsice.strategies.base import Stream
from dsice.strategies.dsice.constraints import ConstraintModel
from dsice.strategies.dsice.initial_design import Noted
from dsice.strategies.dsice.model import Measurements, surface_of, surface_through
from dsice.strategies.dsice.replicates import Replicates
from dsice.trial import Proposal
from dsice.typing import Floats, Ints, Point

DISTANT = 5  # every so many trials one may be distant
BETAS = (0.5, 1.0, 2.0, 3.0)  # of mean - beta * sd, by the id of the trial
CENTRES = 5  # best measured points
NEW_CENTRES = 12  # most promising points of the scan
SCAN = 2000  # random points of the whole grid; where rules leave next to nothing a tenth of it,
TRIES = 50_000  # and fewer after so many tries
SINGLES = 150  # of the scan that are candidates without lines
ON_LINES = 8000  # points on all lines together
ON_LINES_OF_ONE = 250  # at least, on the lines of one centre
SHORTLIST = 500  # candidates kept for each beta


@dataclass(frozen=True, eq=False)
class SearchModel:
    """What the search minimises: the d-spline of the metric, and a penalty once a bound was broken.

    Attributes
    ----------
    space
        The grid.
    data
        What was measured.
    pending
        Points being measured that the model takes into account.
    log_lam
        Logarithm of the weight of bending; None: fitted.
    surface
        The d-spline of the metric's normal scores.
    constraints
        Model of the bounds; None as long as no trial has broken one.
    """

    space: Space
    data: Measurements
    pending: Sequence[Point]
    log_lam: float | None
    surface: Surface
    constraints: ConstraintModel | None

    @classmethod
    def of(
        cls, space: Space, history: History, pending: Sequence[Point], log_lam: float | None
    ) -> SearchModel:
        """The model of a history with at least one score."""
        data = Measurements.of(history)
        broken = (history.violation() > 0).any()
        constraints = ConstraintModel(space, history, data, log_lam) if broken else None
        values = data.values if constraints is None else data.metric
        surface = surface_through(space, data, values, pending, log_lam, normal=True)
        return cls(space, data, pending, log_lam, surface, constraints)

    def penalty(self, points: Ints) -> Floats:
        """What the bounds add to the mean of points, int of shape (k, axes): shape (k,)."""
        if self.constraints is None or not len(points):
            return np.zeros(len(points))
        return self.constraints.penalty(points)

    def surface_of_order(self) -> Surface:
        """The d-spline of the normal scores by which points are ordered, bounds included."""
        if self.constraints is None:
            return self.surface
        return surface_of(self.space, self.data, self.pending, self.log_lam)


def shortlist(surface: Surface, prediction: Prediction) -> Ints:
    """Places of the candidates that may be chosen: for each beta those with the lowest merit.

    Only told points are considered: pending ones must not change what is a candidate.
    """
    if len(prediction.mean) <= SHORTLIST:
        return np.arange(len(prediction.mean))
    pending = prediction.projected[:, surface.n_observed :]
    variance = prediction.variance
    if pending.size:
        variance = np.maximum(variance + (pending * pending).sum(axis=1), MIN_VARIANCE)
    sd = np.sqrt(surface.scale * np.maximum(variance, MIN_VARIANCE))
    merits = [np.round(prediction.mean - beta * sd, 9) for beta in BETAS]
    lowest = [np.argsort(merit, kind="stable")[:SHORTLIST] for merit in merits]
    return np.unique(np.concatenate(lowest))


# ---------------------------------------------------------------- centres and their lines


@dataclass(frozen=True, eq=False)
class Centres:
    """Points that lines are drawn through, and candidates that have none.

    Attributes
    ----------
    points
        The centres, measured ones first.
    n_measured
        How many are measured: fewer than `CENTRES` where few trials have a score.
    singles
        Further promising points of the scan, int of shape (k, axes).
    """

    points: list[Point]
    n_measured: int
    singles: Ints


def scan(space: Space, measured: set[Point], rng: np.random.Generator) -> Ints:
    """Random valid points of the whole grid that are not measured, shape (k, axes)."""
    if space.enumerable:
        drawn = space.sample(rng, SCAN, exclude=measured)
    else:
        raw = space.collapse(rng.integers(0, space.shape, size=(SCAN, space.ndim)))
        drawn = list(dict.fromkeys(map(tuple, raw[space.valid(raw)].tolist())))
        drawn = [point for point in drawn if point not in measured]
        if len(drawn) < SCAN // 10:
            drawn = space.sample(rng, SCAN // 10, exclude=measured, tries=TRIES)
    return np.array(drawn, dtype=np.int64).reshape(-1, space.ndim)


def choose_centres(model: SearchModel, scanned: Ints) -> Centres:
    """Best measured points, then the most promising of the scan; and further ones without lines."""
    data = model.data
    usable = ~data.failed
    order = np.argsort(data.values[usable], kind="stable")[:CENTRES]
    measured = list(map(tuple, data.points[usable][order].tolist()))
    if not len(scanned):
        return Centres(measured, len(measured), scanned)
    short, picker = _promising(model, scanned)
    new = list[Point]()
    blocked = np.zeros(len(short), dtype=bool)
    for turn in range(min(NEW_CENTRES, len(short))):
        chosen = picker.best(BETAS[turn % len(BETAS)], blocked)
        picker.take(chosen)
        blocked[chosen] = True
        new.append(tuple(scanned[short[chosen]].tolist()))
    merit = np.round(picker.mean - picker.sd, 9)
    merit[blocked] = np.inf
    n_singles = max(0, min(SINGLES, len(short) - NEW_CENTRES))
    singles = np.argsort(merit, kind="stable")[:n_singles]
    return Centres(measured + new, len(measured), scanned[short[np.sort(singles)]])


def _promising(model: SearchModel, scanned: Ints) -> tuple[Ints, Picker]:
    """Places of the most promising points of a scan by what was told, and the choice among them."""
    surface = model.surface
    coded = model.space.coded(scanned)
    prediction = surface.predict(coded)
    told = prediction.projected[:, : surface.n_observed]
    variance = surface.prior_variance(coded) - (told * told).sum(axis=1)
    variance = np.maximum(variance, MIN_VARIANCE)
    prediction = Prediction(prediction.mean + model.penalty(scanned), variance, told)
    short = shortlist(surface, prediction)
    kept = Prediction(prediction.mean[short], variance[short], told[short])
    return short, Picker(surface, model.space.coded(scanned[short]), kept, NEW_CENTRES)


def open_candidates(
    space: Space, centres: Centres, width: int, measured: set[Point], rng: np.random.Generator
) -> PackedLines:
    """Unmeasured valid points on lines through the centres, each on the first line that holds it.

    New centres and further points of the scan are lines of width 0 with one point.
    """
    movable = [j for j, ordered in enumerate(space.ordered) if ordered]
    max_points = max(ON_LINES_OF_ONE, ON_LINES // max(len(centres.points), 1))
    lines = open_lines(centres.points, space.shape, movable, width, max_points, rng)
    new = np.array(centres.points[centres.n_measured :], dtype=np.int64).reshape(-1, space.ndim)
    alone = np.concatenate([new, centres.singles])
    n_lines, n_alone = len(lines.points), len(alone)
    points = np.concatenate([space.collapse(lines.points), alone])
    opened = PackedLines(
        np.concatenate([lines.offsets, n_lines + 1 + np.arange(n_alone)]),
        points,
        np.concatenate([lines.widths, np.zeros(n_alone, dtype=np.int64)]),
        np.concatenate([lines.centres, np.full(n_alone, -1)]),
        lines.directions + [(0,) * space.ndim] * n_alone,
    )
    # Points alone come before the lines: a new centre is no point of another's line.
    ahead = np.concatenate([np.arange(n_lines, len(points)), np.arange(n_lines)])
    wanted = np.zeros(len(points), dtype=bool)
    wanted[ahead[np.unique(points[ahead], axis=0, return_index=True)[1]]] = True
    wanted &= ~np.array([tuple(p) in measured for p in points.tolist()], dtype=bool)
    wanted[wanted] = space.valid(points[wanted])
    return opened.keep(wanted)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The shortlist of one ask.

    Attributes
    ----------
    points
        The points.
    places
        Place of each point in this list.
    widths, centres
        Width and centre of the line of each, shape (k,); 0 and -1 of a point alone.
    directions
        Direction of the line of each, shape (k, axes).
    penalty
        What was added to the mean of each for the bounds, shape (k,).
    picker
        The choice among them.
    """

    points: list[Point]
    places: dict[Point, int]
    widths: Ints
    centres: Ints
    directions: Ints
    penalty: Floats
    picker: Picker

    @classmethod
    def of(cls, model: SearchModel, lines: PackedLines, max_picks: int) -> Candidates:
        """The points on lines with the lowest merit; one compiled call scores all of them."""
        space = model.space
        prediction = model.surface.predict_lines(lines.offsets, space.coded(lines.points))
        penalty = model.penalty(lines.points)
        prediction = replace(prediction, mean=prediction.mean + penalty)
        short = shortlist(model.surface, prediction)
        kept = Prediction(
            prediction.mean[short], prediction.variance[short], prediction.projected[short]
        )
        levels, line = lines.points[short], lines.line_of()[short]
        points = list(map(tuple, levels.tolist()))
        return cls(
            points,
            {point: place for place, point in enumerate(points)},
            np.append(lines.widths, 0)[line],
            np.append(lines.centres, -1)[line],
            np.array(lines.directions, dtype=np.int64).reshape(-1, space.ndim)[line],
            penalty[short],
            Picker(model.surface, space.coded(levels), kept, max_picks),
        )


class LineSearch:
    """Candidates of one ask, and the choice among them.

    Parameters
    ----------
    space, history
        The grid and what is known; at least one trial has a score.
    stream
        Random numbers.
    max_picks
        How many points will be chosen at most.
    max_width, log_lam, pending
        Options of DSICE.

    Attributes
    ----------
    model, centres, candidates
        What the choice is made of.
    """

    def __init__(
        self,
        space: Space,
        history: History,
        stream: Stream,
        max_picks: int,
        *,
        max_width: int | None = None,
        log_lam: float | None = None,
        pending: str = "model",
    ) -> None:
        self._history = history
        running = [t for t in history.pending() if t.stage == history.goal.stage]
        modelled = [t.point for t in running if pending == "model"]
        self.model = SearchModel.of(space, history, modelled, log_lam)
        self._schedule = _widths(history, space.ndim, max_width)
        points = self.model.data.points
        measured = set(map(tuple, points.tolist()))
        rng = stream(len(points), 1)
        self.centres = choose_centres(self.model, scan(space, measured, rng))
        lines = open_candidates(space, self.centres, self._schedule.widest, measured, rng)
        self.candidates = Candidates.of(self.model, lines, max_picks)
        taken = history.taken()
        self._blocked = np.array([p in taken for p in self.candidates.points], dtype=bool)
        self._trial_of = self._trials_of_centres()
        self._replicates: Replicates | None = None

    def _trials_of_centres(self) -> dict[int, int]:
        """Trial of each centre that was asked, by the number of the centre."""
        data = self.model.data
        ids = {tuple(p): i for p, i in zip(data.points.tolist(), data.ids.tolist(), strict=True)}
        ids |= {t.point: t.id for t in self._history.pending()}
        return {number: ids[p] for number, p in enumerate(self.centres.points) if p in ids}

    def pick(self, id: int) -> Noted | None:
        """The next point and its note; None when no candidate is left.

        It lies on a line through a centre that was asked. Every fifth may be a point alone, and any
        may where the lines hold nothing more.
        """
        widths, picker = self.candidates.widths, self.candidates.picker
        alone = widths == 0
        asked = np.isin(self.candidates.centres, list(self._trial_of))
        opened = asked & (widths <= self._schedule.width) & ~alone
        first = [opened, alone]
        if id % DISTANT == DISTANT - 1:
            first = [opened | alone, ~alone]
        for allowed in (*first, np.ones_like(alone)):
            chosen = picker.best(BETAS[id % len(BETAS)], self._blocked | ~allowed)
            if chosen >= 0:
                return self.candidates.points[chosen], self._note(chosen)
        return None

    def _note(self, chosen: int) -> dict[str, Any]:
        """Where a candidate comes from, and what is expected of it in the goal's scores."""
        candidates, picker = self.candidates, self.candidates.picker
        width, centre = int(candidates.widths[chosen]), int(candidates.centres[chosen])
        note: dict[str, Any] = {"phase": "distant"}
        if width and centre in self._trial_of:
            note = {
                "phase": "line",
                "width": width,
                "direction": candidates.directions[chosen].tolist(),
                "centre": self._trial_of[centre],
            }
        mean = float(picker.mean[chosen] - candidates.penalty[chosen])
        sd = float(picker.sd[chosen])
        scores = self.model.data.to_scores(np.array([mean - sd, mean, mean + sd]))
        low, middle, high = scores.tolist()
        expected = {"predicted": middle, "sd": high / 2 - low / 2}
        return note | {name: value for name, value in expected.items() if math.isfinite(value)}

    def choose(self, point: Point, id: int, note: Mapping[str, Any]) -> None:
        """Take a point into the batch; the lines of a new centre open."""
        if note.get("phase") == "line":
            self._schedule.count()
        if point in self.centres.points[self.centres.n_measured :]:
            self._trial_of.setdefault(self.centres.points.index(point), id)
        place = self.candidates.places.get(point)
        if place is not None:
            self._blocked[place] = True
            self.candidates.picker.take(place)

    def repeat(self) -> Proposal | None:
        """The measured point that is worth measuring again; None if all were, often enough."""
        data = self.model.data
        if self._replicates is None:
            surface = self.model.surface_of_order()
            self._replicates = Replicates.of(surface, data, self._history)
        found = self._replicates.take()
        if found is None:
            return None
        point, mean, repeat = found
        note: dict[str, Any] = {"phase": "repeat"}
        # With bounds the mean is one of the order, not of the metric.
        expected = float(data.to_scores(np.array([mean]))[0])
        if self.model.constraints is None and math.isfinite(expected):
            note["predicted"] = expected
        return Proposal(point, note, stage=self._history.goal.stage, repeat=repeat)


def _widths(history: History, ndim: int, max_width: int | None) -> WidthSchedule:
    """How wide directions are, by the proposals and results so far."""
    probes = [trial.note.get("phase") == "line" for trial in history]
    losses: list[tuple[float, float] | None] = [None] * len(probes)
    scores, violation = history.scores(), history.violation()
    for id in history.order().tolist():
        losses[id] = (float(violation[id]), float(scores[id]))
    return WidthSchedule.of(ndim, probes, losses, min(ndim, max_width or ndim))
