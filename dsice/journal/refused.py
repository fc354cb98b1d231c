"""Why an open journal is not written to: the errors, each with what to do.

They are met in rare cases only, so they do not stand beside what every line goes through.
"""

from __future__ import annotations

import os
from pathlib import Path

from dsice.errors import JournalError, LockedError

_STILL_IN_MEMORY = "nothing was written to it, and all that was told is still in this tuner"


def forked(path: Path, pid: int | None) -> JournalError:
    """A fork of the process that opened it."""
    return JournalError(
        f"journal {path} belongs to process {pid}; this forked process ({os.getpid()}) may not "
        "write it. Return the result to the process that made the tuner, and tell it there"
    )


def removed(path: Path, error: OSError) -> JournalError:
    """It is not at its name any more."""
    return JournalError(
        f"journal {path} was removed or cannot be reached ({error.strerror}); {_STILL_IN_MEMORY}. "
        "If it was moved, move it back"
    )


def replaced(path: Path) -> JournalError:
    """Another file is at its name."""
    return JournalError(
        f"journal {path} was replaced by another file while it was in use; {_STILL_IN_MEMORY}. "
        "If you still have the earlier file, move it back"
    )


def cut(path: Path, size: int, before: int) -> JournalError:
    """It is shorter than what was written to it."""
    return JournalError(
        f"journal {path} is damaged: it was cut from {before} to {size} bytes while it was in use; "
        f"{_STILL_IN_MEMORY}"
    )


def changed(path: Path) -> JournalError:
    """It has other content than what was written to it."""
    return JournalError(
        f"journal {path} is damaged: it was changed while it was in use and has no longer what "
        f"this coordinator wrote; {_STILL_IN_MEMORY}"
    )


def grown(path: Path, size: int, before: int) -> LockedError:
    """Somebody else has written to it."""
    return LockedError(
        f"journal {path} has {size} bytes where this coordinator left {before}: somebody else "
        "changed it, and nothing was written. Make sure that only one coordinator runs, then open "
        "the journal again"
    )


def unwritable(path: Path, error: OSError) -> JournalError:
    """The file system does not take what is written."""
    return JournalError(
        f"journal {path}: cannot write ({error.strerror}); nothing that was written before is "
        "lost. Make it writable again (free some space), then go on"
    )


def closed(path: Path, *, taken_over: bool = False) -> JournalError:
    """It was let go, or another tuner of this process has it."""
    if taken_over:
        return JournalError(
            f"journal {path}: a newer Tuner of this process has taken it over; use that one"
        )
    return JournalError(
        f"journal {path} is closed; make a new Tuner with journal={str(path)!r} to go on"
    )


def claimed(path: Path) -> LockedError:
    """A tuner of this process has it."""
    return LockedError(
        f"journal {path} belongs to another Tuner of this process; close() it, then open the file "
        "anew"
    )
