"""Whose fault it was: what of a trial's end is the machine's doing and not the program's.

Most of it is needed only where something went wrong.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsice.checks import passable
from dsice.errors import LaunchError
from dsice.launchers import trial_directory
from dsice.launchers.output import PRINTED, Output
from dsice.launchers.standalone._seldom import disk_fault
from dsice.launchers.standalone._supervise import UNRECORDED, UNSTARTED, UNWANTED
from dsice.space.values import as_text

_LONGEST_WORD = 128 * 1024  # bytes of a word of a command, on Linux
_LEAST = 4096  # bytes of a command that may be too long
LACKING = (errno.ENOSPC, errno.EDQUOT, errno.ENFILE)
"""Errors of a program for which the machine is to blame."""

# of a program that was told so, in the words of the system and of shells
_LACKING_WORDS = re.compile(
    rf"(?i){'|'.join(os.strerror(number) for number in LACKING)}"
    rf"|fork:[^\n]*{os.strerror(errno.EAGAIN)}|cannot fork|can't start new thread"
)


@dataclass(frozen=True)
class ExitInfo:
    """What the launcher itself knows about the end of a trial, beside the files.

    Attributes
    ----------
    function
        Whether the program was a Python function.
    timeout
        Time limit of the trial in seconds.
    supervisor
        How the supervisor ended, in words; used only where it left no record.
    overdue
        Whether the launcher had to kill the supervisor because the time limit was long past.
    cancelled
        Whether the launcher asked the trial to stop; where the disk is full, no mark says it.
    code
        Exit code of the supervisor; None where it is unknown.
    output
        How the measurement of a command is read.
    needs
        The metrics that the goal needs, its own first; empty: unknown.
    """

    id: int
    directory: Path
    submission: trial_directory.Submission
    function: bool
    timeout: float | None
    supervisor: str
    overdue: bool = False
    cancelled: bool = False
    code: int | None = None
    output: Output = PRINTED
    needs: tuple[str, ...] = ()


def without_record(info: ExitInfo) -> tuple[str, str]:
    """State and reason where the supervisor left no record."""
    if reason := refusal(info):
        return "unstarted", reason
    if info.cancelled or trial_directory.asked_to_stop(info.directory):
        return "stopped", "cancelled"
    if info.code in (UNSTARTED, UNWANTED) or _died_before(info):
        lacking = disk_fault(str(info.directory)) or info.supervisor
        return "unstarted", f"the trial could not be started: {lacking}"
    if info.code == UNRECORDED and (lacking := disk_fault(str(info.directory))):
        return "unstarted", f"how the trial ended could not be written: {lacking}"
    if not info.directory.parent.is_dir():
        return "unstarted", f"the directory {info.directory.parent} has vanished"
    if info.overdue:
        return (
            "timed_out",
            f"{too_long(info)}, and its supervisor did not answer; all was killed",
        )
    return "lost", f"the supervisor of the trial ended without a record ({info.supervisor})"


def refusal(info: ExitInfo) -> str | None:
    """Why a trial's process did not run what it found, which was not as it had been written."""
    found = trial_directory.result_record(info.directory, info.submission.token)
    return str(found["refused"]) if found and "refused" in found else None


def _died_before(info: ExitInfo) -> bool:
    """Whether the supervisor failed before it began: a broken interpreter, no file handles."""
    if info.code is None or info.code <= 0 or info.code == UNRECORDED:
        return False
    begun = trial_directory.has_begun(info.directory, info.submission.token)
    return not begun and os.path.lexists(info.directory / trial_directory.JOB)


def fault(found: Mapping[str, Any], info: ExitInfo, stderr: str) -> str:
    """What the machine lacked when a trial failed, so that the program is not to blame."""
    if found.get("fault"):
        return str(found["fault"])
    if info.function:
        said = trial_directory.result_record(info.directory, info.submission.token) or {}
        number = said.get("errno")
        return os.strerror(number) if number in LACKING else ""
    words = _LACKING_WORDS.search(stderr)
    return words[0] if words else ""


def unpassable(
    error: BaseException, params: Mapping[str, Any], arguments: Sequence[str]
) -> str | None:
    """Why a program could not be given its parameters, which is no fault of the machine.

    Parameters
    ----------
    error
        What starting it raised.
    params, arguments
        The parameters, and the words of the command that holds them.

    Returns
    -------
    str or None
        The reason; None: something else is wrong.

    Raises
    ------
    LaunchError
        The environment is too large for any program.
    """
    advice = "let the program read it from $DSICE_DIR/params.json"
    if isinstance(error, ValueError):
        for name, value in params.items():
            if not passable(as_text(value)):
                return f"no command line can hold the value {value!r} of {name!r}; {advice}"
        return None
    if not isinstance(error, OSError) or error.errno != errno.E2BIG:
        return None
    size = sum(len(os.fsencode(word)) for word in arguments)
    around = sum(len(name) + len(value) for name, value in os.environb.items())
    if size < max(around, _LEAST):
        raise LaunchError(
            f"no program can be started, for its environment is too large ({around} bytes): "
            "unset variables that it does not need"
        )
    longest = max(params, key=lambda name: len(as_text(params[name])), default="")
    return (
        f"the command is {size} bytes long with the trial's parameters, more than a command line "
        f"can hold; the longest is {longest!r}: {advice}"
    )


def unwritable(params: Mapping[str, Any], arguments: Sequence[str]) -> str | None:
    """Why no job script can give a program its parameters; None: it can.

    A shell would leave out of a command what it cannot hold, without a word.
    """
    if not all(map(passable, arguments)):
        return unpassable(ValueError(), params, arguments)
    if max(len(os.fsencode(word)) for word in arguments) >= _LONGEST_WORD:
        return unpassable(OSError(errno.E2BIG, os.strerror(errno.E2BIG)), params, arguments)
    return None


def too_long(info: ExitInfo) -> str:
    """What the error of a trial says that ran into its time limit."""
    limit = "its time limit" if info.timeout is None else f"timeout={info.timeout:g} s"
    return f"ran longer than {limit}"
