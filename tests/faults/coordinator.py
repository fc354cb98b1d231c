"""A coordinator to be killed: ``coordinator.py FOLDER STRATEGY TRIALS LAUNCHER``.

Its trials note their beginning and their end in ``runs.txt``, and the coordinator notes in
``told.txt`` what it has told. These are short writes to files opened for appending, which a kill
cannot take back.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from dsice import Trial, Tuner, run
from dsice.launchers import Batch, Futures, Local
from dsice.launchers.base import Launcher
from dsice.strategies import DSICE, Random, Strategy

AXES = {name: range(9) for name in "abcd"}
SLOTS = 8
STRATEGIES: dict[str, Strategy] = {"random": Random(), "dsice": DSICE(tolerance=None)}
PROGRAM = (
    'echo begin $DSICE_TRIAL {a} {b} {c} {d} >> "$FOLDER/runs.txt"; sleep 0.0{c}; '
    'echo end $DSICE_TRIAL {a} {b} {c} {d} >> "$FOLDER/runs.txt"; '
    # so rough that no search is ever done
    "echo $((({a} * 7919 + {b} * 104729 + {c} * 1299709 + {d} * 15485863) % 1009))"
)


def value(a: int, b: int, c: int, d: int) -> float:
    """The value that the program prints."""
    return float((a * 7919 + b * 104729 + c * 1299709 + d * 15485863) % 1009)


def measure(a: int, b: int, c: int, d: int) -> float:
    """What the program does, as a function."""
    _note_run(f"begin {os.environ['DSICE_TRIAL']} {a} {b} {c} {d}")
    time.sleep(c / 100)
    _note_run(f"end {os.environ['DSICE_TRIAL']} {a} {b} {c} {d}")
    return value(a, b, c, d)


def _note_run(line: str) -> None:
    file = os.open(f"{os.environ['FOLDER']}/runs.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def launcher(kind: str, folder: Path) -> Launcher:
    """What runs the trials; jobs of the fake scheduler, whose commands are on PATH, are slow."""
    place, env = folder / "trials", {"FOLDER": str(folder)}
    if kind == "futures":
        os.environ |= env
        return Futures(measure, lambda: ProcessPoolExecutor(SLOTS), slots=SLOTS, directory=place)
    if kind == "batch":
        return Batch(
            PROGRAM,
            scheduler="pjm",
            slots=SLOTS,
            directory=place,
            env=env,
            python=sys.executable,
            poll=0.2,
            throttle=0.0,
            lost_after=15.0,  # so long a submission that was cut is looked for
        )
    return Local(PROGRAM, slots=SLOTS, directory=place, env=env)


def main(folder: Path, strategy: str, trials: int, kind: str = "local") -> None:
    """Go on with the study in `folder` until `trials` trials were asked and none is pending."""
    told = os.open(folder / "told.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def note(tuner: Tuner, trial: Trial) -> None:
        os.write(told, f"{trial.id} {trial.value}\n".encode())

    with (
        Tuner(AXES, STRATEGIES[strategy], journal=folder / "run.jsonl") as tuner,
        launcher(kind, folder) as runner,
    ):
        run(tuner, runner, max_trials=trials, callbacks=[note], progress=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
