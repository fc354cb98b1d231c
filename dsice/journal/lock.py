"""Who may write a journal: an fcntl lock on ``JOURNAL.lock`` and an owner record in ``JOURNAL.owner``.

The lock file is a file that nothing else opens, since closing any handle of a locked file
drops the lock. Some network file systems grant a lock twice; the owner record, read again
before each append, then stops the first of the two.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path

from dsice.errors import JournalError, LockedError
from dsice.journal.files import replace_file

_mine: dict[
    Path, int
] = {}  # journals held here, and by which process: fcntl locks do not see a second open in one process
_mutex = threading.Lock()


class Hold:
    """The right to write a journal, from here until `release`.

    Parameters
    ----------
    path
        The journal, resolved.
    lock
        False: do without the file lock.
    wait
        Seconds to wait for another holder.

    Raises
    ------
    LockedError
        Somebody else holds it.
    JournalError
        The lock file cannot be made, or the file system refuses locks.
    """

    def __init__(self, path: Path, *, lock: bool, wait: float) -> None:
        self.path = path
        self.nonce = uuid.uuid4().hex
        self._fd: int | None = None
        deadline = time.monotonic() + wait
        while not self._try(lock):
            if time.monotonic() >= deadline:
                raise LockedError(self._refusal(wait))
            time.sleep(0.02)
        self._pid: int | None = os.getpid()

    def _try(self, lock: bool) -> bool:
        with _mutex:  # of two threads only one may come as far as opening the lock file
            if _mine.get(self.path) == os.getpid():
                return False
            if lock:
                self._fd = _locked(self.path)
                if self._fd is None:
                    return False
            _mine[self.path] = os.getpid()
            return True

    def _refusal(self, wait: float) -> str:
        waited = f" after waiting {wait:g} s" if wait else ""
        if _mine.get(self.path) == os.getpid():
            return f"journal {self.path} is open in this process already{waited}; close() the other Tuner or Journal first"
        return f"journal {self.path} is being written by another coordinator{waited} ({owner(self.path)}); let it end, or stop it"

    def own(self) -> None:
        """Write the owner record."""
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        record = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "nonce": self.nonce,
            "since": since,
        }
        replace_file(
            _owner_path(self.path),
            json.dumps(record),
            fsync=False,
            temporary=self.path.with_name(f"{self.path.name}.owner-{self.nonce[:8]}"),
        )

    @property
    def mine(self) -> bool:
        """Whether this process, and no fork of it, has the journal."""
        return self._pid == os.getpid()

    def check(self, fd: int) -> None:
        """Raise unless this process still holds the journal and `fd` is still its file."""
        if os.getpid() != self._pid:
            raise JournalError(
                f"journal {self.path} belongs to process {self._pid}; this forked process ({os.getpid()}) may not write it. "
                "Return the result to the process that made the tuner, and tell it there"
            )
        try:
            here, there = os.fstat(fd), self.path.stat()
        except OSError as error:
            raise JournalError(
                f"journal {self.path} was removed or cannot be reached ({error.strerror}); {_IN_HAND}"
            ) from error
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise JournalError(
                f"journal {self.path} was replaced by another file while it was in use; {_IN_HAND}"
            )
        try:
            nonce = json.loads(_owner_path(self.path).read_text())["nonce"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise JournalError(
                f"journal {self.path}: its owner record {_owner_path(self.path).name} was removed or damaged ({error}), so "
                "another coordinator may be writing; make sure that none is, close this tuner and open the journal again"
            ) from error
        if nonce != self.nonce:
            raise LockedError(
                f"journal {self.path} was taken over by another coordinator ({owner(self.path)}); this one has stopped writing, "
                "and nothing that was told is lost. Stop one of the two, then open the journal again"
            )

    def release(self) -> None:
        """Give the journal free; a second call does nothing."""
        pid, self._pid = self._pid, None
        if pid is None:
            return
        with _mutex:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
            if _mine.get(self.path) == pid:
                del _mine[self.path]


_IN_HAND = "what was told up to now is still in this tuner (history.frame()): put the file back, or save the frame and start anew"


def _locked(path: Path) -> int | None:
    """A handle of the lock file with the lock on it, None if somebody else has it."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise JournalError(
            f"journal {path}: cannot make its lock file {lock_path.name} ({error.strerror})"
        ) from error
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return None
        raise JournalError(
            f"journal {path}: the file system refuses locks ({error.strerror}); put the journal on another one, or open it with "
            "Journal(path, lock=False) - lock = false in a study file - and make sure that only one coordinator runs"
        ) from error
    return fd


def _owner_path(path: Path) -> Path:
    return path.with_name(path.name + ".owner")


def owner(path: Path) -> str:
    """Host, process and time of who wrote the owner record last."""
    try:
        record = json.loads(_owner_path(path).read_text())
        return f"host {record['host']}, process {record['pid']}, since {record['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "unknown process"
