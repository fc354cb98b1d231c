"""The same trainings through launchers: a grid on a pool, and a population through `Local`."""

from __future__ import annotations

import math
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.literature.mnist.design import AXES, SHAPES, Size
from benchmarks.literature.mnist.training import DIGITS, keep_data
from benchmarks.literature.mnist.trial import SEED, stage, warm, whole
from dsice import Goal, Tuner, run
from dsice.launchers import Futures, Local
from dsice.strategies import Grid, Population


def grid(size: Size, shape: str, workers: int) -> tuple[pd.DataFrame, float]:
    """Every point of the grid on that many processes: a row each, and the elapsed seconds.

    The elapsed seconds include the start of the processes.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        Tuner(size.grid, Grid(), goal=Goal("loss")) as tuner,
    ):
        images = str(keep_data(Path(folder) / "digits.npz"))
        spawn = multiprocessing.get_context("spawn")
        pool = partial(
            ProcessPoolExecutor, workers, mp_context=spawn, initializer=warm, initargs=(images,)
        )
        with Futures(
            partial(whole, SHAPES[shape], size.epochs), pool, directory=folder
        ) as launcher:
            began = time.monotonic()
            run(tuner, launcher, progress=False)
            elapsed = time.monotonic() - began
        return tuner.history.frame(), elapsed


def through_local(size: Size, shape: str, workers: int, directory: Path) -> Tuner:
    """A population whose stages are processes, each with a directory for its checkpoint."""
    members, stages = size.launched
    strategy = Population(members=members, stages=stages, perturb=["lr"])
    tuner = Tuner(
        AXES,
        strategy,
        goal=Goal("loss", stage=stages - 1),
        journal=directory / "population.jsonl",
        seed=SEED,
    )
    program = partial(stage, SHAPES[shape], size.epochs // stages)
    env = {DIGITS: str(keep_data(directory / "digits.npz"))}
    with tuner, Local(program, slots=workers, directory=directory / "trials", env=env) as launcher:
        return run(tuner, launcher, progress=False)


def difference(one: Tuner, other: Tuner) -> float:
    """The largest difference of the losses, trial by trial, of two runs of the same population."""
    if [t.params for t in one.history] != [t.params for t in other.history]:
        return math.inf
    losses = [
        (a.metrics.get("loss"), b.metrics.get("loss"))
        for a, b in zip(one.history, other.history, strict=True)
    ]
    return max((abs(a - b) for a, b in losses if a is not None and b is not None), default=math.inf)


def frame(tuner: Tuner) -> pd.DataFrame:
    """A row for each stage of each member."""
    columns = [
        "id",
        "stage",
        "member",
        "parent",
        "state",
        "lr",
        "batch",
        "momentum",
        "loss",
        "accuracy",
        "test",
        "seconds",
    ]
    return tuner.history.frame()[columns]
