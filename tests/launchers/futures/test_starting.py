"""Executors that cannot start a worker for a while: nothing is told, and no call runs twice."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import DsiceWarning
from dsice.launchers import Futures, Job
from dsice.running import starting
from dsice.strategies import Grid
from tests.launchers.helpers import drain


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_SHORTEST", 0.05)
    monkeypatch.setattr(starting, "_SETTLED", 0.05)


def failing(real: Callable[..., Any], times: int, error: Exception) -> Callable[..., Any]:
    """A function that fails so often before it does what it should."""
    left = [times]

    def act(*args: Any, **named: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise error
        return real(*args, **named)

    return act


def threads() -> Executor:
    return ThreadPoolExecutor(3)


def processes() -> Executor:
    return ProcessPoolExecutor(3, mp_context=get_context("fork"))


@pytest.mark.parametrize(
    ("make", "owner", "name", "error"),
    [
        (threads, threading.Thread, "start", RuntimeError("can't start new thread")),
        (processes, os, "fork", BlockingIOError(errno.EAGAIN, "Resource unavailable")),
        (processes, threading.Thread, "start", RuntimeError("can't start new thread")),
    ],
)
def test_no_worker_can_be_started_for_a_while(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], Executor],
    owner: Any,
    name: str,
    error: Exception,
) -> None:
    log = tmp_path / "calls"

    def program(x: int) -> float:
        with log.open("a") as file:
            file.write(f"{x}\n")
        return float(x)

    tuner = Tuner({"x": range(12)}, Grid())
    with make() as pool, Futures(program, pool) as launcher:
        monkeypatch.setattr(owner, name, failing(getattr(owner, name), 4, error))
        with pytest.warns(DsiceWarning, match="can start no worker"):
            run(tuner, launcher, retries=0, progress=False)
    assert {trial.value for trial in tuner.history} == {float(x) for x in range(12)}
    assert sorted(map(int, log.read_text().split())) == list(range(12))


def test_no_room_for_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        ThreadPoolExecutor(2) as pool,
        Futures(lambda: 0.0, pool, directory=tmp_path / "t") as launcher,
    ):
        with monkeypatch.context() as patch:
            patch.setattr("dsice.journal.files.create_file", failing(lambda: None, 99, full))
            launcher.submit([Job(0, {}), Job(1, {})])
            assert [r.state for r in drain(launcher, 2).values()] == ["unstarted"] * 2
        launcher.submit([Job(0, {})])
        assert drain(launcher, 1)[0].value == 0.0


def test_a_function_without_room_is_not_to_blame() -> None:
    def full() -> float:
        raise OSError(errno.ENOSPC, "No space left on device")

    with ThreadPoolExecutor(1) as pool, Futures(full, pool) as launcher:
        launcher.submit([Job(0, {})])
        assert drain(launcher, 1)[0].state == "unstarted"


DURING_A_FORK = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from dsice.launchers import Futures, Job

def function():
    return 1.0

pool = partial(ProcessPoolExecutor, 1, mp_context=get_context("fork"))
launcher = Futures(function, pool, slots=1, directory=sys.argv[1])
os.register_at_fork(before=partial(os.kill, os.getpid(), signal.SIGTERM))
with launcher:
    launcher.submit([Job(0)])
    launcher.collect(5.0)
"""


def test_a_signal_is_not_lost_while_a_worker_is_started(tmp_path: Path) -> None:
    """Python drops exceptions of what runs at a fork: the coordinator went on for ever."""
    command = [sys.executable, "-W", "error", "-c", DURING_A_FORK, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, "")
