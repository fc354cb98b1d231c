"""What a stopper saved and lost, on the same trials that random search trained to their end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.literature.mnist.design import MATCHED, MEDIAN, RANDOM
from benchmarks.literature.mnist.searches import Study
from dsice import State, Trial


def losses(trials: list[Trial]) -> dict[int, float]:
    """Final validation loss of the trials that have one, by their id."""
    return {t.id: t.metrics["loss"] for t in trials if t.state is State.DONE}


def compared(shape: str, seed: int, found: dict[str, Study]) -> pd.DataFrame:
    """A row for each stopper: the first trials of its search beside the same ones of random search.

    The same seed draws the same settings and trains them from the same weights, so that a trial
    differs between the two searches only in where it ended. `saved` is the share of the epochs not
    trained, `lost` how much the best validation loss is above that of random search, and
    `good_stopped` how many of the best quarter were stopped.
    """
    whole = found[RANDOM].tuner.history
    rows = []
    for method in (MATCHED, MEDIAN):
        study = found[method]
        n = min(len(whole), len(study.tuner.history))
        full, part = list(whole)[:n], list(study.tuner.history)[:n]
        before, after = losses(full), losses(part)
        epochs, trained = (
            sum(len(study_.courses[i]) for i in range(n)) for study_ in (found[RANDOM], study)
        )
        best, kept = min(before, key=before.__getitem__), min(after, key=after.__getitem__)
        good = sorted(before, key=before.__getitem__)[: max(1, len(before) // 4)]
        stopped = [i for i in study.stops if i < n]
        row: dict[str, Any] = {
            "network": shape,
            "seed": seed,
            "stopper": method,
            "trials": n,
            "stopped": len(stopped),
        }
        row |= {"epochs": epochs, "trained": trained, "saved": 1 - trained / epochs}
        row |= {"best": before[best], "kept": after[kept], "lost": after[kept] - before[best]}
        row |= {"test_best": full[best].metrics["test"], "test_kept": part[kept].metrics["test"]}
        rows.append(row | {"good": len(good), "good_stopped": sum(i in stopped for i in good)})
    return pd.DataFrame(rows)


def predictions(shape: str, seed: int, found: dict[str, Study]) -> pd.DataFrame:
    """Predicted final losses of the trials stopped by curve matching, beside the real ones.

    The real ones are those of random search, which trained the same trials to their end.
    """
    ends = losses(list(found[RANDOM].tuner.history))
    places = pd.Series(ends).rank(pct=True, method="min")
    rows = []
    for id, inputs in found[MATCHED].stops.items():
        if id in ends:  # random search had the same trial, and it did not diverge
            rows.append(
                {"network": shape, "seed": seed, "trial": id, "checkpoint": inputs["checkpoint"]}
                | {"predicted": inputs.get("predicted", math.nan), "rank": inputs["rank"]}
                | {"ended": ends[id], "ended_rank": places[id]}
            )
    return pd.DataFrame(rows)


def agreement(table: pd.DataFrame) -> float:
    """Spearman's rank correlation of predicted and real final losses: the mean over studies."""
    found = [
        study["predicted"].corr(study["ended"], method="spearman")
        for _, study in table.groupby(["network", "seed"])
        if study["predicted"].nunique() > 1 and study["ended"].nunique() > 1
    ]
    return float(np.mean(found)) if found else math.nan
