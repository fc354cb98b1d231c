"""One search, replayed from the table on the virtual clock, and its figures."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from dsice import Goal, Ordinal, Trial, Tuner, run
from dsice.launchers import Table
from dsice.strategies import Strategy

# the target: this far from the table's best loss, as a share of the distance to its median
OF_THE_WAY = 0.05
Axes = Mapping[str, Ordinal | list[Any]]


@dataclass(frozen=True)
class Search:
    """How a search is carried out.

    Attributes
    ----------
    strategy, goal
        What proposes the settings, and what is minimised.
    workers, mode
        Trainings at a time; a worker gets its next training when it is free (``"async"``) or when
        all are (``"rounds"``).
    trials
        Trainings in all.
    """

    strategy: Strategy
    workers: int
    mode: Literal["async", "rounds"]
    trials: int
    goal: Goal = field(default_factory=lambda: Goal("loss"))


@dataclass(frozen=True)
class Outcome:
    """The results of a search.

    Attributes
    ----------
    figures
        By name:

        - ``trials``; ``utilisation``;
        - ``total``: run time of all its trainings; ``elapsed``: time on the virtual clock;
        - ``final``: the lowest loss; ``of_the_way``: its distance from the table's best, as a share
          of the distance between best and median;
        - ``to_target_total``, ``to_target_elapsed``: the same times up to the first training that
          reached the target (those of the whole search where none did); ``reached``: whether one
          did;
        - ``per_loss``: elapsed seconds per unit of loss below the table's median;
        - ``asking``: processor seconds of the search per trial;
        - ``moved``: share of proposals that were replaced by a free point nearby, since the sampler
          proposed a point that was taken.
    course
        ``elapsed``, ``total`` (run time told so far) and ``best`` loss after each training, in the
        order in which they ended.
    tuner
        The search itself.
    """

    figures: dict[str, float]
    course: pd.DataFrame
    tuner: Tuner


def table_of(frame: pd.DataFrame, axes: Axes, workers: int) -> Table:
    """The trainings as a launcher with `workers` workers."""
    return Table(
        frame,
        objective="loss",
        params=list(axes),
        seconds="seconds",
        metrics=["error"],
        workers=workers,
    )


def target(table: Table) -> float:
    """The loss at which a search has reached the target."""
    best = table.optimum()[1]
    return best + OF_THE_WAY * (table.median - best)


def replay(search: Search, frame: pd.DataFrame, axes: Axes, seed: int) -> Outcome:
    """Carry a search out on the virtual clock.

    The clock counts the trainings, not the seconds of the search itself.
    """
    table, ended = table_of(frame, axes, search.workers), list[Trial]()
    tuner = Tuner(
        table.space, search.strategy, goal=search.goal, max_trials=search.trials, seed=seed
    )
    began = time.thread_time()
    run(
        tuner,
        table,
        mode=search.mode,
        callbacks=[lambda _, trial: ended.append(trial)],
        progress=False,
    )
    asking = (time.thread_time() - began) / len(ended)
    course = _course(ended)
    moved = sum(trial.note.get("phase") == "near" for trial in ended) / len(ended)
    figures = {**_figures(course, table), "asking": asking, "moved": moved}
    return Outcome(figures, course, tuner)


def _course(ended: Sequence[Trial]) -> pd.DataFrame:
    loss = pd.Series([trial.value for trial in ended], dtype=float)
    return pd.DataFrame(
        {
            "elapsed": [(trial.times or (0.0, 0.0, 0.0))[2] for trial in ended],
            "total": pd.Series([trial.seconds for trial in ended], dtype=float).cumsum(),
            "best": loss.cummin().ffill(),
        }
    )


def _figures(course: pd.DataFrame, table: Table) -> dict[str, float]:
    best, final = table.optimum()[1], float(course["best"].min())
    there = course[course["best"] <= target(table)]
    first = there.iloc[0] if len(there) else course.iloc[-1]
    return {
        "trials": len(course),
        "total": float(course["total"].iloc[-1]),
        "elapsed": table.clock.elapsed,
        "utilisation": table.clock.utilisation,
        "final": final,
        "of_the_way": (final - best) / (table.median - best),
        "reached": float(len(there) > 0),
        "to_target_total": float(first["total"]),
        "to_target_elapsed": float(first["elapsed"]),
        "per_loss": table.clock.elapsed / (table.median - final),
    }
