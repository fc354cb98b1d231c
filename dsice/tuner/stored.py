"""A study and what its journal holds: the options in force, and whether the two go together."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dsice.checks import whole
from dsice.errors import DsiceWarning, JournalError, OptionError, OtherStudyError, SpaceError
from dsice.goal import Goal
from dsice.history import History
from dsice.journal.emptied import no_study
from dsice.journal.loader import JournalLoader
from dsice.journal.stored_space import absent_rules, stored_space
from dsice.space import Space
from dsice.stopping import SupportsStop, stopper_from_dict
from dsice.strategies import Strategy, Stream, strategy_from_dict, strategy_names
from dsice.trial import Proposal, State
from dsice.tuner.options import Rules, StudyOptions, check_goal_option, from_arguments


def stored_options(loader: JournalLoader, rules: Rules, *, to_ask: bool) -> StudyOptions:
    """The options in force of a journal, without its stopper.

    Parameters
    ----------
    rules
        Functions of the space's rules, by name.
    to_ask
        As in `from_arguments`.

    Raises
    ------
    JournalError
        No study was started in it yet, or the options in it are damaged.
    SpaceError
        A callable rule of the space is not among `rules` and `to_ask`, or the stored space is
        damaged.
    """
    path = loader.path
    if loader.header is None:
        raise no_study(path)
    known = loader.options
    try:
        space = stored_space(loader.header["space"], rules, to_ask=to_ask)
    except SpaceError as error:
        raise SpaceError(f"journal {path}: {error}") from error
    goal = loader.goal()
    try:
        strategy = _stored_strategy(known.get("strategy", {}))
        max_trials = known.get("max_trials")
        check_goal_option(strategy, goal, max_trials)
        if max_trials is not None:
            max_trials = whole("header", "max_trials", max_trials, 1)
        seed = whole("header", "seed", known.get("seed", 0), 0)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise loader.unusable_options(error) from error
    return from_arguments(space, strategy, goal, None, max_trials, seed, to_ask=to_ask)


def lacks_rules(loader: JournalLoader, rules: Rules) -> bool:
    """Whether a rule of the stored space is a function that is not among `rules`."""
    return bool(absent_rules((loader.header or {})["space"], rules))


def warn_of_conditions(loader: JournalLoader, rules: Rules) -> None:
    """Warn of parameters whose condition is a function that is not here."""
    absent = absent_rules((loader.header or {})["space"], rules)
    names = dict.fromkeys(n for r in absent if r.get("kind") == "when" for n in r.get("names", ()))
    if names:
        warnings.warn(
            f"journal {loader.path}: where {', '.join(map(repr, names))} is active is said by a "
            "function that is not here, so it is shown of every trial; in Python, "
            "Tuner.read(journal, rules={name: function}) shows it rightly",
            DsiceWarning,
            stacklevel=3,
        )


def without_rules() -> OptionError:
    """The error of asking a study that was opened without all rules of its space."""
    return OptionError(
        "this study was opened without the functions of its rules, so nothing can be asked; "
        "give them to Tuner.resume(journal, rules={name: function})"
    )


@dataclass(frozen=True)
class UnknownStrategy(Strategy):
    """Stands for a user's own strategy, which a journal names and this process does not have.

    Attributes
    ----------
    reason
        Why a strategy of dsice cannot be used.
    """

    name: str
    reason: str = ""

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Raise OptionError: it cannot be asked."""
        if self.reason:
            raise OptionError(
                f"the journal's strategy cannot be used: {self.reason}; give another to "
                "Tuner(strategy=...)"
            )
        raise OptionError(
            f"the journal's strategy {self.name!r} is not part of dsice; give it to "
            "Tuner(strategy=...)"
        )


def _stored_strategy(record: Mapping[str, Any]) -> Strategy:
    """The strategy of a journal, or a stand-in with its name.

    A journal runs no code but that of dsice and Optuna.
    """
    try:
        strategy = strategy_from_dict(record)
    except (OptionError, TypeError) as error:
        name = str(record.get("name"))[:200]
        return UnknownStrategy(name, str(error) if name.lower() in strategy_names() else "")
    if strategy.foreign:
        return UnknownStrategy(f"{record.get('name')} of {record.get('sampler')}")
    return strategy


