"""The trials that a scheduler has: which ended, which are lost, which are to end."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from dsice.errors import DsiceWarning, LaunchError
from dsice.journal.files import strictly
from dsice.launchers import trial_directory
from dsice.launchers.base import Result, Step
from dsice.launchers.batch.ending import batch_result, is_complete
from dsice.launchers.batch.patience import Backoff, insist
from dsice.launchers.batch.record import RECORD, JobRecord, age
from dsice.launchers.batch.roll_call import RollCall
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import Busy, Client, Unreadable
from dsice.launchers.batch.submission import BatchDirectory, BatchTrial
from dsice.launchers.batch.submitter import SubmissionQueue

_SCAN = 0.1  # seconds between looks for results, right after a submission
_ASK = 2.0  # seconds between questions to the scheduler, at first
_GIVEN_UP = 300.0  # seconds after which a file that cannot be read counts as missing


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
        self._roll_call = RollCall(client, home, scheduler, lost_after=lost_after)
        self._timeout = timeout
        self._requeue = requeue
        self._lost_after = lost_after
        self._scan = Backoff(min(_SCAN, poll), poll)
        self._ask = Backoff(min(_ASK, poll), poll, growth=1.5)
        self._said: set[str] = set()
        self.running: dict[int, BatchTrial] = {}
        self.ready: list[Result | Step] = []

    def add(self, trial: BatchTrial) -> None:
        """Take a trial that is to be submitted."""
        self.running[trial.id] = trial
        self._submissions.waiting.append(trial)

    def adopt(self, trials: Sequence[BatchTrial]) -> list[BatchTrial]:
        """Take over trials that an earlier coordinator submitted; those that were taken.

        Left out are those that it surely did not get to submit. One whose job has no id, and is not
        in the queue yet, waits for it as any submission does that may have failed.
        """
        for trial in trials:
            self.running[trial.id] = trial
            if trial.record.job is None:
                written = 0.0
                with suppress(OSError):
                    written = age(trial.directory / RECORD, trial.directory / ".clock")
                self._submissions.expect(trial, max(0.0, self._lost_after - max(0.0, written)))
        with suppress(Busy):  # then they are looked for later
            self._submissions.settle(self._submissions.waiting)
        for trial in trials:
            # it is asked for anew, unless that would cost its checkpoint
            again = trial in self._submissions.waiting and not trial.sent
            if again and not trial.record.requeued:
                self._submissions.waiting.remove(trial)
                del self.running[trial.id]
        self._scan.hasten()
        self._ask.hasten()
        return [trial for trial in trials if trial.id in self.running]

    def send(self) -> None:
        """Submit what waits, as far as throttle and queue allow.

        Raises
        ------
        LaunchError
            The scheduler refused a trial; all that it does not have are forgotten.
        """
        try:
            self._submissions.send(alone=not self._submitted())
        except LaunchError:
            self.forget()
            raise
        for trial, reason in self._submissions.unstarted:
            del self.running[trial.id]
            self.ready.append(Result(trial.id, "unstarted", error=reason))
        self._submissions.unstarted.clear()
        self._scan.restart()

    def forget(self) -> None:
        """Forget the trials that the scheduler does not have."""
        waiting = self._submissions.waiting
        waiting[:] = [trial for trial in waiting if trial.sent]
        self.running = {
            id: trial
            for id, trial in self.running.items()
            if trial.record.job is not None or trial.sent
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
        marks: set[str] = set()
        try:
            marks = {entry.name for entry in os.scandir(self._home.ended)}
        except OSError as error:
            self._say("marks", f"{self._home.ended} cannot be read: {error}; looking again")
            with suppress(OSError):
                self._home.ended.mkdir(parents=True, exist_ok=True)  # without it no job leaves any
        for trial in self._submitted():
            self._with_files(trial, lambda trial: self._read_mark(trial, marks))

    def _with_files(self, trial: BatchTrial, look: Callable[[BatchTrial], object]) -> None:
        """Look at the files of a trial; those that cannot be read now are looked at again."""
        trial.keep()
        trial.mark_to_stop()
        try:
            with strictly():
                look(trial)
            trial.unreadable = None
        except OSError as error:
            now = time.monotonic()
            trial.unreadable = now if trial.unreadable is None else trial.unreadable
            self._say("files", f"{trial.directory} cannot be used: {error}; looking again")
            if now - trial.unreadable >= _GIVEN_UP:
                with suppress(OSError):  # what can be read has to do
                    look(trial)

    def _read_mark(self, trial: BatchTrial, marks: set[str]) -> None:
        self._read_steps(trial)
        marked = trial.mark(self._home).name in marks
        complete = (marked or not trial.checked) and is_complete(trial, self._home)
        # a mark without the other files: they are late, or lost
        if complete or (marked and trial.missing_for(self._lost_after)):
            self._end_trial(trial)
        trial.checked = not trial.curve.behind

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
            roll = self._roll_call.call(self._submitted(), self._submissions.former)
            for trial in roll.present:
                trial.note_listed()
            for trial in list(roll.missing):
                self._with_files(trial, self._end_if_complete)
            roll.missing = [trial for trial in roll.missing if trial in self._submitted()]
            gone = self._roll_call.gone(roll)
            # the scheduler did not take the first command
            again = [t for t in roll.present if t.cancelled and self._can_end_job(t)]
            # what is given up may be there all the same
            given_up = [t for t in gone if self._can_end_job(t, given_up=gone)]
            jobs = self._roll_call.ours_to_cancel([*again, *given_up], roll.listed)
            jobs += [job for job in roll.surplus if job not in jobs]
            if jobs:
                self._client.cancel(jobs)
        except Unreadable:
            return
        except Busy as busy:
            self._say("busy", f"{self._scheduler.name} does not answer; asking again\n{busy}")
            return
        for trial in gone:
            self._with_files(trial, self._end_trial)

    def _end_if_complete(self, trial: BatchTrial) -> None:
        if is_complete(trial, self._home):
            self._end_trial(trial)

    def _end_trial(self, trial: BatchTrial) -> None:
        """Make the result of a trial, or submit the trial again.

        Raises
        ------
        OSError
            Its files cannot be read now.
        """
        if not trial.mark_to_stop():
            raise OSError(f"{trial.directory} takes no mark")
        self._read_steps(trial)
        if trial.curve.behind:
            return
        result = batch_result(trial, self._home, self._timeout, self._scheduler.name)
        with suppress(OSError):  # it is of no use any more, and does no harm
            trial.mark(self._home).unlink(missing_ok=True)
        cut = result.state in ("lost", "timed_out") and not trial.cancelled
        if cut and trial.record.requeued < self._requeue:
            trial.requeue(result)
            self._submissions.waiting.append(trial)
            return
        self.ready.append(result)
        del self.running[trial.id]

    def _say(self, what: str, text: str) -> None:
        """Warn once of each kind."""
        if what not in self._said:
            self._said.add(what)
            warnings.warn(text, DsiceWarning, stacklevel=4)

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
            trial.mark_to_stop()
        ending = [t for t in trials if t.id in self.running and self._can_end_job(t)]
        if any(trial.record.job or trial.begun for trial in ending):
            self._cancel_jobs(ending)
        self._scan.restart()
        self._ask.restart()

    def _withdraw(self, trials: Sequence[BatchTrial]) -> None:
        """Take trials out of the queue of submissions.

        One whose submission only seemed to fail may have a job, which is to end, too.
        """
        # those that no scheduler can have go now, the others when it answers
        with suppress(Busy, LaunchError):
            self._submissions.settle(trials)
        for trial in trials:
            if trial in self._submissions.waiting and not trial.sent:
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

    def _can_end_job(self, trial: BatchTrial, given_up: Sequence[BatchTrial] = ()) -> bool:
        """Whether its job can be ended: no other trial in it is to go on."""
        return not trial.record.shared or all(
            other.cancelled or other in given_up
            for other in self.running.values()
            if other.record.job == trial.record.job
        )

    def _cancel_jobs(self, trials: Sequence[BatchTrial]) -> None:
        """End the jobs of trials, but none that has got the id of one of them since then."""
        try:
            try:
                listed = self._client.queue()
            except Busy:
                listed = None
            jobs = self._roll_call.ours_to_cancel(trials, listed)
            if jobs:
                self._client.cancel(jobs)
        except Busy as busy:  # tried again while the queue lists it
            warnings.warn(
                f"cancelling failed; it is tried again\n{busy}", DsiceWarning, stacklevel=3
            )


def end_trials(
    home: BatchDirectory, client: Client, scheduler: Scheduler, ids: Sequence[int]
) -> list[int]:
    """End trials that any coordinator submitted from the directory `home`; those that had a job.

    Raises
    ------
    LaunchError
        The scheduler is not there, or does not answer in time, or the files cannot be used.
    """
    records: dict[int, JobRecord] = {}
    try:
        for id in ids:
            directory = home.path / trial_directory.directory_name(id)
            if directory.is_symlink():
                continue  # nothing is written through a link
            record = insist(partial(_marked_to_stop, directory))
            if record is not None:
                records[id] = record
        alone = [record for record in records.values() if record.job and not record.shared]
        listed = client.queue() if alone else {}
        others = {
            record.job
            for record in alone
            if (found := listed.get(str(record.job))) is not None
            and scheduler.names_jobs
            and not found.has_name(record.name)
        }
        client.cancel(dict.fromkeys(str(r.job) for r in alone if r.job not in others))
    except OSError as error:
        raise LaunchError(f"the trials in {home.path} cannot be ended now: {error}") from None
    except Busy as busy:
        raise LaunchError(f"{scheduler.name} does not answer; try again later\n{busy}") from None
    return list(records)


def _marked_to_stop(directory: Path) -> JobRecord | None:
    """The record of a trial that has a job, after the mark that ends one that shares its job."""
    with strictly():
        record = JobRecord.current(directory)
        if record is not None:
            trial_directory.ask_to_stop(directory)
    return record
