"""One of two studies started at once: ``python -m tests.faults.second_study KIND JOURNAL PLACE``.

It says that it is ready, waits for ``go`` and runs; then it says why it was refused, if it was.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import dsice
from dsice.errors import LaunchError
from dsice.launchers import Futures, Launcher, Local

COMMAND = 'echo {x} > "$DSICE_DIR/weights"; sleep 0.2; echo {x}'


def measure(x: int) -> float:
    """A trial of `Futures`, with a file in its directory."""
    dsice.step(0, float(x))
    time.sleep(0.2)
    return float(x)


def launcher(kind: str, place: str) -> Launcher:
    """A launcher of two slots."""
    if kind == "local":
        return Local(COMMAND, slots=2, directory=place)
    return Futures(measure, ThreadPoolExecutor(2), directory=place)


def main(kind: str, journal: str, place: str) -> None:
    """Run a study of three trials when told to."""
    print("ready", flush=True)
    sys.stdin.readline()  # the same moment for both
    refused = ""
    with dsice.Tuner({"x": range(1000)}, journal=journal, max_trials=3) as tuner:
        try:
            with launcher(kind, place) as chosen:
                dsice.run(tuner, chosen, progress=False)
        except LaunchError as error:
            refused = str(error)
    print(json.dumps(refused), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
