"""The search on lines: centres, the lines through them, and the best points left on these.

Centres are the best measured points and, as long as they are themselves proposed, the most promising
of a scan of random points of the whole grid ("distant" ones): their lines open as soon as they are asked.
What is a candidate follows from what is told alone; pending points narrow the variance and are never
chosen again. So a batch asked in two parts holds the same points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dsice.collinear.lines import Lines, Picker, open_lines
from dsice.history import History
from dsice.space import Space
from dsice.spline.surface import MIN_VARIANCE, Prediction, Surface
from dsice.strategies.base import Stream
from dsice.strategies.dsice.constraints import Bounds
from dsice.strategies.dsice.model import Measurements, surface_of, surface_through
from dsice.strategies.dsice.replicates import Again
from dsice.trial import Proposal
from dsice.typing import Array, Point


@dataclass
class Widening:
    """How wide directions are, counted over the proposals.

    Width 2 opens after two proposals per axis on axis lines: one probe of each both ways. Width w + 1 > 2 opens
    after a stretch without improvement of the best at width w: 2 told trials per axis, at least 20. Nothing closes again.

    Attributes
    ----------
    width
        Widest directions in use now.
    most
        Widest that the batch in hand may come to.
    """

    width: int
    most: int
    _probes: int
    _enough: int
    _limit: int

    @classmethod
    def of(cls, history: History, limit: int) -> Widening:
        """What the history says; `limit`: never wider."""
        ndim = len(history[0].point)
        probes = sum(trial.note.get("phase") == "line" for trial in history)
        width = 1 if probes < 2 * ndim else 2 + _stretches(history, 2 * ndim)
        return cls(min(width, limit), min(max(width, 2), limit), probes, 2 * ndim, limit)

    def count(self, note: Mapping[str, Any]) -> None:
        """Count a proposal with that note."""
        self._probes += note.get("phase") == "line"
        if self.width == 1 and self._probes >= self._enough:
            self.width = min(2, self._limit)


def _stretches(history: History, enough: int) -> int:
    """How many stretches without improvement there were since width 2 opened."""
    seen, stale, count, best = 0, 0, 0, (np.inf, np.inf)
    scores, violation = history.scores(), history.violation()
    stretch = max(20, enough)
    scored = set(history.order().tolist())
    for trial in history:
        if trial.id not in scored:
            seen += trial.note.get("phase") == "line"
            continue
        now = (float(violation[trial.id]), float(scores[trial.id]))
        if now < best:
            best, stale = now, 0
        elif seen >= enough:
            stale += 1
        seen += trial.note.get("phase") == "line"
        if stale >= stretch:
            count, stale = count + 1, 0
    return count


Found = tuple[Point, dict[str, Any]]
BETAS = (0.5, 1.0, 2.0, 3.0)  # of mean - beta * sd, by the id of the trial
DISTANT = 5  # every so many trials one may be distant
CENTRES = 5  # best measured points
NEW_CENTRES = 12  # most promising points of the scan
SCAN = 2000  # random points of the whole grid; a tenth, and fewer after so many TRIES, where rules leave next to nothing
TRIES = 50_000
SINGLES = 150  # of the scan that are candidates without lines
ROOM = 8000  # points on all lines together
FEWEST = 250  # of these on the lines of one centre
SHORTLIST = 500  # candidates kept for each beta


class LineSearch:
    """Candidates of one ask, and the choice among them.

    Parameters
    ----------
    space, history
        The grid and what is known; at least one trial has a score.
    stream
        Random numbers.
    most
        How many points will be chosen at most.
    max_width, log_lam, pending
        Options of DSICE.
    """

    def __init__(
        self,
        space: Space,
        history: History,
        stream: Stream,
        most: int,
        *,
        max_width: int | None = None,
        log_lam: float | None = None,
        pending: str = "model",
    ) -> None:
        self._space, self._history = space, history
        self.data = Measurements.of(history)
        coming = [
            t.point
            for t in history.pending()
            if t.stage == history.goal.stage and pending == "model"
        ]
        self._coming, self._log_lam = coming, log_lam
        self._bounds = (
            Bounds(space, history, self.data, log_lam) if (history.violation() > 0).any() else None
        )
        values = self.data.values if self._bounds is None else self.data.metric
        self.surface = surface_through(space, self.data, values, coming, log_lam, ranks=True)
        self._widening = Widening.of(history, min(space.ndim, max_width or space.ndim))
        rng = stream(len(self.data.points), 1)
        self._measured = set(map(tuple, self.data.points.tolist()))
        scan = self._scan(rng)
        self._centres, singles = self._choose_centres(scan)
        lines = self._open(rng, singles)
        scores = self.surface.predict_lines(lines.offsets, space_code(space, lines.points))
        penalty = self._penalty(lines.points)
        scores = replace(scores, mean=scores.mean + penalty)
        short = _shortlist(self.surface, scores)
        self._line, self._lifted = lines.line_of()[short], penalty[short]
        self._lines, points = lines, lines.points[short]
        kept = Prediction(scores.mean[short], scores.variance[short], scores.projected[short])
        self._picker = Picker(self.surface, space_code(space, points), kept, most)
        self._points = list(map(tuple, points.tolist()))
        self._place = {point: i for i, point in enumerate(self._points)}
        self._width = np.append(lines.widths, 0)[self._line]
        self._through = np.append(lines.centres, -1)[self._line]
        self._blocked = np.array([point in history.taken() for point in self._points], dtype=bool)
        self._trial_of = self._known_trials()
        self._most = most
        self._again: Again | None = None

    # ------------------------------------------------------------------ candidates
    def _scan(self, rng: np.random.Generator) -> Array:
        """Random valid points of the whole grid that are not measured."""
        space = self._space
        if space.enumerable:
            drawn = space.sample(rng, SCAN, exclude=self._measured)
        else:
            raw = space.collapse(rng.integers(0, space.shape, size=(SCAN, space.ndim)))
            drawn = list(dict.fromkeys(map(tuple, raw[space.valid(raw)].tolist())))
            drawn = [point for point in drawn if point not in self._measured]
            if len(drawn) < SCAN // 10:
                drawn = space.sample(rng, SCAN // 10, exclude=self._measured, tries=TRIES)
        return np.array(drawn, dtype=np.int64).reshape(-1, space.ndim)

    def _choose_centres(self, scan: Array) -> tuple[list[Point], Array]:
        """Best measured points, then the most promising of the scan; and further ones of it without lines."""
        data = self.data
        order = np.argsort(data.values[~data.failed], kind="stable")[:CENTRES]
        measured = list(map(tuple, data.points[~data.failed][order].tolist()))
        self._old = len(measured)  # fewer than CENTRES where few trials have a score
        if not len(scan):
            return measured, scan
        told = self.surface.n_observed
        scores = self.surface.predict(space_code(self._space, scan))
        mine = scores.projected[:, :told]  # pending points must not change what is a candidate
        variance = np.maximum(
            self.surface.prior_variance(space_code(self._space, scan)) - (mine * mine).sum(axis=1),
            MIN_VARIANCE,
        )
        scores = Prediction(scores.mean + self._penalty(scan), variance, mine)
        short = _shortlist(self.surface, scores)
        kept = Prediction(scores.mean[short], variance[short], mine[short])
        picker = Picker(self.surface, space_code(self._space, scan[short]), kept, NEW_CENTRES)
        blocked = np.zeros(len(short), dtype=bool)
        for turn in range(min(NEW_CENTRES, len(short))):
            chosen = picker.best(BETAS[turn % len(BETAS)], blocked)
            picker.take(chosen)
            blocked[chosen] = True
            measured.append(tuple(scan[short[chosen]].tolist()))
        merit = np.round(picker.mean - picker.sd, 9)
        merit[blocked] = np.inf
        rest = np.argsort(merit, kind="stable")[: max(0, min(SINGLES, len(short) - NEW_CENTRES))]
        return measured, scan[short[np.sort(rest)]]

    def _penalty(self, points: Array) -> Array:
        """What is added to the mean of points for the chance that they break a bound; 0 while nothing has."""
        return (
            np.zeros(len(points))
            if self._bounds is None or not len(points)
            else self._bounds.penalty(points)
        )

    def _open(self, rng: np.random.Generator, singles: Array) -> Lines:
        """The lines' unmeasured valid points, each on its first line; new centres and singles are lines of width 0."""
        space = self._space
        movable = [j for j, ordered in enumerate(space.ordered) if ordered]
        room = max(FEWEST, ROOM // max(len(self._centres), 1))
        lines = open_lines(self._centres, space.shape, movable, self._widening.most, room, rng)
        alone = np.array(self._centres[self._old :], dtype=np.int64).reshape(-1, space.ndim)
        alone = np.concatenate([alone, singles])
        count = len(lines.points)
        points = np.concatenate([space.collapse(lines.points), alone])
        offsets = np.concatenate([lines.offsets, count + 1 + np.arange(len(alone))])
        widths = np.concatenate([lines.widths, np.zeros(len(alone), dtype=np.int64)])
        through = np.concatenate([lines.centres, np.full(len(alone), -1)])
        none = [tuple([0] * space.ndim)] * len(alone)
        wanted = np.zeros(len(points), dtype=bool)
        ahead = np.concatenate(
            [np.arange(count, len(points)), np.arange(count)]
        )  # a new centre is no point of another's line
        wanted[ahead[np.unique(points[ahead], axis=0, return_index=True)[1]]] = True
        wanted &= ~np.array([tuple(p) in self._measured for p in points.tolist()], dtype=bool)
        wanted[wanted] = space.valid(points[wanted])
        return Lines(offsets, points, widths, through, lines.directions + none).keep(wanted)

    def _known_trials(self) -> dict[int, int]:
        """Trial of each centre that was asked."""
        ids = {
            tuple(p): int(i) for p, i in zip(self.data.points.tolist(), self.data.ids, strict=True)
        }
        ids |= {t.point: t.id for t in self._history.pending()}
        return {number: ids[centre] for number, centre in enumerate(self._centres) if centre in ids}

    # ------------------------------------------------------------------ choosing
    def pick(self, id: int) -> Found | None:
        """The next point and its note; None when no candidate is left."""
        opened = (
            np.isin(self._through, list(self._trial_of))
            & (self._width <= self._widening.width)
            & (self._width > 0)
        )
        alone = self._width == 0
        order = [opened | alone, ~alone] if id % DISTANT == DISTANT - 1 else [opened, alone]
        for allowed in (*order, np.ones_like(alone)):
            chosen = self._picker.best(BETAS[id % len(BETAS)], self._blocked | ~allowed)
            if chosen >= 0:
                return self._points[chosen], self._note(chosen)
        return None

    def repeat(self) -> Proposal | None:
        """The measured point that is worth measuring again: the lowest mean - sd; None if all were, often enough."""
        if self._again is None:
            surface = (
                self.surface
                if self._bounds is None
                else surface_of(self._space, self.data, self._coming, self._log_lam)
            )
            self._again = Again.of(surface, self.data, self._history)
        found = self._again.take()
        if found is None:
            return None
        point, mean, repeat = found
        expected = self.data.worth(np.array([mean]))
        known = self._bounds is None and np.isfinite(
            expected[0]
        )  # with bounds the mean is one of the order, not of the metric
        note = {"phase": "repeat"} | ({"predicted": float(expected[0])} if known else {})
        return Proposal(point, note, stage=self._history.goal.stage, repeat=repeat)

    def _note(self, chosen: int) -> dict[str, Any]:
        line, width = int(self._line[chosen]), int(self._width[chosen])
        note: dict[str, Any] = {"phase": "distant"}
        if width and (through := int(self._through[chosen])) in self._trial_of:
            note = {
                "phase": "line",
                "width": width,
                "direction": list(self._lines.directions[line]),
            }
            note["centre"] = self._trial_of[through]
        mean, sd = (
            float(self._picker.mean[chosen] - self._lifted[chosen]),
            float(self._picker.sd[chosen]),
        )
        low, middle, high = self.data.worth(np.array([mean - sd, mean, mean + sd])).tolist()
        expected = {"predicted": middle, "sd": high / 2 - low / 2}
        return note | {name: number for name, number in expected.items() if math.isfinite(number)}

    def choose(self, point: Point, id: int, note: Mapping[str, Any]) -> None:
        """Take a point into the batch."""
        self._widening.count(note)
        if point in self._centres[self._old :]:
            self._trial_of.setdefault(self._centres.index(point), id)
        place = self._place.get(point)
        if place is not None:
            self._blocked[place] = True
            self._picker.take(place)


def space_code(space: Space, points: Array) -> Array:
    """Points for the model: a parameter that does not exist there has the level after the last."""
    return space.coded(points)


def _shortlist(surface: Surface, scores: Prediction) -> Array:
    """Places of the candidates that may be chosen: for each beta those with the lowest merit, told points alone considered."""
    own = scores.projected[:, : surface.n_observed]
    pending = scores.projected[:, surface.n_observed :]
    variance = (
        np.maximum(scores.variance + (pending * pending).sum(axis=1), MIN_VARIANCE)
        if pending.size
        else scores.variance
    )
    sd = np.sqrt(surface.scale * np.maximum(variance, MIN_VARIANCE))
    if len(own) <= SHORTLIST:
        return np.arange(len(own))
    merits = [np.round(scores.mean - beta * sd, 9) for beta in BETAS]
    return np.unique(
        np.concatenate([np.argsort(merit, kind="stable")[:SHORTLIST] for merit in merits])
    )
