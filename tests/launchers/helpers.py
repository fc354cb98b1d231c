"""What the tests of launchers share."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import psutil

from dsice.launchers import Launcher, Result, Step

_marks = itertools.count()


def drain(launcher: Launcher, n: int, seconds: float = 30.0) -> dict[int, Result]:
    """Collect until `n` results are there; each id at most once."""
    results: dict[int, Result] = {}
    until = time.monotonic() + seconds
    while len(results) < n:
        assert time.monotonic() < until, f"{len(results)} of {n} results after {seconds} s"
        for event in launcher.collect(0.5):
            if isinstance(event, Result):
                assert event.id not in results, "a result came twice"
                results[event.id] = event
    return results


def steps(events: Iterable[Result | Step]) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events if isinstance(event, Step)]


def mark() -> str:
    """A duration for `sleep` by which its process is recognised on this machine."""
    return f"3600.{os.getpid():07d}{next(_marks):04d}"


def marked(text: str) -> list[int]:
    """Pids of the processes, zombies aside, with `text` in their arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                any(text in argument for argument in process.cmdline())
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def eventually(check: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Whether `check` comes true in time."""
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
