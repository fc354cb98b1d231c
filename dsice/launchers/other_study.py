"""What happens where the directory of all trials may be another study's.

Nothing of another study is ever changed: its directory is refused. Which study has a directory is
in ``study.json`` (`home.note_study`).
"""

from __future__ import annotations

import json
import os
import stat
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from dsice.errors import DsiceWarning, LaunchError
from dsice.journal.format import study_identity
from dsice.launchers.base import Study

_LONGEST = 1 << 28  # bytes of a first line
_MOMENT = 1.0  # seconds in which another study notes that it has a directory
ADVICE = (
    "Give this study's launcher a directory= of its own, or, if you no longer need what is there, "
    "move that directory away"
)
_UNKNOWN = (
    "and the journal does not know it: an earlier run of the trial that ended, a trial of another "
    "study, or a link"
)
_warned: set[Path] = set()


def named(journal: object) -> str:
    """A study, by its journal."""
    return f"the study with the journal {journal}" if journal else "a study without a journal"


# ------------------------------------------------------------------ the directory of all trials
def check_same(home: Path, found: Mapping[str, Any], study: Study | None) -> None:
    """Check that the study whose trials are in `home` is this one, whose journal was moved.

    Parameters
    ----------
    found
        What is recorded: identity, journal, and the directory's own path.

    Raises
    ------
    LaunchError
        It is another study, or both the recorded journal and a copy of it are there.
    """
    first = found.get("journal")
    if study is None:
        raise LaunchError(
            f"directory {home} has the trials of {named(first)}, and these jobs belong to no "
            f"study that is known; nothing in it was touched. {ADVICE}"
        )
    if found.get("identity") != study.identity:
        raise LaunchError(_refusal(home, first, study))
    if not _is_copied(first, study) or _is_copy(home, found):
        return
    raise LaunchError(
        f"directory {home} has the trials of {named(first)}, and the journal {study.journal} of "
        "this study is a copy of that one; nothing in it was touched. If the copy is another study "
        "from now on, give its launcher a directory= of its own (or a copy of this one); if it "
        "takes the place of the other journal, move that one away"
    )


def _refusal(home: Path, first: object, study: Study) -> str:
    if first is not None and first == study.journal:
        return (
            f"directory {home} has the trials of another study, whose journal was {first} too: it "
            f"was emptied, replaced or removed since, and {study.journal} is the journal of this "
            "new study now; nothing in it was touched. Put the earlier journal back to go on with "
            f"its study. {ADVICE}"
        )
    new = "" if study.journal else " (each start of such a study is a new one: give it a journal)"
    return (
        f"directory {home} has the trials of another study: {named(first)}, and not "
        f"{named(study.journal)}{new}; nothing in it was touched. {ADVICE}"
    )


def _is_copied(first: object, study: Study) -> bool:
    """Whether the journal that was recorded is still there, beside the one of the study."""
    if first is None or study.journal is None:
        return False
    path, own = Path(str(first)), Path(study.journal)
    try:
        return not path.samefile(own) and _identity_at(path) in (study.identity, None)
    except FileNotFoundError:
        return False
    except OSError:  # it cannot be looked at, so it may be there
        return os.path.lexists(path)


def _identity_at(path: Path) -> str | None:
    """Identity of the study that a file is the journal of; empty for no journal."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        line = file.readline(_LONGEST)
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    return study_identity(line, header) if isinstance(header, dict) else ""


def _is_copy(home: Path, found: Mapping[str, Any]) -> bool:
    """Whether the directory was copied or moved since it was recorded, as the journal was."""
    recorded = found.get("directory")
    if not isinstance(recorded, str) or recorded == str(home.resolve()):
        return False
    with suppress(OSError):
        return not home.samefile(recorded)
    return True


def moved(home: Path, found: dict[str, Any], study: Study) -> dict[str, Any]:
    """What is recorded of a directory whose journal was moved, or copied as the directory was.

    Copies of trials that may run are put aside, since their processes are those of the other study;
    and the letters in the names of its jobs (`Batch`) stay with the other one.
    """
    if not _is_copied(found.get("journal"), study):
        return found
    for directory in sorted(home.iterdir()):
        if (directory / "job.json").is_file() and not (directory / "exit.json").exists():
            put_aside(directory, "a copy of one that may still run for the other study")
    return {name: value for name, value in found.items() if name != "study"}


def wait_for_record(path: Path) -> None:
    """Wait a moment for the record of a study that has just taken the directory."""
    until = time.monotonic() + _MOMENT
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)


# ------------------------------------------------------------------ the directory of one trial
def put_aside(directory: Path, why: str = _UNKNOWN) -> Path:
    """Rename a directory, or a link in its place, and warn once for all in the same home.

    Without a `why` it is no wonder that it is there, and nothing is said.
    """
    for number in count(1):
        aside = directory.with_name(f"{directory.name}.aside-{number}")
        if not os.path.lexists(aside):
            break
    directory.rename(aside)
    if why and directory.parent not in _warned:
        _warned.add(directory.parent)
        warnings.warn(
            f"{directory} was there already, {why}. It was put aside as {aside.name}, with all "
            "that is in it; look at it, and remove it when you need it no more. Others like it are "
            "put aside without another warning",
            DsiceWarning,
            stacklevel=2,
        )
    return aside
