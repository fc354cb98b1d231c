"""The searches for a good batch size, replayed on the measured table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd

from benchmarks.literature.batch_size.sweep import Scale
from dsice import Tuner, run
from dsice.launchers import Table
from dsice.strategies import DSICE, IPPE, Grid, Random, Strategy

OBJECTIVES = {"loss": "validation loss", "cpu_seconds": "processor seconds of a training"}


@dataclass(frozen=True)
class Search:
    """A way to choose batch sizes; a deterministic one is run once."""

    name: str
    strategy: Strategy
    drawn: bool = True


def searches(scale: Scale) -> list[Search]:
    """All searches that are compared, each with at most the same number of trainings."""
    return [
        Search("DSICE", DSICE()),
        Search("random", Random()),
        Search(f"every {scale.stride}th", Grid(stride=scale.stride), drawn=False),
        Search("IPPE", IPPE(), drawn=False),
    ]


def table(sweep: pd.DataFrame, objective: str, workers: int) -> Table:
    """The measured sweep as a launcher; its clock is virtual and counts processor seconds."""
    return Table(
        sweep, objective=objective, params=["batch"], seconds="cpu_seconds", workers=workers
    )


def replay(sweep: pd.DataFrame, objective: str, scale: Scale) -> pd.DataFrame:
    """Run every search with every seed.

    Returns
    -------
    DataFrame
        One row per run: objective, search, seed, runs (number of trainings), batch and value of the
        best, its rank among all sizes (1 is best), trained (sum of the seconds), elapsed (seconds
        on the virtual clock with `scale.workers`), asked (the sizes).
    """
    rows = []
    log = table(sweep, objective, scale.workers)
    for search in searches(scale):
        for seed in range(scale.seeds if search.drawn else 1):
            log.restart()
            tuner = Tuner(log.space, search.strategy, max_trials=scale.budget, seed=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a diverged training is in the table as failed
                run(tuner, log, mode="rounds", progress=False)
            rows.append(
                {
                    "objective": objective,
                    "search": search.name,
                    "seed": seed,
                    **_outcome(tuner, log),
                }
            )
    return pd.DataFrame(rows)


def _outcome(tuner: Tuner, log: Table) -> dict[str, object]:
    best = tuner.best
    if best is None:
        raise RuntimeError("no training of a search came to an end; see the sweep")
    return {
        "runs": len(tuner.history),
        "batch": best.params["batch"],
        "value": best.value,
        "rank": log.rank(best.params),
        "trained": log.clock.busy,
        "elapsed": log.clock.elapsed,
        "asked": " ".join(str(trial.params["batch"]) for trial in tuner.history),
    }


def sweep_elapsed(sweep: pd.DataFrame, workers: int) -> float:
    """Virtual seconds of the whole sweep with `workers` at a time, none of which waits."""
    log = table(sweep, "loss", workers)
    run(Tuner(log.space, Grid()), log, progress=False)
    return log.clock.elapsed
