"""What the measured trials take on 40 workers: replays on the virtual clock, no training.

The clock runs on the CPU seconds of the trials. A training is one thread, so these are the seconds
that it takes on a core of its own. Wall-clock seconds depend on what else the machine did; they are
shown beside. Even CPU seconds grow when another process shares the caches, so a search that trains
one at a time is not quite comparable. For that reason each trial also gets the typical seconds of
its `rnn_size`, which determines the cost of a training.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.literature.pedestrian.study import AXES, GOAL, Search
from dsice import Tuner, run
from dsice.launchers import Clock, Table
from dsice.strategies import Random


def table(rows: pd.DataFrame, workers: int, seconds: str = "cpu_seconds") -> Table:
    """The trials of a search as a log on the whole grid.

    Asking for a point that the search did not measure is an error.
    """
    return Table(
        rows,
        objective="fde",
        params=AXES,
        metrics=["ade"],
        missing="error",
        seconds=seconds,
        workers=workers,
    )


def rounds(search: Search, rows: pd.DataFrame, seconds: str = "cpu_seconds") -> tuple[Tuner, Clock]:
    """Replay the search from its own log, with a worker for each trial of a round.

    A round waits for its slowest trial.
    """
    log = table(rows, search.batch, seconds)
    tuner = run(search.tuner(), log, mode="rounds", progress=False)
    return tuner, log.clock


def no_waiting(rows: pd.DataFrame, workers: int) -> Clock:
    """The same trials in the same order, each handed out as soon as a worker is free.

    Waiting for rounds costs at most the difference to `rounds`.
    """
    log = table(rows, workers)
    tuner = Tuner(log.space, Random(), goal=GOAL, max_trials=len(rows))
    for row in rows[list(AXES)].to_dict("records"):
        tuner.enqueue({str(name): value for name, value in row.items()})
    run(tuner, log, mode="async", progress=False)
    return log.clock


def reached(replayed: Tuner, value: float) -> float:
    """The virtual second at which a trial of `value` or less ended; NaN if none did."""
    ends = [
        trial.times[2]
        for trial in replayed.history
        if trial.value is not None and trial.value <= value
    ]
    return min((end for end in ends if end is not None), default=float("nan"))


def account(search: Search, rows: pd.DataFrame, target: float) -> dict[str, float | int | str]:
    """One line of the table of times in virtual seconds; `target` is an fde to be reached."""
    replayed, cpu = rounds(search, rows)
    _, wall = rounds(search, rows, "seconds")
    _, typical = rounds(search, rows, "typical_seconds")
    return {
        "search": search.label,
        "workers": search.batch,
        "trials": len(rows),
        "rounds": int(rows["round"].nunique()),
        "one_worker_s": cpu.busy,
        "elapsed_s": cpu.elapsed,
        "speedup": cpu.speedup,
        "utilisation": cpu.utilisation,
        "to_target_s": reached(replayed, target),
        "elapsed_at_typical_costs_s": typical.elapsed,
        "speedup_of_wall_seconds": wall.speedup,
        "speedup_without_rounds": no_waiting(rows, search.batch).speedup,
    }
