"""A study and its journal: what is compared, what is read back, what may have changed."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dsice.checks import shown, whole
from dsice.errors import (
    DsiceWarning,
    JournalError,
    OptionError,
    OtherStudyError,
    RankError,
    SpaceError,
)
from dsice.goal import Goal, Share
from dsice.history import History
from dsice.journal import FORMAT, Journal, Reading
from dsice.journal.loader import Archive
from dsice.space import Axis, Space
from dsice.space.rules import Predicate
from dsice.stopping import SupportsStop, as_stopper, stopper_dict, stopper_from_dict
from dsice.strategies import (
    DSICE,
    Strategy,
    Stream,
    SupportsAsk,
    as_strategy,
    strategy_dict,
    strategy_from_dict,
)
from dsice.trial import Proposal, State
from dsice.tuner import opening
from dsice.tuner.recorder import Recorder
from dsice.typing import PathLike, Point

RANKS = (
    ("RANK", "WORLD_SIZE"),  # torchrun and everything like it
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
)


def only_rank_zero() -> None:
    """Raise RankError in any process but the first of several: under a multi-process trainer all of them run the script."""
    for rank, size in RANKS:
        text, count = os.environ.get(rank, ""), os.environ.get(size, "")
        if text.isdigit() and int(text) > 0 and count.isdigit() and int(count) > 1:
            raise RankError(
                f"this is rank {text} of {count} ({rank}={text}), and only rank 0 may own the tuner: make the Tuner on rank 0, "
                f"broadcast trial.params to the other ranks, and tell on rank 0. If this process is alone, unset {rank}"
            )


def check_orphans(orphans: object) -> None:
    """Raise OptionError for an unknown word."""
    if orphans not in ("again", "keep"):
        raise OptionError(f"Tuner(orphans={orphans!r}): expected 'again' or 'keep'")


def check_options(strategy: object, goal: object, max_trials: object) -> None:
    """Raise OptionError for arguments of a Tuner of the wrong kind."""
    last = as_strategy(strategy).last_stage
    if not isinstance(goal, Goal):
        raise OptionError(f"Tuner(goal={shown(goal)}): expected a Goal, such as Goal('loss')")
    if last is not None and goal.stage != last:
        raise OptionError(
            f"Goal(stage={goal.stage}): {type(strategy).__name__} trains in stages and its last one is {last}; give "
            f"Goal(stage={last}), so that the best is the best after the whole training"
        )
    if isinstance(goal.until, Share) and max_trials is None:
        raise OptionError(
            "Goal(until=Share(...)) is a share of max_trials: give Tuner(max_trials=...) too"
        )


OPTIONS = ("strategy", "goal", "seed", "max_trials", "stopper")


@dataclass(frozen=True)
class Unknown(Strategy):
    """Stands for a strategy of somebody's own, which a journal names and this process does not have."""

    name: str

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Nothing: it cannot be asked."""
        raise OptionError(
            f"the journal's strategy {self.name!r} is not part of dsice; give it to Tuner(strategy=...)"
        )


def options(
    strategy: SupportsAsk,
    goal: Goal,
    seed: int,
    max_trials: int | None,
    stopper: SupportsStop | None,
) -> dict[str, Any]:
    """What may change on resume, as JSON gives it back; options of a foreign strategy that are no JSON stand as text."""
    told = {
        "strategy": strategy_dict(strategy),
        "goal": goal.to_dict(),
        "seed": seed,
        "max_trials": max_trials,
    }
    told["stopper"] = stopper_dict(stopper)
    plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
    return plain


def last_options(
    header: Mapping[str, Any] | None, lines: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The options in force at the end of a journal with this header and these lines."""
    known: dict[str, Any] = {}
    for record in (header or {}, *lines):
        if record.get("kind") in ("header", "options"):
            known.update((name, record[name]) for name in OPTIONS if name in record)
    return known


