"""One of two coordinators started at once: ``python -m tests.faults.rival FOLDER ROUND LOCKS``.

It says that it is ready, waits for ``go`` and opens the journal. Whoever gets the journal measures
until ``end`` exists; the other one says why it was refused. With LOCKS "granted" everybody gets the
lock, as on some network file systems.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path

from dsice import Tuner
from dsice.errors import LockedError
from dsice.strategies import Random


def main(folder: Path, round: str, locks: str) -> None:
    """Open the journal when told to, and measure."""
    if locks == "granted":
        fcntl.lockf = lambda *_: None
    print("ready", flush=True)
    sys.stdin.readline()  # the same moment for both
    told: list[int] = []
    got = False
    try:
        with Tuner(
            {"x": range(1000), "y": range(1000)}, Random(), journal=folder / "run.jsonl"
        ) as tuner:
            got = True
            print("got it", flush=True)
            while not told or not (folder / f"end-{round}").exists():
                for trial in tuner.ask(1):
                    told.append(tuner.tell(trial, trial.params["x"]).id)
    except LockedError as error:
        print(
            json.dumps({"pid": os.getpid(), "got": got, "told": told, "refused": str(error)}),
            flush=True,
        )
    else:
        print(json.dumps({"pid": os.getpid(), "got": got, "told": told, "refused": ""}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
