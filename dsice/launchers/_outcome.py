"""How a trial ended, from what is in its directory."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dsice.launchers import _jobdir
from dsice.launchers._output import NoMeasurement, last_line, last_words, measurement, tail
from dsice.launchers.base import Result

_EXPECTED = "expected a JSON line of metrics as the last line of stdout: an object of numbers, a number, or a list of repeats"


@dataclass(frozen=True)
class Ending:
    """What the launcher itself knows about an ended trial.

    Attributes
    ----------
    function
        Whether the program was a Python function.
    timeout
        Its time limit in seconds.
    supervisor
        In words, how the supervisor ended; it matters only when it left no record.
    overdue
        Whether the launcher had to kill the supervisor because the time limit was long past.
    """

    id: int
    directory: Path
    ticket: _jobdir.Ticket
    function: bool
    timeout: float | None
    supervisor: str
    overdue: bool = False


def result(ending: Ending, host: str) -> Result:
    """The result of an ended trial."""
    found = _jobdir.ended(ending.directory, ending.ticket.token)
    where: dict[str, Any] = {"host": host, "log": str(ending.directory / "stderr")}
    if preparation := _jobdir.is_preparation(ending.directory):
        where["directory"] = str(ending.directory)
    queued = ending.ticket.queued
    if found is None:
        state, error = _without_record(ending)
        told = error if state == "stopped" else _explain(error, ending.directory)
        return Result(ending.id, state, error=told, times=(queued, None, None), where=where)
    where["pid"] = found.get("pid")
    value: float | list[float] | None = None
    metrics: dict[str, float] = {}
    seconds = found.get("seconds")
    state, error = ("done", "") if _returned(ending) else _verdict(found, ending)
    if state == "done" and not preparation:
        try:
            value, metrics, seconds = _measured(ending, seconds)
        except NoMeasurement as problem:
            state, error = "failed", str(problem)
    if state in ("done", "failed") and _jobdir.told_to_stop(
        ending.directory
    ):  # not a whole trial's value
        state, error = "stopped", f"cancelled; {error or 'it ended by itself'}"
    return Result(
        ending.id,
        state,
        value=value,
        metrics=metrics,
        seconds=seconds,
        times=(queued, found.get("started"), found.get("ended")),
        error=None
        if state == "done"
        else error
        if state == "stopped"
        else _explain(error, ending.directory),
        where=where,
    )


def _without_record(ending: Ending) -> tuple[str, str]:
    if _jobdir.asked_to_stop(ending.directory):
        return "stopped", "cancelled"
    if ending.overdue:
        return (
            "timed_out",
            f"{_too_long(ending)}, and its supervisor did not answer; all was killed",
        )
    return "lost", f"the supervisor of the trial ended without a record ({ending.supervisor})"


def _too_long(ending: Ending) -> str:
    limit = "its time limit" if ending.timeout is None else f"timeout={ending.timeout:g} s"
    return f"ran longer than {limit}"


def _verdict(found: Mapping[str, Any], ending: Ending) -> tuple[str, str]:
    """State and, unless done, the reason."""
    why = found.get("why")
    if why == "timeout":
        return "timed_out", _too_long(ending)
    if why == "cancel" and _jobdir.asked_to_stop(ending.directory):
        return "stopped", "cancelled"
    if why != "exit":
        return "lost", "ended from outside: its supervisor was told to end"
    if found.get("signal") is not None:
        return "failed", _killed(int(found["signal"]))
    if ending.function and (reason := _function_error(ending.directory)):
        return "failed", reason
    if found.get("code") != 0:
        return "failed", _exited(int(found.get("code") or 0))
    return "done", ""


def _exited(code: int) -> str:
    """Shells report the signal that killed their last command as 128 + its number."""
    return f"exit code {code}" + (
        f", as of a shell whose program was {_killed(code - 128)}" if 128 < code < 128 + 65 else ""
    )


def _killed(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    hint = "; out of memory, perhaps" if number == signal.SIGKILL else ""
    return f"killed by signal {number} ({name}){hint}"


def _returned(ending: Ending) -> bool:
    """Whether the function returned a measurement: it stands, whatever became of its process afterwards."""
    found = _jobdir.read(ending.directory / _jobdir.RESULT) if ending.function else None
    return found is not None and "error" not in found


def _function_error(directory: Path) -> str | None:
    found = _jobdir.read(directory / _jobdir.RESULT)
    return str(found["error"]) if found and "error" in found else None


def _measured(
    ending: Ending, seconds: float | None
) -> tuple[float | list[float] | None, dict[str, float], float | None]:
    """Value, metrics and run time of a program that ended well."""
    if not ending.function:
        try:
            return *measurement(last_line(ending.directory / "stdout")), seconds
        except NoMeasurement as problem:
            raise NoMeasurement(f"no measurement: {problem}; {_EXPECTED}") from None
    found = _jobdir.read(ending.directory / _jobdir.RESULT)
    if found is None:
        raise NoMeasurement(_no_result(ending.directory / _jobdir.RESULT))
    value = cast("float | list[float] | None", found.get("value"))
    return value, cast("dict[str, float]", found.get("metrics", {})), found.get("seconds", seconds)


def _no_result(path: Path) -> str:
    if not path.exists():
        return "the function's process ended without a result; did it call os._exit?"
    return f"the result file {path} is no JSON object, perhaps written half: {tail(path, 200)!r}"


def _explain(reason: str, directory: Path) -> str:
    return f"{reason}\n{last_words(directory)}\nlogs: {directory}/stderr and {directory}/stdout"
