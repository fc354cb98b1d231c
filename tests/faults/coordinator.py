"""A coordinator to be killed: ``python -m tests.faults.coordinator FOLDER STRATEGY TRIALS``.

Its trials note their beginning and their end in ``runs.txt``, and the coordinator notes in
``told.txt`` what it has told. These are short writes to files opened for appending, which a kill
cannot take back.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dsice import Trial, Tuner, run
from dsice.launchers import Local
from dsice.strategies import DSICE, Random, Strategy

AXES = {name: range(9) for name in "abcd"}
SLOTS = 8
STRATEGIES: dict[str, Strategy] = {"random": Random(), "dsice": DSICE(tolerance=None)}
PROGRAM = (
    'echo "begin $DSICE_TRIAL {a} {b} {c} {d}" >> "$FOLDER/runs.txt"; sleep 0.0{c}; '
    'echo "end $DSICE_TRIAL {a} {b} {c} {d}" >> "$FOLDER/runs.txt"; '
    # so rough that no search is ever done
    "echo $((({a} * 7919 + {b} * 104729 + {c} * 1299709 + {d} * 15485863) % 1009))"
)


def value(a: int, b: int, c: int, d: int) -> float:
    """The value that the program prints."""
    return float((a * 7919 + b * 104729 + c * 1299709 + d * 15485863) % 1009)


def main(folder: Path, strategy: str, trials: int) -> None:
    """Go on with the study in `folder` until `trials` trials were asked and none is pending."""
    told = os.open(folder / "told.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def note(tuner: Tuner, trial: Trial) -> None:
        os.write(told, f"{trial.id} {trial.value}\n".encode())

    with (
        Tuner(AXES, STRATEGIES[strategy], journal=folder / "run.jsonl") as tuner,
        Local(
            PROGRAM, slots=SLOTS, directory=folder / "trials", env={"FOLDER": str(folder)}
        ) as launcher,
    ):
        run(tuner, launcher, max_trials=trials, callbacks=[note], progress=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
