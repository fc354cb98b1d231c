"""What `Batch` keeps of one trial: its submission, on the disk and in memory, and how it ended."""

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
from dsice.journal.files import replace_file
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import QueuedJob
from dsice.launchers.outcome import CurveReader, ExitInfo, result_of, tail
from dsice.launchers.program import Program
from dsice.launchers.standalone import _call, _supervise

ENDED, JOBS, BIN = "ended", "jobs", "bin"
_STUDY, _RECORD = "study.json", "batch.json"


@dataclass(frozen=True)
class JobRecord:
    """The scheduler's job of a trial, as it is kept in ``batch.json`` of the trial's directory.

    Attributes
    ----------
    token
        Token of the submission, as in ``job.json``.
    name
        Name of the job in the queue.
    job
        Id of the job; None until the scheduler has given one.
    index
        Number of the job in an array of jobs; None: it is in no array.
    shared
        Whether other trials run in the same job, so that the scheduler cannot end this one alone.
    requeued
        How often the trial was submitted again with this directory.
    seconds, started
        Run time of the submissions before this one, and when the first of them started.
    missing
        Since when (Unix time) the job has not been in the queue, or its files have not been
        complete. It is written down for coordinators that live for seconds only and so would
        never see the time pass.
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
        trial_directory.write_json(directory / _RECORD, asdict(self))

    @classmethod
    def read(cls, directory: Path, token: str) -> JobRecord | None:
        """The record of the submission with `token`; None if there is none."""
        found = trial_directory.read_json(directory / _RECORD)
        if found is None or found.get("token") != token:
            return None
        try:
            return cls(**_typed(found))
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def current(cls, directory: Path) -> JobRecord | None:
        """The record of the submission that has the directory, if that has not ended; else None."""
        claim = trial_directory.read_json(directory / trial_directory.JOB) or {}
        token = str(claim.get("token", ""))
        if trial_directory.exit_record(directory, token) is not None:
            return None
        return cls.read(directory, token)


def _typed(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record, each of its type; a file may hold anything."""
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


class BatchDirectory:
    """The directory that all trials of a `Batch` share, with what their jobs need.

    Attributes
    ----------
    ended
        Directory of the marks: a job leaves a file there for each trial that ended, so that one
        look tells which trials did.
    jobs
        Directory of the scripts and of their logs.
    supervise, call
        The two stand-alone scripts, copied for machines without dsice.
    study
        Letters that tell the jobs of this directory from those of other studies.
    is_open
        Whether this process has the directory, and files may be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended = path / ENDED
        self.jobs = path / JOBS
        self.supervise = path / BIN / "supervise.py"
        self.call = path / BIN / "call.py"
        self.study = ""
        self.is_open = False
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
                f"directory {self.path} cannot be used: {error}; "
                "give one that this machine and the jobs' machines can write to"
            ) from None
        self.is_open = True

    def _fingerprint(self) -> str:
        """The letters of this directory, drawn once."""
        known = trial_directory.read_json(self.path / _STUDY)
        if known is not None and isinstance(known.get("study"), str):
            return str(known["study"])
        new = secrets.token_hex(3)
        trial_directory.write_json(self.path / _STUDY, {"study": new})
        return new

    def name(self, trial: str) -> str:
        """Name of the job whose first trial is `trial`; short, since PBS takes 15 characters."""
        study = self.study
        if not study:  # a dry run writes nothing
            known = trial_directory.read_json(self.path / _STUDY) or {}
            study = known.get("study", "000000")
        return f"d{study}-{trial.replace('prepare-', 'p')}"

    def mark(self, trial: str, token: str) -> Path:
        """The file that says that the trial ended."""
        return self.ended / f"{trial}.{token}"

    def close(self) -> None:
        """Release the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _copy(source: Path, target: Path) -> None:
    """Copy by rename: a job that is starting reads the old file or the new one, never a part."""
    content = source.read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        replace_file(target, content, fsync=False)


