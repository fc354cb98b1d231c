"""Print the tables of benchmarks/digits/README.md on importance.

``python docs/figures/insight.py`` takes about two minutes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsice import History, Tuner, effects, importance, run
from dsice.launchers import Table
from dsice.strategies import DSICE, Random

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "benchmarks" / "digits" / "digits_5x5x5x5x5.csv.gz"
PARAMS = ["lr", "batch", "momentum", "dropout", "l2"]
SEEDS = 10
SHOWN = (15, 20, 25, 30, 40, 50, 60, 80, 100)
"""Numbers of trials of the example whose importance changes its mind."""

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


def held(low: pd.Series[float], true: Array, high: pd.Series[float]) -> float:
    """How many true shares lie in their intervals, to half a percent."""
    return float(((low - 0.005 <= true) & (true <= high + 0.005)).mean())


def minds(seed: int = 2) -> None:
    """Print the share of each parameter, with its interval, as the trials of a search come in."""
    table = Table(LOG, objective="loss", params=PARAMS, slots=10)
    tuner = Tuner(table.space, DSICE(tolerance=None), max_trials=SHOWN[-1], seed=seed)
    run(tuner, table, mode="rounds", progress=False)
    for n in SHOWN:
        history = History(tuner.history.goal, trials=tuner.history[:n])
        shares = importance(history, tuner.space)
        alone = shares[shares["other"].isna()].set_index("parameter")
        cells = [
            f"{name} {alone.total[name]:.0%} "
            f"({alone.total_low[name]:.0%} - {alone.total_high[name]:.0%})"
            for name in PARAMS
        ]
        print(n, "; ".join(cells), "|", shares.attrs["early"] or "not too early")


def compare() -> None:
    """Print shares and effects of the model after some trials beside those of the whole grid."""
    curves, first, total = exact()
    print("exact, alone:", dict(zip(PARAMS, first.round(3).tolist(), strict=True)))
    print("exact, total:", dict(zip(PARAMS, total.round(3).tolist(), strict=True)))
    print(
        "strategy trials  error of share  error of total  "
        "error of effects (of their size)  inside the band  "
        "shares inside their intervals  totals  width of the latter  too early"
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
                        held(alone["low"], first, alone["high"]),
                        held(alone["total_low"], total, alone["total_high"]),
                        (alone["total_high"] - alone["total_low"]).mean(),
                        bool(shares.attrs["early"]),
                    ]
                )
            print(
                f"{type(strategy).__name__:8} {trials:6}",
                "  ".join(f"{x:.3f}" for x in np.mean(rows, axis=0)),
            )


if __name__ == "__main__":
    example = searched(DSICE(tolerance=None), 200, 0)
    print(importance(example).round(3).to_string())
    minds()
    compare()
