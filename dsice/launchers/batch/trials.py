"""One trial in the hands of `Batch`, and how it ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dsice.launchers import outcome as _outcome
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result
from dsice.launchers.batch.client import Listed
from dsice.launchers.batch.records import Home, Record
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.outcome import Curve, tail
from dsice.launchers.program import Program


@dataclass(eq=False)
class Trial:
    """A job that was submitted, or waits to be.

    Attributes
    ----------
    sent
        Whether the scheduler may have a script with its ticket: that has to be settled before another try.
    cancelled
        Whether it was asked to end.
    checked
        Whether one look at the marks is enough; False: its own directory has to be looked at.
    """

    job: Job
    work: Program
    directory: Path
    ticket: trial_directory.Ticket
    record: Record
    sent: bool = False
    cancelled: bool = False
    checked: bool = True
    curve: Curve = field(init=False)

    def __post_init__(self) -> None:
        self.curve = Curve(self.job.id, self.directory)

    @property
    def id(self) -> int:
        """Id of the trial."""
        return self.job.id

    def mark(self, home: Home) -> Path:
        """The file by which its job says that it ended."""
        return home.mark(self.directory.name, self.ticket.token)

    def found(self, listed: Iterable[Listed], scheduler: Scheduler) -> bool:
        """Whether a job of its name is in the queue, or was and left an end; its id is written down."""
        jobs = [
            job.job
            for job in listed
            if job.name == self.record.name and scheduler.is_element(job.job, self.record.index)
        ]
        if jobs:
            self.record = replace(self.record, job=jobs[-1])
            self.record.write(self.directory)
        self.checked = False
        return bool(jobs) or trial_directory.ended(self.directory, self.ticket.token) is not None

    def renew(self) -> None:
        """A new ticket for another try in the same directory."""
        self.ticket = trial_directory.renew(self.directory, self.job, self.work.name, self.ticket)
        self.record = replace(
            self.record, token=self.ticket.token, job=None, index=None, shared=False, missing=None
        )
        self.sent, self.checked = False, True

    def again(self, result: Result) -> None:
        """Make ready for being submitted again after `result`; its run time counts."""
        self.record = replace(
            self.record,
            requeued=self.record.requeued + 1,
            seconds=result.seconds or 0.0,  # all submissions so far, as `outcome` tells it
            started=result.times[1],
        )
        self.renew()
        self.record.write(self.directory)

    def since(self, grace: float) -> bool:
        """Whether something has been missing for `grace` seconds; the first call starts the clock."""
        if self.record.missing is None:
            self._note(time.time())
        return time.time() - (self.record.missing or 0.0) >= grace

    def here(self) -> None:
        """It is in the queue: nothing is missing."""
        if self.record.missing is not None:
            self._note(None)

    def _note(self, missing: float | None) -> None:
        self.record = replace(self.record, missing=missing)
        with contextlib.suppress(OSError):  # then only this coordinator knows
            self.record.write(self.directory)


def arrived(trial: Trial, home: Home) -> bool:
    """Whether all is there that the trial will ever leave: its exit and, for a function that ended well, its result."""
    found = trial_directory.ended(trial.directory, trial.ticket.token)
    if found is None:  # a supervisor that was killed leaves no record: its script has seen it
        return tail(trial.mark(home)).strip() not in ("", "0")
    well = found.get("why") == "exit" and found.get("code") == 0
    return (
        not (trial.work.function and well)
        or trial_directory.read(trial.directory / trial_directory.RESULT) is not None
    )


def outcome(trial: Trial, home: Home, timeout: float | None, scheduler: str) -> Result:
    """The result of a trial that ended or is lost; T is the time that it ran, over all its submissions."""
    record = trial.record
    job = f"job {record.job}" if record.job else f"the job {record.name}"
    gone = (
        f"{job} is not in the {scheduler} queue any more"
        if _unmarked(trial, home)
        else f"{job} lost its supervisor"
    )
    ending = _outcome.Ending(
        trial.id, trial.directory, trial.ticket, trial.work.function, timeout, gone
    )
    found = _outcome.result(ending, "")
    process = trial_directory.read(trial.directory / trial_directory.PROCESS) or {}
    log = home.jobs / f"{record.name}.log"
    error = found.error
    if found.state == "lost" and error:
        error += f"\nlog of the job: {log}" + (
            f"\n{said}" if (said := tail(log, 1000).strip()) else ""
        )
    queued, started, ended = found.times
    return replace(
        found,
        seconds=record.seconds + found.seconds
        if found.seconds is not None
        else record.seconds or None,
        times=(queued, record.started or started or _begun(trial), ended),
        error=error,
        where={**found.where, "host": process.get("host"), "job": record.job, "job_log": str(log)},
    )


def _unmarked(trial: Trial, home: Home) -> bool:
    return not tail(trial.mark(home)).strip()


def _begun(trial: Trial) -> float | None:
    """When its supervisor wrote its first file; known even if it was killed."""
    try:
        return (trial.directory / trial_directory.PROCESS).stat().st_mtime
    except OSError:
        return None
