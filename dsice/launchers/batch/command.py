"""One command of a scheduler: run for a limited time, whatever processes it leaves behind."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SHOWN = 2000  # characters of an answer in a message
_MOST = 64 * 1024 * 1024  # bytes that a command may print
_LATE = 0.2  # seconds for what a part of the command prints after its end, where it printed nothing
_REAPED = 0.5  # seconds for a killed process to go


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended.

    Attributes
    ----------
    code
        Its exit code, below 0 where a signal killed it; None: it was ended after its time limit.
    """

    command: str
    code: int | None
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that it printed."""
        return f"{self.out}\n{self.err}"

    @property
    def blank(self) -> bool:
        """Whether it ended well and printed no answer."""
        return self.code == 0 and not self.out.strip()

    def __str__(self) -> str:
        said = "\n".join(text.strip()[-_SHOWN:] for text in (self.out, self.err) if text.strip())
        ended = "no end within its time limit" if self.code is None else f"exit code {self.code}"
        return f"command: {self.command}\n{ended}, it printed: {said or 'nothing'}"


def ask(words: Sequence[str], seconds: float, environment: Mapping[str, str]) -> Answer:
    """Run a command and wait for its end, for at most so many seconds.

    What it prints goes into files. So a process that it leaves behind and that keeps them open (the
    master of a shared ssh connection) is not waited for. After the limit the command is killed with
    its session; what it has printed until then counts.

    Raises
    ------
    OSError
        It cannot be started.
    """
    with _output() as out, _output() as err:
        # A session of its own, and not subprocess.run, which kills its process on an interrupt:
        # Ctrl-C must not cut a submission short. It goes on to write into its files.
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env=environment,
        )
        code = _wait(process, (out, err), time.monotonic() + seconds)
        if code == 0 and not _size(out) + _size(err):
            time.sleep(min(_LATE, seconds))
        return Answer(shlex.join(words), code, _text(out), _text(err))


def _output() -> IO[bytes]:
    """An open file for what a command prints; in memory, where a full disk does no harm."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("dsice"), "w+b")
    return tempfile.TemporaryFile()


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _text(file: IO[bytes]) -> str:
    # by position: the file's own one belongs to whoever still writes
    return os.pread(file.fileno(), _MOST, 0).decode("utf-8", errors="replace")


def _wait(process: subprocess.Popen[bytes], files: Sequence[IO[bytes]], until: float) -> int | None:
    """The exit code; None: the process was killed, at `until` or because it printed too much."""
    while sum(map(_size, files)) <= _MOST:
        left = until - time.monotonic()
        try:
            return process.wait(max(0.0, min(0.5, left)))
        except subprocess.TimeoutExpired:
            if left <= 0:
                break
    _end_session(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_REAPED)
    return None


def _end_session(leader: int) -> None:
    """Kill a process and what it started, as far as that has not made a session of its own."""
    for pid in _session(leader):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)


def _session(leader: int) -> list[int]:
    """The processes of a session, also those in process groups of their own."""
    if not sys.platform.startswith("linux"):
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == leader:
                    found.append(int(entry.name))
    return found
