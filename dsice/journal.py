"""The journal: an append-only file of JSON lines, written before anything is remembered.

Line 1 is the header; each ask is one line, each tell is one line, each written whole and
synced to the disk before the call returns. One process writes: an fcntl lock on
``JOURNAL.lock`` (a file that nothing else opens, since closing any handle of a locked
file drops the lock) and, because some network file systems grant a lock twice, an owner
record in ``JOURNAL.owner`` that is read again before each append.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsice.errors import JournalError, LockedError

FORMAT = 1
Record = dict[str, Any]
_held: set[Path] = set()  # journals this process writes: fcntl locks do not see a second open in one process


@dataclass(frozen=True)
class Contents:
    """What a journal file holds.

    Attributes
    ----------
    header
        The first line, None for an empty file.
    records
        The lines after it.
    bad
        (line number, what is wrong) of every unreadable line but a torn last one.
    good_bytes
        Length of the file without a torn last line.
    torn
        The bytes of a torn last line, ``b""`` where there is none.
    """

    header: Record | None
    records: list[Record]
    bad: list[tuple[int, str]]
    good_bytes: int
    torn: bytes


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a journal without locking or changing it, also while another process writes.

    Raises
    ------
    JournalError
        The file is missing, unreadable, no journal, or of a newer format.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise JournalError(f"journal {file}: {error.strerror or error}") from error
    lines = data.split(b"\n")
    torn = lines.pop()  # after the last newline: empty unless a write was cut short
    records, bad = [], []
    for number, line in enumerate(lines, 1):
        record, problem = _parse(line)
        if record is None:
            bad.append((number, problem))
        else:
            records.append(record)
    if torn and (whole := _parse(torn)[0]) is not None:  # cut between the line and its newline: nothing is missing
        records.append(whole)
        torn = b""
    header = _header(file, records, bad, empty=not data.strip(b"\0"))
    return Contents(header, records[1:] if header else [], bad, len(data) - len(torn), torn)


def _parse(line: bytes) -> tuple[Record | None, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, "NUL bytes" if b"\0" in line else f"not JSON: {error}"
    return (record, "") if isinstance(record, dict) and "kind" in record else (None, "not a record: no 'kind'")


def _header(file: Path, records: list[Record], bad: list[tuple[int, str]], *, empty: bool) -> Record | None:
    if not records and not bad:
        if not empty:  # only a torn piece of text: a header cut short, or another kind of file
            _refuse_foreign(file)
        return None
    if not records or records[0]["kind"] != "header" or (bad and bad[0][0] == 1):
        raise JournalError(f"{file} is no dsice journal: its first line is not a header; give another file name, or move this file away")
    version = records[0].get("format")
    if version != FORMAT:
        raise JournalError(f"journal {file} has format {version}; this dsice reads format {FORMAT}: use the dsice that wrote it, or update dsice")
    return records[0]


def _refuse_foreign(file: Path) -> None:
    start = file.read_bytes()[:16]
    if not b'{"kind":"header"'.startswith(start[:16]):
        raise JournalError(f"{file} is no dsice journal: it starts with {start!r}; give another file name, or move this file away")


class Journal:
    """The one writer of a journal file.

    Parameters
    ----------
    path
        The file; made, with its directory, where it does not exist.
    lock
        False where the file system refuses locks; then it is up to you that only one
        coordinator runs (the owner record still stops the first of two).
    wait
        Seconds to wait for another writer to let go.

    Raises
    ------
    LockedError
        Another coordinator holds the journal; the message names host, process and since when.
    JournalError
        The file cannot be opened, is no journal, or has a bad line in the middle.
    """

    def __init__(self, path: str | os.PathLike[str], *, lock: bool = True, wait: float = 0.0) -> None:
        self.path = Path(path).absolute()
        self._lock_fd: int | None = None
        self._fd: int | None = None
        self._pid = os.getpid()
        self._nonce = uuid.uuid4().hex
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"journal {self.path}: cannot make its directory: {error.strerror}") from error
        self._acquire(lock, wait)
        try:
            self.contents = self._open()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    # ------------------------------------------------------------------ opening
    def _acquire(self, lock: bool, wait: float) -> None:
        key = self.path.resolve()
        deadline = time.monotonic() + wait
        while True:
            if key not in _held and (not lock or self._try_lock()):
                break
            if time.monotonic() >= deadline:
                raise LockedError(f"journal {self.path} is being written by another coordinator ({_owner_text(self.path)}); let it end, or stop it")
            time.sleep(0.05)
        _held.add(key)
        self._key: Path | None = key

    def _try_lock(self) -> bool:
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"journal {self.path}: cannot make its lock file {lock_path}: {error.strerror}") from error
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise JournalError(
                f"journal {self.path}: the file system refuses locks ({error.strerror}); put the journal on another one, or open it with "
                "Journal(path, lock=False) and make sure that only one coordinator runs"
            ) from error
        self._lock_fd = fd
        return True

    def _open(self) -> Contents:
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"journal {self.path}: {error.strerror}") from error
        contents = read(self.path)
        if contents.bad:
            where = "; ".join(f"line {number}: {problem}" for number, problem in contents.bad[:5])
            raise JournalError(
                f"journal {self.path} is damaged in the middle ({where}); nothing was changed. Look at those lines, then run "
                f"`dsice journal repair {self.path}`, which keeps a copy and takes them out"
            )
        self._mend_tail(contents)
        self._own()
        _sync_directory(self.path.parent)
        return contents

    def _mend_tail(self, contents: Contents) -> None:
        """Cut a torn last line off (a copy kept); end a whole one with its newline."""
        fd = self._file()
        if contents.torn:
            copy = self.path.with_name(f"{self.path.name}.torn-{time.strftime('%Y%m%d-%H%M%S')}-{self._nonce[:4]}")
            copy.write_bytes(contents.torn)
            os.ftruncate(fd, contents.good_bytes)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            os.write(fd, b"\n")
        os.fsync(fd)

    def _own(self) -> None:
        record = {"host": socket.gethostname(), "pid": self._pid, "nonce": self._nonce, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        temporary = _owner_path(self.path).with_name(f"{self.path.name}.owner-{self._nonce[:8]}")
        temporary.write_text(json.dumps(record))
        temporary.replace(_owner_path(self.path))

    # ------------------------------------------------------------------ writing
    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line and sync it; on return it is on the disk.

        Raises
        ------
        JournalError
            The disk is full or gone, the file was removed, or another coordinator took over;
            nothing of the record stays in the file.
        """
        fd = self._file()
        self._still_mine(fd)
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        size = os.fstat(fd).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(fd, line[written:])
            os.fsync(fd)
        except OSError as error:
            os.ftruncate(fd, size)  # shrinking needs no space: no half line stays
            raise JournalError(f"journal {self.path}: cannot write ({error.strerror}); free some space, then tell again: nothing told before is lost") from error

    def _file(self) -> int:
        if self._fd is None:
            raise JournalError(f"journal {self.path} is closed")
        return self._fd

    def _still_mine(self, fd: int) -> None:
        if os.getpid() != self._pid:
            raise JournalError(f"journal {self.path} belongs to process {self._pid}; this forked process may not write it")
        try:
            here, there = os.fstat(fd), os.stat(self.path)
            nonce = json.loads(_owner_path(self.path).read_text()).get("nonce")
        except (OSError, ValueError) as error:
            raise JournalError(f"journal {self.path} or its owner record was removed or damaged while it was in use: {error}") from error
        if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
            raise JournalError(f"journal {self.path} was replaced by another file while it was in use")
        if nonce != self._nonce:
            raise LockedError(f"journal {self.path} was taken over by another coordinator ({_owner_text(self.path)}); this one stops, nothing is lost")

    def close(self) -> None:
        """Let go of the file and the lock; a second call does nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None
        if getattr(self, "_key", None) is not None:
            _held.discard(self._key)  # type: ignore[arg-type]
            self._key = None


def _owner_path(path: Path) -> Path:
    return path.with_name(path.name + ".owner")


def _owner_text(path: Path) -> str:
    try:
        owner = json.loads(_owner_path(path).read_text())
        return f"host {owner['host']}, process {owner['pid']}, since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "unknown process"


def _sync_directory(directory: Path) -> None:
    """The name of a new file is on the disk only when its directory is."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError:  # some network file systems cannot; the file itself is synced all the same
        pass
    finally:
        os.close(fd)


@dataclass
class Repair:
    """What `repair` did."""

    kept: int
    removed: list[tuple[int, str]] = field(default_factory=list)
    copy: Path | None = None


def repair(path: str | os.PathLike[str]) -> Repair:
    """Take unreadable lines out of a journal; the file as it was is kept beside it.

    Raises
    ------
    LockedError
        A coordinator is writing it.
    """
    file = Path(path)
    contents = read(file)
    if not contents.bad:
        return Repair(kept=len(contents.records))
    lock = Journal.__new__(Journal)
    lock.path, lock._lock_fd, lock._fd = file.absolute(), None, None
    lock._acquire(True, 0.0)
    try:
        copy = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        data = file.read_bytes()
        copy.write_bytes(data)
        wrong = {number for number, _ in contents.bad}
        lines = data.split(b"\n")
        good = b"".join(line + b"\n" for number, line in enumerate(lines[:-1], 1) if number not in wrong) + lines[-1]
        temporary = file.with_name(file.name + ".repairing")
        temporary.write_bytes(good)
        temporary.replace(file)
    finally:
        lock.close()
    return Repair(kept=len(contents.records), removed=contents.bad, copy=copy)
