"""The options of a study, checked as they are given to a tuner."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dsice.checks import choice, shown, whole
from dsice.errors import OptionError, RankError
from dsice.goal import Goal, Share
from dsice.history import History
from dsice.space import Axis, Space
from dsice.space.rules import NamedRules
from dsice.stopping import SupportsStop, as_stopper, stopper_dict
from dsice.strategies import (
    DSICE,
    SupportsAsk,
    as_strategy,
    strategy_dict,
)
from dsice.typing import Record

Axes = Mapping[str, Axis | Sequence[Any]]
"""What `Tuner` takes in the place of a `Space`: axes, or the values of each."""
Orphans = Literal["again", "keep"]
Rules = NamedRules | None
"""Functions of a space's rules, by name; or `Space.named_rules` of a space that has them."""

RANKS = (
    ("RANK", "WORLD_SIZE"),  # torchrun and everything like it
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
)
"""Variables of the environment with the rank of a process and the number of processes."""


@dataclass(frozen=True)
class StudyOptions:
    """The options of a study, checked; the header of a journal holds them.

    Attributes
    ----------
    space, strategy, goal, stopper, max_trials, seed
        As in `Tuner`.
    """

    space: Space
    strategy: SupportsAsk
    goal: Goal
    stopper: SupportsStop | None
    max_trials: int | None
    seed: int

    def history(self) -> History:
        """A new history without trials."""
        return History(self.goal, budget=self.max_trials)

    def to_dict(self) -> Record:
        """JSON form of the options that may change when a study goes on.

        Options of a user's own strategy that JSON cannot hold are written as text.
        """
        options = {
            "strategy": strategy_dict(self.strategy),
            "goal": self.goal.to_dict(),
            "seed": self.seed,
            "max_trials": self.max_trials,
            "stopper": None if self.stopper is None else stopper_dict(self.stopper),
        }
        plain: Record = json.loads(json.dumps(options, default=str))
        return plain


# ------------------------------------------------------------------ from arguments
def only_rank_zero() -> None:
    """Raise RankError in any process but the first of several.

    Under a multi-process trainer all processes run the script, and one tuner is enough.
    """
    for rank, size in RANKS:
        text = os.environ.get(rank, "")
        count = os.environ.get(size, "")
        if text.isdigit() and int(text) > 0 and count.isdigit() and int(count) > 1:
            raise RankError(
                f"this is rank {text} of {count} ({rank}={text}), and only rank 0 may own the "
                "tuner: make the Tuner on rank 0, broadcast trial.params to the other ranks, and "
                f"tell on rank 0. If this process is alone, unset {rank}"
            )


def check_orphans(orphans: object) -> None:
    """Raise OptionError for an unknown word."""
    choice("Tuner", "orphans", orphans, ("again", "keep"))


def from_arguments(
    space: Space | Axes,
    strategy: SupportsAsk | None,
    goal: Goal | None,
    stopper: SupportsStop | None,
    max_trials: int | None,
    seed: int,
    *,
    to_ask: bool = True,
) -> StudyOptions:
    """Check the arguments of a `Tuner`; None is replaced by the default.

    Parameters
    ----------
    to_ask
        False: the study is only looked at, so its strategy need not work.

    Raises
    ------
    SpaceError, OptionError
        An argument is wrong.
    """
    if stopper is not None:
        as_stopper(stopper)  # raises for what is none; the tuner keeps the user's own object
    strategy = DSICE() if strategy is None else strategy
    hooks = as_strategy(strategy)
    goal = Goal(stage=hooks.last_stage or 0) if goal is None else goal
    space = space if isinstance(space, Space) else Space(space)
    check_goal_option(strategy, goal, max_trials)
    if to_ask:
        hooks.check(space)
    if max_trials is not None:
        max_trials = whole("Tuner", "max_trials", max_trials, 1)
    return StudyOptions(space, strategy, goal, stopper, max_trials, whole("Tuner", "seed", seed, 0))


def check_goal_option(strategy: SupportsAsk, goal: object, max_trials: object) -> None:
    """Raise OptionError for a goal that does not go with the other options."""
    last = as_strategy(strategy).last_stage
    if not isinstance(goal, Goal):
        raise OptionError(f"Tuner(goal={shown(goal)}): expected a Goal, such as Goal('loss')")
    if last is not None and goal.stage != last:
        raise OptionError(
            f"Goal(stage={goal.stage}): {type(strategy).__name__} trains in stages and its last "
            f"one is {last}; give Goal(stage={last}), so that the best is the best after the whole "
            "training"
        )
    if isinstance(goal.until, Share) and max_trials is None:
        raise OptionError(
            "Goal(until=Share(...)) is a share of max_trials: give Tuner(max_trials=...) too"
        )
