"""What `Batch` keeps of one trial: its submission, on the disk and in memory."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from dsice.journal.files import read_json, strictly, write_json
from dsice.launchers import trial_directory
from dsice.launchers.base import Job, Result, Study
from dsice.launchers.batch.patience import insist
from dsice.launchers.batch.record import Absence, JobRecord
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import QueuedJob
from dsice.launchers.home import (
    STUDY,
    check_private,
    make_private,
    note_study,
    take_home,
    unlock_directory,
    unusable,
)
from dsice.launchers.outcome import CurveReader
from dsice.launchers.program import Helper, Program
from dsice.launchers.standalone import _call, _processes, _seldom, _supervise

ENDED, JOBS, BIN = "ended", "jobs", "bin"
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
        self._of: Study | None = None
        self._lock: int | None = None

    def open(self, study: Study | None) -> bool:
        """Make the directory and take it for this process and a study; whether it was not open.

        Raises
        ------
        LaunchError
            If it cannot be written to, another launcher or another study uses it, or other users
            can write there.
        """
        if self.is_open and study == self._of:
            return False
        try:
            self._take(study)
        except OSError as error:
            raise unusable(self.path, error) from None
        fresh, self.is_open, self._of = not self.is_open, True, study
        return fresh

    def _take(self, study: Study | None) -> None:
        if self.is_open or self._lock is not None:
            insist(partial(note_study, self.path, study))
        else:
            self._lock = insist(partial(take_home, self.path, study))
        self.study = insist(self._fingerprint)
        self.secure()

    def secure(self, seconds: float = 30.0) -> None:
        """See to it that jobs find what they need: all is there, and only this user's.

        A disk that is cleared of what is old may have lost some of it.

        Parameters
        ----------
        seconds
            For how long files that cannot be used now are tried again.

        Raises
        ------
        LaunchError
            Other users can write to the directory.
        OSError
            It cannot be looked at or written to.
        """
        insist(partial(check_private, self.path), seconds)
        for place in (self.ended, self.jobs, self.path / BIN):
            insist(partial(make_private, place), seconds)
        for helper in (self.supervise, self.call):
            insist(helper.put, seconds)
            insist(partial(check_private, helper.path.parent), seconds)

    def _fingerprint(self) -> str:
        """The letters of this directory, drawn once."""
        with strictly():
            known = read_json(self.path / STUDY)
        if known is not None and isinstance(known.get("study"), str):
            return str(known["study"])
        new = secrets.token_hex(3)
        whose = (known or {}) | {"study": new}
        write_json(self.path / STUDY, whose, fsync=True)
        return new

    def names(self, trial: str) -> list[str]:
        """Names for the jobs whose first trial is `trial`, one for each time it is submitted.

        They are short, since PBS takes 15 characters.
        """
        study = self.study
        if not study:  # a dry run writes nothing
            known = read_json(self.path / STUDY) or {}
            study = known.get("study", "000000")
        return [f"d{study}{time}{trial.replace('prepare-', 'p')}" for time in _TIMES]

    def mark(self, trial: str, token: str) -> Path:
        """The file that says that the trial ended."""
        return self.ended / f"{trial}.{token}"

    def close(self) -> None:
        """Release the directory."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                unlock_directory(self._lock)
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
    doubtful
        Whether claiming it again failed, perhaps half way.
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
    doubtful: bool = False
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
        before, self.doubtful = self.submission, True
        self.submission = trial_directory.claim_again(
            self.directory, self.job, self.work.name, before, unless_begun=self.sent
        )
        self.doubtful = False
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

    def settle_doubt(self) -> bool:
        """Whether its submission has lost the directory to a claim that failed half way.

        Raises
        ------
        OSError
            The claim cannot be read now.
        """
        if self.doubtful:
            with strictly():
                claim = read_json(self.directory / trial_directory.JOB) or {}
            self.doubtful = False
            if claim.get("token") != self.submission.token:
                self.sent, self.stale = False, True
        return self.stale

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
