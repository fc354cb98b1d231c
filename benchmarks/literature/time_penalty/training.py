"""The network on digits, its grid of settings, and the table of all of them trained once."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache
from typing import Any

import pandas as pd

from dsice import Goal, Ordinal, Tuner, run
from dsice.launchers import Futures
from dsice.strategies import Grid

AXES: Mapping[str, Ordinal | list[Any]] = {
    "channels": [4, 8, 16, 32],
    "layers": [1, 2, 3],
    "kernel": [3, 5],
    "batch": [16, 40, 100],
    "lr": Ordinal.log(3e-3, 0.3, 4),
}
QUICK: Mapping[str, Ordinal | list[Any]] = {
    "channels": [4, 16],
    "batch": [40, 100],
    "lr": Ordinal.log(4e-3, 0.1, 3),
}
OUTPUTS = ("loss", "error", "seconds", "wall")
EPOCHS = 3
TRAINED_ON = 1200  # images; the other 597 are for validation


@cache
def _data() -> tuple[Any, Any, Any, Any]:
    """Images (n, 1, 8, 8) and labels for training, then for validation."""
    import torch
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = (torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16 - 0.3)[order]
    y = torch.tensor(labels)[order]
    return x[:TRAINED_ON], y[:TRAINED_ON], x[TRAINED_ON:], y[TRAINED_ON:]


def _network(channels: int, layers: int, kernel: int) -> Any:
    """Convolutions at full size, one halving, one linear layer."""
    from torch import nn

    convolutions: list[nn.Module] = []
    for layer in range(layers):
        convolutions += [
            nn.Conv2d(channels if layer else 1, channels, kernel, padding="same"),
            nn.ReLU(),
        ]
    return nn.Sequential(*convolutions, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(channels * 16, 10))


def warm() -> None:
    """Load torch and the data, one thread; the first training of a process must not pay for it."""
    import torch

    torch.set_num_threads(1)
    train(channels=4, batch=100, lr=0.01, epochs=1)


def train(
    *, channels: int, batch: int, lr: float, layers: int = 2, kernel: int = 3, epochs: int = EPOCHS
) -> dict[str, float]:
    """Train by stochastic gradient descent with momentum.

    Returns
    -------
    dict
        ``loss`` is the cross-entropy on the validation images (NaN if the training diverged),
        ``error`` the share of them classified wrongly, ``cpu`` the seconds of processor time of the
        training, which other programs on the machine hardly change.
    """
    import torch
    from torch.nn.functional import cross_entropy

    x, y, x_valid, y_valid = _data()
    torch.manual_seed(0)
    began = time.thread_time()
    network = _network(channels, layers, kernel)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    for _ in range(epochs):
        order: Any = torch.randperm(len(y))
        for chosen in order.split(batch):
            optimizer.zero_grad()
            error: Any = cross_entropy(network(x[chosen]), y[chosen])
            error.backward()
            optimizer.step()
    cpu = time.thread_time() - began
    with torch.no_grad():
        answers = network(x_valid)
        loss, wrong = cross_entropy(answers, y_valid), (answers.argmax(1) != y_valid).float().mean()
    return {"loss": float(loss), "error": float(wrong), "cpu": cpu}


def pool(workers: int) -> Executor:
    """Processes that have torch loaded; fresh ones, since torch does not survive a fork."""
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=warm
    )


def measure(
    axes: Mapping[str, Ordinal | list[Any]], executor: Executor, workers: int
) -> pd.DataFrame:
    """Train every setting once.

    Returns
    -------
    DataFrame
        One row for each setting: its parameters, ``loss``, ``error``, ``seconds`` (processor time)
        and ``wall`` (seconds by the clock).
    """
    with Futures(train, executor, slots=workers) as launcher:
        tuner = run(Tuner(axes, Grid(), goal=Goal("loss")), launcher, progress=False)
    rows = [
        {
            **t.params,
            "loss": t.value,
            "error": t.metrics.get("error"),
            "seconds": t.metrics.get("cpu"),
            "wall": t.seconds,
        }
        for t in tuner.history
    ]
    return pd.DataFrame(rows)
