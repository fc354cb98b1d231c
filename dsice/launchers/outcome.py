"""How a trial ended: its `Result` and its learning curve, read from the files in its directory."""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsice.errors import VISIBLE, DsiceWarning
from dsice.journal.files import as_missing, open_regular
from dsice.launchers import machine, trial_directory
from dsice.launchers.base import Result, Step
from dsice.launchers.last_words import hint, last_words, telling_line
from dsice.launchers.machine import ExitInfo
from dsice.launchers.measurement import (
    BLOCK,
    NO_FILE,
    Measured,
    NoMeasurement,
    as_json,
    is_no_file,
    returned,
    tail,
)
from dsice.launchers.output import STDOUT, Output
from dsice.launchers.patterns import by_patterns
from dsice.worker import STEPS

_EXPECTED = (
    "expected a JSON line of metrics as the last line of {place}: "
    "an object of numbers, a number, or a list of repeats"
)
_LONGEST_STEP = 16 * 1024  # bytes of a line of a learning curve; `dsice.step` writes 50
_LONGEST_CURVE = 32 * 1024 * 1024  # bytes: more than half a million steps
_LOOK = 1024 * 1024  # bytes of learning curves that are read at one look, of all trials together
_LAST_STEP = 2**63 - 1
_BLOCK_OF_DISK = 512  # bytes; what a full disk cuts short ends with a whole block

MANY = 64
"""More steps of one trial than these at once are a flood."""


def ends_first(events: Iterable[Result | Step]) -> list[Result | Step]:
    """What happened, as it came; before a flood of steps of some trials the ends of all others.

    A trial's own steps stay before its end.
    """
    events = list(events)
    steps = Counter(event.id for event in events if isinstance(event, Step))
    if max(steps.values(), default=0) <= MANY:
        return events
    return sorted(events, key=lambda event: event.id in steps)


