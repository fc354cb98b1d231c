"""The one writer of a journal file."""

from __future__ import annotations

import collections
import errno
import json
import os
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dsice.errors import JournalError, LockedError
from dsice.journal.lock import Hold
from dsice.journal.reader import Reading, check_beginning


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
    create
        False: the file must exist.

    Raises
    ------
    LockedError
        Another coordinator holds the journal; the message names host, process and since when.
    JournalError
        The file cannot be opened, is no journal, or has a bad line in the middle.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock: bool = True,
        wait: float = 0.0,
        create: bool = True,
    ) -> None:
        self.path = Path(path).resolve()  # one name, one lock, also through a symbolic link
        _prepare(self.path, create=create)
        self._size = 0
        self._undo_to: int | None = None
        self._claimed = False
        self._reading: Reading | None = None
        self._hold = Hold(self.path, lock=lock, wait=wait)
        self._fd: int | None = None
        with self._closed_on_failure():
            self._fd = os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
            )
            # a journal that is simply forgotten lets go too
            self._release = weakref.finalize(self, _release, self._fd, self._hold, os.getpid())
            self._reading = Reading(self.path)
            self._hold.own()
            if os.fstat(self._fd).st_size != self._reading.bytes:
                # where locks do not hold, another coordinator may have written before the owner record stopped it
                self._reading = Reading(self.path)

    def __repr__(self) -> str:
        return f"<Journal {self.path}{'' if self._fd is not None else ', closed'}>"

    @contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(error, JournalError):
                raise JournalError(
                    f"journal {self.path}: cannot be opened for writing ({error.strerror})"
                ) from error
            raise

    def claim(self) -> Reading:
        """What the file held when it was opened, for the one tuner that goes on with it: it reads all of it, then calls `begin`.

        Raises
        ------
        LockedError
            A tuner has this journal already.
        JournalError
            It is closed.
        """
        self._file()
        if self._claimed or self._reading is None:
            raise LockedError(
                f"journal {self.path} belongs to another Tuner of this process; close() it, then open the file anew"
            )
        self._claimed = True
        return self._reading

    def begin(self) -> None:
        """Cut off a torn last line (a copy is kept) and make ready to append; the first `append` does it too.

        Raises
        ------
        JournalError
            There is a bad line in the middle, or the file cannot be written.
        """
        fd, reading, self._reading = self._file(), self._reading, None
        if reading is None:
            return
        with self._closed_on_failure():
            if not reading.read:
                collections.deque(reading, maxlen=0)
            reading.require_good()
            self._size = reading.bytes
            self._check_size(fd)
            if reading.torn:
                copy = self.path.with_name(
                    f"{self.path.name}.torn-{time.strftime('%Y%m%d-%H%M%S')}-{self._hold.nonce[:4]}"
                )
                copy.write_bytes(reading.torn)
                os.ftruncate(fd, reading.good_bytes)
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                _write(fd, b"\n")
            os.fsync(fd)
            _sync_directory(self.path.parent)
            self._size = os.fstat(fd).st_size

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line and sync it; on return it is on the disk.

        Raises
        ------
        JournalError
            The disk is full or gone, the file was removed, or another coordinator took over;
            nothing of the record stays in the file.
        """
        self.begin()
        fd = self._file()
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        self._hold.check(fd)
        try:
            self._undo(fd)
            self._check_size(fd)
            self._undo_to = self._size
            _write(fd, line)
            os.fsync(fd)
            self._size, self._undo_to = self._size + len(line), None
        except BaseException as error:
            with suppress(
                OSError
            ):  # shrinking needs no space; if even that fails, the next append does it
                self._undo(fd)
            if isinstance(error, OSError) and not isinstance(error, JournalError):
                raise JournalError(
                    f"journal {self.path}: cannot write ({error.strerror}); nothing of this call was recorded and nothing before "
                    "it is lost. Make it writable again (free some space), then call again"
                ) from error
            raise

    @property
    def open(self) -> bool:
        """Whether this process may append."""
        return self._fd is not None and self._hold.mine

    @property
    def gone(self) -> bool:
        """Whether the file at the path is not the one that is written any more: deleted, moved or replaced."""
        try:
            return self._fd is not None and not os.path.samestat(
                os.fstat(self._fd), self.path.stat()
            )
        except OSError:
            return True

    def left(self) -> bytes:
        """What was written, also after the file was deleted; empty where even that is gone."""
        try:
            return b"" if self._fd is None else os.pread(self._fd, self._size, 0)
        except OSError:
            return b""

    def _check_size(self, fd: int) -> None:
        """What this writer did not write may be a result: it is not written over, nor after."""
        size = os.fstat(fd).st_size
        if size != self._size:
            raise LockedError(
                f"journal {self.path} has {size} bytes where this coordinator left {self._size}: somebody else changed it, and "
                "nothing was written. Make sure that only one coordinator runs, then open the journal again"
            )

    def _undo(self, fd: int) -> None:
        """Cut off what a failed append left."""
        if self._undo_to is not None:
            os.ftruncate(fd, self._undo_to)
            self._undo_to = None

    def _file(self) -> int:
        if self._fd is None:
            raise JournalError(
                f"journal {self.path} is closed; make a new Tuner with journal={str(self.path)!r} to go on"
            )
        return self._fd

    def close(self) -> None:
        """Let go of the file and the lock; a second call does nothing."""
        if self._fd is None:
            self._hold.release()
        else:
            self._fd = None
            self._release()


def _prepare(path: Path, *, create: bool) -> None:
    """Make the directory; refuse what is no journal before anything is put beside it."""
    if not create and not path.exists():
        raise JournalError(f"journal {path}: {os.strerror(errno.ENOENT)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                check_beginning(path, file.read(64))
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(
            f"journal {path}: cannot be opened ({error.strerror or error})"
        ) from error


def _release(fd: int, hold: Hold, pid: int) -> None:
    os.close(fd)
    if os.getpid() == pid:  # a forked child has no hold to release
        hold.release()


def _write(fd: int, data: bytes) -> None:
    while data:
        written = os.write(fd, data)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[written:]


def _sync_directory(directory: Path) -> None:
    """The name of a new file is on the disk only when its directory is."""
    with suppress(
        OSError
    ):  # some network file systems cannot; the file itself is synced all the same
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
