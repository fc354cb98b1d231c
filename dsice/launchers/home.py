"""The home of trials: the directory in which all trials of a launcher have theirs.

It belongs to one study, as its file ``study.json`` says, to one launcher at a time, which holds the
lock ``coordinator.lock``, and to this user: nobody else may write there, since trials run what is
in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from dsice.checks import absolute, passable, wrong
from dsice.errors import LaunchError
from dsice.journal.files import (
    NotRegularError,
    create_json,
    open_regular,
    read_json,
    strictly,
    write_json,
)
from dsice.launchers import foreign, other_study
from dsice.launchers.base import Study

STUDY = "study.json"
FUNCTION_PREFIX = "function-"
"""How the file of a pickled function begins."""
_TRIES = 5  # to read one file of many, before all of them are read again
_HOPELESS = (
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO),
)


# ------------------------------------------------------------------ for one study
def take_home(home: Path, study: Study | None) -> int | None:
    """Take the directory of all trials' directories for this process, and for a study.

    Returns
    -------
    int or None
        A handle for `unlock_directory`; None where files have no locks.

    Raises
    ------
    LaunchError
        Another launcher has it, or its trials are another study's; nothing was changed then.
    OSError
        It cannot be made or written to.
    """
    check_home(home, study)
    make_private(home)
    try:
        handle = lock_directory(home)
    except LaunchError:
        other_study.wait_for_record(home / STUDY)  # of a study that was faster by a moment
        check_home(home, study)
        raise
    try:
        note_study(home, study)
    except BaseException:
        unlock_directory(handle)
        raise
    return handle


def check_home(home: Path, study: Study | None) -> dict[str, Any]:
    """What is recorded of the study whose trials are in `home`.

    Raises
    ------
    LaunchError
        It is another study.
    """
    with strictly():
        found = read_json(home / STUDY) or _said_by_trials(home)
    known = (found.get("identity"), found.get("journal"))
    if "identity" in found and (study is None or known != (study.identity, study.journal)):
        other_study.check_same(home, found, study)
    return found


def _said_by_trials(home: Path) -> dict[str, Any]:
    """The study that a trial names where `STUDY` was removed; empty where none names any.

    Links and trials that were put aside may be another study's.
    """
    with suppress(FileNotFoundError):
        for directory in sorted(home.iterdir()):
            if ".aside-" not in directory.name:
                claim = _claim(directory)
                if "study" in claim:
                    return {"identity": claim["study"], "journal": claim.get("journal")}
    return {}


def _claim(directory: Path) -> dict[str, Any]:
    """What a trial's claim says, tried several times: there may be thousands; empty for a link."""
    for left in reversed(range(_TRIES)):
        try:
            return {} if directory.is_symlink() else read_json(directory / "job.json") or {}
        except OSError:
            if not left:
                raise
    return {}


def note_study(home: Path, study: Study | None) -> None:
    """Record the study whose trials are in `home`; the errors are those of `take_home`."""
    found = check_home(home, study)
    if study is None:
        return
    whose = {"identity": study.identity, "journal": study.journal, "directory": str(home.resolve())}
    if found == found | whose:
        return
    if found.get("journal", study.journal) != study.journal:
        found = other_study.moved(home, found, study)
    if found or not create_json(home / STUDY, whose):
        found = check_home(home, study)  # another study may have been faster
        write_json(home / STUDY, found | whose, fsync=True)


# ------------------------------------------------------------------ for one launcher
_directories: set[int] = set()
"""Handles of the directories that this process has."""


def lock_directory(directory: Path) -> int | None:
    """Take a directory of trials for this process.

    Returns
    -------
    int or None
        A handle for `unlock_directory`; None where files have no locks.

    Raises
    ------
    LaunchError
        Another process, or another launcher of this one, has it.
    OSError
        The lock file cannot be made.
    """
    path = directory / "coordinator.lock"
    try:
        handle = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except NotRegularError as error:
        raise unusable(directory, error) from None
    _directories.add(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 200).decode(errors="replace").strip()
        unlock_directory(handle)
        raise LaunchError(
            f"directory {directory} is in use by another launcher ({holder}); "
            "close that one, or use another directory"
        ) from None
    except OSError:
        unlock_directory(handle)
        return None
    with suppress(OSError):  # it is taken, even where no room is left to say by whom
        os.ftruncate(handle, 0)
        os.write(handle, f"pid {os.getpid()} on {os.uname().nodename}\n".encode())
    return handle


def unlock_directory(handle: int | None) -> None:
    """Let go of a directory; None: there was no lock."""
    if handle is not None and handle in _directories:
        _directories.discard(handle)
        os.close(handle)


def _forget_directories() -> None:
    """Let go, in a fork, of what its parent has.

    Workers of a pool outlive a coordinator that is killed, and would keep its directory from it.
    """
    while _directories:
        os.close(_directories.pop())


os.register_at_fork(after_in_child=_forget_directories)


