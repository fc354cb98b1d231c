"""A training that can be resumed: one epoch at a time, at any rate, kept in checkpoints."""

from __future__ import annotations

import copy
import math
import os
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.literature.mnist.network import Array, Labels, Network, log_loss

TRAIN, VALIDATION = 900, 1350  # images [0, 900) train, [900, 1350) validate, the last 447 test
CLASSES = 10
GUESSING = 1 / CLASSES  # the accuracy credited to a training that diverged
CHECKPOINT = "checkpoint.npz"

DIGITS = "DIGITS_NPZ"
"""Environment variable: a file with the images, for processes too short to import scikit-learn."""

Part = tuple[Array, Labels]


class CheckpointError(RuntimeError):
    """A training that cannot be resumed: its checkpoint is missing or torn."""


class Measured(NamedTuple):
    """Figures of the network after an epoch."""

    loss: float
    accuracy: float


@cache
def data() -> tuple[Part, Part, Part]:
    """Training, validation and test images (n, 64), scaled to [0, 1], with labels (n,).

    The parts come from different writers.
    """
    if path := os.environ.get(DIGITS):
        with np.load(path) as kept:
            images, labels = kept["images"], kept["labels"]
    else:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]

        images, labels = load_digits(return_X_y=True)
        images = (images / 16.0).astype(np.float32)
    parts = (slice(0, TRAIN), slice(TRAIN, VALIDATION), slice(VALIDATION, None))
    first, second, third = ((images[part], labels[part]) for part in parts)
    return first, second, third


def keep_data(path: Path) -> Path:
    """Write the images to a file; `DIGITS` may then name it."""
    parts = data()
    np.savez(
        path,
        images=np.concatenate([x for x, _ in parts]),
        labels=np.concatenate([y for _, y in parts]),
    )
    return path


class Training:
    """A network in training.

    Parameters
    ----------
    shape
        Units of its hidden layers.
    seed
        Whole numbers that determine the initial weights and the order of the images. A copy takes
        another seed for the latter.
    """

    def __init__(self, shape: Sequence[int], seed: Sequence[int]) -> None:
        self.seed = tuple(seed)
        self.epochs = 0
        self.network = Network([64, *shape, CLASSES], np.random.default_rng(self.seed))

    def epoch(self, lr: float, batch: int, momentum: float) -> Measured:
        """Go through the training images once.

        Returns loss and accuracy on the validation images; NaN if the training diverged.
        """
        (x, y), (x_validation, y_validation), _ = data()
        targets = np.eye(CLASSES, dtype=np.float32)[y]
        order = np.random.default_rng([*self.seed, self.epochs]).permutation(len(x))
        # a diverging training overflows; the NaN at its end says so
        with np.errstate(all="ignore"):
            for i in range(0, len(x), batch):
                rows = order[i : i + batch]
                self.network.step(x[rows], targets[rows], lr, momentum)
            self.epochs += 1
            guess = self.network.predict(x_validation)
            loss = log_loss(guess, y_validation)
        return Measured(loss, _accuracy(guess, y_validation) if math.isfinite(loss) else GUESSING)

    def test(self) -> float:
        """Accuracy on the test images."""
        x, y = data()[2]
        return _accuracy(self.network.predict(x), y)

    def copy(self, seed: Sequence[int]) -> Training:
        """The same network at the same epoch, to train on with another order of the images."""
        twin = copy.deepcopy(self)
        twin.seed = tuple(seed)
        return twin

    def save(self, directory: Path) -> None:
        """Write the checkpoint, completely or not at all."""
        part = directory / f"part-{CHECKPOINT}"
        np.savez(part, *self.network.state, epochs=self.epochs)
        part.replace(directory / CHECKPOINT)

    @classmethod
    def load(cls, directory: Path, shape: Sequence[int], seed: Sequence[int]) -> Training:
        """Go on from the checkpoint of another training.

        Raises
        ------
        CheckpointError
            There is none, it is torn, or its network has another shape.
        """
        found, path = cls(shape, seed), directory / CHECKPOINT
        try:
            # numpy leaves a torn file open that it opened itself
            with path.open("rb") as file, np.load(file) as kept:
                arrays = [kept[f"arr_{i}"] for i in range(len(kept.files) - 1)]
                found.epochs = int(kept["epochs"])
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"the checkpoint {path} cannot be read: {type(error).__name__}: {error}"
            ) from error
        mine = found.network.state
        if [a.shape for a in arrays] != [a.shape for a in mine]:
            raise CheckpointError(
                f"the checkpoint {path} is not of a network with hidden layers {tuple(shape)}"
            )
        for own, array in zip(mine, arrays, strict=True):
            own[...] = array
        return found


def _accuracy(guess: Array, labels: Labels) -> float:
    return float((guess.argmax(axis=1) == labels).mean())
