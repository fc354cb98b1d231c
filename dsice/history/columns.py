"""The numbers of all trials of a journal at once, before any trial is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from dsice.goal import Goal
from dsice.trial import State, Trial
from dsice.typing import Bools, Floats, Point


@dataclass
class TrialColumns:
    """What a history must know of every trial; each list has one entry per trial, by id.

    Attributes
    ----------
    points, rounds, keys
        Point, round (None: added) and (stage, repeat, member).
    states
        What became of it.
    values, metrics, seconds
        What was told, as in `Trial`; NaN where there is no value or no run time.
    counts
        How many values were told.
    repeats
        All measurements of the metrics that were told as a list of several, by the id of the trial:
        by name. Those of the goal's metric stand under the name ``"value"``, too, unless the trial
        has another metric of that name.
    added
        Ids of the trials that were measured elsewhere.
    """

    points: list[Point] = field(default_factory=list)
    rounds: list[int | None] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    repeats: dict[int, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    added: set[int] = field(default_factory=set)

    def judged(self, goal: Goal, done: Bools) -> tuple[Sequence[int], Floats, Floats]:
        """What a goal makes of them.

        Parameters
        ----------
        done
            Which trials are done and of the goal's stage, shape (trials,).

        Returns
        -------
        counts, losses, violations
            Numbers of measurements of the goal's metric, losses L and violations of the bounds, the
            latter two NaN for a trial without a loss; one entry per trial.
        """
        several = {
            id: named[goal.metric] for id, named in self.repeats.items() if goal.metric in named
        }
        counts = self.counts
        if several:
            counts = [len(several.get(id, ())) or count for id, count in enumerate(counts)]
        losses = goal.losses(done, self.values, self.metrics, several)
        over = [0.0] * len(counts)
        if goal.bounded:
            over = list(map(goal.violation_of, self.values, self.metrics))
        if goal.of != "mean" and goal.metric in goal.bounded:
            for id, values in several.items():
                metrics = {**self.metrics[id], goal.metric: goal.aggregate(values)}
                over[id] = goal.violation_of(self.values[id], metrics)
        return counts, losses, np.where(np.isnan(losses), np.nan, over)

    def extend(
        self, points: Sequence[Point], round: int | None, keys: Sequence[tuple[int, int, int]]
    ) -> None:
        """Append trials that were asked or added and are not told yet."""
        n = len(points)
        self.points.extend(points)
        self.rounds.extend([round] * n)
        self.keys.extend(keys)
        self.states.extend([State.PENDING] * n)
        self.values.extend([math.nan] * n)
        self.metrics.extend([_NOTHING] * n)
        self.seconds.extend([math.nan] * n)
        self.counts.extend([0] * n)


_NOTHING: Mapping[str, float] = {}


class BegunWrite(NamedTuple):
    """A write that was begun, and what was counted before it.

    An exception may come at any line (Ctrl-C, a signal). The write is then done once more, from the
    same counts, before the next one.
    """

    trial: Trial
    new: bool
    was_pending: bool
    asked: int
    asked_pending: int
    rounds: int
    repeats: int