def stored_study(
    archive: Archive, rules: Mapping[str, Predicate]
) -> tuple[Space, Strategy, Goal, int | None, int]:
    """Space, strategy, goal, max_trials and seed of a journal.

    Raises
    ------
    JournalError
        No study was started in it yet, or the options in it are damaged.
    SpaceError
        A callable rule of the space is not among `rules`, or the stored space is damaged.
    """
    path = archive.path
    if archive.header is None:
        raise JournalError(f"journal {path} is empty: no study was started in it yet")
    known = last_options(archive.header, archive.options)
    try:
        space = Space.from_dict(archive.header["space"], rules=rules)
    except SpaceError as error:
        raise SpaceError(f"journal {path}: {error}") from error
    try:
        strategy, goal = (
            stored_strategy(known.get("strategy", {})),
            Goal.from_dict(known.get("goal", {})),
        )
        check_options(strategy, goal, known.get("max_trials"))
        budget = (
            None
            if known.get("max_trials") is None
            else whole("header", "max_trials", known["max_trials"], 1)
        )
        return space, strategy, goal, budget, whole("header", "seed", known.get("seed", 0), 0)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise JournalError(
            f"journal {path}: its header or an options line cannot be used: {error}"
        ) from error


def stored_strategy(record: Mapping[str, Any]) -> Strategy:
    """The strategy of a journal, or a stand-in that says its name: a journal runs no code but that of dsice and Optuna."""
    try:
        strategy = strategy_from_dict(record)
    except (OptionError, TypeError):
        return Unknown(str(record.get("name")))
    return (
        Unknown(f"{record.get('name')} of {record.get('sampler')}")
        if strategy.foreign
        else strategy
    )


def stored_stopper(archive: Archive) -> SupportsStop | None:
    """The stopper of a journal; a warning instead of one that is not part of dsice."""
    record = last_options(archive.header, archive.options).get("stopper")
    try:
        return stopper_from_dict(record)
    except (AttributeError, OptionError, TypeError):
        name = record.get("name") if isinstance(record, Mapping) else record
        warnings.warn(
            f"the stopper {name!r} of journal {archive.path} is not part of dsice, so no trial is stopped early; give it to "
            "Tuner(stopper=...) with the whole study",
            DsiceWarning,
            stacklevel=4,
        )
        return None


def go_on(
    journal: Journal, reading: Reading, space: Space, history: History, options: Mapping[str, Any]
) -> Archive:
    """Begin an empty journal with a header; of another one read the trials and note what changed of the options.

    Returns
    -------
    Archive
        What else the journal holds; the trials are in `history`.

    Raises
    ------
    OtherStudyError
        It is about another space, or its trials lack what the goal needs.
    JournalError
        It cannot be used.
    """
    if reading.header is not None:
        check_space(journal.path, space, reading.header)
    archive = Archive(reading)
    archive.fill(history, space)
    if archive.header is not None:
        check_goal(journal.path, history)
    journal.begin()
    if archive.header is None:
        about = {"dsice": _version(), "created": time.time(), "space": space.to_dict()}
        stated = {
            name: value for name, value in options.items() if name != "stopper" or value is not None
        }
        journal.append({"kind": "header", "format": FORMAT, **about, **stated})
        return archive
    known = {"stopper": None} | last_options(archive.header, archive.options)
    warn_of_time(history, known)
    if changed := {
        name: value for name, value in options.items() if name not in known or known[name] != value
    }:
        journal.append({"kind": "options", "at": time.time(), **changed})
    return archive


def check_space(path: Path, space: Space, header: Mapping[str, Any]) -> None:
    """Raise OtherStudyError, naming the first difference, unless the journal is about this space."""
    try:
        difference = space.difference(header["space"])
    except SpaceError as error:
        raise JournalError(
            f"journal {path}: line 1, the header, is damaged: {error}; nothing was changed"
        ) from error
    if difference:
        raise OtherStudyError(
            f"journal {path} belongs to another study: {difference}. Give this study a journal of its own, or use the old space; "
            "where the old measurements mean the same in this one, `dsice extend` carries them over"
        )


