"""What may be chosen in one ask: points on lines through centres, and others of a scan.

1. `choose_centres`: the best measured points and, from a scan of random points of the whole grid,
   the most promising new ones.
2. `open_candidates`: the unmeasured points on lines through the centres, and further points of the
   scan.
3. `Candidates`: those of them with the lowest merit.

All of it follows from what was told alone; pending points narrow the variance and are never chosen
again. See "Centres" and "Lines" in docs/method.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsice.collinear.lines import open_lines
from dsice.collinear.picker import Picker
from dsice.directions.lines import PackedLines
from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Prediction, Surface
from dsice.strategies.dsice.constraints import ConstraintModel
from dsice.strategies.dsice.model import Measurements, surface_of, surface_through
from dsice.typing import Floats, Ints, Point

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
