"""Run everything and write the results.

``python -m benchmarks.literature.super_resolution [--quick] [--workers N]``
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.literature.results import Results, arguments, need

SHOWN = ((2, 20, 0), (4, 60, 60))  # pieces of the test crops: which, from which row and column on


def main() -> None:
    """Search, account, draw."""
    options = arguments("super-resolution: two-step learning under a bound on the RMSE")
    for package in ("torch", "sklearn", "skimage"):
        need(package, "super-resolution")
    os.environ["OMP_NUM_THREADS"] = "1"  # the worker processes inherit it

    from benchmarks.literature.super_resolution import study

    results = Results(Path(__file__).parent, quick=options.quick)
    design = study.Design.quick() if options.quick else study.Design()
    with tempfile.TemporaryDirectory(prefix="dsice-super-resolution-") as home:
        outcome = study.search(design, Path(home), options.workers)
        results.finish(report(results, design, outcome))


def report(results: Results, design: Any, outcome: Any) -> dict[str, object]:
    """Write the tables and pictures; the figures of the summary."""
    from benchmarks.literature.super_resolution import comparing, images, study, training

    references = {
        name: training.measured(network, outcome.prepared, "search")
        | _tests(training.measured(network, outcome.prepared, "test"))
        for name, network in (
            ("pre-trained", training.checkpoint(outcome.prepared)),
            ("bicubic", None),
        )
    }
    bounded = outcome.bounded.history.frame().query("stage == 0")
    free = outcome.unbounded.history.frame()
    keep = [
        "id",
        "round",
        *study.AXES,
        "rmse",
        "index",
        "test_rmse",
        "test_index",
        "cpu_seconds",
        "seconds",
        "state",
    ]
    trials = pd.concat([bounded[keep].assign(search="bounded"), free[keep].assign(search="free")])
    results.table("trials", trials)
    results.table("bests", outcome.bests)
    results.table("front", outcome.bounded.history.front("rmse", "index"))
    results.table("confirmation", _confirmed(outcome.confirmation))
    repeats = _repeats(results, design, outcome)
    times = _times(results, design, outcome)
    draw(results, design, outcome, references)
    statistics = training.statistics(outcome.prepared)
    own = {
        f"index of the true {which} crops": statistics(images.crops(which))
        for which in ("search", "test")
    }
    figures = {
        f"{name} {metric}": value
        for name, found in references.items()
        for metric, value in found.items()
    }
    compared = comparing.beside(trials, outcome.bests.iloc[0]["bound"], design.tight)
    return {**figures, **own, **_searched(outcome), **compared, **repeats, **times}


def _tests(found: dict[str, float]) -> dict[str, float]:
    return {f"test_{name}": value for name, value in found.items()}


def _searched(outcome: Any) -> dict[str, object]:
    """The findings under each bound, and how the full trainings ranked the best."""
    from scipy.stats import spearmanr

    figures: dict[str, object] = {}
    for row in outcome.bests.to_dict("records"):
        name = (
            "without a bound"
            if np.isinf(row["bound"])
            else f"bound x {row['multiple']:g} = {row['bound']:.3f}"
        )
        figures[f"{name}: index, RMSE, trials"] = [row.get("index"), row.get("rmse"), row["trials"]]
    table = _confirmed(outcome.confirmation)
    figures["confirmed"] = len(table)
    figures["rank correlation of the index, short and full"] = outcome.confirmation.rank_correlation
    figures["rank correlation of the RMSE, short and full"] = float(
        spearmanr(table["rmse"], table["full_rmse"]).statistic
    )
    first = outcome.bests.iloc[0]["bound"]
    figures["confirmed that keep the bound in full"] = int((table["full_rmse"] <= first).sum())
    return figures


def _confirmed(confirmation: Any) -> pd.DataFrame:
    names = ("index", "rmse", "test_index", "test_rmse", "cpu_seconds")
    rows = []
    for short, full in confirmation.pairs:
        row = {
            "short": short.id,
            "full": full.id,
            **{name: short.metrics[name] for name in names},
            **short.params,
        }
        rows.append(row | {f"full_{name}": full.metrics.get(name, float("nan")) for name in names})
    return pd.DataFrame(rows)


def _repeats(results: Results, design: Any, outcome: Any) -> dict[str, object]:
    """Train three settings again, with other patches.

    These are the start, the best under the first bound and the best without a bound.
    """
    from benchmarks.literature.super_resolution import study

    chosen = {"start": study.START, "best under the bound": _params(outcome.bests.iloc[0])}
    chosen["best without a bound"] = _params(outcome.bests.iloc[-1])
    seeds = range(2, 4 if results.quick else 7)  # the seed of a trial is 1
    tables = {
        name: study.repeated(outcome, design.lengths, params, seeds)
        for name, params in chosen.items()
    }
    results.table(
        "repeats", pd.concat([table.assign(setting=name) for name, table in tables.items()])
    )
    return {
        f"{name}, {len(table)} other seeds, test crops: {metric} mean, sd": [
            float(table[metric].mean()),
            float(table[metric].std()),
        ]
        for name, table in tables.items()
        for metric in ("index", "rmse")
    }


def _params(row: Any) -> dict[str, float]:
    from benchmarks.literature.super_resolution import study

    return {name: float(row[name]) for name in study.AXES}


def _times(results: Results, design: Any, outcome: Any) -> dict[str, object]:
    """Two-step learning, and 40 workers on the virtual clock."""
    from benchmarks.literature.super_resolution import clock, pictures, study

    bounded = outcome.bounded.history.frame().query("stage == 0")
    table = _confirmed(outcome.confirmation)
    with np.load(Path(outcome.prepared, "naturalness.npz")) as found:
        pretraining = float(found["cpu_seconds"])
    short, full = float(bounded["cpu_seconds"].mean()), float(table["full_cpu_seconds"].mean())
    rows = []
    for mode in ("rounds", "async"):
        replay = clock.replayed(bounded, study.AXES, workers=design.slots, mode=mode)
        pictures.jobs(replay, results.path(f"timeline_{mode}.png"))
        saved = clock.Savings(len(bounded), short, full, pretraining, clock.elapsed(replay))
        rows.append({"mode": mode, **saved.figures()})
    results.table("savings", pd.DataFrame(rows))
    same = float((table["full_cpu_seconds"] / table["cpu_seconds"]).mean())
    return {
        "full over short, same settings": same,
        **{f"{row.pop('mode')}: savings": row for row in rows},
    }


def draw(
    results: Results, design: Any, outcome: Any, references: dict[str, dict[str, float]]
) -> None:
    """The front, and the images."""
    from benchmarks.literature.super_resolution import images, pictures, training

    pictures.front(outcome.bounded, outcome.bests, references, results.path("front.png"))
    networks: dict[str, Any] = {
        "bicubic": None,
        "pre-trained": training.checkpoint(outcome.prepared),
    }
    for name, place in (("tuned, bound kept", 0), ("tuned, no bound", -1)):
        params = _params(outcome.bests.iloc[place])
        networks[name] = training.tuned(
            outcome.prepared, design.lengths, params.pop("learning_rate"), params
        )
    true = images.crops("test")
    captions = {"true": ""}
    shown = {"true": pictures.pieces(true, SHOWN)}
    for name, network in networks.items():
        shown[name] = pictures.pieces(training.enlargement(network, true), SHOWN)
        found = training.measured(network, outcome.prepared, "test")
        captions[name] = f"RMSE {found['rmse']:.2f}, index {found['index']:.2f}"
    pictures.crops(shown, captions, results.path("enlarged.png"))


if __name__ == "__main__":
    main()
