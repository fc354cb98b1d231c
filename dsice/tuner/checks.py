"""What a Tuner can be made of, and by whom."""

from __future__ import annotations

import os

import numpy as np

from dsice.errors import OptionError, RankError, shown
from dsice.goal import Goal, Share

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


def check_stopper(stopper: object) -> None:
    """Raise OptionError for what is no stopper."""
    if stopper is not None and (
        isinstance(stopper, type) or not callable(getattr(stopper, "stop", None))
    ):
        raise OptionError(
            f"Tuner(stopper={stopper!r}): expected an object with a method stop(curve, history)"
        )


def check_orphans(orphans: object) -> None:
    """Raise OptionError for an unknown word."""
    if orphans not in ("again", "keep"):
        raise OptionError(f"Tuner(orphans={orphans!r}): expected 'again' or 'keep'")


def check_options(strategy: object, goal: object, max_trials: object) -> None:
    """Raise OptionError for arguments of a Tuner of the wrong kind."""
    if not callable(getattr(strategy, "ask", None)) or isinstance(strategy, type):
        raise OptionError(
            f"Tuner(strategy={shown(strategy)}): expected a strategy object such as dsice.strategies.DSICE()"
        )
    if not isinstance(goal, Goal):
        raise OptionError(f"Tuner(goal={shown(goal)}): expected a Goal, such as Goal('loss')")
    last = getattr(strategy, "last_stage", goal.stage)
    if goal.stage != last:
        raise OptionError(
            f"Goal(stage={goal.stage}): {type(strategy).__name__} trains in stages and its last one is {last}; give "
            f"Goal(stage={last}), so that the best is the best after the whole training"
        )
    if isinstance(goal.until, Share) and max_trials is None:
        raise OptionError(
            "Goal(until=Share(...)) is a share of max_trials: give Tuner(max_trials=...) too"
        )


def whole(function: str, name: str, value: object, least: int) -> int:
    """An option that is a whole number of at least `least`."""
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, (int, np.integer))
        or value < least
    ):
        raise OptionError(f"{function}({name}={shown(value)}): expected a whole number >= {least}")
    return int(value)
