"""Helpers of the fault bench: how much of it runs, and processes watched from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from dsice.launchers.standalone._processes import PR_SET_CHILD_SUBREAPER, prctl

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
FULL = os.environ.get("DSICE_FAULTS") == "full"
linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="orphans are found as their subreaper: Linux"
)


def scaled(short: T, full: T) -> T:
    """`short` in the short form, part of ``make test-long``; `full` in ``make test-faults``."""
    return full if FULL else short


def start(module: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A script of this directory as a process of its own."""
    command = [sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, **options)


@dataclass
class Orphans:
    """The processes that were started here and still run, however they tried to get away."""

    before: set[int] = field(
        default_factory=lambda: {p.pid for p in psutil.Process().children(recursive=True)}
    )

    def left(self) -> list[psutil.Process]:
        """Descendants that are alive; dead ones that nobody else waits for are reaped."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, ChildProcessError):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
                elif process.ppid() == os.getpid():
                    os.waitpid(process.pid, os.WNOHANG)
        return [p for p in found if p.pid not in self.before]

    def gone(self, seconds: float) -> list[str]:
        """Command lines of the processes left after at most `seconds`."""
        until = time.monotonic() + seconds
        while (left := self.left()) and time.monotonic() < until:
            time.sleep(0.02)
        return [" ".join(_arguments(p)) for p in left]

    def kill(self) -> None:
        """End them all, as a power cut does."""
        while left := self.left():
            for process in left:
                with suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
            time.sleep(0.002)


def _arguments(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


@contextmanager
def subreaper() -> Iterator[Orphans]:
    """Be the parent of every orphan among the descendants; none of them outlives the block."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    orphans = Orphans()
    try:
        yield orphans
    finally:
        orphans.kill()
        prctl(PR_SET_CHILD_SUBREAPER, 0)


@dataclass(frozen=True)
class Seen:
    """A journal as read by somebody who knows nothing of dsice: whole lines, one by one."""

    records: list[dict[str, Any]]
    unreadable: int

    @property
    def told(self) -> dict[int, list[float]]:
        """The told values by id."""
        return {r["id"]: r["values"] for r in self.records if r["kind"] == "tell" and "values" in r}

    @property
    def points(self) -> dict[int, tuple[int, ...]]:
        """The asked points by id."""
        return {
            t["id"]: tuple(t["point"])
            for r in self.records
            if r["kind"] == "ask"
            for t in r["trials"]
        }


def observe(path: Path) -> Seen:
    """Read a journal from outside; an unfinished last line is left out."""
    data = path.read_bytes() if path.exists() else b""
    records, unreadable = [], 0
    for line in data.split(b"\n")[:-1]:
        try:
            records.append(json.loads(line))
        except ValueError:
            unreadable += 1
    return Seen(records, unreadable)


def wait_until(happened: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait for something that has to happen, on a machine that may be very busy."""
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError("it does not happen")
        time.sleep(0.002)
