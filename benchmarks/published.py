"""The published algorithms and the default search on the same grids: jobs, rounds, results.

    python benchmarks/published.py            # about 40 s on one core
    python benchmarks/published.py --quick    # one run on each of the smaller grids

Grids: the digits table of `benchmarks/digits` (10 starts: the middle and 9 random ones), and
quadratic and wavy functions with an oblique axis (2 seeds of each, from the middle).
The columns, medians over the runs:

- jobs: jobs that the algorithm asks for by its own rules, repeated points included;
- points: different points among them;
- rounds: batches of 40, of 50 on the 15x16x16x16 grid, of 1 for the sequential algorithms;
- fill: points as a share of rounds x batch;
- left: (best found - optimum) / (median - optimum) at the end, 0 at the optimum, 1 for a typical
  point; the median and the worst run;
- to 1 %: the round after which at most 1 % is left, "never" where half of the runs do not reach it.

DSICE does not end by itself, so it is given the points of Parallel2022. The row "Radial2024,
filled" runs Radial2024 through the Tuner, which answers repeated points from the history and fills
up the batches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsice import Tuner
from dsice.strategies import DSICE, Radial2024, Strategy
from dsice.strategies.published.ippe import OneLine, Original
from dsice.strategies.published.parallel import Parallel
from dsice.strategies.published.radial import Radial
from dsice.strategies.published.search import Search
from dsice.strategies.published.sequential import Sequential
from dsice.typing import Point

TABLE = Path(__file__).resolve().parent / "digits" / "digits_5x5x5x5x5.csv.gz"
Values = NDArray[np.float64]


@dataclass
class Course:
    """Outcome of a run: jobs by the algorithm's rules, different points, best after each round."""

    jobs: int
    points: int
    bests: list[float]


@dataclass
class Run:
    """A function over a whole grid, NaN where it fails, and the starting point."""

    values: Values
    start: Point


def waves(shape: tuple[int, ...], seed: int, kind: str) -> Values:
    """`quad`: an oblique quadratic bowl; `rast`: a round one with waves; minimum off the grid."""
    rng, last = np.random.default_rng(seed), np.array(shape) - 1
    centre = rng.uniform(0.15, 0.85, len(shape)) * last
    mixed = rng.normal(size=(len(shape), len(shape)))
    z = (np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) - centre) / last
    if kind == "quad":
        return np.asarray(
            np.einsum("...i,ij,...j", z, mixed @ mixed.T / len(shape) + np.eye(len(shape)), z)
        )
    return np.asarray((z**2).sum(-1) + 0.1 * (1 - np.cos(12 * z)).sum(-1))


def synthetic(shape: tuple[int, ...], quick: bool) -> list[Run]:
    kinds = (
        [("quad", 0)] if quick else [(kind, seed) for kind in ("quad", "rast") for seed in (0, 1)]
    )
    return [Run(waves(shape, seed, kind), tuple(m // 2 for m in shape)) for kind, seed in kinds]


def digits(quick: bool) -> list[Run]:
    values = pd.read_csv(TABLE)["loss"].to_numpy().reshape((5,) * 5)
    starts = [(2,) * 5, *map(tuple, np.random.default_rng(0).integers(0, 5, size=(9, 5)).tolist())]
    return [Run(values, start) for start in starts[: 1 if quick else None]]


def bare(search: Search, values: Values, batch: int) -> Course:
    """Run an algorithm by its own rules."""
    jobs, best, bests, seen = 0, inf, list[float](), set[Point]()
    while points := search.ask(batch):
        jobs += len(points)
        seen.update(points)
        for point in points:
            search.tell(point, float(values[point]))
            best = min(best, float(values[point])) if np.isfinite(values[point]) else best
        bests.append(best)
    return Course(jobs, len(seen), bests)


def tuned(strategy: Strategy, values: Values, batch: int, most: int | None) -> Course:
    """Run a strategy through the Tuner."""
    tuner, bests = (
        Tuner({f"x{i}": range(m) for i, m in enumerate(values.shape)}, strategy, max_trials=most),
        list[float](),
    )
    while trials := tuner.ask(batch):
        for trial in trials:
            value = float(values[trial.point])
            tuner.tell(trial, value) if np.isfinite(value) else tuner.tell(trial, error="diverged")
        best = tuner.best
        bests.append(inf if best is None or best.value is None else best.value)
    return Course(len(tuner.history), len(tuner.history), bests)


def row(name: str, runs: list[Run], batch: int, found: list[Course]) -> None:
    left, soon = [], []
    for run, course in zip(runs, found, strict=True):
        known = run.values[np.isfinite(run.values)]
        shares = (np.array(course.bests) - known.min()) / (np.median(known) - known.min())
        left.append(float(shares[-1]))
        soon.append(int(np.argmax(shares <= 0.01)) + 1 if shares[-1] <= 0.01 else inf)
    jobs, points = median(c.jobs for c in found), median(c.points for c in found)
    rounds, fill = (
        median(len(c.bests) for c in found),
        median(c.points / (len(c.bests) * batch) for c in found),
    )
    reached = f"{median(soon):g}" if median(soon) < inf else "never"
    print(
        f"| {name} | {jobs:g} | {points:g} | {rounds:g} | {fill:.0%} | {reached} "
        f"| {median(left):.3f} | {max(left):.3f} |",
        flush=True,
    )


def compare(name: str, runs: list[Run], batch: int) -> None:
    """All algorithms on one grid."""
    shape = runs[0].values.shape
    print(f"\n{name}, batch {batch}, {len(runs)} runs\n")
    print(
        "| algorithm | jobs | points | rounds | fill | to 1 % | left | worst |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    one: dict[str, Callable[[Run], Search]] = {
        "Sequential2017": lambda run: Sequential(shape, run.start, narrow=False),
        "Sequential2018": lambda run: Sequential(shape, run.start),
    }
    if len(shape) == 1:
        one = {"IPPE": lambda _: OneLine(shape), "IPPE, original": lambda _: Original(shape), **one}
    for title, make in one.items():
        row(title, runs, 1, [bare(make(run), run.values, 1) for run in runs])
    parallel = [bare(Parallel(shape, run.start), run.values, batch) for run in runs]
    row("Parallel2022", runs, batch, parallel)
    row(
        "Radial2024",
        runs,
        batch,
        [bare(Radial(shape, run.start, unstick=True), run.values, batch) for run in runs],
    )
    filled = [
        Radial2024(start={f"x{i}": x for i, x in enumerate(run.start)}, batch=batch) for run in runs
    ]
    row(
        "Radial2024, filled",
        runs,
        batch,
        [tuned(s, run.values, batch, None) for s, run in zip(filled, runs, strict=True)],
    )
    starts = [
        DSICE(start={f"x{i}": x for i, x in enumerate(run.start)}, tolerance=None) for run in runs
    ]
    limits = [course.points for course in parallel]
    row(
        "DSICE",
        runs,
        batch,
        [tuned(s, r.values, batch, n) for s, r, n in zip(starts, runs, limits, strict=True)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one run on each of the smaller grids")
    quick, began = parser.parse_args().quick, time.perf_counter()
    compare("digits, 5x5x5x5x5", digits(quick), 40)
    for shape in [(16,), (20, 20)] + ([] if quick else [(12, 12, 10), (5, 5, 5, 5, 5)]):
        compare("x".join(map(str, shape)), synthetic(shape, quick), 40)
    if not quick:
        compare("15x16x16x16", synthetic((15, 16, 16, 16), quick), 50)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