class CurveReader:
    """Learning curve of a running trial, read as its file grows.

    A flood of steps is read over several looks, so that no trial keeps the others waiting. What
    is beyond the limits - a line of more than 16 KiB, a file of more than 32 MiB - is passed over
    with a warning.

    Attributes
    ----------
    behind
        Whether the last look left something unread: the trial has not ended before it is read.
    """

    def __init__(self, id: int, directory: Path) -> None:
        self.behind = False
        self._id = id
        self._path = directory / STEPS
        self._read = 0
        self._inside = False  # a line that is passed over since it is too long
        self._warned: set[str] = set()

    def new_steps(self, among: int = 1) -> list[Step]:
        """Steps written since the last call; a line that is not finished waits for its end.

        Parameters
        ----------
        among
            How many trials share a look: the more there are, the less of each is read.
        """
        share = min(max(_LONGEST_STEP, _LOOK // max(among, 1)), BLOCK)
        self.behind = False
        try:
            size = self._path.lstat().st_size
            if size <= self._read or self._read >= _LONGEST_CURVE:
                return []
            with os.fdopen(open_regular(self._path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                file.seek(self._read)
                new = file.read(share)
        except OSError as error:
            as_missing(error)
            return []
        lines = self._lines(new)
        self.behind = len(new) == share and size > self._read
        if self._read >= _LONGEST_CURVE:
            self.behind = False
            self._warn("its learning curve is longer than 32 MiB; the rest of it is passed over")
        return [step for line in lines if (step := self._parse(line))]

    def _lines(self, new: bytes) -> list[bytes]:
        """The whole lines among the bytes that follow those read before."""
        whole, newline, rest = new.rpartition(b"\n")
        self._read += len(whole) + len(newline)
        lines = whole.split(b"\n") if newline else []
        if self._inside and lines:
            del lines[0]
            self._inside = False
        if len(rest) >= _LONGEST_STEP or (self._inside and rest):
            self._inside = True
            self._read += len(rest)
            self._warn("a line in its file of steps is longer than 16 KiB and is passed over")
        return lines

    def _warn(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"trial {self._id}: {what} ({self._path})", DsiceWarning, stacklevel=3)

    def _parse(self, line: bytes) -> Step | None:
        try:
            found = json.loads(line)
            step = Step(self._id, int(found["step"]), float(found["value"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None  # torn by a kill, or not ours: one point of a curve, no result
        return step if 0 <= step.step <= _LAST_STEP else None


def result_of(info: ExitInfo, host: str) -> Result:
    """The result of an ended trial that ran on `host`."""
    found = trial_directory.exit_record(info.directory, info.submission.token)
    where: dict[str, Any] = {"host": host, "log": str(info.directory / "stderr")}
    preparation = trial_directory.is_preparation(info.directory)
    if preparation:
        where["directory"] = str(info.directory)
    queued = info.submission.queued
    if found is None:
        state, error = machine.without_record(info)
        return Result(
            info.id,
            state,
            error=_explained(state, error, info.directory),
            times=(queued, None, None),
            where=where,
        )
    where["pid"] = found.get("pid")
    got, seconds, unmeasured = Measured(), found.get("seconds"), False
    state, error = ("done", "") if _returned(info) else _classify(found, info)
    if state == "done" and not preparation:
        try:
            got, seconds = _measured(info, seconds, found.get("fault"))
        except NoMeasurement as problem:
            state, error, unmeasured = "failed", str(problem), True
        if got.invalid is not None:
            state, error = "invalid", got.invalid
    if state in ("failed", "timed_out") and (
        lacking := machine.fault(found, info, tail(info.directory / "stderr"))
    ):
        state, error = "unstarted", f"{error}, and the machine lacked something: {lacking}"
    if state in ("done", "failed", "invalid") and trial_directory.knows_to_stop(info.directory):
        # what it gave is the value so far, not that of a whole trial
        own = "" if unmeasured else error
        state, error = "stopped", f"cancelled; {own or 'it ended by itself'}"
    if state == "unstarted" and _is_cancelled(info):  # it is not wanted again
        state, error = "stopped", f"cancelled; {error}"
    return Result(
        info.id,
        state,
        value=got.value,
        metrics=got.metrics,
        tags=got.tags,
        seconds=seconds,
        times=(queued, found.get("started"), found.get("ended")),
        error=_explained(state, error, info.directory),
        where=where,
    )


def _classify(found: Mapping[str, Any], info: ExitInfo) -> tuple[str, str]:
    """State and, unless it is ``done``, the reason, from the record of the supervisor."""
    why = found.get("why")
    if why == "unstarted":
        return "unstarted", f"the trial could not be started: {found.get('error')}"
    if why == "timeout":
        return "timed_out", machine.too_long(info)
    if why == "cancel" and _is_cancelled(info):
        return "stopped", "cancelled"
    if why != "exit":
        return "lost", "ended from outside: its supervisor was told to end"
    if found.get("signal") is not None:
        return "failed", _with_reason(_killed(int(found["signal"])), info)
    if info.function and (reason := machine.refusal(info)):
        return "unstarted", reason
    if info.function and (reason := _function_error(info)):
        return "failed", reason
    code = int(found.get("code") or 0)
    if code and code == info.output.invalid_exit:
        return "invalid", f"exit code {code}, which says that the result is wrong (invalid_exit)"
    if found.get("code") != 0:
        return "failed", _with_reason(_exited(code), info)
    return "done", ""


def _with_reason(text: str, info: ExitInfo) -> str:
    """How a program ended, with the line of its output that says why."""
    told = "" if info.function else telling_line(info.directory)
    return f"{text}: {told}" if told else text


def _is_cancelled(info: ExitInfo) -> bool:
    """Whether the trial was to stop."""
    return info.cancelled or trial_directory.asked_to_stop(info.directory)


def _exited(code: int) -> str:
    """An exit code in words; shells report a signal that killed their last command as 128 + it."""
    text = f"exit code {code}"
    if 128 < code < 128 + 65:
        text += f", as of a shell whose program was {_killed(code - 128)}"
    return text


def _killed(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    hint = "; out of memory, perhaps" if number == signal.SIGKILL else ""
    return f"killed by signal {number} ({name}){hint}"


def _returned(info: ExitInfo) -> bool:
    """Whether the function returned a measurement, which counts whatever its process did then."""
    if not info.function:
        return False
    found = trial_directory.result_record(info.directory, info.submission.token)
    return found is not None and "error" not in found and "refused" not in found


def _function_error(info: ExitInfo) -> str | None:
    found = trial_directory.result_record(info.directory, info.submission.token)
    return str(found["error"]) if found and "error" in found else None


def measured(directory: Path, output: Output, needs: Sequence[str] = ()) -> Measured:
    """The measurement in a trial's directory.

    Parameters
    ----------
    needs
        The metrics that the goal needs, its own first; empty: unknown.

    Raises
    ------
    NoMeasurement
        There is none; the message says what was found.
    """
    place = output.result or STDOUT
    path = directory / place
    if is_no_file(path):
        raise NoMeasurement(f"{path} is {NO_FILE}")
    if output.result is not None and not path.exists():
        raise NoMeasurement(
            f"no measurement: the command left no file {output.result} in its directory "
            "$DSICE_DIR; let it write there"
        )
    try:
        return by_patterns(path, output, needs) if output.patterns else as_json(path, needs)
    except NoMeasurement as problem:
        expected = _EXPECTED.format(place=place)
        advice = hint(directory, path, output, needs)
        raise NoMeasurement(f"no measurement: {problem}; {expected}{advice}") from None


def _measured(
    info: ExitInfo, seconds: float | None, fault: object
) -> tuple[Measured, float | None]:
    """The measurement and the run time of a program that ended well."""
    if not info.function:
        got = measured(info.directory, info.output, info.needs)
        place = info.output.result or STDOUT
        if fault and (info.directory / place).stat().st_size % _BLOCK_OF_DISK == 0:
            raise NoMeasurement(f"no measurement: {place} ends where the disk was full")
        return got, seconds
    found = trial_directory.result_record(info.directory, info.submission.token)
    if found is None:
        raise NoMeasurement(_no_result(info.directory / trial_directory.RESULT))
    ran = found.get("seconds")
    got = returned(found, info.needs)
    return got, ran if isinstance(ran, (int, float)) else seconds


def _no_result(path: Path) -> str:
    if not os.path.lexists(path):
        return "the function's process ended without a result; did it call os._exit?"
    if is_no_file(path):
        return f"the result {path} is {NO_FILE}"
    return f"the result file {path} is no JSON object, perhaps written half: {tail(path, 200)!r}"


def _explained(state: str, reason: str, directory: Path) -> str | None:
    """The error of a result: None of a good one, the bare reason of one that was cancelled."""
    if state == "done":
        return None
    reason = reason.translate(VISIBLE)  # a function's own error may be in it
    if state == "stopped":
        return reason
    return f"{reason}\n{last_words(directory)}\nlogs: {directory}/stderr and {directory}/stdout"
