"""What will end a run, how much of it is used up, and when it ends at the pace so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dsice.running.options import RunOptions
from dsice.strategies import DSICE, as_strategy
from dsice.tuner import Tuner

RECENT = 50  # trials whose run times say how long others will take


@dataclass(frozen=True)
class TimeLeft:
    """When a run ends.

    Attributes
    ----------
    seconds
        From now on, estimated.
    limit
        What ends it then: ``max_trials``, ``max_seconds``, ``max_cost``, ``grid`` (every point is
        measured) or ``tolerance`` (nothing better was found for so long that the search may end).
    """

    seconds: float
    limit: str

    def __str__(self) -> str:
        if self.limit == "tolerance":
            return f"may end in about {clock(self.seconds)} if nothing better comes"
        known = "" if self.limit in ("max_trials", "grid") else f" ({self.limit})"
        return f"about {clock(self.seconds)} left{known}"


def clock(seconds: float) -> str:
    """A duration as people read it: ``4:05`` (minutes), ``3:04:05`` (hours), ``2 d 3 h``."""
    if seconds >= 86_400:
        days, hours = divmod(round(seconds / 3600), 24)
        return f"{days:,} d {hours} h"
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


class Limits:
    """The limits of one call of `run`, which begins where this object is made.

    Parameters
    ----------
    tuner
        The tuner whose trials are run; what it knows by now belongs to earlier calls.
    options
        The options of the call.
    """

    def __init__(self, tuner: Tuner, options: RunOptions) -> None:
        self._tuner = tuner
        self._options = options
        self._began = time.monotonic()
        history = tuner.history
        # added trials, and those that confirmed in an earlier call: no part of a budget
        self._uncounted = len(history) - history.asked
        self._ended_before = self.ended
        self._spent_before = self._spent()

    @property
    def ended(self) -> int:
        """How many trials ended, of those that count for `total`."""
        history = self._tuner.history
        return len(history) - len(self._tuner.pending) - (self._uncounted if self.total else 0)

    @cached_property
    def total(self) -> int | None:
        """How many trials there are in the end; None where nothing says it."""
        budget = self._options.max_trials or self._tuner.max_trials
        found = [n for n in (budget, self._grid) if n is not None]
        return min(found) + self._confirming if found else None

    @cached_property
    def _grid(self) -> int | None:
        """How many points there are to ask for, where each is asked for once."""
        tuner, space = self._tuner, self._tuner.space
        repeating = isinstance(tuner.strategy, DSICE) and tuner.strategy.noise is True
        staged = as_strategy(tuner.strategy).last_stage is not None
        if repeating or staged or not space.enumerable:
            return None
        added = len(tuner.history.taken()) - tuner.asked  # points that are not asked for any more
        return None if space.count is None else space.count - max(0, added)

    @cached_property
    def _confirming(self) -> int:
        """How many trials confirm the best in the end."""
        options, tuner = self._options, self._tuner
        if not options.confirm:
            return 0
        own = as_strategy(tuner.strategy).own_setting(tuner.space)
        wanted = (options.confirm + (own is not None)) * options.repeats
        done = int(tuner.history.of_stage(tuner.history.goal.stage + 1).sum())
        return max(0, wanted - done)

    def share(self) -> float | None:
        """How much of the limit that is nearest is used up, 0 to 1; None where there is none."""
        found = []
        if self.total:
            found.append(self.ended / self.total)
        if self._options.max_seconds:
            found.append(self._elapsed() / self._options.max_seconds)
        if self._options.max_cost:
            found.append(self._spent() / (3600.0 * self._options.max_cost))
        return min(1.0, max(found)) if found else None

    def left(self) -> TimeLeft | None:
        """When the run ends, by the limit that is nearest; None where nothing says it yet."""
        elapsed = self._elapsed()
        if elapsed <= 0:
            return None
        found = self._at_pace(
            (self.ended - self._ended_before) / elapsed,
            (self._spent() - self._spent_before) / elapsed,
        )
        if self._options.max_seconds is not None:
            seconds = max(0.0, self._options.max_seconds - elapsed)
            found.append(TimeLeft(seconds, "max_seconds"))
        return _nearest(found)

    def left_by_run_times(self) -> TimeLeft | None:
        """The same for who only looks on, by what is running and how long trials took."""
        seconds = self._tuner.history.seconds()
        known = seconds[np.isfinite(seconds)][-RECENT:]
        running = len(self._tuner.pending)
        if not running or not len(known) or known.mean() <= 0:
            return None
        return _nearest(self._at_pace(running / float(known.mean()), float(running)))

    def _at_pace(self, ended: float, spent: float) -> list[TimeLeft]:
        """When each limit is reached where so many trials end, and cost so much, in a second."""
        found = []
        tuner, total, options = self._tuner, self.total, self._options
        if ended > 0 and total and self.ended < total:
            limit = "max_trials" if self._grid is None or total < self._grid else "grid"
            found.append(TimeLeft((total - self.ended) / ended, limit))
        if spent > 0 and options.max_cost:
            worker_seconds = max(0.0, 3600.0 * options.max_cost - self._spent())
            found.append(TimeLeft(worker_seconds / spent, "max_cost"))
        trials = as_strategy(tuner.strategy).may_end_after(tuner.space, tuner.history)
        if ended > 0 and trials:
            found.append(TimeLeft(trials / ended, "tolerance"))
        return found

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _spent(self) -> float:
        """Run times of all trials, in seconds."""
        return float(np.nansum(self._tuner.history.seconds()))


def _nearest(found: list[TimeLeft]) -> TimeLeft | None:
    finite = [one for one in found if math.isfinite(one.seconds)]
    return min(finite, key=lambda one: one.seconds) if finite else None
