"""The searches that are compared.

Each asks, trains, steps and tells in this process until its epochs are used up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmarks.literature.mnist.design import (
    AXES,
    DECAY,
    DECAYING,
    MATCHED,
    MEDIAN,
    POPULATION,
    RANDOM,
    SHAPES,
    Size,
)
from benchmarks.literature.mnist.training import Measured, Training
from dsice import Goal, Space, State, Trial, Tuner
from dsice.stopping import Stopper, decide
from dsice.strategies import Population, Random

Rate = Callable[[float, int], float]
"""The learning rate of an epoch, from the initial one and the number of the epoch."""


@dataclass
class Study:
    """One search, and what it cost.

    Attributes
    ----------
    spent
        Epochs trained, including those of stopped and diverged trainings.
    courses
        Learning rate and accuracy of each epoch of each trial, by the trial's id.
    stops
        The stopper's decision on each trial that it stopped: the inputs of the decision by the
        trial's id.
    """

    tuner: Tuner
    spent: int = 0
    courses: dict[int, list[tuple[float, Measured]]] = field(default_factory=dict)
    stops: dict[int, dict[str, Any]] = field(default_factory=dict)

    def train(self, trial: Trial, training: Training, rate: Rate, most: int) -> str | None:
        """Train a trial for at most `most` epochs.

        Returns why it ended early, if it did: ``"stopped"`` or ``"diverged"``.
        """
        course = self.courses.setdefault(trial.id, [])
        for _ in range(most):
            lr = rate(trial.params["lr"], training.epochs)
            measured = training.epoch(lr, trial.params["batch"], trial.params["momentum"])
            course.append((lr, measured))
            self.spent += 1
            stop = self.tuner.step(trial, training.epochs, measured.loss)
            if not math.isfinite(measured.loss):
                return "diverged"
            if stop:
                return "stopped"
        return None

    def course(self, trial: Trial) -> list[tuple[float, Measured]]:
        """Learning rate and accuracy of every epoch, beginning with the trials it continues."""
        return [epoch for t in self.tuner.history.lineage(trial) for epoch in self.courses[t.id]]


def static(lr: float, epoch: int) -> float:
    """A learning rate that does not change."""
    return lr


def decaying(lr: float, epoch: int) -> float:
    """A learning rate that shrinks after every epoch."""
    return float(lr * DECAY**epoch)


def random_search(
    shape: str, seed: int, size: Size, *, rate: Rate = static, stopper: Stopper | None = None
) -> Study:
    """Settings drawn at random, one training after another until the budget is used up.

    The last training may be cut short.
    """
    tuner = Tuner(AXES, Random(), goal=Goal("loss"), stopper=stopper, seed=seed)
    study = Study(tuner)
    while study.spent < size.budget and (asked := tuner.ask()):
        trial, left = asked[0], size.budget - study.spent
        training = Training(SHAPES[shape], [seed, trial.id])
        ended = study.train(trial, training, rate, min(size.epochs, left))
        if ended == "stopped" and stopper is not None:
            # again, for its inputs: the decision depends on these arguments alone
            decided = decide(stopper, tuner.history[trial.id].curve, tuner.history)
            study.stops[trial.id] = dict(decided.inputs) if decided else {}
        _tell(
            tuner,
            trial,
            training,
            study,
            "stopped" if training.epochs < size.epochs and ended is None else ended,
        )
    return study


def population(
    shape: str,
    seed: int,
    epochs: int,
    *,
    members: int,
    stages: int,
    space: Space | dict[str, Any] | None = None,
) -> Study:
    """Population-based training whose members change their learning rates.

    Each member is trained for `epochs` in all.
    """
    strategy = Population(members=members, stages=stages, perturb=["lr"])
    tuner = Tuner(
        AXES if space is None else space, strategy, goal=Goal("loss", stage=stages - 1), seed=seed
    )
    study, before = Study(tuner), dict[int, Training]()
    while asked := tuner.ask(members):
        now: dict[int, Training] = {}
        for trial in asked:
            place = [seed, trial.id]
            training = (
                Training(SHAPES[shape], place)
                if trial.parent is None
                else before[trial.parent].copy(place)
            )
            ended = study.train(trial, training, static, epochs // stages)
            _tell(tuner, trial, training, study, ended)
            now[trial.id] = training
        before = now
    return study


def _tell(tuner: Tuner, trial: Trial, training: Training, study: Study, ended: str | None) -> None:
    """Tell how a training ended: with its metrics, or stopped, or diverged."""
    if ended == "diverged":
        tuner.tell(trial, error=f"the training diverged in epoch {training.epochs}")
    elif ended == "stopped":
        tuner.tell(trial, state=State.STOPPED)
    else:
        last = study.courses[trial.id][-1][1]
        tuner.tell(
            trial, metrics={"loss": last.loss, "accuracy": last.accuracy, "test": training.test()}
        )


def studies(shape: str, seed: int, size: Size) -> dict[str, Study]:
    """All methods on one network with one seed."""
    return {
        RANDOM: random_search(shape, seed, size),
        MATCHED: random_search(shape, seed, size, stopper=size.matching),
        MEDIAN: random_search(shape, seed, size, stopper=size.median),
        DECAYING: random_search(shape, seed, size, rate=decaying),
        POPULATION: population(
            shape, seed, size.epochs, members=size.trainings, stages=size.stages
        ),
    }


def final(shape: str, seed: int, found: dict[str, Study]) -> pd.DataFrame:
    """A row for each method with the metrics of its best trial (by validation loss)."""
    rows = []
    for method, study in found.items():
        history, best = study.tuner.history, study.tuner.best
        states = [trial.state for trial in history]
        row: dict[str, Any] = {
            "network": shape,
            "seed": seed,
            "method": method,
            "epochs": study.spent,
            "trials": len(history),
        }
        row |= {
            state.value: states.count(state) for state in (State.DONE, State.STOPPED, State.FAILED)
        }
        rows.append(row | ({} if best is None else {**best.metrics, **best.params}))
    return pd.DataFrame(rows)
