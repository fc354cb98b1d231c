"""The stopping rule at its default tolerance: when it stops, and how far from the optimum.

    python -m benchmarks.quality.stopping [--tables DIR] [--names a,b] [--seeds 5] [--jobs 2]

Batches of 10 and of 40, at most 600 evaluations. The rule promises that no point is left that is
better by more than 1 % of the way from the best to the median of what was measured, (best -
optimum) / (median - best). Printed are the share of runs that it ended, the share of these in which
such a point was left, with 95 % intervals (Wilson 1927), and how often a stated chance came true.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from benchmarks.quality.asynchronous import Source, sources
from dsice import Goal, Tuner
from dsice.launchers import Table
from dsice.strategies import DSICE
from dsice.strategies.dsice import strategy

MOST, BATCHES, WAY = 600, (10, 40), 0.01
CHANCES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Run:
    """One tuning: how it ended, and what the rule said on the way.

    Attributes
    ----------
    stopped
        Whether the rule ended it before the budget or the table did.
    evaluations
        How many rows were measured.
    left
        Share of the way that was left at the end.
    stated
        Chance that the rule stated at each batch, and whether a better row was left indeed.
    """

    stopped: bool
    evaluations: int
    left: float
    stated: list[tuple[float, bool]]


def tune(task: tuple[Source, int, int]) -> Run:
    """Tune one table with a batch size and a seed."""
    source, batch, seed = task
    frame = source.frame()
    table = Table(frame, objective=source.objective, params=source.axes)
    sign = -1.0 if source.maximize else 1.0
    names = list(table.space.names)
    rows = frame[[*names, source.objective]].to_dict("records")
    values = {table.space.point({n: r[n] for n in names}): sign * r[source.objective] for r in rows}
    optimum = min(v for v in values.values() if v == v)
    goal = Goal(maximize=source.maximize)
    tuner = Tuner(table.space, DSICE(), goal=goal, max_trials=MOST, seed=seed)
    stated: list[float] = []
    plain = strategy.chance_of_better

    def noted(*args: object) -> float:
        stated.append(plain(*args))  # type: ignore[arg-type]
        return stated[-1]

    said: list[tuple[float, bool]] = []
    told: list[float] = []
    strategy.chance_of_better = noted
    try:
        while trials := tuner.ask(batch):
            said += [(chance, _left(told, optimum) > WAY) for chance in stated]
            stated.clear()
            for trial in trials:
                value = values[trial.point]
                if value == value:
                    tuner.tell(trial, sign * value)
                else:
                    tuner.tell(trial, error="failed")
            told = [v for t in tuner.history if (v := values[t.point]) == v]
        said += [(chance, _left(told, optimum) > WAY) for chance in stated]
    finally:
        strategy.chance_of_better = plain
    measured = len(tuner.history)
    return Run(measured < min(MOST, len(values)), measured, _left(told, optimum), said)


def _left(told: list[float], optimum: float) -> float:
    best, middle = min(told, default=math.inf), float(np.median(told)) if told else math.inf
    return (best - optimum) / (middle - best) if middle > best else math.inf


def interval(hits: int, n: int) -> str:
    """A share in per cent with its 95 % interval."""
    if not n:
        return "none"
    z = 1.96
    share, room = hits / n, z * z / n
    middle = (share + room / 2) / (1 + room)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + room)
    return f"{share:.0%} ({max(middle - half, 0):.0%} to {min(middle + half, 1):.0%}) of {n}"


def main() -> None:
    """Print a line for each table, and the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="folder of tables (default: our digits table)"
    )
    parser.add_argument("--names", default="", metavar="A,B")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    chosen = sources(options.tables, [name for name in options.names.split(",") if name])
    print(
        f"{'table':36}{'batch':>6}  evaluations (left of the way), * stopped by the rule, by seed"
    )
    runs: list[Run] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        tasks = list(product(chosen, BATCHES, range(options.seeds)))
        for (source, batch, seed), run in zip(tasks, pool.map(tune, tasks), strict=True):
            if not seed:
                print(f"\n{source.name:36}{batch:6}", end="")
            print(f"  {run.evaluations}{'*' * run.stopped} ({run.left:.1%})", end="", flush=True)
            runs.append(run)
    stopped = [run for run in runs if run.stopped]
    print(f"\n\nstopped early: {interval(len(stopped), len(runs))} runs")
    print(
        f"of these left more than 1 %: {interval(sum(r.left > WAY for r in stopped), len(stopped))}"
    )
    said = [pair for run in runs for pair in run.stated]
    print("\nstated chance    a better point was left")
    for low, high in pairwise(CHANCES):
        came = [true for chance, true in said if low <= chance < high or chance == high == 1.0]
        print(f"{low:5.0%} to {high:4.0%}    {interval(sum(came), len(came))}")


if __name__ == "__main__":
    main()
