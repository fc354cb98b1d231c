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
from dsice.journal.format import BEGINNING, encode
from dsice.journal.lock import JournalLock, owner
from dsice.journal.reader import JournalReader, check_beginning
from dsice.typing import PathLike


class Journal:
    """The one writer of a journal file.

    Parameters
    ----------
    path
        The file; it is made, with its directory, where it does not exist.
    lock
        False where the file system refuses locks; then you must see to it that only one
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
        path: PathLike,
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
        self._reader: JournalReader | None = None
        self._lock = JournalLock(self.path, lock=lock, wait=wait)
        self._fd: int | None = None
        with self._closed_on_failure():
            self._fd = os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
            )
            # a journal that is simply forgotten lets go too
            self._release = weakref.finalize(self, _release, self._fd, self._lock, os.getpid())
            self._reader = JournalReader(self.path)
            self._lock.write_owner()
            if os.fstat(self._fd).st_size != self._reader.bytes:
                # Where locks do not work, another coordinator may have written before the owner
                # record stopped it.
                self._reader = JournalReader(self.path)

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

    def claim(self) -> JournalReader:
        """Hand the file, as it was when it was opened, to the one tuner that goes on with it.

        That tuner reads all of it, then calls `begin`.

        Raises
        ------
        LockedError
            A tuner has this journal already.
        JournalError
            It is closed.
        """
        self._file()
        if self._claimed or self._reader is None:
            raise LockedError(
                f"journal {self.path} belongs to another Tuner of this process; close() it, then "
                "open the file anew"
            )
        self._claimed = True
        return self._reader

    def begin(self) -> None:
        """Cut off a torn last line (a copy is kept) and make the file ready to append to.

        The first `append` does it too.

        Raises
        ------
        JournalError
            There is a bad line in the middle, or the file cannot be written.
        """
        fd = self._file()
        reader, self._reader = self._reader, None
        if reader is None:
            return
        with self._closed_on_failure():
            if not reader.exhausted:
                collections.deque(reader, maxlen=0)
            reader.require_good()
            self._size = reader.bytes
            self._check_size(fd)
            if reader.torn:
                when = time.strftime("%Y%m%d-%H%M%S")
                name = f"{self.path.name}.torn-{when}-{self._lock.nonce[:4]}"
                self.path.with_name(name).write_bytes(reader.torn)
                os.ftruncate(fd, reader.good_bytes)
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                _write(fd, b"\n")
            os.fsync(fd)
            _sync_directory(self.path.parent)
            self._size = os.fstat(fd).st_size

    def append(self, *lines: Mapping[str, Any]) -> None:
        """Write one line and sync it; on return it is on the disk.

        Raises
        ------
        JournalError
            The disk is full or gone, the file was removed, or another coordinator took over;
            nothing of the line stays in the file.
        """
        self.begin()
        fd = self._file()
        data = "".join(encode(line, allow_nan=False) + "\n" for line in lines).encode()
        self._check_owner(fd)
        try:
            self._undo(fd)
            self._check_size(fd)
            self._undo_to = self._size
            _write(fd, data)
            os.fsync(fd)
            self._size += len(data)
            self._undo_to = None
        except BaseException as error:
            # Shrinking needs no space; if even that fails, the next append does it.
            with suppress(OSError):
                self._undo(fd)
            if isinstance(error, OSError) and not isinstance(error, JournalError):
                raise JournalError(
                    f"journal {self.path}: cannot write ({error.strerror}); nothing of this call "
                    "was recorded and nothing before it is lost. Make it writable again (free some "
                    "space), then call again"
                ) from error
            raise

    @property
    def open(self) -> bool:
        """Whether this process, and no fork of it, may append."""
        return self._fd is not None and self._lock.pid == os.getpid()

    @property
    def gone(self) -> bool:
        """Whether the file was deleted, moved or replaced while it is being written."""
        try:
            return self._fd is not None and not os.path.samestat(
                os.fstat(self._fd), self.path.stat()
            )
        except OSError:
            return True

    def content(self) -> bytes:
        """Everything written, also after the file was deleted; empty where even that is gone."""
        try:
            return b"" if self._fd is None else os.pread(self._fd, self._size, 0)
        except OSError:
            return b""

    def _check_owner(self, fd: int) -> None:
        """Raise unless this process still has the journal and `fd` is still its file."""
        if os.getpid() != self._lock.pid:
            raise JournalError(
                f"journal {self.path} belongs to process {self._lock.pid}; this forked process "
                f"({os.getpid()}) may not write it. Return the result to the process that made the "
                "tuner, and tell it there"
            )
        try:
            here, there = os.fstat(fd), self.path.stat()
        except OSError as error:
            raise JournalError(
                f"journal {self.path} was removed or cannot be reached ({error.strerror}); "
                f"{_STILL_IN_MEMORY}"
            ) from error
        if not os.path.samestat(here, there):
            raise JournalError(
                f"journal {self.path} was replaced by another file while it was in use; "
                f"{_STILL_IN_MEMORY}"
            )
        record = self._lock.owner_path
        try:
            nonce = json.loads(record.read_text())["nonce"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise JournalError(
                f"journal {self.path}: its owner record {record.name} was removed or damaged "
                f"({error}), so another coordinator may be writing; make sure that none is, close "
                "this tuner and open the journal again"
            ) from error
        if nonce != self._lock.nonce:
            raise LockedError(
                f"journal {self.path} was taken over by another coordinator ({owner(self.path)}); "
                "this one has stopped writing, and nothing that was told is lost. Stop one of the "
                "two, then open the journal again"
            )

    def _check_size(self, fd: int) -> None:
        """Raise if the file has what this writer did not write.

        It may be a result: it is not written over, nor is anything written after it.
        """
        size = os.fstat(fd).st_size
        if size != self._size:
            raise LockedError(
                f"journal {self.path} has {size} bytes where this coordinator left {self._size}: "
                "somebody else changed it, and nothing was written. Make sure that only one "
                "coordinator runs, then open the journal again"
            )

    def _undo(self, fd: int) -> None:
        """Cut off what a failed append left."""
        if self._undo_to is not None:
            os.ftruncate(fd, self._undo_to)
            self._undo_to = None

    def _file(self) -> int:
        if self._fd is None:
            raise JournalError(
                f"journal {self.path} is closed; make a new Tuner with "
                f"journal={str(self.path)!r} to go on"
            )
        return self._fd

    def close(self) -> None:
        """Let go of the file and the lock; a second call does nothing."""
        if self._fd is None:
            self._lock.release()
        else:
            self._fd = None
            self._release()


_STILL_IN_MEMORY = (
    "what was told up to now is still in this tuner (history.frame()): put the file back, or save "
    "the frame and start anew"
)


def _prepare(path: Path, *, create: bool) -> None:
    """Make the directory; refuse what is no journal before anything is put beside it."""
    if not create and not path.exists():
        raise JournalError(f"journal {path}: {os.strerror(errno.ENOENT)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("rb") as file:
                check_beginning(path, file.read(len(BEGINNING)))
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(
            f"journal {path}: cannot be opened ({error.strerror or error})"
        ) from error


def _release(fd: int, lock: JournalLock, pid: int) -> None:
    os.close(fd)
    if os.getpid() == pid:  # a forked child has no lock to release
        lock.release()


def _write(fd: int, data: bytes) -> None:
    while data:
        written = os.write(fd, data)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[written:]


def _sync_directory(directory: Path) -> None:
    """Put the name of a new file on the disk, which is there only when its directory is."""
    # Some network file systems cannot; the file itself is synced all the same.
    with suppress(OSError):
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
