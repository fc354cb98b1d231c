"""Good manners on a login node: one thread while asking, no process for a job of a scheduler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dsice.launchers import Batch, Job
from tests.launchers.fixtures import Fake, commands, fake

__all__ = ["commands", "fake"]

ASK = """
import itertools, os
from dsice import Tuner

def ticks():
    # user and system time of each thread
    found = {}
    for thread in os.listdir("/proc/self/task"):
        fields = open(f"/proc/self/task/{thread}/stat").read().rpartition(")")[2].split()
        found[int(thread)] = int(fields[11]) + int(fields[12])
    return found

def cost(params):
    return sum((x - 5) ** 2 for x in params.values())

tuner = Tuner({name: range(12) for name in "abcde"})
for a, b, c, d in itertools.product(range(1, 12, 3), repeat=4):  # so many that threads would pay
    params = {"a": a, "b": b, "c": c, "d": d, "e": (a + b + c + d) % 12}
    tuner.add(params, cost(params))
before = {}
for turn in range(16):
    for trial in tuner.ask(20):
        tuner.tell(trial, cost(trial.params))
    if turn == 1:  # all is loaded, and the threads that were started with it sleep
        before = ticks()
tuner.best
spent = {thread: after - before.get(thread, 0) for thread, after in ticks().items()}
print(spent.pop(os.getpid()), sum(spent.values()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_asking_uses_one_thread() -> None:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in limits}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True
    )
    own, others = map(int, done.stdout.split())
    assert own > 30 and others <= 1 + own / 50, (
        f"{own} ticks in the main thread, {others} in others"
    )


@pytest.mark.parametrize("fake", ["pjm"], indirect=True)
def test_no_process_for_a_job_of_a_scheduler(fake: Fake, tmp_path: Path) -> None:
    fake.tell("hold")
    # processes of engines that other tests share
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with Batch("echo {x}", scheduler=fake.name, slots=8, directory=tmp_path / "t") as launcher:
        launcher.submit([Job(x, {"x": x}) for x in range(8)])
        launcher.collect(0.2)
        assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
