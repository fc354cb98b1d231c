"""A journal without a whole header: one in which no study began, or one that was emptied.

An empty file may be either: somebody made it (`touch`, a temporary file) to have a study written
to it, or a full disk, a copy that failed or a shell's ``>`` took what was in it. What lies beside
it tells the two apart. A study leaves an owner record and a lock file there; the record says where
no header was written yet, as when the disk was full at the very beginning.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dsice.errors import JournalError
from dsice.journal.lock import owner_record
from dsice.journal.reader import JournalReader

_COPIES = ("unwritten", "before-extend", "damaged", "torn")
_SHOWN = 5


def require_new(reader: JournalReader, *, has_lock: bool) -> None:
    """Raise JournalError for a journal without a header in which a study was.

    Parameters
    ----------
    reader
        The journal.
    has_lock
        Whether its lock file is of somebody before.
    """
    if reader.header is None and _study_was_here(reader.path, has_lock=has_lock):
        raise _emptied(reader.path)


def no_study(path: Path) -> JournalError:
    """The error that a journal without a header has no study, or has none any more."""
    if was_emptied(path):
        return _emptied(path)
    size = 0
    with suppress(OSError):
        size = path.stat().st_size
    if size:
        return JournalError(
            f"journal {path} has {size} bytes and no whole header, its first line: no study was "
            "started in it yet, or it was cut; put a whole copy in its place, or remove it"
        )
    return JournalError(f"journal {path} is empty: no study was started in it yet")


def was_emptied(path: Path) -> bool:
    """Whether there was a study in a journal that has no header."""
    file = path.resolve()
    return _study_was_here(file, has_lock=file.with_name(f"{file.name}.lock").exists())


def _study_was_here(path: Path, *, has_lock: bool) -> bool:
    try:
        return owner_record(path).get("begun") is not False
    except FileNotFoundError:
        return has_lock or any(_left(path))
    except OSError:
        return True


def _emptied(path: Path) -> JournalError:
    what = "is empty"
    with suppress(OSError):
        if size := path.stat().st_size:
            what = f"has {size} bytes and no whole header, its first line"
    found = [str(file) for file in (*_left(path.resolve()), *_saved_elsewhere(path.name))]
    left = ", ".join(found[:_SHOWN]) + (
        f" and {len(found) - _SHOWN} more" if found[_SHOWN:] else ""
    )
    where = f"What may be left of it: {left}. " if left else ""
    return JournalError(
        f"journal {path} {what}, though what lies beside it shows that a study was written to it: "
        "it is damaged - cut, emptied or never copied whole - and nothing was changed. If a "
        "coordinator still has it open, the next result there saves all of it in a file. "
        f"{where}To go on, put a whole copy in its place; to start anew on purpose, "
        f"remove it (rm {path.name}) or give another name"
    )


def _left(path: Path) -> Iterator[Path]:
    """Files and directories beside a journal that may have something of it."""
    for what in _COPIES:
        yield from _named(path.parent, f"{path.name}.{what}-")
    trials = path.with_name(f"{path.name}.trials")
    with suppress(OSError):
        if any(trials.iterdir()):
            yield trials


def _saved_elsewhere(name: str) -> Iterator[Path]:
    """What a tuner saved of a journal of that name where it had no room beside it."""
    with suppress(OSError, RuntimeError):  # no directory for temporary files, no home
        for folder in (Path(tempfile.gettempdir()), Path.home()):
            yield from _named(folder, f"{name}.{_COPIES[0]}-")


def _named(folder: Path, beginning: str) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.name.startswith(beginning))
    except OSError:
        return []