def stored_stopper(loader: JournalLoader) -> SupportsStop | None:
    """The stopper of a journal; None with a warning for one that is not part of dsice."""
    record = loader.options.get("stopper")
    try:
        return stopper_from_dict(record)
    except (AttributeError, OptionError, TypeError):
        name = record.get("name") if isinstance(record, Mapping) else record
        warnings.warn(
            f"the stopper {name!r} of journal {loader.path} is not part of dsice, so no trial is "
            "stopped early; give it to Tuner(stopper=...) with the whole study",
            DsiceWarning,
            stacklevel=3,
        )
        return None


# ------------------------------------------------------------------ whether they go together
def check_space(path: Path, space: Space, header: Mapping[str, Any]) -> None:
    """Raise OtherStudyError, naming the first difference, for a journal of another space."""
    try:
        difference = space.difference(header["space"])
    except SpaceError as error:
        raise JournalError(
            f"journal {path}: line 1, the header, is damaged: {error}; nothing was changed"
        ) from error
    if difference:
        raise OtherStudyError(
            f"journal {path} belongs to another study: {difference}. Give this study a journal of "
            "its own, or use the old space; where the old measurements mean the same in this one, "
            "`dsice extend` carries them over"
        )


def check_goal(path: Path, history: History) -> None:
    """Raise OtherStudyError if the told trials lack what the goal needs, which may have changed."""
    goal = history.goal
    done = history.in_state(State.DONE) & history.of_stage()
    if not done.any():
        return
    if not (np.isfinite(history.violation()) & np.isfinite(history.scores())).any():
        # No trial has all that is needed; is one metric missing in all of them?
        trials = [history[id] for id in np.flatnonzero(done).tolist()]
        for metric in (goal.metric, *goal.bounded):
            if all(math.isnan(goal.named(trial, metric)) for trial in trials):
                names = {"value"} | {name for trial in trials for name in trial.metrics}
                raise OtherStudyError(
                    f"journal {path}: none of its {len(trials)} done trials carries the goal's "
                    f"metric {metric!r}; they carry {', '.join(sorted(names))}. Use one of these "
                    "in the Goal, or give this study a journal of its own"
                )
    if history.weighs_time and np.isnan(history.seconds()[done]).all():
        raise OtherStudyError(
            f"journal {path}: the goal weighs run time (time_weight={goal.time_weight!r}), but "
            f"none of its {int(done.sum())} done trials was told with seconds=...; leave "
            "time_weight out, or give this study a journal of its own"
        )


def warn_of_time(history: History, before: Mapping[str, Any]) -> None:
    """Warn if run time no longer counted under the options before, and counts again now."""
    if not history.weighs_time:
        return
    budget = before.get("max_trials")
    try:
        goal = Goal.from_dict(before.get("goal", {}))
        ceased = bool(goal.time_weight) and not history.weighs_time_under(goal, budget)
    except (OptionError, TypeError):  # options of a newer dsice
        return
    if not ceased:
        return
    done = history.in_state(State.DONE) & history.of_stage()
    lacking = int((done & np.isnan(history.seconds())).sum())
    unscored = ""
    if lacking:
        unscored = f"; {lacking} trials that were told without seconds have no score until then"
    warnings.warn(
        f"run time counts again: with max_trials={history.budget} (before: {budget}) the goal's "
        f"until={history.goal.until!r} is not reached yet, and all are scored anew with it"
        f"{unscored}. until=Trials(N) does not move with max_trials",
        DsiceWarning,
        stacklevel=4,
    )


def warn_of_means(history: History) -> None:
    """Warn, under a goal of the median or minimum, of trials of which only a mean is recorded.

    0.1.0 kept the single measurements of the goal's metric alone; the goal may be another now.
    """
    goal = history.goal
    if goal.of == "mean":
        return
    several = (history.counts() > 1) & history.in_state(State.DONE) & history.of_stage()
    ids = np.flatnonzero(several).tolist()
    lacking = [id for id in ids if len(history[id].measured(goal.metric)) == 1]
    if lacking:
        warnings.warn(
            f"of {len(lacking)} trials (the first is {lacking[0]}) one value of {goal.metric!r} is "
            f"recorded beside several of another metric, which may be a mean: the goal's {goal.of} "
            "counts it as one measurement",
            DsiceWarning,
            stacklevel=4,
        )
