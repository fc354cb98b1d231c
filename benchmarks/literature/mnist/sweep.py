"""Final accuracy over the initial rate: static, decaying, and a population that begins there."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmarks.literature.mnist.design import SHAPES, Size
from benchmarks.literature.mnist.searches import Rate, decaying, population, static
from benchmarks.literature.mnist.training import GUESSING, Training
from dsice import Ordinal, Require, Space, State

MOMENTUM, BATCH = 0.9, 32  # in all trainings of the sweep
FIRST = 1000  # the sweep's seeds begin here, apart from those of the searches


def rates(size: Size) -> list[float]:
    """The initial learning rates."""
    return [float(lr) for lr in Ordinal.log(1e-3, 1.0, size.rates).values]


def sweep(size: Size, shape: str) -> pd.DataFrame:
    """A row for each initial rate, way and repeat.

    Each is `copies` trainings of the same number of epochs, or a population with as many members.
    `mean` is the mean test accuracy at their end, `best` that of the one with the least validation
    loss. A training that diverged counts with the accuracy of guessing.
    """
    ways: dict[str, Rate] = {"static": static, "decaying": decaying}
    rows = []
    for lr in rates(size):
        for repeat in range(size.repeats):
            seed = FIRST + repeat
            found = {
                way: [_alone(shape, [seed, i], lr, rate, size.epochs) for i in range(size.copies)]
                for way, rate in ways.items()
            }
            found["PBT"] = _together(shape, seed, lr, size)
            for way, ends in found.items():
                accuracies = [accuracy for _, accuracy in ends]
                row: dict[str, Any] = {"network": shape, "lr": lr, "way": way, "repeat": repeat}
                rows.append(row | {"mean": sum(accuracies) / len(ends), "best": min(ends)[1]})
    return pd.DataFrame(rows)


def _alone(shape: str, seed: list[int], lr: float, rate: Rate, epochs: int) -> tuple[float, float]:
    """Final validation loss and test accuracy of one training."""
    training = Training(SHAPES[shape], seed)
    loss = float("nan")
    for epoch in range(epochs):
        loss = training.epoch(rate(lr, epoch), BATCH, MOMENTUM).loss
        if loss != loss:  # NaN: it diverged
            return float("inf"), GUESSING
    return loss, training.test()


def _together(shape: str, seed: int, lr: float, size: Size) -> list[tuple[float, float]]:
    """Final validation loss and test accuracy of each member of a population.

    All members begin at one rate; the ends of the axis bound the rates they may change to.
    """
    axes: dict[str, Any] = {"lr": rates(size), "batch": [BATCH], "momentum": [MOMENTUM]}
    space = Space(axes, where=[Require(f"lr == {lr!r}")])
    study = population(
        shape, seed, size.epochs, members=size.copies, stages=size.stages, space=space
    )
    last = [t for t in study.tuner.history if t.stage == size.stages - 1 and t.state is State.DONE]
    ends = [(t.metrics["loss"], t.metrics["test"]) for t in last]
    return ends + [(float("inf"), GUESSING)] * (size.copies - len(ends))
