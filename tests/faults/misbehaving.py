"""A coordinator some of whose trials misbehave.

``python -m tests.faults.misbehaving FOLDER TRIALS TIMEOUT``

Trial ID runs ``FOLDER/bad/ID.sh``, where that exists, instead of its work. The coordinator prints
as JSON its memory in MB, after its first results and at its peak.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dsice import Trial, Tuner, run
from dsice.launchers import Local
from dsice.strategies import Random

PROGRAM = 'bad="$FOLDER/bad/$DSICE_TRIAL.sh"; if test -e "$bad"; then . "$bad"; fi; echo {x}'
WARM = 3  # results after which all late imports are done


def memory(what: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def main(folder: Path, trials: int, timeout: float) -> None:
    """Run the study to its end."""
    warm: list[float] = []

    def note(tuner: Tuner, trial: Trial) -> None:
        if sum(t.value is not None for t in tuner.history) == WARM:
            warm.append(memory("VmRSS"))

    with (
        Tuner(
            {"x": range(1000)}, Random(), journal=folder / "run.jsonl", max_trials=trials
        ) as tuner,
        Local(
            PROGRAM,
            slots=8,
            timeout=timeout,
            directory=folder / "trials",
            env={"FOLDER": str(folder)},
        ) as launcher,
    ):
        run(tuner, launcher, callbacks=[note], progress=False)
    print(json.dumps({"warm": warm[0], "peak": memory("VmHWM")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
