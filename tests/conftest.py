"""Shared pieces of the tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from dsice import Choice, Ordinal, Require, Space, Tuner, When

pytest_plugins = ["tests.launchers.fixtures"]

os.environ.setdefault("MPLBACKEND", "agg")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started with `&` from a script: tests that press Ctrl-C need it to work
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started with nohup: tests that hang up need it to work
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

Objective = Callable[[dict[str, object]], float]


def small() -> Space:
    """4 x 3 x 3 grid."""
    return Space({"a": [1, 2, 4, 8], "b": Ordinal.linear(0.0, 1.0, 3), "c": range(3)})


def holes() -> Space:
    """A constraint takes out about half of the grid."""
    return Space({"x": range(7), "y": range(7), "z": range(3)}, where=[Require("x * y <= 12"), Require("x + z != 4")])


def conditional() -> Space:
    """A parameter that exists for one level of an unordered axis only."""
    return Space(
        {"opt": Choice(["adam", "sgd"]), "lr": Ordinal.log(1e-4, 1e-1, 4), "momentum": [0.0, 0.5, 0.9]},
        where=[When("opt == 'sgd'", "momentum")],
    )


SPACES = {"small": small, "holes": holes, "conditional": conditional}


def bowl(params: dict[str, object]) -> float:
    """A smooth function of any params, its minimum inside."""
    total = 0.0
    for i, value in enumerate(params.values()):
        x = float(len(value)) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
        total += (x - 1.3 - 0.2 * i) ** 2 + 0.1 * x * i
    return total


def fill(tuner: Tuner, n: int, batch: int = 8, objective: Objective = bowl) -> Tuner:
    """Ask and tell n trials in batches."""
    while n > 0 and (trials := tuner.ask(min(batch, n))):
        for trial in trials:
            tuner.tell(trial, objective(dict(trial.params)))
        n -= len(trials)
    return tuner


@pytest.fixture(params=sorted(SPACES))
def space(request: pytest.FixtureRequest) -> Space:
    return SPACES[request.param]()


def state(tuner: Tuner) -> list[str]:
    """Everything a tuner knows, comparable also where there are NaNs."""
    return [repr(trial) for trial in tuner.history]
