"""Files that are replaced in one step, and files that somebody else may have put there.

`replace_file`: a reader sees the old content or the new one, never half. `open_regular` opens what
a program or another user left. JSON objects in files of their own are read and written here, too.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from dsice.checks import expanded
from dsice.errors import OptionError

JOURNAL = ".jsonl"  # of a study file that names none: beside it, under its name
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # opening waits for nobody
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


class NotRegularError(OSError):
    """What should be a regular file is a named pipe, a socket, a device, a directory or a link."""


def version_of(path: Path) -> object:
    """What changes whenever something is written to a file; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def require_regular(path: Path, mode: int) -> None:
    """Raise NotRegularError, which says what it is, for a file of another kind.

    Parameters
    ----------
    path
        The file, for the error.
    mode
        Its ``st_mode``.
    """
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise NotRegularError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = _KINDS.get(stat.S_IFMT(mode), "of another kind")
    raise NotRegularError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file; whatever else stands there is refused, and nothing is waited for.

    Opening a named pipe would wait for the other end, reading a device might never end.

    Parameters
    ----------
    path
        The file; a symbolic link is followed unless `flags` forbid it.
    flags
        As of `os.open`.

    Raises
    ------
    NotRegularError
        It is no regular file; the error says what it is.
    OSError
        It cannot be opened.
    """
    follow = not flags & os.O_NOFOLLOW
    with suppress(FileNotFoundError):  # `flags` may make it
        require_regular(path, path.stat(follow_symlinks=follow).st_mode)
    fd = os.open(path, flags | _AT_ONCE, 0o666)
    try:
        require_regular(path, os.fstat(fd).st_mode)  # it may have been exchanged meanwhile
    except OSError:
        os.close(fd)
        raise
    return fd


def read_file(path: Path, most: int = -1) -> bytes:
    """The first `most` bytes of a regular file, or all of them.

    Raises
    ------
    NotRegularError
        It is no regular file; the error says what it is.
    OSError
        It cannot be read, or is larger than the memory.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            return file.read(most)
        except MemoryError:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), str(path)) from None


def replace_file(
    path: Path,
    data: str | bytes,
    *,
    fsync: bool = True,
    temporary: Path | None = None,
    mode: int | None = None,
) -> None:
    """Write a file beside `path`, then rename it over `path`.

    The file beside it is always a new one: what stands at its name, such as half a file of a
    process that was killed, is removed first, and a symbolic link there is never followed.

    Parameters
    ----------
    path
        The file, which need not exist.
    data
        Its new content; text is written as UTF-8.
    fsync
        Whether the content is on the disk before the rename, so that it survives a power failure.
    temporary
        The file that is written first, in the same directory; default: `path` with ``.new`` after
        its name. Where several processes may write `path` at once, each needs a name of its own.
    mode
        Permissions of the new file, such as ``0o600``; it never had wider ones. Default: those of
        the file that is replaced, with its group where that is allowed; where there is none, what
        the umask leaves.

    Raises
    ------
    OSError
        It cannot be written; `path` is as it was and the other file is gone.
    """
    if temporary is None:
        temporary = path.with_name(path.name + ".new")
    content = data.encode() if isinstance(data, str) else data
    group = None
    if mode is None:
        mode, group = _kept(path)
    fd = create_file(temporary, mode)
    try:
        with os.fdopen(fd, "wb") as out:
            if group is not None:
                _keep_group(fd, group, mode)
            out.write(content)
            if fsync:
                out.flush()
                os.fsync(fd)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def create_file(path: Path, mode: int | None = None) -> int:
    """Make a new file and open it for writing; what stands at its name is removed first.

    Parameters
    ----------
    path
        The file; a symbolic link there is removed, never followed.
    mode
        Its permissions, whatever the umask; None: what the umask leaves.

    Returns
    -------
    int
        The open file.

    Raises
    ------
    OSError
        It cannot be made: no room, no permission, or what stands there is somebody else's.
    """
    wanted = 0o666 if mode is None else mode
    try:
        fd = os.open(path, _NEW, wanted)
    except FileExistsError:
        path.unlink(missing_ok=True)
        fd = os.open(path, _NEW, wanted)
    if mode is not None and stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        with suppress(OSError):  # a file system without permissions
            os.fchmod(fd, mode)
    return fd


