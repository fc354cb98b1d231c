"""Tuning under noise: the recommended point beside the luckiest single value, in the same runs.

    python benchmarks/quality/noise.py --tables DIR --names a,b --seeds 10

For tables with the single measurements of every point (columns obj_s* or obj_r*). Each evaluation
draws one of them with replacement; a repeat costs one evaluation. The search is
`DSICE(noise=True)` in rounds of 40.

The true value of a point is its `objective`. The regret is (true value - optimum) /
(median - optimum) after 400 evaluations, for `tuner.best` and for the point with the smallest
single value.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.asynchronous import Source, sources
from dsice import Tuner
from dsice.launchers import Table
from dsice.strategies import DSICE

BATCH, EVALUATIONS, AIM = 40, 400, 0.6


def regrets(source: Source, seed: int) -> tuple[float, float] | None:
    """Regret of the recommended point and of the smallest value.

    None for a table without single measurements.
    """
    frame = source.frame()
    singles = [c for c in frame.columns if c.startswith(("obj_s", "obj_r")) and c != "obj_std"]
    if not singles or source.axes is None:
        return None
    names = list(source.axes)
    sign = -1.0 if source.maximize else 1.0
    rows = frame.drop_duplicates(names)
    keys = [tuple(row) for row in rows[names].itertuples(index=False)]
    draws = dict(zip(keys, sign * rows[singles].to_numpy(float), strict=True))
    truth = dict(zip(keys, sign * rows[source.objective].to_numpy(float), strict=True))
    values = np.array([v for v in truth.values() if np.isfinite(v)])
    tuner = Tuner(
        Table(frame, objective=source.objective, params=source.axes).space,
        DSICE(noise=True, tolerance=None),
        seed=seed,
    )
    g = np.random.default_rng([seed, 1])
    while len(tuner.history) < EVALUATIONS:
        for trial in tuner.ask(BATCH):
            some = draws[_key(trial.params, names)]
            some = some[np.isfinite(some)]
            tuner.tell(trial, float(g.choice(some))) if len(some) else tuner.tell(
                trial, error="failed"
            )
    lowest = min((t for t in tuner.history if t.value is not None), key=lambda t: t.value or 0.0)
    best = tuner.best
    way = float(np.median(values)) - float(values.min())
    found = [
        (truth[_key(t.params, names)] - float(values.min())) / way
        for t in (best, lowest)
        if t is not None
    ]
    return found[0], found[1]


def _key(params: Any, names: list[str]) -> tuple[Any, ...]:
    return tuple(params[name] for name in names)


def main() -> None:
    """Print a line for each table, and the ratio of the mean regrets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, required=True, metavar="DIR")
    parser.add_argument("--names", default="", metavar="A,B")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    means = []
    print(f"{'table':36}{'best':>10}{'luckiest':>10}{'ratio':>8}")
    for source in sources(options.tables, [name for name in options.names.split(",") if name]):
        found = [regrets(source, seed) for seed in range(options.seeds)]
        pairs = np.array([pair for pair in found if pair is not None])
        if len(pairs):
            ours, luckiest = pairs.mean(axis=0)
            means.append((ours, luckiest))
            ratio = ours / luckiest if luckiest else math.nan
            print(f"{source.name:36}{ours:10.4f}{luckiest:10.4f}{ratio:8.2f}", flush=True)
    if not means:
        print("no table has single measurements")
        return
    ours, luckiest = np.mean(means, axis=0)
    print(f"{'mean':36}{ours:10.4f}{luckiest:10.4f}{ours / luckiest:8.2f}, aim: {AIM}")


if __name__ == "__main__":
    main()
