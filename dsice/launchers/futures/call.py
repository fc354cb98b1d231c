"""One trial of `Futures`: what was handed to an engine, and what came back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result, Step
from dsice.launchers.futures.engines import Engine, Handle
from dsice.launchers.futures.remote import Task
from dsice.launchers.outcome import Curve
from dsice.worker import STEPS

_TAIL = 10  # lines of a traceback that go into the error


class Flight:
    """A trial on its way.

    Attributes
    ----------
    cancelled
        Whether the coordinator wants it to stop.
    let_go_at
        When (`time.monotonic`) the engine shall end a cancelled trial.
    """

    def __init__(self, job: Job, engine: Engine, directory: Path | None) -> None:
        self.job = job
        self.engine = engine
        self.directory = directory
        self.handle: Handle | None = None
        self.cancelled = False
        self.let_go_at: float | None = None
        self._queued = time.time()
        self._curve = None if directory is None else Curve(job.id, directory)

    def task(self, function: bytes | Callable[..., Any], params: Mapping[str, Any]) -> Task:
        """What travels to the worker."""
        name = trial_directory.name(self.job.id, self.job.kind)
        variables = {**self.job.variables, "DSICE_TRIAL": name, "DSICE_STAGE": str(self.job.stage)}
        if self.directory is not None:
            variables["DSICE_DIR"] = str(self.directory)
            if self.job.parent is not None:
                variables["DSICE_PARENT_DIR"] = str(
                    trial_directory.parent(self.directory, self.job)
                )
        path = tuple(place or str(Path.cwd()) for place in sys.path)
        directory = None if self.directory is None else str(self.directory)
        return Task(params, function, path, directory, variables, measures=self.job.kind == "trial")

    def news(self) -> list[Step]:
        """Steps since the last call."""
        return [] if self._curve is None else self._curve.news()

    @property
    def stepped(self) -> bool:
        """Whether it has begun for certain: it has a learning curve."""
        return self.directory is not None and (self.directory / STEPS).exists()

    def ask_to_stop(self) -> None:
        """Let `dsice.step` return True in it."""
        if self.directory is not None and self.directory.is_dir():
            trial_directory.ask_to_stop(self.directory)

    def without_record(self, state: str, error: str) -> Result:
        """The result of a call of which only the engine knows anything."""
        if self.cancelled:
            state, error = "stopped", "cancelled"
        return Result(self.job.id, state, times=(self._queued, None, None), error=error)

    def result(self, found: Mapping[str, Any]) -> Result:
        """The result in what the worker's side says."""
        state, error = self._state(found)
        where: dict[str, Any] = {"host": found["host"], "pid": found["pid"]}
        if self.job.kind == "prepare":
            where["directory"] = str(self.directory)
        if state == "failed":
            told = str(found.get("traceback", ""))
            error = "\n".join([str(error), *told.splitlines()[-_TAIL:]])
            if self.directory is not None:
                where["log"] = str(self.directory / "traceback")
                (self.directory / "traceback").write_text(f"{told or error}\n", encoding="utf-8")
                error += f"\nlog: {where['log']}"
        return Result(
            self.job.id,
            state,
            value=found.get("value"),
            metrics=found.get("metrics", {}),
            seconds=found["seconds"],
            times=(self._queued, found["started"], found["ended"]),
            error=error,
            where=where,
        )

    def _state(self, found: Mapping[str, Any]) -> tuple[str, str | None]:
        if self.cancelled and found["told_to_stop"]:  # what it returned is the value so far
            return "stopped", f"cancelled; {found.get('error', 'it ended by itself')}"
        for state, key in (("stopped", "stopped"), ("lost", "lost"), ("failed", "error")):
            if key in found:
                return state, str(found[key])
        return "done", None
