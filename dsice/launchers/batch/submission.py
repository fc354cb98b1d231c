"""What `Batch` keeps of one trial: its submission, on the disk and in memory, and how it ended."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.journal.files import check_private, make_private
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result
from dsice.launchers.batch.patience import insist
from dsice.launchers.batch.record import Absence, JobRecord
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import QueuedJob
from dsice.launchers.machine import ExitInfo
from dsice.launchers.outcome import CurveReader, result_of, tail
from dsice.launchers.program import Helper, Program
from dsice.launchers.standalone import _call, _processes, _seldom, _supervise

ENDED, JOBS, BIN = "ended", "jobs", "bin"
_STUDY = "study.json"
_TIMES = "-ghijklmnoqrstuvwxyz"  # no digit of the study's letters, and not the p of preparations


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
        The two stand-alone scripts, copied for machines without dsice. Each copy has a directory
        of its own, named by its hash: a job that waits in the queue finds the one that it knows,
        also when another version of dsice has gone on with the study.
    study
        Letters that tell the jobs of this directory from those of other studies.
    is_open
        Whether this process has the directory, and files may be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended = path / ENDED
        self.jobs = path / JOBS
        self.supervise = Helper(
            path / BIN,
            "supervise.py",
            *(Path(str(m.__file__)) for m in (_supervise, _processes, _seldom)),
        )
        self.call = Helper(path / BIN, "call.py", Path(_call.__file__))
        self.study = ""
        self.is_open = False
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directory and take it for this process.

        Raises
        ------
        LaunchError
            If it cannot be written to, another launcher uses it, or other users can write there.
        """
        try:
            insist(self._take)
        except OSError as error:
            raise LaunchError(
                f"directory {self.path} cannot be used: {error}; "
                "give one that this machine and the jobs' machines can write to"
            ) from None
        self.is_open = True

    def _take(self) -> None:
        make_private(self.path)
        if self._lock is None:
            self._lock = trial_directory.lock(self.path)
        for place in (self.ended, self.jobs, self.path / BIN):
            make_private(place)
        self.study = self._fingerprint()
        self.secure()

    def secure(self) -> None:
        """See to it that jobs find what they run: the files are there, and only this user's.

        Raises
        ------
        LaunchError
            Other users can write to the directory.
        OSError
            It cannot be looked at or written to.
        """
        check_private(self.path)
        self.supervise.put()
        self.call.put()

    def _fingerprint(self) -> str:
        """The letters of this directory, drawn once."""
        with trial_directory.strictly():
            known = trial_directory.read_json(self.path / _STUDY)
        if known is not None and isinstance(known.get("study"), str):
            return str(known["study"])
        new = secrets.token_hex(3)
        trial_directory.write_json(self.path / _STUDY, {"study": new})
        return new

    def names(self, trial: str) -> list[str]:
        """Names for the jobs whose first trial is `trial`, one for each time it is submitted.

        They are short, since PBS takes 15 characters.
        """
        study = self.study
        if not study:  # a dry run writes nothing
            known = trial_directory.read_json(self.path / _STUDY) or {}
            study = known.get("study", "000000")
        return [f"d{study}{time}{trial.replace('prepare-', 'p')}" for time in _TIMES]

    def mark(self, trial: str, token: str) -> Path:
        """The file that says that the trial ended."""
        return self.ended / f"{trial}.{token}"

    def close(self) -> None:
        """Release the directory."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None


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
    unsure_until
        Until when (`time.monotonic`) a job that was sent may still turn up.
    stale
        Whether the directory belongs to an earlier submission and has to be claimed again.
    cancelled, asked
        Whether the trial is to end, and whether the mark that tells it so is in its directory.
    unsaved
        Whether the record could not be written yet.
    unreadable
        Since when (`time.monotonic`) its files cannot be read; None: they can.
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
    unsure_until: float = 0.0
    stale: bool = False
    cancelled: bool = False
    asked: bool = False
    unsaved: bool = False
    unreadable: float | None = None
    checked: bool = True
    absence: Absence = field(default_factory=Absence)
    curve: CurveReader = field(init=False)
    _written: float = field(init=False)

    def __post_init__(self) -> None:
        self.curve = CurveReader(self.job.id, self.directory)
        self._written = self.record.absent

    @property
    def id(self) -> int:
        """Id of the trial."""
        return self.job.id

    def mark(self, home: BatchDirectory) -> Path:
        """The file by which the job says that the trial ended."""
        return home.mark(self.directory.name, self.submission.token)

    @property
    def begun(self) -> bool:
        """Whether its job has begun, as its directory tells."""
        return trial_directory.has_begun(self.directory, self.submission.token)

    def save(self, **changes: Any) -> None:
        """Change the record and write it down; where that fails it is tried again with `keep`."""
        self.record = replace(self.record, **changes)
        self.unsaved = True
        self.keep()

    def keep(self) -> None:
        """Write the record down if that is still to be done."""
        if self.unsaved:
            with contextlib.suppress(OSError):
                self.record.write(self.directory)
                self.unsaved = False

    def mark_to_stop(self) -> bool:
        """Ask the trial to end, if it is to; whether that is done."""
        if self.cancelled and not self.asked:
            with contextlib.suppress(OSError):
                trial_directory.ask_to_stop(self.directory)
                self.asked = True
        return self.asked or not self.cancelled

    def named_in(self, listed: Mapping[str, QueuedJob], scheduler: Scheduler) -> list[str]:
        """Ids of all jobs with its name: more than one, where a submission came twice."""
        return [
            job.job
            for job in listed.values()
            if job.name == self.record.name
            and not job.cut
            and scheduler.is_element(job.job, self.record.index)
        ]

    def is_another(self, listed: QueuedJob, scheduler: Scheduler) -> bool:
        """Whether its id belongs to a job of somebody else by now."""
        return scheduler.names_jobs and not listed.has_name(self.record.name)

    def is_listed(self, listed: Mapping[str, QueuedJob], scheduler: Scheduler) -> bool:
        """Whether its job waits or runs; one that is known by its name only gets its id."""
        found = listed.get(self.record.job or "")
        if found is not None and not self.is_another(found, scheduler):
            return True
        named = self.named_in(listed, scheduler)
        if named:
            self.save(job=named[0])
        return bool(named)

    def claim_again(self) -> bool:
        """Make a new submission, for another try in the same directory.

        Returns
        -------
        bool
            False if the earlier one has begun meanwhile: it keeps the directory.

        Raises
        ------
        OSError
            The directory cannot be claimed now.
        """
        before = self.submission
        self.submission = trial_directory.claim_again(
            self.directory, self.job, self.work.name, before, unless_begun=self.sent
        )
        if self.submission is before:
            return False
        self.record = replace(
            self.record,
            token=self.submission.token,
            job=None,
            index=None,
            shared=False,
            missing=None,
            absent=0.0,
        )
        self.absence = Absence()
        self.sent = self.stale = False
        self.checked = True
        return True

    def requeue(self, result: Result) -> None:
        """Get ready to be submitted again after `result`, whose run time counts."""
        self.record = replace(
            self.record,
            requeued=self.record.requeued + 1,
            seconds=result.seconds or 0.0,  # `batch_result` adds up all submissions so far
            started=result.times[1],
            job=None,
        )
        self.sent, self.stale = False, True

    def missing_for(self, patience: float, times: float = 1.0) -> bool:
        """Whether the job has been missing for `times` as long as the `patience` in seconds.

        The first call starts the clock.
        """
        before = self.record
        self.record = self.absence.counted(before, patience)
        if before.missing is None or self.record.absent - self._written >= patience / 4:
            self._written = self.record.absent
            self.save()
        return self.record.absent >= patience * times

    def note_listed(self) -> None:
        """Note that the job is in the queue: nothing is missing."""
        if self.record.missing is not None:
            self.record = self.absence.ended(self.record)
            self._written = 0.0
            self.save()


def new_trial(job: Job, work: Program, directory: Path) -> BatchTrial:
    """A trial that is to be submitted, in a fresh directory.

    Raises
    ------
    OSError
        The directory cannot be made.
    """
    submission = trial_directory.make(directory, job, work.name, 0)
    return BatchTrial(job, work, directory, submission, JobRecord(submission.token, ""))


def submitted_before(job: Job, work: Program, directory: Path) -> BatchTrial | None:
    """A trial that an earlier coordinator submitted, as it is written down; None without one."""
    submission = trial_directory.find_submission(directory, job, work.name)
    if submission is None:
        return None
    record = JobRecord.read(directory, submission.token)
    if record is None:
        return None
    trial = BatchTrial(job, work, directory, submission, record, sent=True, checked=False)
    trial.cancelled = trial.asked = trial_directory.asked_to_stop(directory)
    return trial


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
