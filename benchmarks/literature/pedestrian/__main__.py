"""All of the reproduction: ``python -m benchmarks.literature.pedestrian [--quick] [--workers N]``."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.literature.pedestrian import clock, pictures, study, training, walks
from benchmarks.literature.results import Results, arguments, need

PAPER = {"fde_initial_m": 0.70, "fde_tuned_m": 0.48, "share_better": 0.75, "time": "1/14 (35 days to 2.4)"}


def main() -> None:
    """Search, train again, replay on the virtual clock, write and draw."""
    options = arguments("pedestrian route prediction, tuned by DSICE on a 5^5 grid")
    need("torch", "the LSTM of the pedestrian reproduction")
    size = study.QUICK if options.quick else study.Size()
    results = Results(Path(__file__).parent, quick=options.quick)
    data = walks.load(simulated=options.quick, share=size.share)
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    ready = (data, size.updates)
    journals = results.path("journals")  # until all is done: a command that was interrupted goes on from them
    journals.mkdir(exist_ok=True)
    with ProcessPoolExecutor(options.workers, context, training.begin, ready) as pool:
        rows = search_all(size, pool, journals)
        start = study.initial(rows)
        again = train_again(rows, size, pool)
        shutil.copy(journals / "DSICE_0.jsonl", results.path("DSICE_0.jsonl"))
        drawn = some_paths(data, rows, pool)
    results.table("trials", rows)
    results.table("retrained", again)
    times = pd.DataFrame([clock.account(one, of(rows, one.label)) for one in study.searches(size)])
    results.table("times", times)
    straight = {
        part: walks.errors(walks.straight_on(truth), truth)["fde"]
        for part, truth in {"validation": data.validation, "test": data.test}.items()
    }
    draw(results, size, rows, start, again, straight)
    pictures.paths(*drawn, results.path("paths.png"))
    shutil.rmtree(journals)
    results.finish(figures(data, size, rows, start, again, straight, times, options.workers))


def of(rows: pd.DataFrame, label: str) -> pd.DataFrame:
    """The trials of one search."""
    return rows[rows["search"] == label]


def search_all(size: study.Size, pool: Executor, journals: Path) -> pd.DataFrame:
    """Every search on real trainings, one after the other; a line on the terminal for each."""
    found = []
    for search in study.searches(size):
        rows = study.measure(search, pool, journals / f"{search.label}.jsonl")
        print(
            f"{search.label}: {len(rows)} trials, {rows['seconds'].sum():.0f} s, best FDE {rows['fde'].min():.3f} m", flush=True
        )
        found.append(rows)
    return pd.concat(found, ignore_index=True)


def train_again(rows: pd.DataFrame, size: study.Size, pool: Executor) -> pd.DataFrame:
    """The initial point and the best of every search, with seeds that no search used."""
    points: dict[str, dict[str, float]] = {"initial": dict(study.START)}
    points |= {one.label: study.best(of(rows, one.label)) for one in study.searches(size)}
    return study.train_again(points, size.repeats, pool)


def some_paths(data: walks.Walks, rows: pd.DataFrame, pool: Executor) -> tuple[walks.Windows, dict[str, walks.Windows]]:
    """Four walks of the unseen place - of those that turn, at even ranks of turning - and the predictions for them."""
    turns = np.linalg.norm(walks.straight_on(data.test)[:, -1] - data.test[:, -1], axis=1)
    chosen = data.test[np.argsort(turns)[np.linspace(0, len(turns) - 1, 6).astype(int)[1:5]]]
    points = {"initial": dict(study.START), "tuned": study.best(of(rows, "DSICE_0"))}
    found = pool.map(training.predict, points.values(), [chosen] * len(points))
    return chosen, dict(zip(points, found, strict=True))


def draw(
    results: Results, size: study.Size, rows: pd.DataFrame, start: float, again: pd.DataFrame, straight: Mapping[str, float]
) -> None:
    """All figures but the paths."""
    pictures.transition(results.path("DSICE_0.jsonl"), results.path("transition.png"))
    replayed, _ = clock.rounds(study.searches(size)[0], of(rows, "DSICE_0"))
    pictures.workers(replayed, results.path("timeline.png"))
    pictures.beside(rows, start, straight["validation"], results.path("searches.png"))
    pictures.retrained(again, dict(straight), results.path("retrained.png"))


def figures(
    data: walks.Walks,
    size: study.Size,
    rows: pd.DataFrame,
    start: float,
    again: pd.DataFrame,
    straight: Mapping[str, float],
    times: pd.DataFrame,
    workers: int,
) -> dict[str, object]:
    """What was found, beside what was published."""
    each = {one.label: of(rows, one.label) for one in study.searches(size)}
    seeds = {name: [f"{name}_{seed}" for seed in range(size.seeds)] for name in ("DSICE", "random")}
    means = again.groupby("point", sort=False)[["validation", "test"]].mean()
    gain = {name: paired(again, seeds[name]) for name in seeds}
    at = times.set_index("search")
    sequential, parallel = (float(at.loc[f"{name}_0", "elapsed_s"]) for name in ("Sequential2018", "Parallel2022"))
    return {
        "published": PAPER,
        "data": data.source,
        "windows": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "processes": workers,
        "start": study.START,
        "trials": {label: len(one) for label, one in each.items()},
        "failed": {label: int(one["fde"].isna().sum()) for label, one in each.items()},
        "fde_initial_m": start,
        "fde_tuned_m": {label: float(one["fde"].min()) for label, one in each.items()},
        "tuned": {label: study.best(one) for label, one in each.items()},
        "fde_straight_on_m": dict(straight),
        "share_better": {label: study.better(one, start) for label, one in each.items()},
        "share_better_by_round": {label: by_round(each[label], start) for label in seeds["DSICE"]},
        "retrained_fde_m": means.to_dict("index"),
        "retrained_gain_m": gain,
        "speedup_same_trials": {label: float(at.loc[label, "speedup"]) for label in seeds["DSICE"]},
        "utilisation": {label: float(at.loc[label, "utilisation"]) for label in seeds["DSICE"]},
        "elapsed_sequential2018_over_parallel2022": sequential / parallel,
        "elapsed_sequential2018_over_DSICE": {label: float(sequential / at.loc[label, "elapsed_s"]) for label in seeds["DSICE"]},
    }


def by_round(rows: pd.DataFrame, start: float) -> list[float]:
    """Share of the trials of each round that beat the initial value."""
    return [study.better(some, start) for _, some in rows.groupby("round")]


def paired(again: pd.DataFrame, labels: list[str]) -> dict[str, dict[str, float]]:
    """Initial minus tuned, seed by seed, all searches of a kind together: mean and standard error in metres."""
    found = {}
    for part in ("validation", "test"):
        wide = again.pivot(index="seed", columns="point", values=part)
        gain = (wide["initial"] - wide[labels].mean(axis=1)).to_numpy()
        found[part] = {"mean": float(gain.mean()), "standard_error": float(gain.std(ddof=1) / np.sqrt(len(gain)))}
    return found


if __name__ == "__main__":
    main()
