"""Who may write a journal: a file lock, and a record of the owner.

The fcntl lock is on ``JOURNAL.lock``, a file that nothing else opens, since closing any handle of
a locked file drops the lock. Some network file systems grant a lock twice; the owner record in
``JOURNAL.owner``, read again before each append, then stops the first of the two.
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

# Journals locked here, and by which process: fcntl locks do not see a second open in one process.
_mine: dict[Path, int] = {}
_mutex = threading.Lock()


class JournalLock:
    """The right to write a journal, from its making until `release`.

    Parameters
    ----------
    path
        The journal, resolved.
    lock
        False: do without the file lock.
    wait
        Seconds to wait for another writer.

    Attributes
    ----------
    nonce
        A random word that the owner record has as long as nobody else took the journal over.
    owner_path
        The file of the owner record.
    pid
        The process that has the journal; None after `release`.

    Raises
    ------
    LockedError
        Somebody else has it.
    JournalError
        The lock file cannot be made, or the file system refuses locks.
    """

    def __init__(self, path: Path, *, lock: bool, wait: float) -> None:
        self.path = path
        self.owner_path = _owner_path(path)
        self.nonce = uuid.uuid4().hex
        self._fd: int | None = None
        deadline = time.monotonic() + wait
        while not self._try_to_lock(lock):
            if time.monotonic() >= deadline:
                raise LockedError(self._refusal(wait))
            time.sleep(0.02)
        self.pid: int | None = os.getpid()

    def _try_to_lock(self, lock: bool) -> bool:
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
            return (
                f"journal {self.path} is open in this process already{waited}; "
                "close() the other Tuner or Journal first"
            )
        return (
            f"journal {self.path} is being written by another coordinator{waited} "
            f"({owner(self.path)}); let it end, or stop it"
        )

    def write_owner(self) -> None:
        """Write the owner record."""
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        record = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "nonce": self.nonce,
            "since": since,
        }
        replace_file(
            self.owner_path,
            json.dumps(record),
            fsync=False,
            temporary=self.path.with_name(f"{self.path.name}.owner-{self.nonce[:8]}"),
        )

    def release(self) -> None:
        """Let go of the journal; a second call does nothing."""
        pid, self.pid = self.pid, None
        if pid is None:
            return
        with _mutex:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
            if _mine.get(self.path) == pid:
                del _mine[self.path]


def _locked(path: Path) -> int | None:
    """Open the lock file and lock it; None if somebody else has the lock."""
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
            f"journal {path}: the file system refuses locks ({error.strerror}); put the journal on "
            "another one, or open it with Journal(path, lock=False) - lock = false in a study file "
            "- and make sure that only one coordinator runs"
        ) from error
    return fd


def _owner_path(path: Path) -> Path:
    return path.with_name(path.name + ".owner")


def owner(path: Path) -> str:
    """Host, process and time of the last owner record, for a message."""
    try:
        record = json.loads(_owner_path(path).read_text())
        return f"host {record['host']}, process {record['pid']}, since {record['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "unknown process"
