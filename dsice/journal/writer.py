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
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from dsice.errors import JournalError
from dsice.journal import refused
from dsice.journal.files import keep_copy, open_regular, read_beginning, read_file, sync_directory
from dsice.journal.format import BEGINNING, encode
from dsice.journal.lock import JournalLock
from dsice.journal.reader import JournalReader, check_beginning, resolved
from dsice.typing import PathLike


class _Appending(NamedTuple):
    """Lines that are being written, and where they begin in the file."""

    start: int
    data: bytes
    failed: bool = False  # what is there of them goes


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

    Examples
    --------
    >>> from dsice import Journal, Tuner
    >>> tuner = Tuner({"x": range(5)}, journal=Journal("run.jsonl", wait=60))
    >>> tuner.close()
    """

    def __init__(
        self,
        path: PathLike,
        *,
        lock: bool = True,
        wait: float = 0.0,
        create: bool = True,
    ) -> None:
        self.path = resolved(path)  # one name, one lock, also through a symbolic link
        _prepare(self.path, create=create)
        self._size = 0
        self._stamp: tuple[int, int] | None = None
        self._compare_after = 0.0
        self._before = ""  # what was in the file; what was written since, by its place in the file
        self._after: dict[int, bytes] = {}
        self._appending: _Appending | None = None
        self._claimed = self.taken_over = False
        self._reader: JournalReader | None = None
        self._fd: int | None = None
        self._opened: FileIO | None = None
        self._lock = JournalLock(self.path, lock=lock)
        with self._closed_on_failure(undo=True):
            self._lock.take(wait)
            begun = self._has_begun()
            self._lock.write_owner(begun=begun)
            self._fd = open_regular(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            # a journal that is simply forgotten lets go too
            self._opened = FileIO(self._fd)
            weakref.finalize(self, _release, self._opened, self._lock, os.getpid())
            self._lock.mark(self._fd)
            if self._reader is None or os.fstat(self._fd).st_size != self._reader.bytes:
                # It is new; or, where locks do not work, another coordinator has written before
                # the owner record stopped it.
                self._reader = JournalReader(self.path)
                if self._reader.header is not None and not begun:
                    self._lock.write_owner()
            self._before = self._reader.text
            self._note_state(self._fd, self._reader.bytes)

    def _has_begun(self) -> bool:
        """Whether the file, which is read here, has a header.

        Raises
        ------
        JournalError
            It has none although a study was written to it.
        """
        if not self.path.exists():
            return False
        self._reader = JournalReader(self.path)
        if self._reader.header is None:
            from dsice.journal.emptied import require_new

            require_new(self._reader, has_lock=not self._lock.made)
        return self._reader.header is not None

    def begun(self) -> None:
        """Note beside the journal that its header is written: from now on an empty file is damage.

        Raises
        ------
        JournalError
            The note cannot be written.
        """
        self._lock.write_owner()

    def __repr__(self) -> str:
        return f"<Journal {self.path}{'' if self._fd is not None else ', closed'}>"

    @contextmanager
    def _closed_on_failure(self, *, undo: bool = False) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if undo:
                self._lock.unmake()
            self.close()
            if isinstance(error, OSError) and not isinstance(error, JournalError):
                raise JournalError(
                    f"journal {self.path}: cannot be opened for writing ({error.strerror}). "
                    "Put that right, or give the path of another file"
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
            raise refused.claimed(self.path)
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
        reader = self._reader
        if reader is None:
            return
        with self._closed_on_failure():
            if not reader.exhausted:
                collections.deque(reader, maxlen=0)
            reader.require_good()
            self._check_size(fd)
            if reader.torn:
                keep_copy(self.path, "torn", reader.torn)
                os.ftruncate(fd, reader.good_bytes)
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                _write(fd, b"\n")
                self._after[size] = b"\n"
            os.fsync(fd)
            sync_directory(self.path.parent)
            self._note_state(fd, os.fstat(fd).st_size)
            self._reader = None

    def append(self, *lines: Mapping[str, Any]) -> None:
        """Write lines with one write and one sync; on return they are on the disk.

        Raises
        ------
        JournalError
            The disk is full or gone, the file was removed, or another coordinator took over;
            nothing of the lines stays in the file.
        """
        self.begin()
        fd = self._file()
        data = "".join(encode(line, allow_nan=False) + "\n" for line in lines).encode()
        self.settle()
        self._check_owner(fd)
        self._check_size(fd)
        this = self._appending = _Appending(self._size, data)
        try:
            _write(fd, data)
            os.fsync(fd)
        except OSError as error:
            self._appending = this._replace(failed=True)
            # Shrinking needs no space; if even that fails, the next append does it.
            with suppress(OSError):
                self.settle()
            raise refused.unwritable(self.path, error) from error
        self._note_written(fd, this)

    @property
    def size(self) -> int:
        """Bytes of the whole lines that are known to be in the file."""
        return self._size

    def settle(self) -> None:
        """Compare the file with what an interrupted `append` (Ctrl-C, a signal) was to write.

        What is in the file as a whole counts as written, so `size` has grown; a part is cut off.

        Raises
        ------
        JournalError
            It cannot be read or changed now, or another coordinator took over or changed it.
        """
        last = self._appending
        if last is None:
            return
        fd = self._file()
        self._check_owner(fd)
        try:
            found = os.pread(fd, len(last.data) + 1, last.start)
            if not last.data.startswith(found):  # somebody else wrote that
                self._check_size(fd)
            elif found == last.data and not last.failed:
                os.fsync(fd)
                self._note_written(fd, last)
            else:
                if found:
                    os.ftruncate(fd, last.start)
                self._appending = None
        except JournalError:
            raise
        except OSError as error:
            raise refused.unwritable(self.path, error) from error

    def _note_written(self, fd: int, last: _Appending) -> None:
        self._after[last.start] = last.data
        self._note_state(fd, last.start + len(last.data))
        self._appending = None

    @property
    def open(self) -> bool:
        """Whether this process, and no fork of it, may append."""
        return self._fd is not None and self._lock.pid == os.getpid()

    @property
    def gone(self) -> bool:
        """Whether what was written is not in the file any more.

        It was deleted, moved, replaced, cut or changed while it was in use.
        """
        if self._fd is None:
            return False
        try:
            now = os.fstat(self._fd)
            if not os.path.samestat(now, self.path.stat()):
                return True
            if (now.st_size, (now.st_mtime_ns, now.st_ctime_ns)) == (self._size, self._stamp):
                return False
            return not self._is_intact(self._fd)
        except OSError:
            return True

    def content(self) -> bytes:
        """Everything that was read and written, whatever became of the file."""
        return b"".join([self._before.encode(), *self._after.values()])

    def _is_intact(self, fd: int) -> bool:
        """Whether the file begins with all that was read and written."""
        content = self.content()
        return read_beginning(fd, len(content)) == content

    def _note_state(self, fd: int, size: int) -> None:
        """Remember the length that the file must have now, and its times."""
        now = os.fstat(fd)
        self._size, self._stamp = size, (now.st_mtime_ns, now.st_ctime_ns)

    def _check_owner(self, fd: int) -> None:
        """Raise unless this process still has the journal and `fd` is still its file."""
        if os.getpid() != self._lock.pid:
            raise refused.forked(self.path, self._lock.pid)
        try:
            here, there = os.fstat(fd), self.path.stat()
        except OSError as error:
            raise refused.removed(self.path, error) from error
        if not os.path.samestat(here, there):
            raise refused.replaced(self.path)
        if not self._is_ours():
            self._lock.require()

    def _is_ours(self) -> bool:
        """Whether lock file and owner record are as this process made them; nothing is waited for.

        That is so at nearly all times, and costs two looks.
        """
        lock = self._lock
        try:
            if lock.handle is not None and not os.path.samestat(
                os.fstat(lock.handle), lock.lock_path.lstat()
            ):
                return False
            record = os.open(lock.owner_path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                return bool(json.loads(os.read(record, 4096))["nonce"] == lock.nonce)
            finally:
                os.close(record)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return False

    def _check_size(self, fd: int) -> None:
        """Raise if the file has not what this writer left there, or more.

        More may be a result: it is not written over, nor is anything written after it.
        """
        now = os.fstat(fd)
        stamp = (now.st_mtime_ns, now.st_ctime_ns)
        if now.st_size == self._size and stamp == self._stamp:
            return
        if now.st_size < self._size:
            raise refused.cut(self.path, now.st_size, self._size)
        # Times change without the content too, and some network file systems set them late.
        started = time.monotonic()
        if started >= self._compare_after or now.st_size != self._size:
            if not self._is_intact(fd):
                raise refused.changed(self.path)
            ended = time.monotonic()
            self._compare_after = ended + _COMPARING * (ended - started)
            self._stamp = stamp
        if now.st_size != self._size:
            raise refused.grown(self.path, now.st_size, self._size)

    def _file(self) -> int:
        if self._fd is None:
            raise refused.closed(self.path, taken_over=self.taken_over)
        return self._fd

    def close(self) -> None:
        """Let go of the file and the lock; a second call does nothing."""
        self._fd = None
        _release(self._opened, self._lock, self._lock.pid or os.getpid())


_COMPARING = 20  # times as long as a look at the whole file takes, to the next one


def _prepare(path: Path, *, create: bool) -> None:
    """Make the directory; refuse what is no journal before anything is put beside it."""
    if not create and not path.exists():
        raise JournalError(f"journal {path}: {os.strerror(errno.ENOENT)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            check_beginning(path, read_file(path, len(BEGINNING)))
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(
            f"journal {path}: cannot be opened ({error.strerror or error}). Put that right, or "
            "give the path of another file"
        ) from error


def _release(opened: FileIO | None, lock: JournalLock, pid: int) -> None:
    """Let go of file and lock; it may be called again, also after an interruption."""
    if os.getpid() == pid:  # a forked child has no lock to release
        lock.release(None if opened is None or opened.closed else opened.fileno())
    if opened is not None:
        opened.close()


def _write(fd: int, data: bytes) -> None:
    while data:
        written = os.write(fd, data)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[written:]
