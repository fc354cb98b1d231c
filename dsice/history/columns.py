"""The numbers of all trials of a journal at once, before any trial is made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dsice.trial import State
from dsice.typing import Point


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
    """

    points: list[Point] = field(default_factory=list)
    rounds: list[int | None] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

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
