"""`Batch` on a real Slurm with 40 CPUs, started for the measurement."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.launch.bars import Bar, at_most
from dsice.launchers import Batch, Job, Result
from tests.launchers.helpers import marked
from tests.launchers.slurm import Slurm, missing

TRIALS = 40
# seconds: right after other jobs Slurm itself waits up to 3 s before it looks at new ones
# (batch_sched_delay)
PAUSE = 6.0
LAUNCHER = "Batch, Slurm"

COORDINATOR = """
import sys
from dsice import Tuner, run
from dsice.launchers import Batch
command = (
    'echo run >> "$DSICE_DIR/runs"; '
    'while test ! -e "$DSICE_DIR/../go"; do sleep 1; done; echo {x}'
)
with Tuner({"x": range(40)}, journal=sys.argv[1] + "/journal.jsonl") as tuner:
    run(tuner, Batch(command, slots=40, directory=sys.argv[1] + "/trials"), progress=False)
print(sum(trial.value == trial.params["x"] for trial in tuner.history))
"""


def measure() -> list[Bar]:
    """All bars; none where Slurm is not installed."""
    if reason := missing():
        print(f"Batch on Slurm: not measured, {reason}", flush=True)
        return []
    with Slurm() as cluster, tempfile.TemporaryDirectory() as place:
        os.environ.update(cluster.variables)
        folder = Path(place)
        return [
            _at_once(folder),
            _cancel(folder / "cancel"),
            _killed_worker(folder / "worker"),
            _killed_coordinator(folder / "coordinator", cluster),
        ]


def _at_once(folder: Path) -> Bar:
    found = []
    for number in range(3):
        time.sleep(PAUSE)
        with Batch(
            "sleep 1; echo {x}", slots=TRIALS, directory=folder / f"once{number}"
        ) as launcher:
            began = time.perf_counter()
            launcher.submit([Job(x, {"x": x}) for x in range(TRIALS)])
            results = _drain(launcher, TRIALS)
            found.append(time.perf_counter() - began)
        assert all(result.value == result.id for result in results)
    return at_most("40 trials at once, sleep 1, all results", LAUNCHER, 4.0, found)


def _cancel(folder: Path) -> Bar:
    sign = f"3600.{os.getpid():07d}9999"
    with Batch(
        f"setsid sleep {sign} & sleep {sign}; echo 1", slots=1, directory=folder
    ) as launcher:
        found = []
        for number in range(3):
            launcher.submit([Job(number)])
            _until(lambda: len(marked(f"sleep {sign}")) == 2)
            time.sleep(0.5)
            began = time.perf_counter()
            launcher.cancel(number)
            _until(lambda: not marked(sign))
            found.append(time.perf_counter() - began)
            assert _drain(launcher, 1)[0].state == "stopped"
    return at_most("cancel a running trial, process tree gone", LAUNCHER, 5.0, found)


def _killed_worker(folder: Path) -> Bar:
    with Batch(
        "test {x} = 7 && kill -9 $PPID; sleep 1; echo {x}", slots=TRIALS, directory=folder
    ) as launcher:
        launcher.submit([Job(x, {"x": x}) for x in range(TRIALS)])
        results = _drain(launcher, TRIALS)
    done = sum(result.value == result.id for result in results)
    lost = next(result for result in results if result.id == 7)
    measured = f"{done} succeed, that one is {lost.state}: {str(lost.error).splitlines()[0]}"
    bar = "the other 39 succeed, that one lost or failed with reason"
    return Bar(
        "a trial SIGKILLs its worker",
        LAUNCHER,
        bar,
        measured,
        done == TRIALS - 1 and lost.state == "lost",
    )


def _killed_coordinator(folder: Path, cluster: Slurm) -> Bar:
    folder.mkdir()
    command = [sys.executable, "-c", COORDINATOR, str(folder)]
    first = subprocess.Popen(command)
    _until(lambda: len(list(folder.glob("trials/*/runs"))) == TRIALS)
    before = cluster.jobs()
    first.kill()
    first.wait()
    second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(4)
    attached = len(set(cluster.jobs()) & set(before)) if len(cluster.jobs()) == TRIALS else 0
    (folder / "trials" / "go").touch()
    collected = int(second.communicate(timeout=120)[0])
    twice = sum(path.read_text() != "run\n" for path in folder.glob("trials/*/runs"))
    measured = f"{attached} go on, {twice} submitted twice, {collected} results collected"
    bar = "40 re-attached, 0 submitted twice, all collected"
    return Bar(
        "coordinator killed -9, restarted",
        LAUNCHER,
        bar,
        measured,
        (attached, twice, collected) == (TRIALS, 0, TRIALS),
    )


def _drain(launcher: Batch, n: int) -> list[Result]:
    results: list[Result] = []
    _until(
        lambda: (
            len(results.__iadd__([e for e in launcher.collect(0.5) if isinstance(e, Result)])) >= n
        )
    )
    return results


def _until(check: Callable[[], bool], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds:g} s")
        time.sleep(0.01)
