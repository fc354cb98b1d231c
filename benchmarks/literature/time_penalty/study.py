"""One search, replayed from the table on the virtual clock, and what is measured of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from dsice import Goal, Ordinal, Trial, Tuner, run
from dsice.launchers import Table
from dsice.strategies import Strategy

# the target: so far from the table's best loss, as a share of the way to its median
OF_THE_WAY = 0.05
Axes = Mapping[str, Ordinal | list[Any]]


@dataclass(frozen=True)
class Search:
    """How a search is carried out.

    Attributes
    ----------
    strategy, goal
        Who proposes the settings, and what is minimised.
    workers, mode
        Trainings at a time; a worker gets its next one when it is free (``"async"``) or when all
        are (``"rounds"``).
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
    """What came of a search.

    Attributes
    ----------
    figures
        ``trials``; ``total``: run time of all its trainings; ``elapsed``: on the virtual clock;
        ``utilisation``; ``final``: the lowest loss; ``of_the_way``: how far it is from the table's
        best, in units of the way from there to the median; ``to_target_total`` and
        ``to_target_elapsed``: the same times up to the first training that reached the target
        (those of the whole search where none did), ``reached``; ``per_loss``: elapsed seconds per
        unit of loss below the table's median; ``asking``: processor seconds of the search for each
        trial; ``moved``: share of proposals for which a free point nearby stands, since the sampler
        proposed one that was taken.
    course
        ``elapsed``, ``total`` (told so far) and ``best`` loss after each training, in the order in
        which they ended.
    tuner
        The search itself.
    """

    figures: dict[str, float]
    course: pd.DataFrame
    tuner: Tuner


def table_of(frame: pd.DataFrame, axes: Axes, workers: int) -> Table:
    """The trainings as a launcher with so many workers."""
    return Table(
        frame,
        objective="loss",
        params=list(axes),
        seconds="seconds",
        metrics=["error"],
        workers=workers,
    )


def target(table: Table) -> float:
    """The loss at which a search counts as having arrived."""
    best = table.optimum()[1]
    return best + OF_THE_WAY * (table.median - best)


def replay(search: Search, frame: pd.DataFrame, axes: Axes, seed: int) -> Outcome:
    """Carry a search out on the virtual clock. The clock counts trainings, not the seconds of the search itself."""
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
