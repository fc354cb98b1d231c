"""Trainings through dsice: the whole sweep over the batch size, and repeats of chosen sizes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import pandas as pd

from benchmarks.literature.batch_size.training import EPOCHS, TRAINED, train
from dsice import Goal, Tuner, run
from dsice.launchers import Futures
from dsice.strategies import Grid


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Parameters
    ----------
    batches
        The sizes of the sweep.
    budget, workers
        Trainings of a search, and how many of them at the same time (a round).
    seeds
        Searches of each kind.
    repeats
        Fresh trainings of a size whose noise or true value is wanted.
    top
        At how many of the best sizes the noise is measured.
    epochs, trained
        Epochs of one training, and images it trains on.
    """

    batches: Sequence[int] = range(1, 701)
    budget: int = 35
    workers: int = 5
    seeds: int = 30
    repeats: int = 8
    top: int = 10
    epochs: int = EPOCHS
    trained: int = TRAINED

    @property
    def stride(self) -> int:
        """Stride of the strided sweep that has as many trainings as a search."""
        return -(-len(self.batches) // self.budget)


FULL = Scale()
QUICK = Scale(range(1, 701, 14), budget=10, seeds=3, repeats=3, top=3, epochs=1, trained=200)


class Trainings:
    """Worker processes that train; each imports torch once.

    Parameters
    ----------
    scale
        How long a training is.
    workers
        Number of processes.
    """

    def __init__(self, scale: Scale, workers: int) -> None:
        self._function = partial(train, epochs=scale.epochs, trained=scale.trained)
        spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self._pool = ProcessPoolExecutor(workers, mp_context=spawn)

    def __enter__(self) -> Trainings:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def sweep(self, axes: Mapping[str, Sequence[int]]) -> pd.DataFrame:
        """Train every point of `axes` (batch, repeat).

        The columns are the axes, ``loss``, ``cpu_seconds`` and ``seconds``. ``seconds`` is by the
        clock and includes the validation; a loss that is not a number is left empty.
        """
        with (
            Tuner(axes, Grid(), goal=Goal("loss")) as tuner,
            Futures(self._function, self._pool) as launcher,
        ):
            run(tuner, launcher)
            return tuner.history.frame()[[*axes, "loss", "cpu_seconds", "seconds"]]
