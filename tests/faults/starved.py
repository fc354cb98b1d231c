"""A coordinator whose machine lacks something for a while: ``python -m tests.faults.starved``.

Its arguments are FOLDER, FAULT, TRIALS and SECONDS. Once a tenth of the trials is told, FAULT holds
for so long: ``disk`` (the file system of the trials is full), ``disks`` (that of the journal, too),
``quota`` and ``quotas`` (the user's share of it is used up: see ``quota.c``), ``processes`` or
``files``.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import psutil

from dsice import Trial, Tuner, run
from dsice.launchers import Local
from dsice.strategies import Random
from tests.faults.coordinator import AXES, PROGRAM, SLOTS


def fill(folder: Path) -> Callable[[], None]:
    """Fill the disk to its last byte; what empties it again."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break
    return filler.unlink


def limit(what: int, most: int, *, everywhere: bool) -> Callable[[], None]:
    """Take a resource from this process, and from its descendants if `everywhere`."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (most, before[1]))
    children = psutil.Process().children(recursive=True) if everywhere else []
    for child in children:
        try:
            resource.prlimit(child.pid, what, (most, before[1]))
        except ProcessLookupError:
            continue
    return lambda: resource.setrlimit(what, before)


def begin(fault: str, trials: Path) -> Callable[[], None]:
    """Let the fault begin; what ends it."""
    if fault.startswith("disk"):
        return fill(trials)
    if fault.startswith("quota"):
        mark = Path(os.environ["QUOTA_USED_UP"])
        mark.touch()
        return mark.unlink
    if fault == "processes":
        return limit(resource.RLIMIT_NPROC, 0, everywhere=True)
    return limit(resource.RLIMIT_NOFILE, 3, everywhere=False)


def main(folder: Path, fault: str, trials: int, seconds: float) -> None:
    """Run so many trials, with a fault of so many seconds."""
    home = folder / "trials"
    journal = (home if fault in ("disks", "quotas") else folder) / "run.jsonl"
    event = threading.Event()

    def suffer() -> None:
        event.wait()
        end = begin(fault, home)
        time.sleep(seconds)
        end()

    def note(tuner: Tuner, trial: Trial) -> None:
        if len(tuner.history) - len(tuner.pending) >= trials // 10:
            event.set()

    warnings.simplefilter("always")
    threading.Thread(target=suffer, daemon=True).start()
    with (
        Tuner(AXES, Random(), journal=journal) as tuner,
        Local(PROGRAM, slots=SLOTS, directory=home / "all", env={"FOLDER": str(folder)}) as local,
    ):
        run(tuner, local, max_trials=trials, callbacks=[note], retries=0, progress=False)
        told = [(trial.state.value, trial.value, trial.params) for trial in tuner.history]
    Path(folder, "told.txt").write_text("\n".join(map(repr, told)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
