"""A large study, measured in a process of its own: ``python -m tests.faults.large JOURNAL``.

It prints as JSON the seconds to open the journal, to tell and to ask (the median of many), and the
peak of the memory in MB.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from dsice import Ordinal, Space, Tuner
from dsice.strategies import Random
from tests.faults.misbehaving import memory

SPACE = Space(
    {
        "lr": Ordinal.log(1e-5, 1e-1, 101),
        "batch": [2**i for i in range(10)],
        "depth": range(1, 101),
        "width": range(100),
    }
)


def write(path: Path, trials: int, batch: int = 40) -> None:
    """A journal as a tuner would write it, only faster.

    Its first batch is repeated with other ids and points.
    """
    with Tuner(SPACE, Random(), journal=path) as tuner:
        for t in tuner.ask(1):
            tuner.tell(
                t,
                0.5,
                seconds=1.0,
                metrics={"accuracy": 0.5},
                where={"host": "node001", "pid": 1, "log": f"trials/{t.id}"},
            )
    header, ask, tell = map(json.loads, path.read_text().splitlines())
    (one,) = ask["trials"]
    lines = [json.dumps(header, separators=(",", ":"))]
    for first in range(0, trials, batch):
        ids = range(first, min(first + batch, trials))
        points = {id: [id % 101, id // 101 % 10, id // 1010 % 100, id % 100] for id in ids}
        asked = {
            **ask,
            "round": first // batch,
            "trials": [{**one, "id": id, "point": points[id]} for id in ids],
        }
        told = [{**tell, "id": id, "point": points[id], "values": [1000 / (id + 1)]} for id in ids]
        lines += [json.dumps(line, separators=(",", ":")) for line in (asked, *told)]
    path.write_text("\n".join(lines) + "\n")


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(path: Path) -> dict[str, float]:
    """Open the journal, tell and ask."""
    start, processor = time.perf_counter(), time.process_time()
    tuner = Tuner(SPACE, Random(), journal=path)
    load, processor = time.perf_counter() - start, time.process_time() - processor
    count = len(tuner.history)
    ask = [timed(lambda: tuner.ask(1)) for _ in range(30)]
    tell = [
        timed(lambda t=t: tuner.tell(t, 0.1, seconds=1.0))  # type: ignore[misc]
        for t in tuner.pending
    ]
    batch = timed(lambda: tuner.ask(40))
    best = timed(lambda: tuner.best)
    tuner.close()
    figures = {
        "load": load,
        "processor": processor,
        "ask": median(ask),
        "tell": median(tell),
        "batch": batch,
        "best": best,
    }
    return {"trials": count, **figures, "memory": memory("VmHWM")}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
