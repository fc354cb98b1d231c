"""All searches on one network with one seed, and the tables made from them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.literature.mnist.design import DECAYING, POPULATION, RANDOM, SHAPES, Size
from benchmarks.literature.mnist.early import compared, losses, predictions
from benchmarks.literature.mnist.searches import Study, final, studies
from benchmarks.literature.mnist.sweep import sweep

Tables = dict[str, pd.DataFrame]


def pairs(shape: str, seed: int, found: dict[str, Study]) -> pd.DataFrame:
    """Trials of random search beside the same trials with a decaying rate.

    Counts in how many of them the decaying rate ended with less validation loss.
    """
    static, decaying = (losses(list(found[method].tuner.history)) for method in (RANDOM, DECAYING))
    both = sorted(set(static) & set(decaying))
    better = float(np.mean([decaying[i] < static[i] for i in both]))
    best = sorted(both, key=lambda i: min(static[i], decaying[i]))[: max(1, len(both) // 4)]
    top = float(np.mean([decaying[i] < static[i] for i in best]))
    return pd.DataFrame(
        [
            {
                "network": shape,
                "seed": seed,
                "pairs": len(both),
                "decaying_better": better,
                "of_best_quarter": top,
            }
        ]
    )


def schedules(shape: str, seed: int, found: dict[str, Study]) -> pd.DataFrame:
    """Learning rate and validation accuracy of every epoch of the best trainings.

    One best training each for random search, decay and the population.
    """
    rows = []
    for method in (RANDOM, DECAYING, POPULATION):
        best = found[method].tuner.best
        course = [] if best is None else found[method].course(best)
        for epoch, (lr, measured) in enumerate(course, 1):
            row = {
                "network": shape,
                "seed": seed,
                "method": method,
                "epoch": epoch,
                "lr": lr,
                "accuracy": measured.accuracy,
            }
            rows.append(row)
    return pd.DataFrame(rows)


def study(task: tuple[str, int | None], size: Size) -> Tables:
    """The tables of one network and seed; without a seed, those of the sweep over rates."""
    shape, seed = task
    if seed is None:
        return {"sweep": sweep(size, shape)}
    found = studies(shape, seed, size)
    makers = {
        "final": final,
        "stopping": compared,
        "predictions": predictions,
        "pairs": pairs,
        "schedules": schedules,
    }
    return {name: make(shape, seed, found) for name, make in makers.items()}


def everything(size: Size, workers: int) -> Tables:
    """The tables of all networks and seeds, on that many processes."""
    tasks: list[tuple[str, int | None]] = [
        (shape, seed) for shape in SHAPES for seed in (None, *range(size.seeds))
    ]
    parts: dict[str, list[pd.DataFrame]] = {}
    for done, tables in enumerate(_mapped(tasks, size, workers), 1):
        print(f"{done} of {len(tasks)} parts", flush=True)
        for name, table in tables.items():
            parts.setdefault(name, []).append(table)
    return {
        name: pd.concat([t for t in tables if len(t)], ignore_index=True)
        for name, tables in parts.items()
    }


def _mapped(tasks: list[tuple[str, int | None]], size: Size, workers: int) -> Iterator[Tables]:
    one = partial(study, size=size)
    if workers < 2:
        yield from map(one, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, tasks)