# ------------------------------------------------------------------ for one user
def make_private(directory: Path) -> None:
    """Make a directory that only this user may enter, or check one that is there.

    Raises
    ------
    LaunchError
        As in `check_private`.
    OSError
        It cannot be made.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    check_private(directory)


def check_private(directory: Path) -> None:
    """Check that nobody but this user (and root) can exchange the files of a directory.

    Raises
    ------
    LaunchError
        Others may write there; the message says what helps.
    OSError
        It is not there, or cannot be looked at.
    """
    found = directory.stat()
    owners = {found.st_uid, directory.lstat().st_uid} - {0, os.geteuid()}
    writable = bool(found.st_mode & 0o022)
    if owners or writable:
        foreign.check(directory, owners, writable)


# ------------------------------------------------------------------ of the user, or temporary
def refuse(directory: Path | None, error: OSError) -> NoReturn:
    """Raise the error again if the directory may be usable later, else LaunchError."""
    if error.errno not in _HOPELESS:
        raise error
    raise unusable(directory, error) from None


def unusable(directory: Path | None, error: OSError) -> LaunchError:
    """The error for a directory in which no trials can be kept, with what helps."""
    file = error.filename2 or error.filename
    which = "the temporary directory" if directory is None else f"directory {directory}"
    why = f"{error.strerror or error}" + (f": {file}" if file else "")
    if error.errno == errno.EEXIST:
        why = f"{file} is there and is no directory"
    return LaunchError(
        f"{which} cannot be used ({why}). Put that right - it must be a directory in "
        "which you can write, and the machines of its trials too - or give the launcher another"
    )


class Home:
    """The directory of the trials' directories.

    Parameters
    ----------
    given
        The user's directory; None: a temporary one, whose trials end with this process.

    Attributes
    ----------
    path
        The directory, once it is open: that of the study whose jobs came last.
    """

    def __init__(self, given: str | os.PathLike[str] | None) -> None:
        if given is not None and not passable(os.fspath(given)):
            raise wrong("Local", "directory", given, "a path that the system can hold")
        self.given = None if given is None else absolute(given)
        self.path: Path | None = None
        self._lock: int | None = None
        self._study: Study | None = None
        self._temporary: dict[str, Path] = {}
        self._lifeline: Lifeline | None = None
        self._kept: set[Path] = set()

    @property
    def lifeline(self) -> int | None:
        """Handle whose end ends the trials; None: they outlive this process."""
        return self._lifeline.reader if self._lifeline else None

    def open(self, study: Study | None) -> Path:
        """Make the directory, where it is not there, and take it for this process and a study.

        Each study has a temporary directory of its own.

        Raises
        ------
        LaunchError
            It cannot be used, another launcher or another study uses it, or other users can write
            there.
        OSError
            It cannot be used now: the disk is full, no file handle is left.
        """
        try:
            if self.given is None:
                self.path = self._temporary_of(study)
            elif self.path is None:
                self._lock = take_home(self.given, study)
                self.path = self.given
            elif study != self._study:
                note_study(self.path, study)
        except OSError as error:
            refuse(self.given, error)
        self._study = study
        return self.path

    def _temporary_of(self, study: Study | None) -> Path:
        identity = "" if study is None else study.identity
        if self._lifeline is None:
            self._lifeline = Lifeline()
        known = self._temporary.get(identity)
        if known is None or not known.is_dir():  # what nobody touches for days may be cleared away
            self._temporary[identity] = known = Path(tempfile.mkdtemp(prefix="dsice-"))
        return known

    def keep(self, directory: Path) -> None:
        """Leave the directory of a trial when a temporary home is removed: its logs are wanted."""
        self._kept.add(directory)

    def leave(self) -> None:
        """Tidy up and release everything; a second call does nothing."""
        if self._lifeline is not None:
            self._lifeline.cut()
        for path in self._temporary.values():
            self._tidy(path)
        if self.given is not None and self.path is not None:
            self._tidy(self.path)
        if self._lock is not None:
            unlock_directory(self._lock)
            self._lock = None

    def _tidy(self, path: Path) -> None:
        """Remove the functions, and a temporary directory but for the logs that are wanted."""
        if self.given is None and not any(kept.parent == path for kept in self._kept):
            shutil.rmtree(path, ignore_errors=True)
            return
        with suppress(OSError):  # it has vanished, or cannot be read now
            for entry in list(path.iterdir()):
                if entry.is_file() and _is_function_file(entry):
                    entry.unlink(missing_ok=True)
                elif self.given is None and entry not in self._kept:
                    shutil.rmtree(entry, ignore_errors=True)


class Lifeline:
    """A pipe whose end tells supervisors that this process is gone, however it went."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self._open = True

    def cut(self) -> None:
        """Close both ends; a second call does nothing."""
        if self._open:
            self._open = False  # first: by a second call the numbers may be another file's
            os.close(self._writer)
            os.close(self.reader)


def _is_function_file(path: Path) -> bool:
    """Whether `path` is the file of a pickled function."""
    return path.name.startswith(FUNCTION_PREFIX) and path.suffix == ".pkl"
