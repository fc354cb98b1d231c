"""What stoppers save and lose, on tables of trainings with their learning curves.

    python -m benchmarks.quality.early                                    # our digits table
    python -m benchmarks.quality.early --tables DIR --names a,b --seeds 10 --jobs 2

40 trainings run at once on the virtual clock, on which every epoch takes the same time. Each search
is run without a stopper and with each of them, from the same seed:

- random: at most 200 trials, drawn at random. All runs of a seed have the same trials, so that what
  a stopper lost is what it stopped.
- trials: DSICE, half of the table, at most 120 trials. A stopped trial also informs or misleads the
  search.
- epochs: half of the table, at most 120 trials, drawn at random; with a stopper as many epochs as
  these take, in which what was saved pays for further trials. What is not complete then is lost.

lost: how much worse the best complete training is than without a stopper, in per cent of the way
from the optimum of the table to its median; negative where it is better. kept: runs in which it is
no worse. saved: share of the epochs of the same trials that was not trained. time: elapsed time
beside the run without a stopper.

Every stopper looks at the same epochs, a 27th, a 9th and a third of the longest training, and has
the defaults of its other options; learning-curve matching also compares the epochs between these.

DIR holds tables as CSV or Parquet, the parameters left of `objective`, and beside NAME.parquet a
NAME.curves.npz: `curves[row, k]` is the loss of a row after `epochs[k]` epochs, NaN after its end.
Between two of these the last one stands.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality.tables import DIGITS, DIGITS_AXES
from dsice import History, State, Trial, Tuner, run
from dsice.launchers import Table
from dsice.stopping import LearningCurveMatching, Median, Stopper, SuccessiveHalving
from dsice.strategies import DSICE, Random

WORKERS, DRAWN = 40, 3000
THREADS = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
STOPPERS = ("matching", "median", "halving 1/3", "halving 1/2")
SEARCHES = ("random", "trials", "epochs")
KEYS = ("table", "search", "stopper", "seed")
FIGURES = ("trials", "stopped", "saved", "lost", "time")


@dataclass(frozen=True)
class Trainings:
    """A table of trainings with their learning curves.

    Attributes
    ----------
    frame
        Parameters, objective, seconds, and the loss after each epoch in columns named `epoch 1`
        and so on.
    params
        Names of the parameters.
    lengths
        Epochs of each training, by its parameters.
    """

    frame: pd.DataFrame
    params: tuple[str, ...]
    lengths: dict[tuple[object, ...], int]

    @property
    def longest(self) -> int:
        """Epochs of the longest training."""
        return max(self.lengths.values())

    def table(self, drawn: int | None = None) -> Table:
        """A launcher on the virtual clock; of a large table with `DRAWN` rows, drawn at random."""
        curves = {epoch: f"epoch {epoch}" for epoch in range(1, self.longest + 1)}
        frame = self.frame
        if drawn is not None and len(frame) > DRAWN:
            frame = frame.sample(DRAWN, random_state=drawn)
        return Table(frame, params=self.params, curves=curves, workers=WORKERS)

    def full(self, history: History) -> int:
        """Epochs of the trials of a history, had none been stopped."""
        return sum(self.lengths[tuple(t.params[name] for name in self.params)] for t in history)


@dataclass(frozen=True)
class Task:
    """One search on one table with one seed: all stoppers, beside none."""

    path: Path
    search: str
    seed: int


class Spent(Exception):
    """Ends a run whose epochs are used up."""


def rungs(longest: int) -> list[int]:
    """A 27th, a 9th and a third of the longest training."""
    return sorted({max(1, round(longest / part)) for part in (27, 9, 3)})


def stopper(name: str, longest: int) -> Stopper:
    """The stopper of that name for trainings of that length."""
    looks = rungs(longest)
    if name == "matching":
        between = {round(look / math.sqrt(3)) for look in looks} - {0}
        return LearningCurveMatching(sorted({*looks, *between}), looks)
    if name == "median":
        return Median(looks)
    return SuccessiveHalving(looks, 1 / 3 if name == "halving 1/3" else 1 / 2)


@cache
def trainings(path: Path) -> Trainings:
    """A table of a folder, or our own."""
    if path == DIGITS:
        frame = pd.read_csv(path).rename(columns={"loss": "objective"})
        columns = {int(c[6:]): c for c in frame if c.startswith("loss_e")}
        curves = frame[[columns[epoch] for epoch in sorted(columns)]].to_numpy(dtype=float)
        return _made(frame, DIGITS_AXES, sorted(columns), curves)
    frame = pd.read_csv(path) if ".csv" in path.name else pd.read_parquet(path)
    stored = np.load(path.with_name(_name(path) + ".curves.npz"))
    params = tuple(frame.columns[: list(frame.columns).index("objective")])
    return _made(frame, params, stored["epochs"].tolist(), stored["curves"])


def _name(path: Path) -> str:
    return path.name.partition(".")[0]


def _made(
    frame: pd.DataFrame, params: Iterable[str], epochs: list[int], curves: np.ndarray
) -> Trainings:
    """With a column for each epoch up to the end of the longest training."""
    names = tuple(params)
    reported = np.isfinite(curves)
    ends = [epochs[int(np.flatnonzero(row)[-1])] if row.any() else 0 for row in reported]
    every = np.arange(1, max(ends) + 1)
    before = np.searchsorted(epochs, every, side="right") - 1
    dense = np.where(before >= 0, curves[:, np.maximum(before, 0)], np.nan)
    dense[every > np.array(ends)[:, None]] = np.nan
    kept = frame[[*names, "objective"]].assign(seconds=[float(end) for end in ends])
    by_epoch = pd.DataFrame(dense, columns=[f"epoch {epoch}" for epoch in every])
    rows = kept[list(names)].itertuples(index=False, name=None)
    return Trainings(pd.concat([kept, by_epoch], axis=1), names, dict(zip(rows, ends, strict=True)))


def search(task: Task, name: str | None = None, epochs: int | None = None) -> tuple[Tuner, Table]:
    """One search to its end, or to that many epochs, with a stopper or without."""
    known = trainings(task.path)
    by_model = task.search == "trials"
    table, rows = known.table(None if by_model else task.seed), len(known.frame)
    most = min(200, rows) if task.search == "random" else min(120, rows // 2)
    tuner = Tuner(
        table.space,
        DSICE(tolerance=None) if by_model else Random(),
        stopper=None if name is None else stopper(name, known.longest),
        max_trials=most if epochs is None else rows,
        seed=task.seed,
    )

    def look(tuner: Tuner, trial: Trial) -> None:
        if epochs is not None and sum(len(one.curve) for one in tuner.history) >= epochs:
            raise Spent

    with suppress(Spent):
        run(tuner, table, mode="async", callbacks=[look], progress=False)
    return tuner, table


def compare(task: Task) -> list[dict[str, object]]:
    """A row for each stopper, beside the run without one."""
    known = trainings(task.path)
    objective = known.frame["objective"]
    way = float(objective.median() - objective.min())
    tuner, table = search(task)
    best, budget, elapsed = _best(tuner), known.full(tuner.history), table.clock.elapsed
    rows: list[dict[str, object]] = []
    for name in STOPPERS:
        tuner, table = search(task, name, budget if task.search == "epochs" else None)
        history = tuner.history
        figures = (
            len(history),
            sum(trial.state is State.STOPPED for trial in history),
            1 - sum(len(trial.curve) for trial in history) / known.full(history),
            (_best(tuner) - best) / way,
            table.clock.elapsed / elapsed,
        )
        place = (_name(task.path), task.search, name, task.seed)
        rows.append(dict(zip((*KEYS, *FIGURES), (*place, *figures), strict=True)))
    return rows


def _best(tuner: Tuner) -> float:
    best = tuner.best
    return math.inf if best is None or best.value is None else best.value


def everything(tasks: list[Task], jobs: int) -> Iterator[dict[str, object]]:
    """The rows of all tasks, each library on one thread."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = multiprocessing.get_context("spawn")  # the children read the number of threads anew
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for rows in pool.map(compare, tasks):
            yield from rows


