"""What a journal of 100 000 trials costs: to open, to ask and tell with, in memory and on the disk.

    python -m benchmarks.journal.run [--trials 100000] [--repeats 5]

Two journals are measured: one of a script that asks for forty points at a time and tells values,
and one as `dsice.run` writes it, with notes, metrics, run times, moments and logs.
Each figure is the median over fresh processes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

AXES = "abcdef"
BATCH = 40
BARS = {"load s": 2.0, "tell ms": 5.0, "ask(1) ms": 20.0, "memory MB": 400.0, "file MB": 200.0}


def main() -> None:
    """Write the journals, open each several times, print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--open", metavar="JOURNAL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        print(json.dumps(_measured(Path(options.open))))
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("DSICE_BENCH_DIR")) as folder:
        for kind in ("plain", "run"):
            path = Path(folder) / f"{kind}.jsonl"
            path.write_text("\n".join(_lines(options.trials, full=kind == "run")) + "\n")
            runs = [_fresh(path) for _ in range(options.repeats)]
            print(f"\n{kind}: {options.trials} trials, medians of {options.repeats} processes")
            for name in runs[0]:
                figure = median(run[name] for run in runs)
                bar = f"   (bar: {BARS[name]:g})" if name in BARS else ""
                print(f"  {name:<28}{figure:10.3g}{bar}")


def _fresh(path: Path) -> dict[str, float]:
    """The figures of one process, which leaves the journal as it was."""
    data = path.read_bytes()
    command = [sys.executable, "-m", "benchmarks.journal.run", "--open", str(path)]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    path.write_bytes(data)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _measured(path: Path) -> dict[str, float]:
    from dsice import Space, Tuner
    from dsice.strategies import Random

    size, space = path.stat().st_size / 1e6, Space({name: range(10) for name in AXES})
    _ = space.count  # the grid is enumerated once, whatever the journal
    wall, cpu = time.perf_counter(), time.process_time()
    tuner = Tuner(space, Random(), journal=path)
    loaded = {"load s": time.perf_counter() - wall, "load, processor s": time.process_time() - cpu}
    one = _milliseconds(lambda: tuner.ask(1))
    many = _milliseconds(lambda: tuner.ask(BATCH))
    waiting = iter(tuner.pending)
    told = _milliseconds(lambda: tuner.tell(next(waiting), 1.0, metrics={"loss": 1.0}))
    best = _milliseconds(lambda: (tuner.history._cache.clear(), tuner.best))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform == "linux" else 1024**2
    )
    wall = time.perf_counter()
    every = len(list(tuner.history))
    rest = {"every trial looked at, s": time.perf_counter() - wall}
    figures = {
        "ask(1) ms": one,
        f"ask({BATCH}) ms": many,
        "tell ms": told,
        "of these fsync ms": _fsync(path),
        "best ms": best,
    }
    return {**loaded, **figures, "memory MB": memory, "file MB": size, **rest, "trials": every}


def _milliseconds(act: Callable[[], object], times: int = 15) -> float:
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        durations.append(time.perf_counter() - start)
    return median(durations) * 1e3


def _fsync(beside: Path) -> float:
    """Seconds that the disk alone takes for a line."""
    with tempfile.TemporaryFile(dir=beside.parent, buffering=0) as file:

        def once() -> None:
            file.write(b"x" * 200)
            os.fsync(file.fileno())

        return _milliseconds(once)


def _lines(trials: int, *, full: bool) -> Iterator[str]:
    """A journal with every trial told."""
    from dsice import Space, Tuner
    from dsice.strategies import Random

    with tempfile.TemporaryDirectory() as folder:
        Tuner(
            Space({name: range(10) for name in AXES}),
            Random(),
            journal=(path := Path(folder) / "head.jsonl"),
        ).close()
        yield path.read_text().rstrip("\n")
    rng = random.Random(0)
    points = [[int(digit) for digit in f"{cell:06d}"] for cell in rng.sample(range(10**6), trials)]
    for first in range(0, trials, BATCH):
        ids = range(first, min(first + BATCH, trials))
        asked = [
            {"id": id, "point": points[id], "note": _note(rng) if full else {"phase": "random"}}
            for id in ids
        ]
        yield _line({"kind": "ask", "at": _moment(rng), "round": first // BATCH, "trials": asked})
        for id in ids:
            told = {
                "kind": "tell",
                "at": _moment(rng),
                "id": id,
                "point": points[id],
                "state": "done",
                "values": [rng.random()],
            }
            yield _line(told | (_ran(rng, id) if full else {}))


def _note(rng: random.Random) -> dict[str, Any]:
    note = {"phase": "line", "width": 2, "direction": [1, 0, -1, 0, 0, 0], "centre": 7}
    return note | {"predicted": rng.random(), "sd": rng.random()}


def _ran(rng: random.Random, id: int) -> dict[str, Any]:
    metrics = {"loss": rng.random(), "memory": rng.random()}
    where = {
        "worker": "node7",
        "job": f"{id}",
        "log": f"/home/somebody/study.jsonl.trials/{id}/stdout",
    }
    return {
        "metrics": metrics,
        "seconds": rng.random(),
        "times": [_moment(rng)] * 3,
        "where": where,
    }


def _moment(rng: random.Random) -> float:
    return 1.7e9 + rng.random()


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))


if __name__ == "__main__":
    main()
