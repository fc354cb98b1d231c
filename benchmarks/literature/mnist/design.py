"""What is compared, on which networks and for how long; fixed before the first full run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dsice import Ordinal
from dsice.stopping import LearningCurveMatching, Median

SHAPES: dict[str, tuple[int, ...]] = {"32": (32,), "24-24": (24, 24)}
"""Units of the hidden layers of the two networks."""

AXES: dict[str, Any] = {
    "lr": Ordinal.log(1e-3, 1.0, 13),
    "batch": [16, 32, 64, 128],
    "momentum": [0.0, 0.5, 0.8, 0.9, 0.95],
}
"""The settings from which random search and the population draw: 260."""

DECAY = 0.9
"""Factor of a decaying learning rate after every epoch: after 30 epochs 1/24 is left."""

RANDOM, MATCHED, MEDIAN, DECAYING, POPULATION = (
    "random",
    "random + LCM",
    "random + median",
    "random, decaying",
    "PBT",
)
METHODS = (RANDOM, MATCHED, MEDIAN, DECAYING, POPULATION)


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes
    ----------
    seeds
        Studies of each method and network.
    trainings, epochs
        Budget of a study: the number of trainings and their epochs. A population has as many
        members.
    points, checkpoints, complete
        Options of learning-curve matching. The median rule looks at the same checkpoints, after as
        many complete trainings.
    stages
        Stages of a population; they divide `epochs`.
    rates, copies, repeats
        The sweep over initial rates: the number of rates, the trainings (or members) for each, and
        how often they are repeated.
    grid
        Levels of the three axes of the grid search.
    launched
        Members and stages of the population that goes through `Local`.
    """

    seeds: int
    trainings: int
    epochs: int
    points: tuple[int, ...]
    checkpoints: tuple[int, ...]
    complete: int
    stages: int
    rates: int
    copies: int
    repeats: int
    grid: dict[str, Any]
    launched: tuple[int, int]

    @property
    def budget(self) -> int:
        """Epochs of a study."""
        return self.trainings * self.epochs

    @property
    def matching(self) -> LearningCurveMatching:
        """The published stopper."""
        return LearningCurveMatching(
            self.points, self.checkpoints, complete=self.complete, stop_rank=0.5
        )

    @property
    def median(self) -> Median:
        """The stopper with which the published one is compared."""
        return Median(self.checkpoints, complete=self.complete)


FULL = Size(
    seeds=10,
    trainings=32,
    epochs=30,
    points=(1, 2, 3, 5, 8, 12, 18),
    checkpoints=(5, 8, 12, 18),
    complete=10,
    stages=6,
    rates=9,
    copies=4,
    repeats=3,
    grid={
        "lr": Ordinal.log(1e-3, 1.0, 7),
        "batch": [16, 32, 64, 128],
        "momentum": [0.0, 0.5, 0.8, 0.9],
    },
    launched=(8, 5),
)
QUICK = Size(
    seeds=2,
    trainings=8,
    epochs=8,
    points=(1, 2, 4),
    checkpoints=(2, 4),
    complete=3,
    stages=4,
    rates=3,
    copies=2,
    repeats=1,
    grid={"lr": Ordinal.log(1e-2, 1.0, 3), "batch": [32, 128], "momentum": [0.0, 0.9]},
    launched=(2, 2),
)
