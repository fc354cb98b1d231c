"""One trial in the hands of `Batch`, and how it ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.launchers import outcome as _outcome
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result
from dsice.launchers.batch.client import Listed
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.outcome import Curve, tail
from dsice.launchers.program import Program
from dsice.launchers.standalone import _call, _supervise

ENDED, JOBS, BIN = "ended", "jobs", "bin"
_STUDY, _RECORD = "study.json", "batch.json"


@dataclass(frozen=True)
class Record:
    """The job of a trial, as it is on the disk.

    Attributes
    ----------
    token
        Of the submission, as in job.json.
    name
        Name of the job in the queue.
    job
        Id of the job; None until the scheduler has given one.
    index
        Number in an array of jobs.
    shared
        Whether other trials run in the same job, so that the scheduler cannot end this one alone.
    requeued
        How often it was submitted again with this directory.
    seconds, started
        Run time of the submissions before this one, and when the first of them started.
    missing
        Since when it has not been in the queue, or its files have not been complete (Unix time): written down, since a
        coordinator that only looks in now and then would never see the time pass.
    """

    token: str
    name: str
    job: str | None = None
    index: int | None = None
    shared: bool = False
    requeued: int = 0
    seconds: float = 0.0
    started: float | None = None
    missing: float | None = None

    def write(self, directory: Path) -> None:
        """Put it into the trial's directory."""
        trial_directory.write(directory / _RECORD, asdict(self))

    @classmethod
    def read(cls, directory: Path, token: str) -> Record | None:
        """The record of the submission with `token`; None if there is none."""
        found = trial_directory.read(directory / _RECORD)
        if found is None or found.get("token") != token:
            return None
        try:
            return cls(**_typed(found))
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def current(cls, directory: Path) -> Record | None:
        """The record of the submission that the directory belongs to, if that has not ended; None if there is none."""
        token = str((trial_directory.read(directory / trial_directory.JOB) or {}).get("token", ""))
        return (
            None
            if trial_directory.ended(directory, token) is not None
            else cls.read(directory, token)
        )


def _typed(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "token": str(found["token"]),
        "name": str(found["name"]),
        "job": None if found["job"] is None else str(found["job"]),
        "index": None if found["index"] is None else int(found["index"]),
        "shared": bool(found["shared"]),
        "requeued": int(found["requeued"]),
        "seconds": float(found["seconds"]),
        "started": None if found["started"] is None else float(found["started"]),
        "missing": None if found.get("missing") is None else float(found["missing"]),
    }


class Home:
    """The directory of a `Batch`, made ready for jobs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended, self.jobs = path / ENDED, path / JOBS
        self.supervise, self.call = path / BIN / "supervise.py", path / BIN / "call.py"
        self.study = ""
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directory and take it for this process.

        Raises
        ------
        LaunchError
            If it cannot be written to or another launcher uses it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = trial_directory.lock(self.path)
            for place in (self.ended, self.jobs, self.supervise.parent):
                place.mkdir(exist_ok=True)
            self.study = self._fingerprint()
            _copy(Path(_supervise.__file__), self.supervise)
            _copy(Path(_call.__file__), self.call)
        except OSError as error:
            raise LaunchError(
                f"directory {self.path} cannot be used: {error}; give one that this machine and the jobs' machines can write to"
            ) from None

    def _fingerprint(self) -> str:
        known = trial_directory.read(self.path / _STUDY)
        if known is not None and isinstance(known.get("study"), str):
            return str(known["study"])
        new = secrets.token_hex(3)
        trial_directory.write(self.path / _STUDY, {"study": new})
        return new

    def name(self, trial: str) -> str:
        """Name of the job whose first trial is `trial`, with its study in front; short, since PBS takes 15 characters."""
        return f"d{self.study or (trial_directory.read(self.path / _STUDY) or {}).get('study', '000000')}-{trial.replace('prepare-', 'p')}"

    def mark(self, trial: str, token: str) -> Path:
        """The file that says that the trial ended."""
        return self.ended / f"{trial}.{token}"

    def close(self) -> None:
        """Let go of the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _copy(source: Path, target: Path) -> None:
    """By rename: a job that is starting reads the old file or the new one, never a part."""
    text = source.read_bytes()
    if not target.is_file() or target.read_bytes() != text:
        new = target.with_suffix(".new")
        new.write_bytes(text)
        new.replace(target)


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
