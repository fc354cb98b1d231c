"""Processes of this machine: recognised for certain, and signalled without a mistake."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from dsice.launchers.standalone._processes import birth as birth

NONCE = "DSICE_NONCE"
"""Environment variable by which a process is recognised as part of one submission of one trial."""


def alive(pid: int, born: str) -> bool:
    """Whether process `pid` is still the one that started at `born`.

    Another process may have the same number after the first one ended.
    """
    return birth(pid) == born


def send(pid: int, born: str, number: int) -> None:
    """Signal process `pid` if it is still the one that started at `born`."""
    if not hasattr(os, "pidfd_open"):
        if alive(pid, born):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        return
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            # while the handle pins the process, its number cannot be recycled
            if alive(pid, born):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def is_suspended(pid: int, born: str | None = None) -> bool:
    """Whether process `pid` was suspended by a signal; of another one that has its number, False.

    Parameters
    ----------
    born
        When it started; None: its number cannot be another's, since nobody has waited for it.
    """
    if not sys.platform.startswith("linux"):
        import psutil

        try:
            state = psutil.Process(pid).status()
        except psutil.Error:
            return False
        return state == psutil.STATUS_STOPPED and (born is None or alive(pid, born))
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[:1] == [b"T"] and (born is None or alive(pid, born))


def sweep(nonces: set[str], seconds: float = 1.0) -> int:
    """Kill every process that has one of the nonces in its environment; how many were found.

    Needed where a trial's supervisor was killed itself. A process that left its session *and*
    replaced its environment is not found.

    Parameters
    ----------
    nonces
        Tokens of submissions.
    seconds
        How long killing is repeated: a process may fork between the search and the kill.
    """
    until = time.monotonic() + seconds
    found: set[int] = set()
    while (now := _carriers(nonces)) and time.monotonic() < until:
        for pid in now:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        found.update(now)
        time.sleep(0.005)
    return len(found)


def _carriers(nonces: set[str]) -> list[int]:
    """Pids of the processes with one of the nonces."""
    marks = [f"{NONCE}={nonce}".encode() for nonce in nonces]
    found = []
    for pid, environment in _environments():
        if any(mark in environment for mark in marks):
            found.append(pid)
    return found


def _environments() -> list[tuple[int, bytes]]:
    """Pid and environment of every other process that this user may read."""
    found: list[tuple[int, bytes]] = []
    if sys.platform.startswith("linux"):
        for path in Path("/proc").iterdir():
            if path.name.isdigit() and int(path.name) != os.getpid():
                with contextlib.suppress(OSError):
                    found.append((int(path.name), (path / "environ").read_bytes()))
        return found
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid():
                variables = process.environ()
                found.append((process.pid, f"{NONCE}={variables.get(NONCE, '')}".encode()))
    return found


def end(pid: int, born: str, seconds: float) -> None:
    """End a process and wait for that; one that does not go within `seconds` is killed."""
    until = time.monotonic() + seconds
    send(pid, born, signal.SIGTERM)
    send(pid, born, signal.SIGCONT)  # it may have been suspended
    while alive(pid, born):
        if time.monotonic() > until:
            send(pid, born, signal.SIGKILL)
            time.sleep(0.05)
            break
        time.sleep(0.005)