def check_goal(path: Path, history: History) -> None:
    """Raise OtherStudyError if the told trials lack what the goal, which may have changed, is made of."""
    goal, done = history.goal, history.in_state(State.DONE) & history.of_stage()
    if not done.any():
        return
    if not (
        np.isfinite(history.violation()) & np.isfinite(history.scores())
    ).any():  # else one trial has all that is needed
        trials = [history[i] for i in np.flatnonzero(done).tolist()]
        carried = ", ".join(sorted({"value"} | {name for t in trials for name in t.metrics}))
        wanted = (goal.metric, *goal.bounded)
        lacking = next(
            (m for m in wanted if all(math.isnan(goal.named(t, m)) for t in trials)), None
        )
        if lacking is not None:
            raise OtherStudyError(
                f"journal {path}: none of its {len(trials)} done trials carries the goal's metric {lacking!r}; they carry "
                f"{carried}. Use one of these in the Goal, or give this study a journal of its own"
            )
    if history.time_counts() and np.isnan(history.seconds()[done]).all():
        raise OtherStudyError(
            f"journal {path}: the goal weighs run time (time_weight={goal.time_weight!r}), but none of its "
            f"{int(done.sum())} done trials was told with seconds=...; leave time_weight out, or give this study a journal of "
            "its own"
        )


def warn_of_time(history: History, before: Mapping[str, Any]) -> None:
    """Say it when run time had ceased to count under the options before, and counts again under those of now."""
    if not history.time_counts():
        return
    try:
        goal, budget = Goal.from_dict(before.get("goal", {})), before.get("max_trials")
        ceased = bool(goal.time_weight) and not history.time_would_count(goal, budget)
    except (OptionError, TypeError):  # options of a newer dsice
        return
    if ceased:
        lacking = int(
            (history.in_state(State.DONE) & history.of_stage() & np.isnan(history.seconds())).sum()
        )
        unscored = (
            f"; {lacking} trials that were told without seconds have no score until then"
            if lacking
            else ""
        )
        warnings.warn(
            f"run time counts again: with max_trials={history.budget} (before: {budget}) the goal's until={history.goal.until!r} "
            f"is not reached yet, and all are scored anew with it{unscored}. until=Trials(N) does not move with max_trials",
            DsiceWarning,
            stacklevel=5,
        )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dsice")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


Axes = Mapping[str, Axis | Sequence[Any]]
Orphans = Literal["again", "keep"]


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
    strategy: SupportsAsk
    history: History
    seed: int
    max_trials: int | None
    recorder: Recorder
    stopper: SupportsStop | None = None
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
    strategy: SupportsAsk | None,
    goal: Goal | None,
    max_trials: int | None,
    seed: int,
    stopper: SupportsStop | None,
    *,
    asking: bool = True,
) -> Parts:
    """From arguments, all of them checked; without a journal. A study that is only looked at needs no strategy that works."""
    if stopper is not None:
        as_stopper(stopper)  # raises for what is none; the tuner keeps the user's own object
    strategy = DSICE() if strategy is None else strategy
    hooks = as_strategy(strategy)
    goal = Goal(stage=hooks.last_stage or 0) if goal is None else goal
    space = space if isinstance(space, Space) else Space(space)
    check_options(strategy, goal, max_trials)
    if asking:  # some strategies know beforehand what cannot work
        hooks.check(space)
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


def opened(parts: Parts, journal: PathLike | Journal, orphans: Orphans) -> None:
    """Let these parts write a journal, after what it holds of this study already was read."""
    journal = journal if isinstance(journal, Journal) else Journal(journal)
    options = opening.options(
        parts.strategy, parts.history.goal, parts.seed, parts.max_trials, parts.stopper
    )
    reading = journal.claim()
    with _closed_on_error(journal):
        parts.take_over(opening.go_on(journal, reading, parts.space, parts.history, options))
    parts.own(journal, orphans)


def looked_at(journal: PathLike, rules: Mapping[str, Any] | None) -> Parts:
    """The study of a journal, never to be written."""
    archive = Archive(Reading(journal))
    parts = _stored(archive, rules, asking=False)
    parts.recorder.read_from = archive.path
    return parts


def resumed(
    journal: PathLike | Journal, orphans: Orphans, rules: Mapping[str, Any] | None
) -> Parts:
    """The study of a journal with all its options, to go on with."""
    check_orphans(orphans)
    owned = journal if isinstance(journal, Journal) else Journal(journal, create=False)
    reading = owned.claim()
    with _closed_on_error(owned):
        archive = Archive(reading)
        parts = _stored(archive, rules, asking=True)
        parts.stopper = opening.stored_stopper(archive)
        owned.begin()
    parts.own(owned, orphans)
    return parts


def _stored(archive: Archive, rules: Mapping[str, Any] | None, *, asking: bool) -> Parts:
    parts = made(*opening.stored_study(archive, rules or {}), None, asking=asking)
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
