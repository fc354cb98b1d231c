"""What asking costs: CPU seconds and memory of ask + tell, by what is known and by the space.

    python -m benchmarks.quality.asking [--repeats 5] [--other PATH]

Each figure is the median of some repeats, each in a process of its own on one thread, after the
kernels are compiled. With --other, the path of another version's tree, the same is run with it,
alternately, and the ratio is shown. The noise-free objective is a sum of squares with interactions,
so that no file is needed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Case = Callable[[], tuple[float, float]]
GRID = {"a": 8, "b": 8, "c": 8, "d": 8, "e": 8}


def objective(point: tuple[int, ...]) -> float:
    """A smooth function with an interaction of each two neighbouring axes."""
    x = np.asarray(point, dtype=float) / 10.0
    return float(((x - 0.37) ** 2).sum() + 0.5 * ((x[1:] - x[:-1]) ** 2).sum())


def space(levels: dict[str, int], **options: Any) -> Any:
    """A grid of whole numbers."""
    from dsice import Space

    return Space({name: range(n) for name, n in levels.items()}, **options)


def tuner(grid: Any, told: int, at_once: int = 200) -> Any:
    """A search that knows `told` random points."""
    from dsice import Tuner
    from dsice.strategies import DSICE

    found = Tuner(grid, DSICE(tolerance=None), seed=1)
    rng = np.random.default_rng(7)
    seen: set[tuple[int, ...]] = set()
    while len(seen) < told:
        for point in grid.sample(rng, at_once):
            if point not in seen and len(seen) < told:
                seen.add(point)
                found.add(grid.params(point), objective(point))
    return found


def rounds(found: Any, n: int, times: int) -> float:
    """CPU seconds of an ask of `n` and its tells, the median of some in a row."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        for trial in found.ask(n):
            found.tell(trial, objective(trial.point))
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def after(told: int, n: int, times: int) -> Case:
    """ask(n) + tell(n) once `told` are known."""

    def case() -> tuple[float, float]:
        found = tuner(space(GRID), told)
        rounds(found, n, 1)  # compiles
        return rounds(found, n, times), 0.0

    return case


def on(grid: Callable[[], Any], n: int, told: int) -> Case:
    """ask(n) on a space once `told` are known, and the memory that it adds."""

    def case() -> tuple[float, float]:
        rounds(tuner(space(GRID), 50), 40, 1)  # compiles
        found = tuner(grid(), told)
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        found.ask(n)
        spent = time.process_time() - began
        return spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024

    return case


def single(told: int) -> Case:
    """40 asks of one point, as a multiple of one ask of 40."""

    def case() -> tuple[float, float]:
        rounds(tuner(space(GRID), 50), 40, 1)
        spent = []
        for sizes in ([40], [1] * 40):
            found = tuner(space(GRID), told)
            began = time.process_time()
            points = [trial.point for size in sizes for trial in found.ask(size)]
            spent.append((time.process_time() - began, points))
        assert spent[0][1] == spent[1][1]
        return spent[1][0] / spent[0][0], 0.0

    return case


def pending() -> tuple[float, float]:
    """ask(1) while 5,000 are pending and one more was told."""
    found = tuner(space(dict.fromkeys("abcde", 20)), 400)
    first = found.ask(5001)[0]
    found.tell(first, objective(first.point))
    began = time.process_time()
    found.ask(1)
    return time.process_time() - began, 0.0


def rare() -> Any:
    """1e9 points, 0.1 % of which are valid."""
    from dsice import Require

    return space(
        dict.fromkeys("abcdefghi", 10),
        where=[Require("(a*271+b*89+c*31+d*7+e*3+f+g+h+i)%1000 == 5")],
    )


CASES: dict[str, tuple[Case, str]] = {
    "ask(40)+tell after 600": (after(600, 40, 5), "s"),
    "ask(40)+tell after 2000": (after(2000, 40, 5), "s"),
    "ask(40)+tell after 10,000": (after(10_000, 40, 5), "s"),
    "ask(1)+tell after 100": (after(100, 1, 20), "s"),
    "ask(1)+tell after 1000": (after(1000, 1, 20), "s"),
    "40 x ask(1) / ask(40) after 100": (single(100), "x"),
    "40 x ask(1) / ask(40) after 1000": (single(1000), "x"),
    "ask(40) of 20 x 100 after 400": (
        on(lambda: space({f"p{i}": 100 for i in range(20)}), 40, 400),
        "s",
    ),
    "ask(40) of 1e9, 0.1 % valid, after 400": (on(rare, 40, 400), "s"),
    "ask(40) of an axis of 700 after 400": (on(lambda: space({"x": 700}), 40, 400), "s"),
    "ask(40) of an axis of 1e6 after 400": (on(lambda: space({"x": 1_000_000}), 40, 400), "s"),
    "ask(4000) first": (on(lambda: space(dict.fromkeys("abcde", 20)), 4000, 0), "s"),
    "ask(1) beside 5000 pending": (pending, "s"),
}


def measured(name: str, tree: Path | None) -> tuple[float, float]:
    """A case's figure and the MB it added, in a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = tree or Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-P", __file__, "--case", name],
        env={**os.environ, **threads, "PYTHONPATH": str(path)},
        cwd="/",
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return float("nan"), float("nan")
    figure, memory = done.stdout.split()[-2:]
    return float(figure), float(memory)


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--other", type=Path, help="the tree of another version")
    parser.add_argument("--case", help="one case, in this process")
    parser.add_argument("--only", default="", help="cases with this in their name")
    options = parser.parse_args()
    if options.case:
        print(*CASES[options.case][0]())
        return
    trees = [None] if options.other is None else [None, options.other.resolve()]
    for name, (_, unit) in CASES.items():
        if options.only not in name:
            continue
        found: list[list[tuple[float, float]]] = [[] for _ in trees]
        for _ in range(options.repeats):
            for k, tree in enumerate(trees):
                found[k].append(measured(name, tree))
        middle = [np.median(np.array(values), axis=0) for values in found]
        text = f"{name:40}{middle[0][0]:8.3f} {unit}{middle[0][1]:8.0f} MB"
        for other in middle[1:]:
            text += f"   other {other[0]:8.3f} {unit}{other[1]:8.0f} MB"
            text += f", ratio {middle[0][0] / other[0]:.2f}"
        print(text, flush=True)


if __name__ == "__main__":
    main()
