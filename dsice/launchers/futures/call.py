"""One call of `Futures`: what was handed to an engine for a trial, and what came back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsice.errors import VISIBLE
from dsice.journal.files import replace_file, write_json
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result, Step
from dsice.launchers.futures.pool import Engine, Handle
from dsice.launchers.futures.remote import Task
from dsice.launchers.machine import LACKING
from dsice.launchers.measurement import Measured, NoMeasurement, returned
from dsice.launchers.outcome import CurveReader
from dsice.worker import STEPS, is_superseded

_TAIL = 10  # lines of a traceback that go into the error


def not_started(job: Job, error: OSError) -> Result:
    """The result of a job that the machine could not start."""
    reason = f"the trial could not be started: {type(error).__name__}: {error}"
    return Result(job.id, "unstarted", error=reason, times=(time.time(), None, None))


class Call:
    """A call of the user's function that was handed to an engine.

    Attributes
    ----------
    job
        The trial, or the preparation.
    engine
        The engine that runs it.
    directory
        Directory of the trial; None: it has none.
    handle
        The engine's handle, once the call was handed over.
    cancelled
        Whether the coordinator wants it to stop.
    token
        Token of its submission, where it has a directory.
    abandon_at
        When (`time.monotonic`) the engine shall end a cancelled call.
    """

    def __init__(self, job: Job, engine: Engine, directory: Path | None) -> None:
        self.job = job
        self.engine = engine
        self.directory = directory
        self.handle: Handle | None = None
        self.cancelled = False
        self.abandon_at: float | None = None
        self.token = ""
        self._queued = time.time()
        self._curve = None if directory is None else CurveReader(job.id, directory)

    def task(self, function: bytes | Callable[..., Any], params: Mapping[str, Any]) -> Task:
        """What travels to the worker."""
        variables = {
            **self.job.variables,
            "DSICE_TRIAL": trial_directory.directory_name(self.job.id, self.job.kind),
            "DSICE_STAGE": str(self.job.stage),
        }
        if self.directory is not None:
            variables["DSICE_DIR"] = str(self.directory)
            if self.job.parent is not None:
                parent = trial_directory.parent_directory(self.directory, self.job)
                variables["DSICE_PARENT_DIR"] = str(parent)
        path = tuple(place or str(Path.cwd()) for place in sys.path)
        directory = None if self.directory is None else str(self.directory)
        measures = self.job.kind == "trial"
        return Task(params, function, path, directory, variables, measures, self.token)

    def new_steps(self, among: int) -> list[Step]:
        """Steps since the last call; `among` so many calls share a look."""
        return [] if self._curve is None else self._curve.new_steps(among)

    @property
    def behind(self) -> bool:
        """Whether some of its steps are not read yet."""
        return self._curve is not None and self._curve.behind

    @property
    def stepped(self) -> bool:
        """Whether it has begun for certain, since it has a learning curve."""
        return self.directory is not None and (self.directory / STEPS).exists()

    def ask_to_stop(self) -> None:
        """Let `dsice.step` return True in it."""
        if self.directory is not None:
            with suppress(OSError):  # a full disk, or a function that removed its directory
                trial_directory.ask_to_stop(self.directory)

    def note_end(self, result: Result) -> None:
        """Write down that the trial has ended, so that its directory is not emptied for another."""
        if self.directory is not None and result.state not in ("lost", "unstarted"):
            if is_superseded(str(self.directory), self.token):
                return
            code = 0 if result.state == "done" else 1
            end = {"why": trial_directory.RETURNED, "code": code, "token": self.token}
            with suppress(OSError):  # a function may have removed its directory
                write_json(self.directory / trial_directory.EXIT, end)

    def without_record(self, state: str, error: str) -> Result:
        """The result of a call that brought no record, from what the engine says."""
        if self.cancelled:
            state, error = "stopped", "cancelled"
        return Result(self.job.id, state, times=(self._queued, None, None), error=error)

    def result(self, found: Mapping[str, Any]) -> Result:
        """The result of a call, from the record that the worker's side made (`remote.perform`)."""
        state, error = self._state(found)
        got = Measured()
        try:
            got = returned(found, self.job.needs)
        except NoMeasurement as problem:
            if state == "done":
                state, error = "failed", f"no measurement: {problem}"
        where: dict[str, Any] = {"host": found["host"], "pid": found["pid"]}
        if self.job.kind == "prepare":
            where["directory"] = str(self.directory)
        if state == "failed":
            told = str(found.get("traceback", ""))
            error = "\n".join([str(error), *told.splitlines()[-_TAIL:]])
            if self.directory is not None:
                where["log"] = str(self.directory / "traceback")
                content = f"{told or error}\n".encode(errors="backslashreplace")
                # by rename: what stands there, such as a FIFO of the function's, is not opened
                with suppress(OSError):  # no room for it: the error is kept without
                    replace_file(self.directory / "traceback", content, fsync=False)
                error += f"\nlog: {where['log']}"
        return Result(
            self.job.id,
            state,
            value=got.value,
            metrics=got.metrics,
            tags=got.tags,
            seconds=found["seconds"],
            times=(self._queued, found["started"], found["ended"]),
            error=None if error is None else error.translate(VISIBLE),
            where=where,
        )

    def _state(self, found: Mapping[str, Any]) -> tuple[str, str | None]:
        """State and error in a record."""
        if self.cancelled and found["told_to_stop"]:  # what it returned is the value so far
            return "stopped", f"cancelled; {found.get('error', 'it ended by itself')}"
        if found.get("errno") in LACKING:
            return "stopped" if self.cancelled else "unstarted", str(found["error"])
        keys = {"stopped": "stopped", "lost": "lost", "error": "failed", "invalid": "invalid"}
        for key, state in keys.items():
            if key in found:
                return state, str(found[key])
        return "done", None
