"""One trial of 40 misbehaves: the others finish, nothing runs on, the coordinator stays small."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dsice import State, Trial, Tuner
from tests.faults.bench import linux_only, scaled, start, subreaper
from tests.faults.conftest import Note

BAR = "3 one of 40 trials misbehaves"
TRIALS = 40
TIMEOUT, PATIENT = 4.0, 120.0  # seconds: for a trial that hangs, and for one that may only be slow


@dataclass(frozen=True)
class Case:
    """What a trial does, and what must become of it."""

    script: str
    state: State
    reason: str = ""


# A limit on the trial's address space stands for the 8 GB that it cannot have, so that the machine
# that runs this test is not endangered. Where the kernel ends the trial instead, that is the case
# "kills itself". The test looks at oom_score_adj to see that the kernel would choose the trial and
# spare the coordinator.
EAT = (
    "import sys\nkept = []\nfor i in range(128):\n"
    "    kept.append(bytearray(1 << 26))\n    kept[-1][::65536] = b'x' * (1 << 10)\n"
)
CASES = {
    "kills itself": Case("kill -9 $$", State.FAILED, "SIGKILL"),
    "kills its process group": Case("sleep 60 & kill -9 0", State.FAILED, "SIGKILL"),
    "eats 8 GB, of which it gets half a one": Case(
        'cat /proc/self/oom_score_adj > "$FOLDER/oom"; ulimit -v 500000; '
        f'exec {sys.executable} -S -c "{EAT}"',
        State.FAILED,
        "MemoryError",
    ),
    "forks children and exits": Case(
        "for i in 1 2 3 4 5 6 7 8; do sleep 61 & setsid sleep 61 & "
        "setsid setsid sh -c 'trap : TERM; sleep 61; sleep 61' & done; "
        "env -i setsid sleep 61 & exit 3",
        State.FAILED,
        "exit code 3",
    ),
    "forks 150 children that fork, and is done": Case(
        "i=0; while test $i -lt 150; do (sleep 62 & sleep 62) & i=$((i + 1)); done", State.DONE
    ),
    "prints 200 MB": Case("head -c 200000000 /dev/zero | tr '\\0' x; echo", State.DONE),
    "prints 200 MB of errors, and no line": Case(
        "head -c 200000000 /dev/zero >&2; exit 4", State.FAILED, "exit code 4"
    ),
    "hangs": Case("sleep 63", State.TIMED_OUT, f"timeout={TIMEOUT:g}"),
    "hangs, deaf to SIGTERM": Case(
        "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 64; sleep 64\" & "
        "while :; do sleep 1; done",
        State.TIMED_OUT,
    ),
    "kills its supervisor": Case(
        "setsid sleep 65 & kill -9 $PPID; sleep 65", State.FAILED, "lost 2 times"
    ),
}
ALONE = {name: {17: case} for name, case in CASES.items()}
HANGING = [case for case in CASES.values() if case.state is State.TIMED_OUT]
ENDING = [case for case in CASES.values() if case not in HANGING]
TOGETHER = {
    "all that end in one run": dict(zip(range(4, TRIALS, 3), ENDING, strict=False)),
    "all that hang in one run": dict(zip(range(4, TRIALS, 3), HANGING, strict=False)),
}
RUNS = scaled(TOGETHER, ALONE | TOGETHER)


@linux_only
@pytest.mark.parametrize("run", RUNS)
def test_the_others_finish(tmp_path: Path, note: Note, run: str) -> None:
    cases = RUNS[run]
    (tmp_path / "bad").mkdir()
    for id, case in cases.items():
        (tmp_path / "bad" / f"{id}.sh").write_text(case.script)
    with subreaper() as orphans:
        timeout = TIMEOUT if any(case in HANGING for case in cases.values()) else PATIENT
        coordinator = start("misbehaving", tmp_path, TRIALS, timeout, stdout=subprocess.PIPE)
        memory = json.loads(coordinator.communicate(timeout=600)[0])
        left = orphans.gone(0.0)
    history = Tuner.read(tmp_path / "run.jsonl").history
    good = [
        t
        for t in history
        if t.id not in cases and t.state is State.DONE and t.value == t.params["x"]
    ]
    grown = memory["peak"] - memory["warm"]
    note(BAR, "cases", len(cases))
    note(BAR, "others that did not finish", TRIALS - len(cases) - len(good), "0")
    note(BAR, "processes left behind", len(left), "0")
    note(BAR, "the coordinator's memory grows by (MB)", grown, "< 50", most=True)
    assert [t.id for t in good] == [id for id in range(TRIALS) if id not in cases]
    assert left == []
    assert grown < 50
    for id, case in cases.items():
        check(history[id], case)
    if (tmp_path / "oom").exists():
        assert int((tmp_path / "oom").read_text()) > int(
            Path("/proc/self/oom_score_adj").read_text()
        )
    shutil.rmtree(tmp_path / "trials")  # hundreds of megabytes


def check(trial: Trial, case: Case) -> None:
    """The trial ended as it had to, with the reason and the path of its log."""
    assert trial.state is case.state and case.reason in (trial.error or ""), (case, trial)
    log = Path(trial.where["log"])
    assert trial.state is State.DONE or (str(log) in str(trial.error) and log.is_file())
