"""Draw the pictures of docs/insight.md and print its table.

``python docs/figures/insight.py`` takes about 20 seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsice import Tuner, effects, importance, plots, run
from dsice.launchers import Table
from dsice.strategies import DSICE, Random

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "benchmarks" / "digits" / "digits_5x5x5x5x5.csv.gz"
PARAMS = ["lr", "batch", "momentum", "dropout", "l2"]
SEEDS = 10

Array = NDArray[np.float64]


def searched(strategy: DSICE | Random, trials: int, seed: int) -> Tuner:
    """Trials on the measured grid, in rounds of 40."""
    table = Table(LOG, objective="loss", params=PARAMS, slots=40)
    tuner = Tuner(table.space, strategy, max_trials=trials, seed=seed)
    return run(tuner, table, mode="rounds", progress=False)


def exact() -> tuple[Array, Array, Array]:
    """Main effects of all levels, first and total shares, of the whole measured grid.

    The few failed points count with the median.
    """
    table = Table(LOG, objective="loss", params=PARAMS)
    tuner = run(Tuner(table.space, Random()), table, mode="rounds", progress=False)
    f = np.full(table.space.shape, np.nan)
    for trial in tuner.history:
        f[trial.point] = np.nan if trial.value is None else trial.value
    f = np.where(np.isnan(f), np.nanmedian(f), f)
    axes = range(f.ndim)
    curves = [f.mean(axis=tuple(k for k in axes if k != j)) - f.mean() for j in axes]
    total = [1.0 - f.mean(axis=j).var() / f.var() for j in axes]
    return (
        np.concatenate(curves),
        np.array([curve.var() / f.var() for curve in curves]),
        np.array(total),
    )


def compare() -> None:
    """Print shares and effects of the model after some trials beside those of the whole grid."""
    curves, first, total = exact()
    print("exact, alone:", dict(zip(PARAMS, first.round(3).tolist(), strict=True)))
    print("exact, total:", dict(zip(PARAMS, total.round(3).tolist(), strict=True)))
    print(
        "strategy trials  error of share  error of total  "
        "error of effects (of their size)  inside the band"
    )
    for strategy in (Random(), DSICE(tolerance=None)):
        for trials in (40, 80, 200, 400):
            rows = []
            for seed in range(SEEDS):
                tuner = searched(strategy, trials, seed)
                shares, frame = importance(tuner), effects(tuner)
                alone = shares[shares["other"].isna()].set_index("parameter").loc[PARAMS]
                off = frame["effect"].to_numpy() - curves
                inside = (frame["low"] <= curves) & (curves <= frame["high"])
                rows.append(
                    [
                        np.abs(alone["share"] - first).mean(),
                        np.abs(alone["total"] - total).mean(),
                        np.sqrt(np.mean(off**2) / np.mean(curves**2)),
                        inside.mean(),
                    ]
                )
            print(
                f"{type(strategy).__name__:8} {trials:6}",
                "  ".join(f"{x:.3f}" for x in np.mean(rows, axis=0)),
            )


if __name__ == "__main__":
    example = searched(DSICE(tolerance=None), 200, 0)
    plots.effects(example, ROOT / "docs" / "img" / "insight_effects.png")
    plots.importance(example, ROOT / "docs" / "img" / "insight_importance.png")
    print(importance(example).round(3).to_string())
    compare()
