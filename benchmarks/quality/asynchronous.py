"""Asynchronous search beside rounds on the virtual clock: trials and time to within 1 %.

    python benchmarks/quality/asynchronous.py                                 # our digits table
    python benchmarks/quality/asynchronous.py --tables DIR --names a,b --jobs 2

Every run is DSICE with 40 workers and at most 600 trials on a `dsice.launchers.Table`, in which a
trial takes the seconds of the log. A value is within 1 % if it is at most (median - optimum) / 100
above the optimum of the table. The columns, medians over the seeds:

- trials to 1 %: told trials up to the first such value; ratio: asynchronous over rounds.
- seconds to 1 %: the virtual clock at that moment.
- idle asking: share of the workers' time that is lost to telling and asking. It is measured in a
  further asynchronous run of all the trials (first seed only), with the seconds scaled to a median
  of 60 and the real time of telling and asking added to the clock.
  ms a trial: that real time over the trials; utilisation: share of the workers' time in which a
  trial ran. They depend on what else the machine does.

"never" means: not in half of the runs. The last lines are medians over the tables, and the targets.

DIR holds CSV or Parquet files with one row per point: the parameters, then `objective`, `seconds`
and, if some failed, `valid`. An INDEX.json beside them says which columns are the parameters: a
list of {"name", "file", "params": [{"name", "kind", "values"}]}, or {"tables": that list}.
Tables without seconds are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import pandas as pd

from dsice import Choice, Goal, Trial, Tuner, run
from dsice.launchers import Clock, Table
from dsice.strategies import DSICE

DIGITS = Path(__file__).resolve().parents[1] / "digits" / "digits_5x5x5x5x5.csv.gz"
THREADS = ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
SHARE, MINUTE = 0.01, 60.0
Mode = Literal["rounds", "async"]
MODES: tuple[Mode, ...] = ("rounds", "async")
COLUMNS = (
    "rounds",
    "async",
    "ratio",
    "rounds",
    "async",
    "ratio",
    "idle asking",
    "ms a trial",
    "utilisation",
)
WIDTHS = (7, 7, 9, 9, 9, 9, 13, 12, 13)


@dataclass(frozen=True)
class Source:
    """A table of measurements and the meaning of its columns; `axes` None: as `Table` guesses."""

    name: str
    path: Path
    objective: str = "objective"
    axes: Mapping[str, Any] | None = None
    maximize: bool = False

    def frame(self) -> pd.DataFrame:
        """The rows of the table."""
        return (
            pd.read_parquet(self.path)
            if self.path.suffix in (".parquet", ".pq")
            else pd.read_csv(self.path)
        )

    def timed(self, frame: pd.DataFrame) -> bool:
        """Whether the table says how long trials took."""
        return "seconds" in frame and bool(
            np.isfinite(pd.to_numeric(frame["seconds"], errors="coerce")).any()
        )


@dataclass(frozen=True)
class Task:
    """The runs of one seed on one table."""

    source: Source
    seed: int
    workers: int
    trials: int
    overhead: bool


@dataclass(frozen=True)
class Found:
    """Trials and seconds to the target in each mode, infinite where it was not reached.

    Of the run with overhead, `clock` and `told` trials.
    """

    trials: dict[Mode, float] = field(default_factory=dict)
    seconds: dict[Mode, float] = field(default_factory=dict)
    clock: Clock | None = None
    told: int = 0


class Reached(Exception):
    """Ends a run at its target."""


def sources(folder: Path | None, names: list[str]) -> list[Source]:
    """The tables of a folder, or our own."""
    if folder is None:
        axes = ["lr", "batch", "momentum", "dropout", "l2"]
        found = [
            Source(
                "digits",
                DIGITS,
                "loss",
                {name: sorted(set(pd.read_csv(DIGITS)[name])) for name in axes},
            )
        ]
    elif (folder / "INDEX.json").is_file():
        index = json.loads((folder / "INDEX.json").read_text(encoding="utf-8"))
        entries = index["tables"] if isinstance(index, dict) else index
        # a pool of random points is no grid
        found = [_indexed(folder, entry) for entry in entries if not entry.get("pool")]
    else:
        files = sorted(
            path for path in folder.iterdir() if path.name.endswith((".parquet", ".csv", ".csv.gz"))
        )
        found = [Source(path.name.partition(".")[0], path) for path in files]
    known = {source.name for source in found}
    if missing := [name for name in names if name not in known]:
        sys.exit(f"no table {', '.join(missing)}; there are {', '.join(sorted(known))}")
    return [source for source in found if not names or source.name in names]


def _indexed(folder: Path, entry: Mapping[str, Any]) -> Source:
    axes = {p["name"]: _axis(p) for p in entry["params"] if len(p["values"]) > 1}
    path = folder / entry.get("file", f"{entry['name']}.parquet")
    return Source(
        entry["name"],
        path,
        entry.get("objective", "objective"),
        axes,
        not entry.get("minimize", True),
    )


def _axis(parameter: Mapping[str, Any]) -> Any:
    """The levels in their order; those of a category have no order."""
    values = parameter["values"]
    return (
        Choice(values)
        if parameter.get("kind") == "categorical" or isinstance(values[0], (str, bool))
        else values
    )


def measure(task: Task) -> Found | None:
    """All runs of a task; None if its table has no seconds."""
    frame = task.source.frame()
    if not task.source.timed(frame):
        return None
    found = {mode: _to_target(task, frame, mode) for mode in MODES}
    clock, told = _with_overhead(task, frame) if task.overhead else (None, 0)
    return Found(
        {m: trials for m, (trials, _) in found.items()},
        {m: seconds for m, (_, seconds) in found.items()},
        clock,
        told,
    )


def _table(
    task: Task, frame: pd.DataFrame, *, overhead: bool = False, scale: float | None = None
) -> Table:
    objective, axes = task.source.objective, task.source.axes
    return Table(
        frame,
        objective=objective,
        params=axes,
        workers=task.workers,
        overhead=overhead,
        scale=scale,
    )


def _tuner(task: Task, table: Table) -> Tuner:
    goal = Goal(maximize=task.source.maximize)
    return Tuner(
        table.space, DSICE(tolerance=None), goal=goal, max_trials=task.trials, seed=task.seed
    )


def _to_target(task: Task, frame: pd.DataFrame, mode: Mode) -> tuple[float, float]:
    """Told trials and virtual seconds up to the first value within the target."""
    table, maximize = _table(task, frame), task.source.maximize
    _, optimum = table.optimum(maximize=maximize)
    target, told = optimum + SHARE * (table.median - optimum), list[int]()

    def look(_: Tuner, trial: Trial) -> None:
        told.append(trial.id)
        if trial.value is not None and (
            trial.value >= target if maximize else trial.value <= target
        ):
            raise Reached

    try:
        run(_tuner(task, table), table, mode=mode, callbacks=[look], progress=False)
    except Reached:
        return len(told), table.clock.elapsed
    return math.inf, math.inf


def _with_overhead(task: Task, frame: pd.DataFrame) -> tuple[Clock, int]:
    """The clock after all the trials, and their number."""
    table = _table(task, frame, overhead=True, scale=MINUTE)
    tuner = run(_tuner(task, table), table, progress=False)
    return table.clock, len(tuner.history)


def row(found: list[Found]) -> list[float]:
    """The figures of a table, in the order of `COLUMNS`."""
    figures = list[float]()
    for rounds, stream in (
        [median(f.trials[mode] for f in found) for mode in MODES],
        [median(f.seconds[mode] for f in found) for mode in MODES],
    ):
        figures += [rounds, stream, _ratio(stream, rounds)]
    # only the first seed has a clock
    for clock, told in [(f.clock, f.told) for f in found if f.clock is not None]:
        figures += [clock.idle_asking, 1000 * clock.asking / told, clock.utilisation]
    return figures


def _ratio(stream: float, rounds: float) -> float:
    """Asynchronous over rounds; NaN where neither reached the target."""
    return (
        math.nan
        if math.isinf(stream) and math.isinf(rounds)
        else stream / rounds
        if rounds
        else math.nan
    )


def show(name: str, figures: Sequence[float | str]) -> None:
    """Print a line."""
    formats = ("g", "g", "ratio", "time", "time", "ratio", "percent", "g", "percent")
    texts = [
        f if isinstance(f, str) else _text(f, how) for f, how in zip(figures, formats, strict=True)
    ]
    print(
        f"{name:36}"
        + "".join(text.rjust(width) for text, width in zip(texts, WIDTHS, strict=True)),
        flush=True,
    )


def _text(figure: float, how: str) -> str:
    if math.isnan(figure):
        return "-"
    if math.isinf(figure):
        return "never" if how != "ratio" else "inf"
    return {
        "ratio": f"{figure:.2f}x",
        "percent": f"{figure:.2%}",
        "time": f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}",
    }.get(how, f"{figure:.4g}")


def results(
    chosen: list[Source], options: argparse.Namespace
) -> Iterator[tuple[Source, list[Found]]]:
    """The runs of each table, one process each."""
    os.environ.update(dict.fromkeys(THREADS, "1"))  # for the processes, which load numpy later
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {
            source.name: [
                pool.submit(measure, Task(source, seed, options.workers, options.trials, seed == 0))
                for seed in range(options.seeds)
            ]
            for source in chosen
        }
        for source in chosen:
            found = [future.result() for future in running[source.name]]
            yield source, [one for one in found if one is not None]


def main() -> None:
    """Run, print a line for each table, and the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="folder of tables (default: our digits table)"
    )
    parser.add_argument("--names", default="", metavar="A,B", help="only these tables")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes at a time, one core each"
    )
    parser.add_argument("--workers", type=int, default=40, metavar="N")
    parser.add_argument("--trials", type=int, default=600, metavar="N")
    options = parser.parse_args()
    chosen = sources(options.tables, [name for name in options.names.split(",") if name])
    print(
        f"DSICE, {options.workers} workers, at most {options.trials} trials, "
        f"medians over {options.seeds} seeds"
    )
    print(
        f"{'':38}trials to 1 %                seconds to 1 %           "
        "all trials, time of asks added"
    )
    show("table", COLUMNS)
    rows, untimed = list[list[float]](), list[str]()
    for source, found in results(chosen, options):
        if not found:
            untimed.append(source.name)
            continue
        rows.append(row(found))
        show(source.name, rows[-1])
    if rows:
        known = [[x for x in column if not math.isnan(x)] for column in zip(*rows, strict=True)]
        show(
            f"median over {len(rows)} tables",
            [median(column) if column else math.nan for column in known],
        )
        show("aimed at", ["", "", "<= 1.15x", "", "", "<= 0.6x", "<= 1 %", "", ""])
    if untimed:
        print(f"left out, no seconds: {', '.join(untimed)}")


if __name__ == "__main__":
    main()
