"""The stopping rule at its default tolerance: when it stops, and how far from the optimum.

    python -m benchmarks.quality.stopping [--tables DIR] [--names a,b] [--seeds 5] [--jobs 2]

Batches of 10 and of 40, at most 600 evaluations. The rule promises that no point is left that is
better by more than 1 % of the way from the best to the median of what was measured, (best -
optimum) / (median - best). Printed are the share of runs that it ended, the share of these in which
such a point was left, with 95 % intervals (Wilson 1927), and how often a stated chance came true.

The rule has one number that was chosen, `convergence.MARGIN`. Each run goes on to its end and asks
the rule with every margin of MARGINS, so that one run shows where each would have ended it. With
families of tables left out in turn (a family: the tables whose names begin with the same word), the
margin is chosen on the others - the smallest that leaves a better point in at most AIM of the runs
that it ends - and counted on the family that was left out.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.asynchronous import Source, sources
from dsice import Goal, Tuner
from dsice.launchers import Table
from dsice.strategies import DSICE
from dsice.strategies.dsice import convergence, strategy

MOST, BATCHES, WAY = 600, (10, 40), 0.01
CHANCES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
MARGINS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
AIM = 0.05


@dataclass(frozen=True)
class Question:
    """One time that the rule was asked.

    Attributes
    ----------
    chances
        What it stated with each of MARGINS.
    evaluations
        How many rows were measured until then.
    left
        Share of the way that was left then.
    """

    chances: tuple[float, ...]
    evaluations: int
    left: float


@dataclass(frozen=True)
class Run:
    """One tuning of a table: what the rule was asked on the way, and how it ended."""

    family: str
    questions: list[Question]
    evaluations: int
    left: float

    def end(self, margin: float) -> tuple[bool, int, float]:
        """Whether the rule ends it with a margin, after how many evaluations, what is left."""
        at = MARGINS.index(margin)
        for question in self.questions:
            if question.chances[at] < convergence.CHANCE:
                return True, question.evaluations, question.left
        return False, self.evaluations, self.left


class _Once:
    """A surface that is asked about the same points for each margin, and predicts them once."""

    def __init__(self, surface: Any) -> None:
        self._surface, self._prediction = surface, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._surface, name)

    def predict(self, points: Any) -> Any:
        self._prediction = self._prediction or self._surface.predict(points)
        return self._prediction


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
    tuner = Tuner(
        table.space, DSICE(), goal=Goal(maximize=source.maximize), max_trials=MOST, seed=seed
    )
    questions: list[Question] = []
    told: list[float] = []
    plain, margin = strategy.chance_of_better, convergence.MARGIN
    fit = convergence.surface_through

    def asked(*args: Any) -> float:
        stated, fitted = [], []

        def fitted_once(*data: Any) -> Any:
            fitted[:] = fitted or [_Once(fit(*data))]
            return fitted[0]

        convergence.surface_through = fitted_once
        for convergence.MARGIN in MARGINS:  # type: ignore[misc]
            stated.append(plain(*args))
        convergence.MARGIN, convergence.surface_through = margin, fit  # type: ignore[misc]
        questions.append(Question(tuple(stated), len(tuner.history), _left(told, optimum)))
        return 1.0  # go on

    strategy.chance_of_better = asked
    try:
        while trials := tuner.ask(batch):
            for trial in trials:
                value = values[trial.point]
                if value == value:
                    tuner.tell(trial, sign * value)
                else:
                    tuner.tell(trial, error="failed")
            told = [v for t in tuner.history if (v := values[t.point]) == v]
    finally:
        strategy.chance_of_better = plain
    return Run(
        re.split(r"[_/]", source.name)[0], questions, len(tuner.history), _left(told, optimum)
    )


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
            ended, evaluations, left = run.end(convergence.MARGIN)
            print(f"  {evaluations}{'*' * ended} ({left:.1%})", end="", flush=True)
            runs.append(run)
    print("\n\nmargin  stopped early; of these left more than 1 %")
    for margin in MARGINS:
        print(f"{margin:6}  {_shares(runs, margin)}")
    _left_out(runs)
    print(f"\nstated chance (margin {convergence.MARGIN})    a better point was left")
    at = MARGINS.index(convergence.MARGIN)
    said = [(q.chances[at], q.left > WAY) for run in runs for q in run.questions]
    for low, high in pairwise(CHANCES):
        came = [true for chance, true in said if low <= chance < high or chance == high == 1.0]
        print(f"{low:5.0%} to {high:4.0%}    {interval(sum(came), len(came))}")


def _broken(runs: Sequence[Run], margin: float) -> list[bool]:
    """Of the runs that the rule ends: whether a better point was left."""
    return [left > WAY for ended, _, left in (run.end(margin) for run in runs) if ended]


def _shares(runs: Sequence[Run], margin: float) -> str:
    broken = _broken(runs, margin)
    return f"{interval(len(broken), len(runs))}; {interval(sum(broken), len(broken))}"


def _left_out(runs: list[Run]) -> None:
    """Choose the margin without each family in turn, and count it there."""
    families = sorted({run.family for run in runs})
    if len(families) < 2:
        return
    print("\nfamily left out: margin chosen on the others; stopped there; of these left > 1 %")
    count, broken = 0, []
    for family in families:
        others = [run for run in runs if run.family != family]
        kept = [m for m in MARGINS if (b := _broken(others, m)) and np.mean(b) <= AIM]
        margin = min(kept, default=MARGINS[-1])
        out = [run for run in runs if run.family == family]
        print(f"{family:16} {margin:5}  {_shares(out, margin)}")
        count, broken = count + len(out), broken + _broken(out, margin)
    print(f"all: {interval(len(broken), count)}; {interval(sum(broken), len(broken))}")


if __name__ == "__main__":
    main()
