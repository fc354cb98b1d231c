"""The stopping rule at its default tolerance: when it stops, and how far from the optimum.

    python benchmarks/quality/stopping.py [--tables DIR] [--names a,b] [--seeds 3]

Rounds of 40, at most 600 evaluations. The way left is (best - optimum) / (median - optimum).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.quality.asynchronous import Source, sources
from dsice import Goal, Tuner, run
from dsice.launchers import Table

MOST, BATCH = 600, 40


def stop(source: Source, seed: int) -> tuple[int, float]:
    """Number of evaluations, and the share of the way that was left."""
    table = Table(source.frame(), objective=source.objective, params=source.axes, slots=BATCH)
    tuner = Tuner(table.space, goal=Goal(maximize=source.maximize), max_trials=MOST, seed=seed)
    run(tuner, table, mode="rounds", progress=False)
    _, optimum = table.optimum(maximize=source.maximize)
    best = tuner.best
    left = (
        np.inf
        if best is None or best.value is None
        else (best.value - optimum) / (table.median - optimum)
    )
    return len(tuner.history), float(left)


def main() -> None:
    """Print a line for each table, and the shares."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="folder of tables (default: our digits table)"
    )
    parser.add_argument("--names", default="", metavar="A,B")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    found = []
    print(f"{'table':36}evaluations (left of the way), by seed")
    for source in sources(options.tables, [name for name in options.names.split(",") if name]):
        runs = [stop(source, seed) for seed in range(options.seeds)]
        print(f"{source.name:36}" + "  ".join(f"{n} ({left:.2%})" for n, left in runs), flush=True)
        found += runs
    stopped = [left for n, left in found if n < MOST]
    print(f"stopped early: {len(stopped) / len(found):.0%} of the runs (aim 70 %)", end="")
    print(
        f"; of these within 2 %: {np.mean([left <= 0.02 for left in stopped]):.0%} (aim 90 %)"
        if stopped
        else ""
    )


if __name__ == "__main__":
    main()
