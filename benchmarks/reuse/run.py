"""What a log of a related task is worth, on tables of real trainings that anybody can install.

    python -m benchmarks.reuse.run [--seeds 5] [--batch 40] [--rounds 10] [--picture FILE]

Each data set of HPOBench and HPOLib (`benchmarks.quality.tables`, 12 in all) is tuned with the log
of the next one in alphabetical order: 400 trials of a search of another seed. Compared are

- nothing:  the search as it is;
- by hand:  the best points of the log are the first batch, as users of other tuners do;
- reuse:    ``Tuner(space, reuse=[the log])``;
- misled:   the same with the values of the log shuffled.

Printed is the score of each round (0 random search, 1 the optimum; `benchmarks.quality.scoring`),
the mean over all, and the paired difference to "nothing" with its standard error.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import tables
from benchmarks.quality.scoring import Yardstick
from dsice import Choice, History, Ordinal, Space, Tuner
from dsice.strategies import DSICE

MODES = ("nothing", "by hand", "reuse", "misled")
LOG, LOG_BATCH = 400, 40
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One search."""

    target: str
    source: str
    mode: str
    seed: int
    batch: int
    rounds: int


def pairs() -> list[tuple[str, str]]:
    """Each data set with the next one of its family."""
    found = []
    for family, names in (("hpobench", tables.HPOBENCH), ("hpolib", tables.HPOLIB)):
        for name, other in zip(names, (*names[1:], names[0]), strict=True):
            found.append((f"{family}/{name}", f"{family}/{other}"))
    return found


def grid(problem: tables.Problem) -> Space:
    """The table's grid, levels as values."""
    axes = {
        f"x{j}": (Ordinal if ordered else Choice)(list(range(size)))
        for j, (size, ordered) in enumerate(zip(problem.shape, problem.ordered, strict=True))
    }
    return Space(axes)


def tuned(tuner: Tuner, values: Any, batch: int, rounds: int) -> list[float]:
    """The best value after each round."""
    best, found = inf, []
    for _ in range(rounds):
        for trial in tuner.ask(batch):
            value = float(values[trial.point])
            if isfinite(value):
                best = min(best, value)
                tuner.tell(trial, value)
            else:
                tuner.tell(trial, error="failed")
        found.append(best)
    return found


@cache
def log(name: str, seed: int) -> History:
    """What a search on a table measured."""
    problem = tables.load(name)
    tuner = Tuner(grid(problem), DSICE(tolerance=None), seed=seed + 1000)
    tuned(tuner, problem.values, LOG_BATCH, LOG // LOG_BATCH)
    return tuner.history


def shuffled(history: History, space: Space, seed: int) -> History:
    """The same points with the values exchanged."""
    done = [trial for trial in history if trial.value is not None]
    values = np.random.default_rng(seed).permutation([trial.value for trial in done])
    return History.of(space, [trial.point for trial in done], values)


def play(task: Task) -> Scores:
    """Scores of all rounds of one search."""
    warnings.simplefilter("ignore")
    problem = tables.load(task.target)
    space, known = grid(problem), log(task.source, task.seed)
    reuse: list[History] | None = None
    if task.mode in ("reuse", "misled"):
        reuse = [shuffled(known, space, task.seed) if task.mode == "misled" else known]
    tuner = Tuner(space, DSICE(tolerance=None), seed=task.seed, reuse=reuse)
    if task.mode == "by hand":
        scored = [trial for trial in known if trial.value is not None]
        for trial in sorted(scored, key=lambda trial: trial.value or 0.0)[: task.batch]:
            tuner.enqueue(trial.params)
    best = tuned(tuner, problem.values, task.batch, task.rounds)
    stick = Yardstick(problem.values)
    rank = np.array([stick.rank(value) for value in best])
    random = np.array([stick.expected(task.batch * (k + 1)) for k in range(task.rounds)])
    return np.asarray(1.0 - np.log1p(rank) / random)


def compare(
    chosen: Sequence[tuple[str, str]], seeds: int, batch: int, rounds: int, jobs: int
) -> dict[str, Scores]:
    """Scores of each mode, shape (pairs * seeds, rounds)."""
    found = {}
    with ProcessPoolExecutor(jobs) as pool:
        for mode in MODES:
            todo = [
                Task(target, source, mode, seed, batch, rounds)
                for target, source in chosen
                for seed in range(seeds)
            ]
            found[mode] = np.stack(list(pool.map(play, todo)))
    return found


def report(found: dict[str, Scores]) -> str:
    """A line for each mode."""
    cold = found["nothing"]
    shown = [k for k in (1, 2, 3, 4, 5, 10) if k <= cold.shape[1]]
    lines = [
        f"{'':10}{'score':>7}" + "".join(f"{f'round {k}':>10}" for k in shown) + "   to nothing"
    ]
    for mode, scores in found.items():
        difference = (scores - cold).mean(axis=1)
        error = float(difference.std(ddof=1)) / len(difference) ** 0.5
        each = "".join(f"{scores[:, k - 1].mean():10.2f}" for k in shown)
        lines.append(
            f"{mode:10}{scores.mean():7.3f}{each}   {difference.mean():+.3f} ± {error:.3f}"
        )
    return "\n".join(lines)


def draw(found: dict[str, Scores], path: Path) -> None:
    """Write the mean score of each round, with bands of one standard error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    colours = {"nothing": "#1a1a1a", "by hand": "#0072B2", "reuse": "#D55E00", "misled": "#8c8c8c"}
    for mode, scores in found.items():
        number = np.arange(1, scores.shape[1] + 1)
        middle, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / len(scores) ** 0.5
        axes.plot(number, middle, color=colours[mode], label=mode, marker="o", markersize=3)
        axes.fill_between(
            number, middle - error, middle + error, color=colours[mode], alpha=0.2, linewidth=0
        )
    axes.set_xlabel("round")
    axes.set_ylabel("score (0 random search, 1 the optimum)")
    axes.legend(frameon=False)
    axes.grid(alpha=0.25)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pairs", type=int, help="only so many of them")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    chosen = pairs()[: options.pairs]
    found = compare(chosen, options.seeds, options.batch, options.rounds, options.jobs)
    print(f"{len(chosen)} pairs, {options.seeds} seeds, batches of {options.batch}")
    print(report(found))
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