def keep_copy(path: Path, what: str, data: bytes) -> Path:
    """Keep content of a file beside it, under a name that is free, with the file's permissions.

    Parameters
    ----------
    path
        The file.
    what
        What the copy is, for its name.
    data
        The content that is kept.

    Returns
    -------
    Path
        The copy: the file's name, `what`, date and time.

    Raises
    ------
    OSError
        It cannot be written; nothing of it is left.
    """
    stem = f"{path.name}.{what}-{time.strftime('%Y%m%d-%H%M%S')}"
    mode, group = _kept(path)
    count = 0
    while True:
        copy = path.with_name(f"{stem}-{count}" if count else stem)
        try:
            fd = os.open(copy, _NEW, 0o600)
            break
        except FileExistsError:
            count += 1
    try:
        with os.fdopen(fd, "wb") as out:
            if mode is not None and group is not None:
                with suppress(OSError):
                    os.fchmod(fd, mode)
                _keep_group(fd, group, mode)
            out.write(data)
            out.flush()
            os.fsync(fd)
    except BaseException:
        with suppress(OSError):
            copy.unlink(missing_ok=True)
        raise
    return copy


def _kept(path: Path) -> tuple[int | None, int | None]:
    """Permissions and group of the file that is replaced; None where there is none."""
    try:
        replaced = path.lstat()
    except OSError:
        return None, None
    if not stat.S_ISREG(replaced.st_mode):
        return None, None
    return stat.S_IMODE(replaced.st_mode) & 0o777, replaced.st_gid


def _keep_group(fd: int, group: int, mode: int | None) -> None:
    """Give a new file the group of the old one; where that is not allowed, it has its own."""
    if os.fstat(fd).st_gid == group:
        return
    with suppress(OSError):
        os.fchown(fd, -1, group)
        if mode is not None:
            os.fchmod(fd, mode)  # a change of the group may take permissions away


def read_beginning(fd: int, size: int) -> bytes:
    """The first bytes of an open file, fewer where it is shorter."""
    found = bytearray()
    while len(found) < size and (part := os.pread(fd, size - len(found), len(found))):
        found += part
    return bytes(found)


def sync_directory(directory: Path) -> None:
    """Put the name of a new file on the disk, which is there only when its directory is."""
    # Some network file systems cannot; the file itself is synced all the same.
    with suppress(OSError):
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


# ------------------------------------------------------------------ JSON
_MISSING = (FileNotFoundError, NotADirectoryError, NotRegularError)
_LARGEST = 1 << 26  # bytes of a JSON file
_STRICT: ContextVar[bool] = ContextVar("strict", default=False)


@contextmanager
def strictly() -> Iterator[None]:
    """A block in which a file that cannot be read for now is an OSError, and not a missing file.

    For launchers that look again later: after an I/O error a trial must not pass for one that left
    no result.
    """
    before = _STRICT.set(True)
    try:
        yield
    finally:
        _STRICT.reset(before)


def as_missing(error: OSError) -> None:
    """Take a file that cannot be read for missing; `strictly`, raise the error unless it is."""
    if _STRICT.get() and not isinstance(error, _MISSING):
        raise error


def is_there(path: Path) -> bool:
    """Whether something has this name, were it a link that leads nowhere.

    `os.path.lexists` takes a name that cannot be looked up for one that is missing.
    """
    try:
        path.lstat()
    except OSError as error:
        as_missing(error)
        return False
    return True


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None if it is missing or no such thing.

    Any program may have made the file: a FIFO, a device, a link and what is larger than 64 MB are
    no such thing, and neither is a file of another user.
    """
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            state = os.fstat(file.fileno())
            ours = state.st_uid in (0, os.geteuid()) or state.st_uid == path.parent.stat().st_uid
            if not ours or state.st_size > _LARGEST:
                return None
            found = json.loads(file.read(_LARGEST).decode())
    except OSError as error:
        as_missing(error)
        return None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: Mapping[str, Any], *, fsync: bool = False) -> None:
    """Write a JSON object into a file, by rename."""
    replace_file(path, json.dumps(content) + "\n", fsync=fsync)


def create_json(path: Path, content: Mapping[str, Any]) -> bool:
    """Write a JSON object into a file that is not there; False: somebody else was faster."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_json(temporary, content, fsync=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if os.path.lexists(path):
            return False
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def load_toml(file: Path) -> dict[str, Any]:
    """The content of a study file; OptionError where it cannot be read, or is no TOML."""
    import tomllib

    try:
        return tomllib.loads(read_file(file).decode())
    except OSError as error:
        raise OptionError(f"study file {file}: {error.strerror or error}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise OptionError(f"study file {file} is no TOML: {error}") from error


def journal_of(study: Path) -> Path:
    """The journal of a study file, of which nothing else is looked at; OptionError as above."""
    section = load_toml(study).get("study", {})
    named = section.get("journal", "") if isinstance(section, dict) else ""
    return study.parent / expanded(str(named) or study.with_suffix(JOURNAL).name)
