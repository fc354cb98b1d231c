"""Run the reproduction: ``python -m benchmarks.literature.pedestrian [--quick] [--workers N]``."""

from __future__ import annotations

import multiprocessing
import shutil
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.literature.pedestrian import clock, pictures, study, training, walks
from benchmarks.literature.pedestrian.figures import Found
from benchmarks.literature.results import Results, arguments, need


def main() -> None:
    """Search, train again, replay on the virtual clock, write and draw."""
    options = arguments("pedestrian route prediction, tuned by DSICE on a 5^5 grid")
    need("torch", "the LSTM of the pedestrian reproduction")
    size = study.QUICK if options.quick else study.Size()
    results = Results(Path(__file__).parent, quick=options.quick)
    data = walks.load(simulated=options.quick, share=size.share)
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    # kept until all is done: an interrupted command goes on from them
    journals = results.path("journals")
    journals.mkdir(exist_ok=True)
    with ProcessPoolExecutor(
        options.workers, context, training.begin, (data, size.updates)
    ) as pool:
        rows = search_all(size, pool, journals)
        found = Found(data, size, rows, train_again(rows, size, pool), options.workers)
        shutil.copy(journals / "DSICE_0.jsonl", results.path("DSICE_0.jsonl"))
        draw(results, found, pool)
    write(results, found)
    shutil.rmtree(journals)
    results.finish(found.summary())


def search_all(size: study.Size, pool: Executor, journals: Path) -> pd.DataFrame:
    """Every search on real trainings, one after the other; a line on the terminal for each."""
    found = []
    for search in study.searches(size):
        rows = study.measure(search, pool, journals / f"{search.label}.jsonl")
        took, lowest = rows["cpu_seconds"].sum(), rows["fde"].min()
        print(
            f"{search.label}: {len(rows)} trials, {took:.0f} CPU seconds, best FDE {lowest:.3f} m",
            flush=True,
        )
        found.append(rows)
    return pd.concat(found, ignore_index=True)


def train_again(rows: pd.DataFrame, size: study.Size, pool: Executor) -> pd.DataFrame:
    """The initial point and the best of every search, with seeds that no search used."""
    points: dict[str, dict[str, float]] = {"initial": dict(study.START)}
    points |= {one.label: study.best(study.of(rows, one.label)) for one in study.searches(size)}
    return study.train_again(points, size.repeats, pool)


def write(results: Results, found: Found) -> None:
    """The tables."""
    # 1500 rows: a third of the size, and the same rows give the same bytes
    packed = {"method": "gzip", "mtime": 0}
    path = results.path("trials.csv.gz")
    found.rows.to_csv(
        path, index=False, float_format="%.6g", lineterminator="\n", compression=packed
    )
    results.table("retrained", found.again)
    results.table("times", found.times)


def draw(results: Results, found: Found, pool: Executor) -> None:
    """The pictures; the picture of some paths trains two networks."""
    pictures.transition(results.path("DSICE_0.jsonl"), results.path("transition.png"))
    replayed, _ = clock.rounds(study.searches(found.size)[0], found.each["DSICE_0"])
    pictures.workers(replayed, results.path("timeline.png"))
    pictures.beside(
        found.rows, found.start, found.straight["validation"], results.path("searches.png")
    )
    pictures.retrained(found.again, found.straight, results.path("retrained.png"))
    some = turning(found.data.test)
    points = {"initial": dict(study.START), "tuned": study.best(found.each["DSICE_0"])}
    predicted = pool.map(training.predict, points.values(), [some] * len(points))
    pictures.paths(some, dict(zip(points, predicted, strict=True)), results.path("paths.png"))


def turning(windows: walks.Windows) -> walks.Windows:
    """Four walks of 3 m or more that turn more or less.

    They have even ranks of the distance between their end and where walking straight on would end.
    """
    going = windows[np.linalg.norm(windows[:, -1], axis=1) >= 3.0]
    off = np.linalg.norm(walks.straight_on(going)[:, -1] - going[:, -1], axis=1)
    ranks = np.linspace(0, len(off) - 1, 6).astype(int)[1:5]
    chosen: walks.Windows = going[np.argsort(off)[ranks]]
    return chosen


if __name__ == "__main__":
    main()
