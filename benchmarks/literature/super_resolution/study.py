"""The searches: under a bound on the RMSE that loosens step by step, and without a bound.

Both have always 40 trainings at once.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.literature.super_resolution import training
from benchmarks.literature.super_resolution.training import Lengths
from dsice import Goal, Tuner, run
from dsice.launchers import Futures
from dsice.strategies import DSICE
from dsice.tuner.confirming import Confirmation

SLOTS = 40
LOOSENED = (1.01, 1.03, 1.10)
"""The bounds on the RMSE, as multiples of that of the pre-trained network.

The first is the analogue of the published 12.5.
"""


def _rounded(low: float, high: float, n: int) -> list[float]:
    return [float(f"{value:.3g}") for value in np.geomspace(low, high, n)]


AXES = {
    "learning_rate": _rounded(1e-4, 1e-2, 15),
    "feature": [0.0, *_rounded(0.03, 100, 15)],
    "gradient": [0.0, *_rounded(0.03, 100, 15)],
    "texture": [0.0, *_rounded(0.03, 100, 15)],
}
"""15 x 16 x 16 x 16 levels, as published: the learning rate and the weights of three losses.

The loss of the pixels has the weight 1.
"""
START = {"learning_rate": 1e-3, "feature": 0.0, "gradient": 0.0, "texture": 0.0}
"""The pre-training continued: what somebody would have before any tuning."""


@dataclass(frozen=True)
class Design:
    """How much is trained; decided before the full run.

    Attributes
    ----------
    tight
        Trials under the first bound, and the same number without a bound.
    looser
        Further trials under each of the looser bounds.
    confirm
        How many of the best under the first bound are trained in full.
    processes
        Whether trials run in processes of their own. Only the short form runs them in one thread,
        which spares the start of torch.
    """

    lengths: Lengths = field(default_factory=Lengths)
    slots: int = SLOTS
    tight: int = 80
    looser: int = 40
    confirm: int = 8
    processes: bool = True

    @classmethod
    def quick(cls) -> Design:
        """A few trainings of a few steps."""
        return cls(Lengths(8, 2), slots=4, tight=8, looser=4, confirm=3, processes=False)


@dataclass(frozen=True)
class Outcome:
    """What the searches found.

    Attributes
    ----------
    bounded, unbounded
        The tuner of the search whose bound loosens, as its journal has it at the end, and that of
        the search without a bound.
    bests
        The best under each bound at the time when it was the bound of the goal: ``multiple``,
        ``bound``, trials so far and the measurements.
    confirmation
        The best under the first bound, trained briefly and in full.
    prepared
        The directory of the pre-trained network.
    """

    bounded: Tuner
    unbounded: Tuner
    bests: pd.DataFrame
    confirmation: Confirmation
    prepared: str


def search(design: Design, home: Path, workers: int) -> Outcome:
    """Run all searches; journals and the trials' directories are in `home`."""
    journal = home / "bounded.jsonl"
    pool = _pool(workers) if design.processes else ThreadPoolExecutor(1)
    with (
        pool,
        _launcher(
            partial(training.trial, lengths=design.lengths), pool, design, home / "bounded"
        ) as launcher,
    ):
        # the bound is not known before the pre-trained network is
        with _tuner(journal, Goal("index"), design.slots) as tuner:
            run(
                tuner,
                launcher,
                max_trials=1,
                prepare=partial(training.pretrain, design.lengths),
                progress=False,
            )
            prepared = tuner.preparations["prepare"]
        base = training.measured(training.checkpoint(prepared), prepared, "search")["rmse"]
        confirmation, rows = _loosening(design, journal, launcher, base)
        free = partial(training.trial, prepared, lengths=design.lengths)
        with (
            _launcher(free, pool, design, home / "free") as other,
            _tuner(home / "free.jsonl", Goal("index"), design.tight) as tuner,
        ):
            run(tuner, other, mode="rounds")
            rows.append(_best(tuner, float("inf"), float("inf")))
    return Outcome(
        Tuner.read(journal),
        Tuner.read(home / "free.jsonl"),
        pd.DataFrame(rows),
        confirmation,
        prepared,
    )


def _loosening(
    design: Design, journal: Path, launcher: Futures, base: float
) -> tuple[Confirmation, list[dict[str, object]]]:
    """The same journal under one bound after another, `base` times each of LOOSENED.

    The best under the first bound are trained in full as well.
    """
    rows: list[dict[str, object]] = []
    found: Confirmation | None = None
    for place, multiple in enumerate(LOOSENED):
        goal, budget = (
            Goal("index", at_most={"rmse": multiple * base}),
            design.tight + place * design.looser,
        )
        with _tuner(journal, goal, budget) as tuner:
            confirm = design.confirm if found is None else 0
            run(
                tuner,
                launcher,
                mode="rounds",
                prepare=partial(training.pretrain, design.lengths),
                confirm=confirm,
            )
            found = found or tuner.confirmation
            rows.append(_best(tuner, multiple, multiple * base))
    if found is None:
        raise ValueError("no bounds")
    return found, rows


def _tuner(journal: Path, goal: Goal, budget: int) -> Tuner:
    return Tuner(
        AXES, DSICE(start=START, tolerance=None), goal=goal, journal=journal, max_trials=budget
    )


def _best(tuner: Tuner, multiple: float, bound: float) -> dict[str, object]:
    trials = [t for t in tuner.history if t.stage == 0]
    best = tuner.best
    if best is None:
        return {"multiple": multiple, "bound": bound, "trials": len(trials)}
    feasible = bool(tuner.history.feasible()[best.id])
    row = {
        "multiple": multiple,
        "bound": bound,
        "trials": len(trials),
        "feasible": feasible,
        "trial": best.id,
    }
    return row | dict(best.metrics) | dict(best.params)


def repeated(
    outcome: Outcome, lengths: Lengths, params: Mapping[str, float], seeds: Sequence[int]
) -> pd.DataFrame:
    """A setting fine-tuned again for each seed (other patches).

    It is measured on the crops that no search saw.
    """
    weights = {name: value for name, value in params.items() if name != "learning_rate"}
    rows = []
    for seed in seeds:
        network = training.tuned(
            outcome.prepared, lengths, params["learning_rate"], weights, seed=seed
        )
        rows.append({"seed": seed, **training.measured(network, outcome.prepared, "test")})
    return pd.DataFrame(rows)


def _pool(workers: int) -> ProcessPoolExecutor:
    # a fork would inherit torch's threads
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _launcher(
    function: partial[dict[str, float]], pool: Executor, design: Design, directory: Path
) -> Futures:
    """As many slots as the design has, whatever the number of processes.

    The proposals are then the same as with 40 machines.
    """
    return Futures(function, pool, slots=design.slots, directory=directory)
