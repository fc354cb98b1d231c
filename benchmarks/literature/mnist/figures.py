"""The figures of the tables: means, spreads over the seeds, paired differences and intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.literature.mnist.design import METHODS, RANDOM
from benchmarks.literature.mnist.early import agreement


def interval(differences: pd.Series[float]) -> float:
    """Half the 95 % interval of a mean (Student); NaN for fewer than two values."""
    from scipy.stats import t

    n = len(differences)
    return (
        float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    )


def by_method(final: pd.DataFrame) -> pd.DataFrame:
    """A row for each network and method.

    It has the mean and the standard deviation over the seeds, and the paired difference to random
    search. `loss` is the validation loss of the best trial, by which it was chosen; `test` is its
    test accuracy.
    """
    rows = []
    for network, part in final.groupby("network", sort=False):
        wide = {
            name: part.pivot(index="seed", columns="method", values=name)
            for name in ("loss", "test")
        }
        for method in METHODS:
            mine = part[part.method == method]
            row: dict[str, Any] = {
                "network": network,
                "method": method,
                "epochs": mine.epochs.mean(),
                "trials": mine.trials.mean(),
            }
            for name, table in wide.items():
                off = table[method] - table[RANDOM]
                row |= {name: table[method].mean(), f"{name}_sd": table[method].std(ddof=1)}
                row |= {
                    f"{name}_off": off.mean(),
                    f"{name}_off_ci": interval(off) if method != RANDOM else 0.0,
                }
                row |= {
                    f"{name}_ahead": int((off < 0).sum() if name == "loss" else (off > 0).sum())
                }
            rows.append(row)
    return pd.DataFrame(rows)


def by_stopper(stopping: pd.DataFrame) -> pd.DataFrame:
    """A row for each network and stopper: the share of epochs saved and the loss of the best.

    Both are relative to random search on the same trials.
    """
    rows = []
    for (network, stopper), part in stopping.groupby(["network", "stopper"], sort=False):
        row: dict[str, Any] = {
            "network": network,
            "stopper": stopper,
            "saved": part.saved.mean(),
            "saved_sd": part.saved.std(),
        }
        row |= {
            "lost": part.lost.mean(),
            "lost_sd": part.lost.std(),
            "lost_max": part.lost.max(),
            "kept_best": int((part.lost == 0).sum()),
        }
        row |= {
            "test_lost": (part.test_best - part.test_kept).mean(),
            "stopped": part.stopped.sum() / part.trials.sum(),
        }
        rows.append(row | {"good_stopped": part.good_stopped.sum() / part.good.sum()})
    return pd.DataFrame(rows)


def by_rate(sweep: pd.DataFrame) -> pd.DataFrame:
    """Mean over the repeats for each network, way and initial rate."""
    return (
        sweep.groupby(["network", "way", "lr"], sort=False)[["mean", "best"]].mean().reset_index()
    )


def summary(
    tables: dict[str, pd.DataFrame], grid: pd.DataFrame, elapsed: float, workers: int, apart: float
) -> dict[str, Any]:
    """The contents of summary.json."""
    found: dict[str, Any] = {}
    for row in tables["methods"].to_dict("records"):
        name = f"{row['network']}, {row['method']}"
        found[f"{name}: loss"] = f"{row['loss']:.4f} +- {row['loss_sd']:.4f}"
        found[f"{name}: loss against random"] = (
            f"{row['loss_off']:+.4f} +- {row['loss_off_ci']:.4f} (95 %)"
        )
        found[f"{name}: test accuracy"] = f"{row['test']:.4f} +- {row['test_sd']:.4f}"
    for row in tables["stoppers"].to_dict("records"):
        name = f"{row['network']}, {row['stopper']}, same trials"
        found[f"{name}: epochs saved"] = float(row["saved"])
        found[f"{name}: loss lost"] = float(row["lost"])
    found["rank correlation of predicted and real final loss"] = agreement(tables["predictions"])
    for network, part in tables["pairs"].groupby("network", sort=False):
        found[f"{network}: same trial better with decay"] = float(
            np.average(part.decaying_better, weights=part.pairs)
        )
        found[f"{network}: the same, best quarter"] = float(
            np.average(part.of_best_quarter, weights=part.pairs)
        )
    best = grid.sort_values("loss").to_dict("records")[0]
    found["grid: points"] = len(grid)
    found["grid: best"] = (
        f"lr {best['lr']:.3g}, batch {best['batch']}, momentum {best['momentum']}: "
        f"loss {best['loss']:.4f}"
    )
    found[f"grid: seconds of the trials over elapsed, {workers} processes"] = float(
        grid["seconds"].sum() / elapsed
    )
    found["PBT through Local: largest difference to the same in process"] = apart
    return found
