"""The trials that a scheduler has: which ended, which are lost, which are to end."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import trial_directory
from dsice.launchers.base import Result, Step
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import Busy, Client, QueuedJob
from dsice.launchers.batch.submission import (
    BatchDirectory,
    BatchTrial,
    JobRecord,
    batch_result,
    is_complete,
)
from dsice.launchers.batch.submitter import SubmissionQueue

_GROWTH = 1.05  # so that a look comes late by at most a twentieth of the time waited
_SCAN = 0.1  # seconds between looks for results, right after a submission
_ASK = 2.0  # seconds between questions to the scheduler, at first
_BRIEF = 5.0  # seconds that the files of a cancelled trial may be late


class Backoff:
    """A growing interval between looks.

    Parameters
    ----------
    first, longest
        Seconds between two looks, at first and at most.
    growth
        Factor of the interval from one look to the next.
    """

    def __init__(self, first: float, longest: float, growth: float = _GROWTH) -> None:
        self._first = first
        self._longest = max(first, longest)
        self._growth = growth
        self._interval = first
        self._next = time.monotonic() + first

    def restart(self) -> None:
        """Start with short intervals again, since something new runs."""
        self._interval = self._first
        self._next = min(self._next, time.monotonic() + self._first)

    def hasten(self) -> None:
        """Let the next look be due now."""
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for a look; if so, the next one is set."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        self._interval = min(self._interval * self._growth, self._longest)
        return True

    def seconds_left(self) -> float:
        """Seconds to the next look."""
        return max(0.0, self._next - time.monotonic())


class JobMonitor:
    """All trials between `submit` and their results.

    Attributes
    ----------
    running
        The trials without a result, by id; also those that wait to be submitted.
    ready
        Steps and results that were not collected yet.

    Parameters
    ----------
    timeout
        Time limit of a trial in seconds.
    requeue
        How often a trial that was cut is submitted again.
    lost_after
        Seconds after which a trial whose job is gone is lost.
    poll
        Longest interval in seconds between looks.
    """

    def __init__(
        self,
        client: Client,
        home: BatchDirectory,
        submissions: SubmissionQueue,
        scheduler: Scheduler,
        *,
        timeout: float | None,
        requeue: int,
        lost_after: float,
        poll: float,
    ) -> None:
        self._client = client
        self._home = home
        self._submissions = submissions
        self._scheduler = scheduler
        self._timeout = timeout
        self._requeue = requeue
        self._lost_after = lost_after
        self._scan = Backoff(min(_SCAN, poll), poll)
        self._ask = Backoff(min(_ASK, poll), poll, growth=1.5)
        self._warned = False
        self.running: dict[int, BatchTrial] = {}
        self.ready: list[Result | Step] = []

    def add(self, trial: BatchTrial) -> None:
        """Take a trial that is to be submitted."""
        self.running[trial.id] = trial
        self._submissions.waiting.append(trial)

    def adopt(self, trials: Sequence[BatchTrial]) -> list[BatchTrial]:
        """Take over trials that an earlier coordinator submitted; those that were taken.

        Left out are those that it did not get to submit.

        Raises
        ------
        LaunchError
            The scheduler has to be asked and does not answer.
        """
        nameless = any(trial.record.job is None for trial in trials)
        listed = self._listed() if nameless else []
        taken = [trial for trial in trials if self._is_taken(trial, listed)]
        for trial in taken:
            trial.cancelled = trial_directory.asked_to_stop(trial.directory)
            self.running[trial.id] = trial
        self._scan.hasten()
        self._ask.hasten()
        return taken

    def _listed(self) -> list[QueuedJob]:
        """All jobs of the queue, to find some by their names."""
        try:
            return list(self._client.queue().values())
        except Busy as busy:
            raise LaunchError(
                f"{self._scheduler.name} has to be asked for jobs whose ids were not written down, "
                f"and does not answer; try again later\n{busy}"
            ) from None

    def _is_taken(self, trial: BatchTrial, listed: Sequence[QueuedJob]) -> bool:
        if trial.record.job is not None or trial.find_in(listed, self._scheduler):
            return True
        if trial.record.requeued:
            # it may have a checkpoint, which it would lose if it were submitted as a new trial
            trial.claim_again()
            self._submissions.waiting.append(trial)
            return True
        return False

    def send(self) -> None:
        """Submit what waits, as far as throttle and queue allow.

        Raises
        ------
        LaunchError
            The scheduler refused a trial; all that it does not have are forgotten.
        """
        try:
            self._submissions.send()
        except LaunchError:
            self.forget()
            raise
        self._scan.restart()

    def forget(self) -> None:
        """Forget the trials that the scheduler does not have."""
        self._submissions.waiting.clear()
        self.running = {
            id: trial for id, trial in self.running.items() if trial.record.job is not None
        }

    def pause(self) -> float:
        """Seconds until there is something to do."""
        return min(
            self._scan.seconds_left(),
            self._ask.seconds_left(),
            self._submissions.seconds_left(),
        )

    def poll(self) -> None:
        """Submit, look for results and ask the scheduler, each when it is due."""
        if self._submissions.waiting and not self._submissions.seconds_left():
            cancelled = [trial.id for trial in self._submissions.waiting if trial.cancelled]
            if cancelled:
                self.cancel(cancelled)
            self.send()
        if self.running and self._scan.due():
            self._read_marks()
        if self.running and self._ask.due():
            self._compare_with_queue()

    def _read_marks(self) -> None:
        """Collect steps, and end the trials whose jobs have left a mark."""
        marks = {entry.name for entry in os.scandir(self._home.ended)}
        for trial in self._submitted():
            self._read_steps(trial)
            marked = trial.mark(self._home).name in marks
            complete = (marked or not trial.checked) and is_complete(trial, self._home)
            # a mark without the other files: they are late, or lost
            if complete or (marked and trial.missing_for(self._lost_after)):
                self._end_trial(trial)
            trial.checked = True

    def _read_steps(self, trial: BatchTrial) -> None:
        self.ready.extend(trial.curve.new_steps(len(self.running)))
        if trial.curve.behind:
            self._scan.hasten()

    def _submitted(self) -> list[BatchTrial]:
        waiting = {trial.id for trial in self._submissions.waiting}
        return [trial for trial in self.running.values() if trial.id not in waiting]

    def _compare_with_queue(self) -> None:
        """End the trials whose jobs are gone from the queue: after a time they are lost."""
        try:
            listed = self._client.queue()
        except Busy as busy:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{self._scheduler.name} does not answer; asking again\n{busy}",
                    DsiceWarning,
                    stacklevel=2,
                )
            return
        to_cancel = []  # the scheduler did not take the first command
        for trial in self._submitted():
            if trial.record.job in listed:
                trial.note_listed()
                if trial.cancelled and self._can_end_job(trial):
                    to_cancel.append(str(trial.record.job))
            elif is_complete(trial, self._home) or trial.missing_for(self._patience(trial)):
                self._end_trial(trial)
        if to_cancel:
            self._cancel_jobs(to_cancel)

    def _patience(self, trial: BatchTrial) -> float:
        """Seconds that the files of a trial may be late."""
        return min(self._lost_after, _BRIEF) if trial.cancelled else self._lost_after

    def _end_trial(self, trial: BatchTrial) -> None:
        """Make the result of a trial, or submit the trial again."""
        self._read_steps(trial)
        if trial.curve.behind:
            return
        result = batch_result(trial, self._home, self._timeout, self._scheduler.name)
        trial.mark(self._home).unlink(missing_ok=True)
        cut = result.state in ("lost", "timed_out") and not trial.cancelled
        if cut and trial.record.requeued < self._requeue:
            trial.requeue(result)
            self._submissions.waiting.append(trial)
            return
        self.ready.append(result)
        del self.running[trial.id]

    def farewell(self) -> str:
        """What stays in the queue, and how to go on."""
        jobs = [trial.record.job for trial in self.running.values() if trial.record.job]
        jobs = list(dict.fromkeys(jobs))  # one of each, where trials share a job
        shown = " ".join(jobs[:8]) or "none yet"
        if len(jobs) > 8:
            shown += f" and {len(jobs) - 8} more"
        command = self._client.cancel_command(jobs[:2]) if jobs else "nothing to do"
        if len(jobs) > 2:
            command += " ..."
        return (
            f"dsice: {len(self.running)} trials stay in the {self._scheduler.name} queue "
            f"(jobs: {shown})\n"
            f"  to go on, run the same again: it takes them over from {self._home.path}\n"
            f"  to end them: {command}"
        )

    # ------------------------------------------------------------------ cancel
    def cancel(self, ids: Sequence[int]) -> None:
        """End trials, with as few commands as possible; unknown ids are ignored."""
        trials = [self.running[id] for id in ids if id in self.running]
        for trial in trials:
            trial.cancelled = True
        self._withdraw([trial for trial in trials if trial in self._submissions.waiting])
        for trial in trials:
            trial_directory.ask_to_stop(trial.directory)
        jobs = {
            str(trial.record.job): None
            for trial in trials
            if trial.record.job and self._can_end_job(trial)
        }
        if jobs:
            self._cancel_jobs(list(jobs))
        self._scan.restart()
        self._ask.restart()

    def _withdraw(self, trials: Sequence[BatchTrial]) -> None:
        """Take trials out of the queue of submissions.

        One whose submission only seemed to fail may have a job, which is to end, too.
        """
        try:
            self._submissions.settle(trials)
        except (Busy, LaunchError):
            # those that no scheduler can have go now, the others when it answers
            trials = [trial for trial in trials if not trial.sent]
        for trial in trials:
            if trial in self._submissions.waiting:
                self._submissions.waiting.remove(trial)
                del self.running[trial.id]
                self.ready.append(
                    Result(
                        trial.id,
                        "stopped",
                        error="cancelled",
                        times=(trial.submission.queued, None, None),
                    )
                )

    def _can_end_job(self, trial: BatchTrial) -> bool:
        """Whether its job can be ended: no other trial in it is to go on."""
        return not trial.record.shared or all(
            other.cancelled
            for other in self.running.values()
            if other.record.job == trial.record.job
        )

    def _cancel_jobs(self, jobs: Sequence[str]) -> None:
        try:
            self._client.cancel(jobs)
        except Busy as busy:  # tried again while the queue lists it
            warnings.warn(
                f"cancelling failed; it is tried again\n{busy}", DsiceWarning, stacklevel=3
            )


def end_trials(
    home: BatchDirectory, client: Client, scheduler: str, ids: Sequence[int]
) -> list[int]:
    """End trials that any coordinator submitted from the directory `home`; those that had a job.

    Parameters
    ----------
    scheduler
        Its name, for messages.

    Raises
    ------
    LaunchError
        The scheduler is not there, or does not answer in time.
    """
    directories = {id: home.path / trial_directory.directory_name(id) for id in ids}
    records = {}
    for id, directory in directories.items():
        record = JobRecord.current(directory)
        if record is not None:
            records[id] = record
            trial_directory.ask_to_stop(directory)  # this ends a trial that shares its job
    jobs = {record.job: None for record in records.values() if record.job and not record.shared}
    try:
        client.cancel(jobs)
    except Busy as busy:
        raise LaunchError(f"{scheduler} does not answer; try again later\n{busy}") from None
    return list(records)
