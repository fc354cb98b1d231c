"""What every launcher offers to ``run``, and the records that go in and come out.

A launcher starts jobs and collects their results. It knows parameters, processes and
files; it never sees a tuner, a space or a journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

PREPARED = "DSICE_PREPARED"
"""Variable of the environment that holds a prepared directory."""


@dataclass(frozen=True)
class Job:
    """One thing to run: a trial, or a preparation that trials depend on.

    Attributes
    ----------
    id
        Id of the trial; names the job's directory.
    params
        Names and values of the active parameters, overrides applied.
    parent
        Id of the trial whose checkpoint this one continues, if any. Its directory is the job's ``DSICE_PARENT_DIR``; where
        that is gone the job is ``failed``.
    stage
        Fidelity or training stage of the trial.
    work
        Program that replaces the launcher's own one for this job.
    prepared
        Directories of the preparations that it depends on, by name.
    """

    id: int
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: Literal["trial", "prepare"] = "trial"
    parent: int | None = None
    stage: int = 0
    work: Callable[..., Any] | str | None = None
    prepared: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """Environment that says where what was prepared is: DSICE_PREPARED for one, DSICE_PREPARED_NAME for several."""
        if len(self.prepared) == 1:
            return {PREPARED: next(iter(self.prepared.values()))}
        return {
            f"{PREPARED}_{name.upper()}": directory for name, directory in self.prepared.items()
        }


@dataclass(frozen=True)
class Result:
    """How a job ended.

    Attributes
    ----------
    state
        ``done``, ``failed`` (the program's fault), ``timed_out``, ``invalid`` (ran, wrong
        result), ``lost`` (the machine's fault) or ``stopped`` (cancelled).
    value
        The objective where the program gave a single number (or a list of repeats); a program
        that gives named metrics leaves it None.
    metrics
        Named numbers of the trial.
    seconds
        Run time, without the wait in a queue.
    times
        Unix times (queued, started, ended); None where unknown.
    error
        What went wrong and where to look, for every state but ``done``.
    where
        ``{"host": ..., "pid": ..., "log": ...}`` as far as known; the ``directory`` of a preparation.
    """

    id: int
    state: str
    value: float | list[float] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    times: tuple[float | None, float | None, float | None] = (None, None, None)
    error: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A point of a running trial's learning curve."""

    id: int
    step: int
    value: float


class Launcher(Protocol):
    """What ``run`` needs of a launcher.

    One that cannot let a trial continue another (`Job.parent`) also has ``cannot_continue``, the reason as text; one
    that never brings a `Step` has ``cannot_step``.
    """

    @property
    def slots(self) -> int:
        """How many jobs run at the same time."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start jobs; at most as many as slots are free."""

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Ids of those jobs that an earlier coordinator started and that still run or left a result."""

    def collect(self, timeout: float = 0.0) -> Iterable[Result | Step]:
        """What happened since the last call; waits up to `timeout` seconds for something."""

    def cancel(self, id: int) -> None:
        """End a running job with all its processes; its result comes with state ``stopped``."""

    def close(self) -> None:
        """Release everything; a second call does nothing."""
