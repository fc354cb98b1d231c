"""Measure the full 5 x 5 x 5 x 5 x 5 grid of examples/digits/train.py, two seeds each.

    python benchmarks/digits/measure.py            # 3125 x 2 trainings, one process per core
    python benchmarks/digits/measure.py --table    # only write the table of the measured ones

Every finished configuration is a line of `raw.jsonl` in the work folder (not in the repository).
An interrupted run goes on where it stopped when it is started again.
The configurations are measured in a shuffled order, so that a run cut short is a fair sample of the
grid. The result is one compact table.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import json
import math
import multiprocessing
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "examples" / "digits"))

# the script under measurement lies in another folder; it also limits numpy to one core
from train import train  # noqa: E402

AXES: dict[str, list[float]] = {
    "lr": [0.01, 0.03, 0.1, 0.3, 1.0],
    "batch": [16, 32, 64, 128, 256],
    "momentum": [0.0, 0.5, 0.8, 0.9, 0.95],
    "dropout": [0.0, 0.1, 0.2, 0.4, 0.6],
    "l2": [0.0001, 0.0003, 0.001, 0.003, 0.01],
}
SEEDS = (0, 1)
EPOCHS = 40
# the table keeps the validation loss after these
CURVE_EPOCHS = (1, 2, 3, 5, 10, 15, 20, 25, 30, 35, 40)

Row = dict[str, Any]


def measure(values: tuple[float, ...]) -> Row:
    """One configuration with every seed: the parameters and, per seed, what `train` returns."""
    params: dict[str, Any] = dict(zip(AXES, values, strict=True))
    runs = [train(**params, epochs=EPOCHS, seed=seed) for seed in SEEDS]
    return {"params": params, "runs": runs}


def read(raw: Path) -> dict[tuple[float, ...], Row]:
    """The measured rows by configuration; a last line cut off by a kill is left out."""
    rows: dict[tuple[float, ...], Row] = {}
    if raw.exists():
        for line in raw.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            rows[tuple(row["params"].values())] = row
    return rows


def measure_all(raw: Path, workers: int, limit: int | None) -> None:
    """Measure the missing configurations (at most `limit`) and append them to `raw`."""
    grid = list(itertools.product(*AXES.values()))
    random.Random(0).shuffle(grid)
    known = read(raw)
    missing = [values for values in grid if values not in known]
    todo = missing[:limit]
    print(
        f"{len(missing)} of {len(grid)} configurations are not measured yet; "
        f"{len(todo)} now on {workers} cores",
        flush=True,
    )
    raw.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with raw.open("a") as out, multiprocessing.Pool(workers) as pool:
        if out.tell():
            out.write("\n")  # ends a line cut off by a kill
        for done, row in enumerate(pool.imap_unordered(measure, todo, chunksize=4), start=1):
            out.write(json.dumps(row) + "\n")
            out.flush()
            if done % 25 == 0 or done == len(todo):
                spent = time.monotonic() - start
                print(
                    f"{done}/{len(todo)}  {spent:.0f} s spent, "
                    f"{spent / done * (len(todo) - done):.0f} s left",
                    flush=True,
                )


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def short(value: float) -> str:
    """Five significant digits; empty for a value that is not finite (a training that diverged)."""
    return f"{value:.5g}" if math.isfinite(value) else ""


def flat(row: Row) -> dict[str, str]:
    """One row of the table: means over the seeds, and the figures of each seed."""
    runs = row["runs"]
    # a curve ends where the training diverged
    curves = [run["curve"] + [math.nan] * (EPOCHS - len(run["curve"])) for run in runs]
    cells = {name: f"{value:g}" for name, value in row["params"].items()}
    for metric in ("loss", "test_error"):
        # without a finite loss the network is no use, whatever it guesses on the test images
        values = [run[metric] if math.isfinite(run["loss"]) else math.nan for run in runs]
        cells[metric] = short(mean(values))
        cells |= {
            f"{metric}_s{seed}": short(value) for seed, value in zip(SEEDS, values, strict=True)
        }
    cells["seconds"] = f"{mean([run['seconds'] for run in runs]):.3f}"
    return cells | {
        f"loss_e{epoch}": short(mean([curve[epoch - 1] for curve in curves]))
        for epoch in CURVE_EPOCHS
    }


def write_table(raw: Path, table: Path) -> None:
    """Write the measured configurations in grid order; the same data give the same bytes."""
    rows = read(raw)
    cells = [flat(rows[values]) for values in itertools.product(*AXES.values()) if values in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    table.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
    print(f"{table.name}: {len(cells)} configurations, {table.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the digits training on its full grid.")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/digits"),
        help="folder of raw.jsonl (default: build/digits)",
    )
    parser.add_argument(
        "--out", type=Path, default=HERE / "digits_5x5x5x5x5.csv.gz", help="the table to write"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=multiprocessing.cpu_count(),
        help="processes (default: one per core)",
    )
    parser.add_argument(
        "--limit", type=int, default=None, help="measure at most so many configurations now"
    )
    parser.add_argument(
        "--table", action="store_true", help="measure nothing, only write the table"
    )
    args = parser.parse_args()
    raw = args.work / "raw.jsonl"
    if not args.table:
        measure_all(raw, args.workers, args.limit)
    write_table(raw, args.out)


if __name__ == "__main__":
    main()
