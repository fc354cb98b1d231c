"""What two-step learning and 40 trainings at once save: measured seconds, and the virtual clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from dsice import Goal, Tuner, run
from dsice.launchers import Table


@dataclass(frozen=True)
class Savings:
    """Processor seconds of one core: what was spent, and what would have been.

    Attributes
    ----------
    trials
        Number of trainings of the search.
    short, full
        Mean seconds of a fine-tuning in the search, and of the confirmed trainings from scratch.
    pretraining
        Seconds of the pre-training.
    elapsed
        Seconds of the search with 40 workers, on the virtual clock.
    """

    trials: int
    short: float
    full: float
    pretraining: float
    elapsed: float

    @property
    def per_trial(self) -> float:
        """How many times longer a trial takes from scratch."""
        return self.full / self.short

    @property
    def two_step(self) -> float:
        """How many times longer the search takes from scratch, including the pre-training."""
        return self.trials * self.full / (self.pretraining + self.trials * self.short)

    @property
    def parallel(self) -> float:
        """How many times longer one worker takes than 40, for the fine-tunings alone."""
        return self.trials * self.short / self.elapsed

    @property
    def product(self) -> float:
        """The two savings multiplied, as published."""
        return self.two_step * self.parallel

    @property
    def in_all(self) -> float:
        """Time from scratch on one worker over that of two-step learning on 40, end to end.

        The pre-training comes first and is one job.
        """
        return self.trials * self.full / (self.pretraining + self.elapsed)

    def figures(self) -> dict[str, float]:
        """All of them by name."""
        derived = ("per_trial", "two_step", "parallel", "product", "in_all")
        return asdict(self) | {name: getattr(self, name) for name in derived}


def replayed(
    trials: pd.DataFrame,
    axes: dict[str, list[float]],
    *,
    workers: int,
    mode: Literal["rounds", "async"],
) -> Tuner:
    """Replay the trials of a search on the virtual clock with `workers` workers.

    Parameters
    ----------
    trials
        One row for each trial, in the order in which they were asked. The columns are the axes,
        ``index``, ``rmse``, ``cpu_seconds``, and ``round`` where rounds were smaller than
        `workers`.
    """
    names = list(axes)
    table = Table(
        trials,
        objective="index",
        params=axes,
        metrics=["rmse"],
        seconds="cpu_seconds",
        missing="error",
        workers=workers,
    )
    tuner = Tuner(table.space, goal=Goal("index"), max_trials=len(trials))
    for row in trials[names].to_dict("records"):
        tuner.enqueue({str(name): value for name, value in row.items()})
    sizes = (
        trials.groupby("round").size()
        if mode == "rounds" and "round" in trials
        else pd.Series([len(trials)])
    )
    for asked in sizes.cumsum().tolist():
        run(tuner, table, mode=mode, max_trials=asked, progress=False)
    return tuner


def elapsed(tuner: Tuner) -> float:
    """When the last trial ended, in seconds since the first began."""
    ends = [t.times[2] for t in tuner.history if t.times[2] is not None]
    starts = [t.times[1] for t in tuner.history if t.times[1] is not None]
    return float(np.max(ends) - np.min(starts))
