"""Who may write a journal: a file lock, and a record of the owner.

The fcntl lock is on ``JOURNAL.lock``, a file that nothing else opens, since closing any handle of
a locked file drops the lock. Some network file systems grant a lock twice; the owner record in
``JOURNAL.owner``, read again before each append, then stops the first of the two.

Either file may be removed while the journal is in use, as by a program that clears old files from
a scratch disk. The lock is then one on a file without a name, and whoever comes next could make
the file anew and lock that. So the holder makes both again before its next line, and meanwhile a
mark on the journal itself (a lock of the open file, which no other handle drops) keeps out who
finds no lock file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import struct
import sys
import time
import uuid
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from dsice.errors import JournalError, LockedError
from dsice.journal.files import NotRegularError, open_regular, read_file, replace_file

# Journals locked here, and by which process: fcntl locks do not see a second open in one process.
_mine: dict[Path, JournalLock] = {}
_PATIENCE = 2.0  # seconds for one who made the lock file anew, and finds the journal in use, to go
_LARGEST_RECORD = 65536


class JournalLock:
    """The right to write a journal, from `take` until `release`.

    Parameters
    ----------
    path
        The journal, resolved.
    lock
        False: do without the file lock.

    Attributes
    ----------
    nonce
        A random word that the owner record has as long as nobody else took the journal over.
    owner_path
        The file of the owner record.
    handle, lock_path
        The locked file, open, and its name; the handle is None without a lock.
    pid
        The process that has the journal; None after `release`.
    made
        Whether there was no lock file before.
    """

    def __init__(self, path: Path, *, lock: bool) -> None:
        self.path = path
        self.owner_path = owner_path(path)
        self.nonce = uuid.uuid4().hex
        self.made = False
        self._begun = True
        self._with_file = lock
        self.lock_path = _lock_path(path)
        self.handle: int | None = None
        self._file: FileIO | None = None  # closes the handle, at once and once only
        self.pid: int | None = os.getpid()

    def take(self, wait: float) -> None:
        """Get the right to write; whatever it raises, `release` undoes what was done.

        Parameters
        ----------
        wait
            Seconds to wait for another writer.

        Raises
        ------
        LockedError
            Somebody else has it.
        JournalError
            The lock file cannot be made, or the file system refuses locks.
        """
        deadline = time.monotonic() + wait
        while not self._try_to_lock():
            if time.monotonic() >= deadline:
                raise LockedError(self._refusal(wait))
            time.sleep(0.02)

    def _try_to_lock(self) -> bool:
        other = _mine.get(self.path)
        if other is not None and other.pid != os.getpid():  # of the process that forked this one
            del _mine[self.path]
        # of two threads only one may come as far as opening the lock file
        if _mine.setdefault(self.path, self) is not self:
            return False
        if self._with_file:
            found = _locked(self.path)
            if found is not None:
                self._take(*found)
                if not (self.made and _is_marked(self.path)):
                    return True
                self.unmake()
            self._let_go()
            return False
        return True

    def _take(self, handle: int, made: bool) -> None:
        before = self._file
        self._file, self.handle, self.made = FileIO(handle), handle, made
        if before is not None:
            before.close()

    def _let_go(self) -> None:
        """Close the lock file, and let other threads try; a second call does nothing."""
        if self._file is not None:
            self._file.close()
        self.handle = None
        if _mine.get(self.path) is self:
            del _mine[self.path]

    def _refusal(self, wait: float) -> str:
        waited = f", still after waiting {wait:g} s" if wait else ""
        if self.path in _mine:
            return (
                f"journal {self.path} is open in this process already{waited}; "
                "close() the other Tuner or Journal first"
            )
        return (
            f"journal {self.path} is being written by another coordinator "
            f"({owner(self.path)}){waited}; let it end, or stop it"
        )

    def mark(self, journal: int) -> None:
        """Keep out whoever finds no lock file, for as long as this handle of the journal is open.

        Some file systems cannot.
        """
        if self.handle is not None:
            _set_mark(journal, fcntl.F_WRLCK)

    def write_owner(self, *, begun: bool = True) -> None:
        """Write the owner record.

        Parameters
        ----------
        begun
            False: the journal has no header yet, so that an empty one is no damage.

        Raises
        ------
        JournalError
            It cannot be written now.
        """
        self._begun = begun
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        record: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "nonce": self.nonce,
            "since": since,
        }
        if not begun:
            record["begun"] = False
        try:
            replace_file(
                self.owner_path,
                json.dumps(record),
                fsync=not begun,
                temporary=self.path.with_name(f"{self.path.name}.owner-{self.nonce[:8]}"),
            )
        except OSError as error:
            raise self._failed("owner record", self.owner_path, "written", error) from error

    def require(self) -> None:
        """Raise unless this process still has the journal; make again what was removed of it.

        Raises
        ------
        LockedError
            Another coordinator has it.
        JournalError
            That cannot be seen now, or without a lock not be known; nothing is lost, and a later
            call may succeed.
        """
        if self.handle is not None and not self._has_name(self.handle):
            self._lock_again()
        nonce = self._recorded()
        if nonce == self.nonce:
            return
        if nonce is not None:
            raise self._taken_over()
        if self.handle is None:
            raise JournalError(
                f"journal {self.path}: its owner record {self.owner_path.name} was removed or "
                "damaged, and without a lock another coordinator may be writing; make sure that "
                "none is, close this tuner and open the journal again"
            )
        self.write_owner(begun=self._begun)

    def _has_name(self, fd: int) -> bool:
        """Whether the locked file is the one at its name."""
        try:
            return os.path.samestat(os.fstat(fd), self.lock_path.lstat())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._failed("lock file", self.lock_path, "read", error) from error

    def _lock_again(self) -> None:
        """Lock the file that is at its name now."""
        deadline = time.monotonic() + _PATIENCE
        while (found := _locked(self.path)) is None:
            if self._recorded() not in (None, self.nonce):
                raise self._taken_over()
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"journal {self.path}: its lock file was removed, and another coordinator "
                    f"({owner(self.path)}) has the new one; this one has stopped writing, and "
                    "nothing that was told is lost. Stop one of the two, then open the journal "
                    "again"
                )
            time.sleep(0.02)
        self._take(found[0], self.made)

    def _recorded(self) -> str | None:
        """The random word of the owner record; None where there is none, or it is damaged."""
        try:
            return str(owner_record(self.path)["nonce"])
        except (FileNotFoundError, NotRegularError, LookupError):
            return None
        except OSError as error:
            raise self._failed("owner record", self.owner_path, "read", error) from error

    def _failed(self, what: str, file: Path, done: str, error: OSError) -> JournalError:
        return JournalError(
            f"journal {self.path}: its {what} {file.name} cannot be {done} now "
            f"({error.strerror}); nothing that was written before is lost. Put that right, then go "
            "on"
        )

    def _taken_over(self) -> LockedError:
        return LockedError(
            f"journal {self.path} was taken over by another coordinator ({owner(self.path)}); "
            "this one has stopped writing, and nothing that was told is lost. Stop one of the "
            "two, then open the journal again"
        )

    def release(self, journal: int | None = None) -> None:
        """Let go of the journal, of which `journal` is the marked handle; once is enough."""
        if self.pid is None:
            return
        if journal is not None and self.handle is not None:
            _set_mark(journal, fcntl.F_UNLCK)
        self._let_go()
        self.pid = None

    def unmake(self) -> None:
        """Remove a lock file that was made here for nothing; who waits for it takes another."""
        if self.made and self.handle is not None:
            with suppress(OSError):
                self.lock_path.unlink()


# ------------------------------------------------------------------ the lock file
def _locked(path: Path) -> tuple[int, bool] | None:
    """Open the lock file and lock it; None if somebody else has the lock.

    Returns
    -------
    int, bool
        The open file, and whether it was made here.
    """
    lock_path = _lock_path(path)
    while True:
        try:
            fd, made = _opened(lock_path)
        except OSError as error:
            raise JournalError(
                f"journal {path}: cannot open its lock file {lock_path.name} ({error.strerror}). "
                "It must be a file that you can write to; while no coordinator runs, remove it"
            ) from error
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), lock_path.lstat()):
                return fd, made
        except FileNotFoundError:
            pass  # removed just now, so this lock keeps nobody out
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None
            raise JournalError(
                f"journal {path}: the file system refuses locks ({error.strerror}); put the "
                "journal on another one, or open it with Journal(path, lock=False) - lock = false "
                "in a study file - and make sure that only one coordinator runs"
            ) from error
        os.close(fd)


def _opened(lock_path: Path) -> tuple[int, bool]:
    """The lock file, open, and whether it was made here; a link or a named pipe will not do."""
    while True:
        flags = os.O_RDWR | os.O_NOFOLLOW
        with suppress(FileExistsError):
            return os.open(lock_path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), True
        with suppress(FileNotFoundError):  # removed since
            return open_regular(lock_path, flags), False


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


# ------------------------------------------------------------------ the mark on the journal
# Locks of an open file (Linux) hold between machines as far as other locks do, and in forked
# processes too: so the mark counts only where the lock file is missing.
_HAS_MARKS = hasattr(fcntl, "F_OFD_SETLK") and sys.maxsize > 2**32


def _flock(kind: int) -> bytes:
    """A struct flock (64 bits): the first byte of the file."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 1, 0)


def _set_mark(journal: int, kind: int) -> None:
    if _HAS_MARKS:
        with suppress(OSError):
            fcntl.fcntl(journal, fcntl.F_OFD_SETLK, _flock(kind))


def _is_marked(path: Path) -> bool:
    """Whether a process has this journal open to write; False where that cannot be known."""
    if not _HAS_MARKS:
        return False
    try:
        fd = open_regular(path, os.O_RDWR)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK))
        return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(fd)


# ------------------------------------------------------------------ the owner record
def owner_path(path: Path) -> Path:
    """The file of the owner record."""
    return path.with_name(path.name + ".owner")


def owner_record(path: Path) -> dict[str, Any]:
    """The owner record of a journal; empty where it is damaged, OSError where it cannot be read."""
    try:
        record = json.loads(read_file(owner_path(path), _LARGEST_RECORD))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def owner(path: Path) -> str:
    """Host, process and time of the last owner record, for a message."""
    try:
        record = owner_record(path)
        return f"host {record['host']}, process {record['pid']}, since {record['since']}"
    except (OSError, LookupError):
        return "unknown process"
