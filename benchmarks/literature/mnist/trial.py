"""The program of a trial that a launcher runs: a whole training, or one stage of a member.

A process of its own may run it, so it imports nothing that takes long.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import dsice
from benchmarks.literature.mnist.training import DIGITS, Training, data

SEED = 0


def warm(path: str) -> None:
    """Begin a worker of a pool: read the images, so that no trial waits for them."""
    os.environ[DIGITS] = path
    data()


def whole(
    shape: Sequence[int], epochs: int, lr: float, batch: int, momentum: float
) -> dict[str, float]:
    """One training from beginning to end, as a trial of the grid."""
    return _train(Training(shape, [SEED]), epochs, lr, batch, momentum)


def stage(
    shape: Sequence[int], epochs: int, lr: float, batch: int, momentum: float
) -> dict[str, float]:
    """One stage of a member of a population.

    It goes on from the checkpoint of the trial that it continues, and leaves its own.
    """
    seed = [SEED, int(os.environ["DSICE_TRIAL"])]
    parent = os.environ.get("DSICE_PARENT_DIR")
    training = Training.load(Path(parent), shape, seed) if parent else Training(shape, seed)
    metrics = _train(training, epochs, lr, batch, momentum)
    training.save(Path(os.environ["DSICE_DIR"]))
    return metrics


def _train(
    training: Training, epochs: int, lr: float, batch: int, momentum: float
) -> dict[str, float]:
    last = None
    for _ in range(epochs):
        last = training.epoch(lr, batch, momentum)
        if not math.isfinite(last.loss):
            raise FloatingPointError(f"the training diverged in epoch {training.epochs}")
        if dsice.step(training.epochs, last.loss):
            break
    if last is None:
        raise ValueError(f"epochs={epochs}: expected at least 1")
    return {"loss": last.loss, "accuracy": last.accuracy, "test": training.test()}