def report(rows: pd.DataFrame) -> str:
    """The figures of all seeds, in Markdown: a line for each table, search and stopper."""
    lines = [
        "| table | search | stopper | lost, mean (worst) | kept | saved | trials | time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for place, seeds in rows.groupby(list(KEYS[:3]), sort=False):
        lost = seeds["lost"]
        lines.append(
            f"| {' | '.join(place)} | {lost.mean():.1%} ({lost.max():.1%}) "
            f"| {(lost <= 0).sum()} of {len(seeds)} | {seeds['saved'].mean():.0%} "
            f"| {seeds['trials'].mean():.0f} | {seeds['time'].mean():.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, metavar="DIR")
    parser.add_argument("--names", default="", metavar="A,B", help="which tables of DIR")
    parser.add_argument("--searches", default=",".join(SEARCHES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--csv", type=Path, help="a file for the figures of each seed")
    options = parser.parse_args()
    paths = [DIGITS]
    if options.tables is not None:
        named = [name for name in options.names.split(",") if name]
        curved = sorted(options.tables.glob("*.curves.npz"))
        paths = [_beside(path) for path in curved if not named or _name(path) in named]
    tasks = [
        Task(*chosen)
        for chosen in product(paths, options.searches.split(","), range(options.seeds))
    ]
    rows = pd.DataFrame(everything(tasks, options.jobs))
    if options.csv is not None:
        rows.to_csv(options.csv, index=False)
    print(report(rows))


def _beside(curves: Path) -> Path:
    """The table of these curves."""
    found = [curves.with_name(_name(curves) + end) for end in (".parquet", ".csv", ".csv.gz")]
    return next(path for path in found if path.exists())


if __name__ == "__main__":
    main()
