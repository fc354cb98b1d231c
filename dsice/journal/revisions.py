"""What a journal says of trials whose end was changed: taken back, or to be measured once more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dsice.history import TrialColumns
from dsice.trial import State, Trial
from dsice.typing import Record


@dataclass
class Revisions:
    """Which trials were withdrawn or are tried again.

    Attributes
    ----------
    reasons
        Why each trial that is withdrawn now was, by id.
    tries
        How often each trial became pending again.
    done
        Id, kind and time of each of these lines: a request that is taken in twice is known by them.
    ended
        Where a journal has what was told of a trial before it became pending again, the oldest
        first, by id.
    seconds
        How long trials that this study ran had taken before they became pending again.
    """

    reasons: dict[int, str] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    done: set[tuple[int, str, float]] = field(default_factory=set)
    ended: dict[int, list[Callable[[], Trial]]] = field(default_factory=dict)
    seconds: float = 0.0

    def withdraw(self, line: Record) -> None:
        """Note a withdraw line; once more the same changes nothing."""
        self.reasons[line["id"]] = line["reason"]
        self.done.add(_key(line))

    def retry(self, line: Record, before: Callable[[], Trial], seconds: float = 0.0) -> None:
        """Note a retry line, what the trial was before, and how long this study had run it.

        Once more the same changes nothing.
        """
        if _key(line) in self.done and "at" in line:
            return
        id = line["id"]
        self.ended.setdefault(id, []).append(before)
        self.reasons.pop(id, None)
        self.tries[id] += 1
        self.seconds += seconds
        self.done.add(_key(line))

    def knows(self, kind: str, at: float, id: int) -> bool:
        """Whether there is such a line."""
        return (id, kind, at) in self.done

    def earlier(self, id: int) -> list[Trial]:
        """What was told of a trial before it became pending again, the oldest first."""
        return [make() for make in self.ended.get(id, ())]


def _key(line: Record) -> tuple[int, str, float]:
    at: Any = line.get("at")
    return (line["id"], line["kind"], math.nan if at is None else float(at))


def forget_end(columns: TrialColumns, id: int) -> None:
    """Make a trial pending again in the columns of a journal."""
    columns.states[id] = State.PENDING
    columns.values[id] = columns.seconds[id] = math.nan
    columns.counts[id] = 0
    columns.metrics[id] = {}
    columns.repeats.pop(id, None)
    columns.added.discard(id)


def withdrawn_trial(trial: Trial, reason: str) -> Trial:
    """That trial after what was told of it was taken back; the reason stands as its error."""
    return replace(trial, state=State.WITHDRAWN, error=reason)


def retried_trial(trial: Trial) -> Trial:
    """That trial as it was when it was asked: pending, with nothing told and no curve."""
    return Trial(
        trial.id,
        trial.round,
        trial.params,
        trial.point,
        trial.stage,
        trial.repeat,
        trial.member,
        trial.parent,
        trial.overrides,
        trial.note,
    )