@dataclass(eq=False)
class BatchTrial:
    """A trial that was submitted, or waits to be.

    Attributes
    ----------
    work
        The trial's program.
    submission
        Who has the trial's directory.
    record
        The scheduler's job.
    sent
        Whether the scheduler may have a script with this submission: that has to be found out
        before another try.
    cancelled
        Whether the trial was asked to end.
    checked
        Whether a look at the marks is enough; False: the trial's own directory must be read, too.
    curve
        The learning curve, as far as it was collected.
    """

    job: Job
    work: Program
    directory: Path
    submission: trial_directory.Submission
    record: JobRecord
    sent: bool = False
    cancelled: bool = False
    checked: bool = True
    curve: CurveReader = field(init=False)

    def __post_init__(self) -> None:
        self.curve = CurveReader(self.job.id, self.directory)

    @property
    def id(self) -> int:
        """Id of the trial."""
        return self.job.id

    def mark(self, home: BatchDirectory) -> Path:
        """The file by which the job says that the trial ended."""
        return home.mark(self.directory.name, self.submission.token)

    def find_in(self, listed: Iterable[QueuedJob], scheduler: Scheduler) -> bool:
        """Whether the scheduler has or had its job, known by its name; the job's id is noted."""
        jobs = [
            job.job
            for job in listed
            if job.name == self.record.name and scheduler.is_element(job.job, self.record.index)
        ]
        if jobs:
            self.record = replace(self.record, job=jobs[-1])
            self.record.write(self.directory)
        self.checked = False
        ended = trial_directory.exit_record(self.directory, self.submission.token)
        return bool(jobs) or ended is not None

    def claim_again(self) -> None:
        """Make a new submission, for another try in the same directory."""
        self.submission = trial_directory.claim_again(
            self.directory, self.job, self.work.name, self.submission
        )
        self.record = replace(
            self.record,
            token=self.submission.token,
            job=None,
            index=None,
            shared=False,
            missing=None,
        )
        self.sent = False
        self.checked = True

    def requeue(self, result: Result) -> None:
        """Get ready to be submitted again after `result`, whose run time counts."""
        self.record = replace(
            self.record,
            requeued=self.record.requeued + 1,
            seconds=result.seconds or 0.0,  # `batch_result` adds up all submissions so far
            started=result.times[1],
        )
        self.claim_again()
        self.record.write(self.directory)

    def missing_for(self, seconds: float) -> bool:
        """Whether the job has been missing for so long; the first call starts the clock."""
        if self.record.missing is None:
            self._note_missing(time.time())
        return time.time() - (self.record.missing or 0.0) >= seconds

    def note_listed(self) -> None:
        """Note that the job is in the queue: nothing is missing."""
        if self.record.missing is not None:
            self._note_missing(None)

    def _note_missing(self, missing: float | None) -> None:
        self.record = replace(self.record, missing=missing)
        with contextlib.suppress(OSError):  # then only this coordinator knows
            self.record.write(self.directory)


def submitted_before(job: Job, work: Program, directory: Path) -> BatchTrial | None:
    """A trial that an earlier coordinator submitted, as it is written down; None without one."""
    submission = trial_directory.find_submission(directory, job, work.name)
    if submission is None:
        return None
    record = JobRecord.read(directory, submission.token)
    if record is None:
        return None
    return BatchTrial(job, work, directory, submission, record, sent=True, checked=False)


def is_complete(trial: BatchTrial, home: BatchDirectory) -> bool:
    """Whether all files are there that the trial will ever leave.

    These are the record of its end and, for a function that ended well, the result.
    """
    found = trial_directory.exit_record(trial.directory, trial.submission.token)
    if found is None:  # a supervisor that was killed leaves no record, but its script has seen it
        return tail(trial.mark(home)).strip() not in ("", "0")
    ended_well = found.get("why") == "exit" and found.get("code") == 0
    if not trial.work.function or not ended_well:
        return True
    return trial_directory.result_record(trial.directory, trial.submission.token) is not None


def batch_result(
    trial: BatchTrial, home: BatchDirectory, timeout: float | None, scheduler: str
) -> Result:
    """The result of a trial that ended or is lost; its run time is that of all submissions."""
    record = trial.record
    info = ExitInfo(
        trial.id,
        trial.directory,
        trial.submission,
        trial.work.function,
        timeout,
        _how_lost(trial, home, scheduler),
    )
    found = result_of(info, "")
    process = trial_directory.read_json(trial.directory / trial_directory.PROCESS) or {}
    log = home.jobs / f"{record.name}.log"
    error = found.error
    if found.state == "lost" and error:
        error += f"\nlog of the job: {log}"
        last = tail(log, 1000).strip()
        error += f"\n{last}" if last else ""
    queued, started, ended = found.times
    seconds = record.seconds or None
    if found.seconds is not None:
        seconds = record.seconds + found.seconds
    return replace(
        found,
        seconds=seconds,
        times=(queued, record.started or started or _begun(trial), ended),
        error=error,
        where={**found.where, "host": process.get("host"), "job": record.job, "job_log": str(log)},
    )


def _how_lost(trial: BatchTrial, home: BatchDirectory, scheduler: str) -> str:
    """Why there may be no record of the trial's end."""
    job = f"job {trial.record.job}" if trial.record.job else f"the job {trial.record.name}"
    if tail(trial.mark(home)).strip():
        return f"{job} lost its supervisor"
    return f"{job} is not in the {scheduler} queue any more"


def _begun(trial: BatchTrial) -> float | None:
    """When its supervisor wrote its first file; known even if it was killed."""
    try:
        return (trial.directory / trial_directory.PROCESS).stat().st_mtime
    except OSError:
        return None
