"""Tune a matrix product on a GPU, in the process that uses it: ask, time, tell.

    python examples/gpu/matmul.py [--trials 60] [--size 2048] [--exhaustive all.csv]

Needs an NVIDIA GPU and `pip install numba-cuda` (older numba has it built in). Without a GPU it
says so and ends; with NUMBA_ENABLE_CUDASIM=1 it runs in numba's simulator, on the processor, where
the results are right and the times mean nothing (--size 16 --trials 3 take some seconds).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from dsice import Invalid, Require, Space, Tuner

try:
    from numba import cuda, float32
except ImportError as missing:
    cuda, REASON = None, f"numba has no CUDA here: {missing}"
else:
    REASON = "" if cuda.is_available() else "numba finds no GPU (no driver, or no device)"

SPACE = Space(
    {
        "rows": [16, 32, 64, 128],  # of the result, for each block of threads
        "columns": [16, 32, 64, 128],
        "depth": [4, 8, 16, 32],  # of what it holds in shared memory at a time
        "each_rows": [1, 2, 4, 8],  # of these, for each thread
        "each_columns": [1, 2, 4, 8],
    },
    where=[
        Require("rows // each_rows * (columns // each_columns) <= 1024"),  # threads of a block
        Require("rows // each_rows * (columns // each_columns) >= 32"),  # a warp
        Require("4 * depth * (rows + columns) <= 48 * 1024"),  # bytes of shared memory
    ],
)
START = {"rows": 16, "columns": 16, "depth": 16, "each_rows": 1, "each_columns": 1}


def kernel(  # noqa: C901  one kernel, whose loops the compiler unrolls
    rows: int, columns: int, depth: int, each_rows: int, each_columns: int
) -> Any:
    """A kernel of this shape: c = a @ b, in float32."""
    wide, high = columns // each_columns, rows // each_rows
    threads = wide * high

    @cuda.jit
    def product(a: Any, b: Any, c: Any) -> None:
        left = cuda.shared.array((rows, depth), float32)
        right = cuda.shared.array((depth, columns), float32)
        sums = cuda.local.array((each_rows, each_columns), float32)
        x, y = cuda.threadIdx.x, cuda.threadIdx.y
        own = y * wide + x
        top, side = cuda.blockIdx.y * rows, cuda.blockIdx.x * columns
        for i in range(each_rows):
            for j in range(each_columns):
                sums[i, j] = 0.0
        for begin in range(0, a.shape[1], depth):
            for cell in range(own, rows * depth, threads):
                i, k = cell // depth, cell % depth
                inside = top + i < a.shape[0] and begin + k < a.shape[1]
                left[i, k] = a[top + i, begin + k] if inside else 0.0
            for cell in range(own, depth * columns, threads):
                k, j = cell // columns, cell % columns
                inside = begin + k < b.shape[0] and side + j < b.shape[1]
                right[k, j] = b[begin + k, side + j] if inside else 0.0
            cuda.syncthreads()
            for k in range(depth):
                for i in range(each_rows):
                    for j in range(each_columns):
                        sums[i, j] += left[y + i * high, k] * right[k, x + j * wide]
            cuda.syncthreads()
        for i in range(each_rows):
            for j in range(each_columns):
                row, column = top + y + i * high, side + x + j * wide
                if row < c.shape[0] and column < c.shape[1]:
                    c[row, column] = sums[i, j]

    return product


class Bench:
    """Times kernels on one pair of matrices; a wrong result is invalid."""

    def __init__(self, size: int, repeats: int) -> None:
        numbers = np.random.default_rng(0)
        a = numbers.standard_normal((size, size), dtype=np.float32)
        b = numbers.standard_normal((size, size), dtype=np.float32)
        self.size, self.repeats, self.expected = size, repeats, a @ b
        self.a, self.b, self.c = cuda.to_device(a), cuda.to_device(b), cuda.to_device(0 * a)

    def __call__(self, **params: int) -> list[float]:
        """Milliseconds of each repeat."""
        function = kernel(**params)
        threads = (
            params["columns"] // params["each_columns"],
            params["rows"] // params["each_rows"],
        )
        grid = (-(-self.size // params["columns"]), -(-self.size // params["rows"]))

        def launch() -> None:
            function[grid, threads](self.a, self.b, self.c)
            cuda.synchronize()

        launch()  # compiles, and warms up
        error = np.abs(self.c.copy_to_host() - self.expected).max()
        if not error < 1e-3 * self.size**0.5:
            raise Invalid(f"the product is off by {error:.3g}")
        return [timed(launch) for _ in range(self.repeats)]


def timed(launch: Callable[[], None]) -> float:
    """Milliseconds of one launch."""
    begin = time.perf_counter()
    launch()
    return 1000 * (time.perf_counter() - begin)


def tune(bench: Bench, trials: int) -> Tuner:
    """Ask for a shape, measure it here, tell it."""
    tuner = Tuner(SPACE, max_trials=trials, journal="matmul.jsonl")
    tuner.enqueue(START)
    while asked := tuner.ask():
        for trial in asked:
            try:
                tuner.tell(trial, bench(**trial.params))
            except Invalid as wrong:
                tuner.tell(trial, state="invalid", error=str(wrong))
            except Exception as failed:  # too many registers, for example
                tuner.tell(trial, error=f"{type(failed).__name__}: {failed}")
    return tuner


def measure_all(bench: Bench, path: Path) -> None:
    """Measure the whole space once, as a table for replays: `dsice replay all.csv`."""
    name = cuda.get_current_device().name
    device = name.decode() if isinstance(name, bytes) else str(name)
    about = {"device": device, "size": bench.size, "numba": numba.__version__}
    about["date"] = datetime.date.today().isoformat()
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*SPACE.names, "objective", "seconds", *about])
        for point in SPACE.points().tolist():
            params = SPACE.params(point)
            begin = time.perf_counter()
            try:
                value: float | None = float(np.median(bench(**params)))
            except Exception:
                value = None  # an empty cell: it failed
            spent = time.perf_counter() - begin
            table.writerow([*params.values(), value, spent, *about.values()])


def main() -> None:
    """Tune, and say what was won."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7, help="of each measurement")
    parser.add_argument("--exhaustive", type=Path, help="measure all shapes into this file instead")
    args = parser.parse_args()
    if REASON:
        print(f"skipped: {REASON}")
        sys.exit(0)
    bench = Bench(args.size, args.repeats)
    if args.exhaustive:
        measure_all(bench, args.exhaustive)
        return
    with tune(bench, args.trials) as tuner:
        first, best = tuner.history[0], tuner.best
        if first.value is None or best is None or best.value is None:
            sys.exit(f"nothing was measured: {first.error}")
        gain = first.value / best.value
        print(
            f"{first.value:.3f} ms at the start, {best.value:.3f} ms ({gain:.1f} times faster) with"
        )
        print(dict(best.params))


if __name__ == "__main__":
    main()
