"""`dsice advance` by short calls beside one coordinator that stays: how busy the slots are.

It runs on a real Slurm where that is installed, else on the fake PJM that the tests use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.launch.bars import Bar
from dsice import Tuner
from tests.launchers.conftest import FAKE_SCHEDULER
from tests.launchers.slurm import Slurm, missing

SLOTS, SECONDS, EACH = 4, 60.0, 10.0  # the tuning takes about SECONDS, a call at most EACH
STUDY = """
[study]
command = 'sleep {{t}}; echo {{t}}'
slots = {slots}
max_trials = {trials}
[space]
t = {{linear = [5.0, 15.0], n = {trials}}}
[strategy]
name = "random"
[launcher]
kind = "batch"
scheduler = "{scheduler}"
"""


def measure() -> list[Bar]:
    """The bar of short calls."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scheduler = _scheduler(stack, folder)
        whole = _busy(folder / "whole", scheduler, lambda file: _call("run", file, "--no-progress"))
        short = _busy(folder / "short", scheduler, _by_short_calls)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dsice.cli", "--version"], capture_output=True, check=True
    )
    start = time.perf_counter() - began  # on a busy machine most of the loss
    measured = (
        f"{short / whole:.0%} (busy {short:.0%} of the slots' time, "
        f"{whole:.0%} uninterrupted; a call starts in {start:.1f} s)"
    )
    what = f"advance, {EACH:g} s at a time, over {SECONDS:g} s"
    return [
        Bar(
            what,
            f"Batch, {scheduler}",
            ">= 85 % of one run's busy time",
            measured,
            short >= 0.85 * whole,
        )
    ]


def _scheduler(stack: ExitStack, folder: Path) -> str:
    reason = missing()
    if not reason:
        os.environ.update(stack.enter_context(Slurm()).variables)
        return "slurm"
    print(f"advance: on a fake, {reason}", flush=True)
    place = folder / "fake"
    (place / "jobs").mkdir(parents=True)
    (place / "bin").mkdir()
    for name in ("pjsub", "pjstat", "pjdel"):
        file = place / "bin" / name
        file.write_text(f"#!{sys.executable} -ISs\n" + FAKE_SCHEDULER.read_text())
        file.chmod(0o755)
    os.environ |= {"FAKE": str(place), "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    return "pjm"


def _busy(folder: Path, scheduler: str, tune: Callable[[Path], None]) -> float:
    """Share of the slots' time in which trials ran, until no new trial was available."""
    folder.mkdir()
    file = folder / "study.toml"
    trials = round(SECONDS * SLOTS / 10.0)  # of 10 seconds each, on average
    file.write_text(STUDY.format(slots=SLOTS, trials=trials, scheduler=scheduler))
    tune(file)
    told = [
        trial for trial in Tuner.read(file.with_suffix(".jsonl")).history if trial.state == "done"
    ]
    if len(told) != trials:
        raise RuntimeError(f"{len(told)} of {trials} trials")
    times = [
        (started, ended)
        for _, started, ended in (trial.times for trial in told)
        if started and ended
    ]
    first, last = min(started for started, _ in times), max(started for started, _ in times)
    busy = sum(max(0.0, min(ended, last) - started) for started, ended in times)
    return busy / (SLOTS * (last - first))


def _by_short_calls(file: Path) -> None:
    while True:
        _call("advance", file, "--for", str(EACH))
        tuner = Tuner.read(file.with_suffix(".jsonl"))
        if not tuner.pending and len(tuner.history) == tuner.max_trials:
            return


def _call(command: str, file: Path, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dsice.cli", command, str(file), *options],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
