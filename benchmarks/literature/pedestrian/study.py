"""The published grid, where the search starts, and the searches that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.literature.pedestrian import training
from dsice import Goal, Tuner, run
from dsice.launchers import Futures
from dsice.strategies import DSICE, Parallel2022, Random, Sequential2018, Strategy

# Five levels each, as published; the levels themselves were not published, and are ours.
AXES: dict[str, Sequence[float]] = {
    "rnn_size": (8, 16, 32, 64, 128),
    "grad_clip": (0.1, 0.3, 1.0, 3.0, 10.0),
    "learning_rate": (0.0003, 0.001, 0.003, 0.01, 0.03),
    "dropout": (0.0, 0.125, 0.25, 0.375, 0.5),
    "lambda_param": (5e-6, 5e-5, 5e-4, 5e-3, 5e-2),
}
# The published initial point is not known to us. These are the defaults of several public
# Social-LSTM programs for options of exactly these names, made for another network and other data.
# They were chosen before anything was trained.
START = {
    "rnn_size": 128,
    "grad_clip": 10.0,
    "learning_rate": 0.003,
    "dropout": 0.5,
    "lambda_param": 5e-4,
}
GOAL = Goal("fde")


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes
    ----------
    batch, rounds
        Trials at a time, and how often, of DSICE and random search.
    longest
        Most trials of the published algorithms, which end by themselves.
    repeats
        Trainings with other seeds of each point that is trained again.
    share
        Share of the people that are simulated.
    """

    batch: int = 40
    rounds: int = 4
    seeds: int = 3
    longest: int = 400
    repeats: int = 8
    updates: int = training.UPDATES
    share: float = 1.0

    @property
    def trials(self) -> int:
        """Trials of DSICE and of random search."""
        return self.batch * self.rounds


QUICK = Size(batch=8, rounds=2, seeds=1, longest=12, repeats=2, updates=5, share=0.25)


@dataclass(frozen=True)
class Search:
    """One search: its name, its strategy, its batch size and when it must end."""

    name: str
    strategy: Strategy
    seed: int
    batch: int
    most: int

    @property
    def label(self) -> str:
        """Name of its journal and in the tables."""
        return f"{self.name}_{self.seed}"

    def tuner(self, journal: Path | None = None) -> Tuner:
        """A new tuner of this search, or one that goes on with the journal."""
        return Tuner(
            AXES, self.strategy, goal=GOAL, journal=journal, max_trials=self.most, seed=self.seed
        )


def searches(size: Size) -> list[Search]:
    """The searches that are compared.

    DSICE and random search have the same number of trials; the published parallel and sequential
    algorithms go on until they end.
    """
    # it never stops on its own, so it has as many trials as random search
    tuned = DSICE(start=START, tolerance=None)
    found = []
    for seed in range(size.seeds):
        found.append(Search("DSICE", tuned, seed, size.batch, size.trials))
        found.append(Search("random", Random(), seed, size.batch, size.trials))
    parallel = Search(
        "Parallel2022", Parallel2022(start=START, batch=size.batch), 0, size.batch, size.longest
    )
    sequential = Search("Sequential2018", Sequential2018(start=START), 0, 1, size.longest)
    return [*found[:2], parallel, sequential, *found[2:]]


def measure(search: Search, pool: Executor, journal: Path) -> pd.DataFrame:
    """Run a search on real trainings; one row for each trial, in the order of asking."""
    with (
        search.tuner(journal) as tuner,
        Futures(training.trial, pool, slots=search.batch) as launcher,
    ):
        run(tuner, launcher, mode="rounds", progress=False)
        rows = tuner.history.frame()
    columns = ["id", "round", "state", *AXES, "value", "ade", "seconds", "cpu_seconds"]
    rows = rows.reindex(columns=columns).rename(columns={"value": "fde"})
    rows.insert(0, "search", search.label)
    return rows


def of(rows: pd.DataFrame, label: str) -> pd.DataFrame:
    """The trials of one search."""
    return rows[rows["search"] == label]


def initial(rows: pd.DataFrame) -> float:
    """The fde of the initial point in the trials of any search that measured it; else NaN."""
    here = np.logical_and.reduce([rows[name] == value for name, value in START.items()])
    return float(rows.loc[here, "fde"].mean())


def better(rows: pd.DataFrame, start: float) -> float:
    """Share of the trials of a search that beat the initial value.

    The initial point itself does not count; a failed trial does.
    """
    others = ~np.logical_and.reduce([rows[name] == value for name, value in START.items()])
    return float((rows.loc[others, "fde"] < start).mean())


def best(rows: pd.DataFrame) -> dict[str, float]:
    """The params of the trial with the lowest fde."""
    row = rows.sort_values("fde", kind="stable")[list(AXES)].head(1).to_dict("records")[0]
    return {str(name): value for name, value in row.items()}


def train_again(points: dict[str, dict[str, float]], repeats: int, pool: Executor) -> pd.DataFrame:
    """Train points with seeds that no search used (1, 2, ...).

    The columns are point, seed, validation and test (fde in metres).
    """
    jobs = [(name, seed) for name in points for seed in range(1, repeats + 1)]
    found = pool.map(training.again, [points[name] for name, _ in jobs], [seed for _, seed in jobs])
    return pd.DataFrame(
        [
            {"point": name, "seed": seed, **fde}
            for (name, seed), fde in zip(jobs, found, strict=True)
        ]
    )
