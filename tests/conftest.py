"""Shared pieces of the tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Generator
from dataclasses import fields

import pytest

from dsice import Choice, Ordinal, Require, Space, Trial, Tuner, When

pytest_plugins = ["tests.launchers.fixtures"]

os.environ.setdefault("MPLBACKEND", "agg")
# the run was started with `&` from a script: tests that press Ctrl-C need the signal to work
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# the run was started with nohup: tests that hang up need the signal to work
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Next to nothing of what collecting makes is garbage: nobody looks for it then."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


Objective = Callable[[dict[str, object]], float]


def small() -> Space:
    """A grid of 4 x 3 x 3 points."""
    return Space({"a": [1, 2, 4, 8], "b": Ordinal.linear(0.0, 1.0, 3), "c": range(3)})


def holes() -> Space:
    """A grid of which rules exclude about half of the points."""
    return Space(
        {"x": range(7), "y": range(7), "z": range(3)},
        where=[Require("x * y <= 12"), Require("x + z != 4")],
    )


def conditional() -> Space:
    """A grid with a parameter that exists only for one level of an unordered axis."""
    return Space(
        {
            "opt": Choice(["adam", "sgd"]),
            "lr": Ordinal.log(1e-4, 1e-1, 4),
            "momentum": [0.0, 0.5, 0.9],
        },
        where=[When("opt == 'sgd'", "momentum")],
    )


SPACES = {"small": small, "holes": holes, "conditional": conditional}


def bowl(params: dict[str, object]) -> float:
    """A smooth function of any params with its minimum inside the grid."""
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


@pytest.fixture
def few_halves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer halves for the tests that look at no interval: they take most of the time."""
    if "intervals" not in request.node.name:
        monkeypatch.setattr("dsice.insight.resampling.HALVES", 3)


def all_fields(trial: Trial | None) -> str:
    """All fields of a trial, comparable even where values are NaN."""
    return (
        "None" if trial is None else repr([(f.name, getattr(trial, f.name)) for f in fields(trial)])
    )


def state(tuner: Tuner) -> list[str]:
    """Everything that a tuner knows, comparable even where values are NaN."""
    return [all_fields(trial) for trial in tuner.history]
