"""What a tuner is made of, and where that comes from: its arguments, or a journal."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from dsice.goal import Goal
from dsice.history import History
from dsice.journal import Journal, Reading
from dsice.journal.loader import Archive
from dsice.space import Choice, Ordinal, Space
from dsice.stopping import Stopper
from dsice.strategies import DSICE, Strategy
from dsice.trial import Point
from dsice.tuner import resuming
from dsice.tuner.checks import check_options, check_orphans, check_stopper, whole
from dsice.tuner.recorder import Recorder

Axes = Mapping[str, Ordinal | Choice | Sequence[Any]]
Orphans = Literal["again", "keep"]
JournalPath = str | os.PathLike[str]


@dataclass
class Parts:
    """All that a tuner holds.

    Attributes
    ----------
    queue
        Points that were enqueued and not asked yet.
    again
        Ids of the orphans that the next asks hand out.
    preparations
        Directories of what was prepared, by name.
    lost
        How often runs of each trial were lost.
    """

    space: Space
    strategy: Strategy
    history: History
    seed: int
    max_trials: int | None
    recorder: Recorder
    stopper: Stopper | None = None
    queue: list[Point] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    preparations: dict[str, str] = field(default_factory=dict)
    lost: Counter[int] = field(default_factory=Counter)

    def take_over(self, archive: Archive) -> None:
        """What a journal holds beside the trials."""
        self.queue, self.preparations, self.lost = (
            archive.queue,
            archive.preparations,
            archive.again,
        )

    def own(self, journal: Journal, orphans: Orphans) -> None:
        """Write to that journal from now on."""
        self.recorder.journal = journal
        if orphans == "again":
            self.again = [t.id for t in self.history.pending()]


def made(
    space: Space | Axes,
    strategy: Strategy | None,
    goal: Goal | None,
    max_trials: int | None,
    seed: int,
    stopper: Stopper | None,
    *,
    asking: bool = True,
) -> Parts:
    """From arguments, all of them checked; without a journal. A study that is only looked at needs no strategy that works."""
    check_stopper(stopper)
    strategy = DSICE() if strategy is None else strategy
    goal = Goal(stage=getattr(strategy, "last_stage", 0)) if goal is None else goal
    space = space if isinstance(space, Space) else Space(space)
    check_options(strategy, goal, max_trials)
    if asking and callable(
        check := getattr(strategy, "check", None)
    ):  # some strategies know beforehand what cannot work
        check(space)
    budget = None if max_trials is None else whole("Tuner", "max_trials", max_trials, 1)
    history = History(goal, budget=budget)
    return Parts(
        space,
        strategy,
        history,
        whole("Tuner", "seed", seed, 0),
        budget,
        Recorder(history),
        stopper,
    )


def opened(parts: Parts, journal: JournalPath | Journal, orphans: Orphans) -> None:
    """Let these parts write a journal, after what it holds of this study already was read."""
    journal = journal if isinstance(journal, Journal) else Journal(journal)
    options = resuming.options(
        parts.strategy, parts.history.goal, parts.seed, parts.max_trials, parts.stopper
    )
    reading = journal.claim()
    with _closed_on_error(journal):
        parts.take_over(resuming.go_on(journal, reading, parts.space, parts.history, options))
    parts.own(journal, orphans)


def looked_at(journal: JournalPath, rules: Mapping[str, Any] | None) -> Parts:
    """The study of a journal, never to be written."""
    archive = Archive(Reading(journal))
    parts = _stored(archive, rules, asking=False)
    parts.recorder.read_from = archive.path
    return parts


def resumed(
    journal: JournalPath | Journal, orphans: Orphans, rules: Mapping[str, Any] | None
) -> Parts:
    """The study of a journal with all its options, to go on with."""
    check_orphans(orphans)
    owned = journal if isinstance(journal, Journal) else Journal(journal, create=False)
    reading = owned.claim()
    with _closed_on_error(owned):
        archive = Archive(reading)
        parts = _stored(archive, rules, asking=True)
        parts.stopper = resuming.stored_stopper(archive)
        owned.begin()
    parts.own(owned, orphans)
    return parts


def _stored(archive: Archive, rules: Mapping[str, Any] | None, *, asking: bool) -> Parts:
    parts = made(*resuming.stored_study(archive, rules or {}), None, asking=asking)
    archive.fill(parts.history, parts.space)
    parts.take_over(archive)
    return parts


@contextmanager
def _closed_on_error(journal: Journal) -> Iterator[None]:
    """Let go of a journal that cannot be used."""
    try:
        yield
    except BaseException:
        journal.close()
        raise
