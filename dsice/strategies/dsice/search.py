"""The search on lines: how wide they are, and one ask from centres to a batch.

A batch is chosen one point after the other among the candidates (`candidates`): on the lines of
centres that were asked, now and then a point alone. The lines of a new centre open as soon as it is
asked itself. What is a candidate follows from what was told alone, and each choice from the id of
its trial, so a batch asked in two parts holds the same points. See "The batch" and "Widening" in
docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.strategies.dsice.candidates import (
    BETAS,
    Candidates,
    SearchModel,
    choose_centres,
    open_candidates,
    scan,
)
from dsice.strategies.dsice.initial_design import Noted
from dsice.strategies.dsice.replicates import Replicates
from dsice.trial import Proposal
from dsice.typing import Point

DISTANT = 5  # every so many trials one may be distant


@dataclass
class WidthSchedule:
    """How wide directions are, counted over the proposals.

    Width 2 opens after two proposals per axis on axis lines: one probe of each both ways. Width
    w + 1 > 2 opens after a stretch without improvement of the best at width w: 2 told trials per
    axis, at least 20. Nothing closes again.

    Attributes
    ----------
    width
        Widest directions in use now.
    widest
        Widest that this batch may come to.
    """

    width: int
    widest: int
    _probes: int
    _enough: int
    _limit: int

    @classmethod
    def of(cls, history: History, limit: int) -> WidthSchedule:
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
    """How many stretches without improvement there were since `enough` proposals on lines."""
    probes = stale = count = 0
    best = (np.inf, np.inf)
    scores, violation = history.scores(), history.violation()
    scored = set(history.order().tolist())
    for trial in history:
        if trial.id in scored:
            now = (float(violation[trial.id]), float(scores[trial.id]))
            if now < best:
                best, stale = now, 0
            elif probes >= enough:
                stale += 1
        probes += trial.note.get("phase") == "line"
        if stale >= max(20, enough):
            count, stale = count + 1, 0
    return count


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
        self._schedule = WidthSchedule.of(history, min(space.ndim, max_width or space.ndim))
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
        """Where a candidate comes from and what is expected of it, in the goal's scores."""
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
        self._schedule.count(note)
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
