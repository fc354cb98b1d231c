"""Which searches are compared. Fixed before the first of them was run on the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from benchmarks.literature.time_penalty.study import Axes, Outcome, Search, replay
from dsice import Goal, Share
from dsice.strategies import DSICE, OptunaSampler, Random, Strategy

WEIGHTS = (0.1, 0.3, 1.0, 3.0)  # b in units of (spread of L) / (spread of T) over the table
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the trials for which time counts
NEVER_OVER = 1.0


@dataclass(frozen=True)
class Sizes:
    """Size of the comparison: seeds, and workers and trainings of the searches and wide ones."""

    workers: int = 8
    trials: int = 50
    wide_workers: int = 40
    wide_trials: int = 100
    seeds: int = 10


def gaussian(pending: Literal["ignore", "liar"]) -> Strategy:
    """Bayesian optimisation with one random first candidate per worker.

    The first candidates of all workers are asked for before anything was told.
    """
    return OptunaSampler("GPSampler", options={"n_startup_trials": 1}, pending=pending)


def searches(sizes: Sizes) -> dict[str, Search]:
    """The main comparison.

    Asynchronous Bayesian optimisation does not predict pending results, as published. In rounds,
    every worker would then get the same candidate; there pending points count as if their value
    were the median (a "liar").
    """
    dsice = DSICE(tolerance=None)
    timed = Goal("loss", time_weight="auto", until=Share(0.5))
    found: dict[str, Search] = {}
    for name, stream, rounds in (
        ("gp", gaussian("ignore"), gaussian("liar")),
        ("dsice", dsice, dsice),
    ):
        found[f"{name} async"] = Search(stream, sizes.workers, "async", sizes.trials)
        found[f"{name} async time"] = replace(found[f"{name} async"], goal=timed)
        found[f"{name} rounds"] = Search(rounds, sizes.workers, "rounds", sizes.trials)
        found[f"{name} sequential"] = Search(stream, 1, "async", sizes.trials)
        found[f"{name} async wide"] = Search(stream, sizes.wide_workers, "async", sizes.wide_trials)
        found[f"{name} rounds wide"] = Search(
            rounds, sizes.wide_workers, "rounds", sizes.wide_trials
        )
    found["dsice async ignore"] = Search(
        DSICE(pending="ignore", tolerance=None), sizes.workers, "async", sizes.trials
    )
    found["random async"] = Search(Random(), sizes.workers, "async", sizes.trials)
    return found


def ratio(frame: pd.DataFrame) -> float:
    """(Spread of L) / (spread of T) over the trainings that did not diverge."""
    good = frame.dropna(subset="loss")
    return float(good["loss"].std() / good["seconds"].std())


def other_weights(frame: pd.DataFrame, sizes: Sizes) -> dict[str, Search]:
    """The same comparison with other weights and other shares of the trials.

    The slower Gaussian process has only one of them.
    """
    unit = ratio(frame)
    found: dict[str, Search] = {}
    for weight in WEIGHTS:
        for share in SHARES:
            goal = Goal(
                "loss",
                time_weight=weight * unit,
                until=None if share == NEVER_OVER else Share(share),
            )
            found[f"dsice b={weight} share={share}"] = Search(
                DSICE(tolerance=None), sizes.workers, "async", sizes.trials, goal
            )
    weak = Goal("loss", time_weight=0.3 * unit, until=Share(0.5))
    found["gp b=0.3 share=0.5"] = Search(
        gaussian("ignore"), sizes.workers, "async", sizes.trials, weak
    )
    return found


def one(
    search: Search, frame: pd.DataFrame, axes: Axes, seed: int
) -> tuple[dict[str, float], pd.DataFrame]:
    """`replay` in a process of the pool; returns only what has to travel back."""
    outcome: Outcome = replay(search, frame, axes, seed)
    return outcome.figures, outcome.course


def carry_out(
    plan: Mapping[str, Search],
    seeds: Sequence[int],
    frame: pd.DataFrame,
    axes: Axes,
    executor: Executor,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All searches with all seeds.

    Returns
    -------
    runs, courses
        One row for each search and seed (see `Outcome.figures`), and for each of their trainings.
    """
    jobs = [(name, seed) for name in plan for seed in seeds]
    answers = [executor.submit(one, plan[name], frame, axes, seed) for name, seed in jobs]
    runs, courses = [], []
    for (name, seed), answer in zip(jobs, answers, strict=True):
        figures, course = answer.result()
        runs.append({"search": name, "seed": seed, **figures})
        courses.append(course.assign(search=name, seed=seed))
    return pd.DataFrame(runs), pd.concat(courses, ignore_index=True)
