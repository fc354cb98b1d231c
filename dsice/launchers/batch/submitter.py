"""Trials on their way to the scheduler: grouped, throttled, and patient with a full queue."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dsice.errors import DsiceWarning, LaunchError
from dsice.journal.files import replace_file, strictly
from dsice.launchers.batch.patience import waiting_helps
from dsice.launchers.batch.record import RECORD
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import Busy, Client, QueuedJob, TooLarge
from dsice.launchers.batch.script import Member, Script, ScriptWriter
from dsice.launchers.batch.submission import BatchDirectory, BatchTrial

ARRAY = 1000  # jobs in an array; a common limit is 1001
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # seconds before a full queue is tried again
_BRIEF = 1.0  # seconds for files of the directory that cannot be used
_REFUSED = 6 * 3600.0  # seconds of refusals alone after which they count as final
_LOOKS = 4  # questions to the queue, at least, while a job may still turn up


@dataclass(frozen=True)
class Limits:
    """How much goes to the scheduler at once, and how fast.

    Attributes
    ----------
    per_job
        Trials that share a job.
    array_size
        Jobs that share a submission, at most.
    throttle
        Seconds between two submissions.
    late
        Seconds after which a job that is not in the queue was never taken.
    """

    per_job: int
    array_size: int
    throttle: float
    late: float


class SubmissionQueue:
    """What waits to be submitted.

    Attributes
    ----------
    waiting
        The trials, the next one first.
    unstarted
        Trials that could not be written to the disk, with the reason: nothing of them has run.
    former
        Names and numbers of jobs that a later submission of the same trial has replaced.

    Parameters
    ----------
    member
        Makes a trial a member of a script; the second argument is its place among the trials
        that share a job.
    """

    def __init__(
        self,
        client: Client,
        scheduler: Scheduler,
        home: BatchDirectory,
        writer: ScriptWriter,
        limits: Limits,
        member: Callable[[BatchTrial, int], Member],
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._home = home
        self._writer = writer
        self._per_job = limits.per_job
        self._throttle = limits.throttle
        self._late = limits.late
        self._member = member
        # in one submission
        self._most_jobs = max(1, limits.array_size) if scheduler.array else 1
        self._jobs = self._most_jobs  # fewer while the queue is full
        self._next = self._look = 0.0
        self._pause = _FIRST_PAUSE
        self._refused: float | None = None  # since when there are refusals alone
        self._warned: set[str] = set()
        self.waiting: list[BatchTrial] = []
        self.unstarted: list[tuple[BatchTrial, str]] = []
        self.former: set[tuple[str, int | None]] = set()

    def seconds_left(self) -> float:
        """Seconds to the next submission, or to the next look for one that may have failed."""
        times = [self._look if trial.sent else self._next for trial in self.waiting]
        return max(0.0, min(times) - time.monotonic()) if times else float("inf")

    def expect(self, trial: BatchTrial, seconds: float) -> None:
        """Take a trial that the scheduler may have, as `settle` will find out.

        Parameters
        ----------
        seconds
            For how long its job may still turn up.
        """
        trial.sent = True
        trial.unsure_until = time.monotonic() + seconds
        self.waiting.append(trial)

    def send(self, *, alone: bool = False) -> None:
        """Submit what waits, as far as throttle and queue allow.

        Parameters
        ----------
        alone
            Whether the scheduler has no job of this launcher, so that none can be in the way.

        Raises
        ------
        LaunchError
            The scheduler refused a submission for good; what it cannot have waits no more.
        """
        self._look_for_sent()
        while (group := self._group()) and time.monotonic() >= self._next:
            try:
                self._submit(group)
            except TooLarge as error:
                self._halve(group, error)
                continue
            except Busy as busy:
                self._wait(group, busy)
                self._check_patience(busy, alone)
                return
            except LaunchError:
                self.waiting = [trial for trial in self.waiting if trial.sent]
                raise
            self._refused = None
            self._next = time.monotonic() + self._throttle
            self._jobs = min(2 * self._jobs, self._most_jobs)
            self._pause = _FIRST_PAUSE

    def _group(self) -> list[BatchTrial]:
        """The trials of the next submission."""
        fresh = (trial for trial in self.waiting if not trial.sent)
        return [trial for trial, _ in zip(fresh, range(self._jobs * self._per_job), strict=False)]

    def flush(self) -> None:
        """Submit what waits for the throttle only; what a full queue refused goes on waiting."""
        while self.waiting and self.seconds_left() <= self._throttle:
            time.sleep(self.seconds_left())
            self.send()

    def _wait(self, group: Sequence[BatchTrial], full: Busy) -> None:
        """Try half as many jobs next time: a queue that takes 30 takes no array of 40."""
        jobs = -(-len(group) // self._per_job)  # rounded up
        self._jobs = max(1, jobs // 2)
        self._next = time.monotonic() + self._pause
        self._look_again()
        self._say("full", f"queue is full; waiting and trying again\n{full}")

    def _check_patience(self, full: Busy, alone: bool) -> None:
        """Raise LaunchError where a queue that has none of the jobs was full for hours."""
        now = time.monotonic()
        if full.unsure or not alone:
            self._refused = None
            return
        self._refused = now if self._refused is None else self._refused
        if now - self._refused > _REFUSED:
            raise LaunchError(
                f"the {self._scheduler.name} queue has taken no job for {_REFUSED / 3600:g} hours, "
                "though it has none of these trials: perhaps the limit is one that waiting cannot "
                f"help. The same script goes on when it is corrected\n{full}"
            )

    def _look_again(self) -> None:
        """Set the next look for what was sent, and let the pauses grow."""
        pause = min(self._pause, max(_FIRST_PAUSE / 10, self._late / _LOOKS))
        self._look = time.monotonic() + pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _halve(self, group: Sequence[BatchTrial], error: TooLarge) -> None:
        """Make no array of so many jobs any more."""
        jobs = -(-len(group) // self._per_job)
        if jobs < 2:
            raise LaunchError(f"{self._scheduler.name} refused the job\n{error}")
        self._most_jobs = self._jobs = jobs // 2
        self._say(
            "array", f"refused an array of {jobs} jobs; trying {self._jobs} (array_size=)\n{error}"
        )

    def _say(self, what: str, text: str) -> None:
        """Warn once of each kind."""
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"the {self._scheduler.name} {text}", DsiceWarning, stacklevel=3)

    def _look_for_sent(self) -> None:
        """Look whether the queue has what may not have reached it, where that is due."""
        sent = [trial for trial in self.waiting if trial.sent]
        if sent and time.monotonic() >= self._look:
            try:
                self.settle(sent)
                self._look = time.monotonic() + max(_FIRST_PAUSE / 10, self._late / _LOOKS)
            except Busy as busy:
                self._look_again()
                self._say("full", f"queue does not answer; waiting and trying again\n{busy}")

    def settle(self, trials: Sequence[BatchTrial]) -> None:
        """Find out whether a submission that seemed to fail has reached the scheduler.

        A trial whose job is not there, and will not turn up any more, is claimed anew: a job that
        comes all the same finds that it is not wanted.

        Raises
        ------
        Busy
            The scheduler cannot be asked.
        """
        sent = [trial for trial in trials if trial.sent]
        listed = self._client.queue() if sent else {}
        for trial in sent:
            # its files cannot be read or written now: at the next look
            with suppress(OSError), strictly():
                self._settle(trial, listed)

    def _settle(self, trial: BatchTrial, listed: Mapping[str, QueuedJob]) -> None:
        replaced = (trial.record.name, trial.record.index)
        if trial.settle_doubt():
            self.former.add(replaced)
            return
        taken = trial.is_listed(listed, self._scheduler) or trial.begun
        if not taken and time.monotonic() >= trial.unsure_until:
            taken = not trial.claim_again()
            if not taken:
                self.former.add(replaced)
        if taken:
            trial.checked = False
            self.waiting.remove(trial)
            self._next = min(self._next, time.monotonic() + self._throttle)
            self._pause = _FIRST_PAUSE  # it takes jobs, whatever it says

    def _submit(self, group: list[BatchTrial]) -> None:
        """Submit trials, or some of them where others cannot be written down now."""
        jobs = [group[i : i + self._per_job] for i in range(0, len(group), self._per_job)]
        failing: BatchTrial | None = group[0]
        try:
            for failing in group:
                if failing.stale:
                    failing.claim_again()
            failing = None
            self._home.secure(_BRIEF)
            script = self.script(jobs)
            for index, trials in enumerate(jobs):
                for failing in trials:
                    failing.record = replace(
                        failing.record,
                        name=script.path.stem,
                        index=index if len(jobs) > 1 else None,
                        shared=len(trials) > 1,
                    )
                    # first: should this process die now, the job is found by its name
                    failing.record.write(failing.directory)
            failing = None
            # the values of env= and forward= may be secrets
            content = script.text.encode(errors="surrogateescape")
            replace_file(script.path, content, fsync=False, mode=0o600)
        except OSError as error:
            self._set_aside(group if failing is None else [failing], error)
            return
        self._hand_over(group, script)

    def _hand_over(self, group: Sequence[BatchTrial], script: Script) -> None:
        """Let the scheduler have a script."""
        for trial in group:
            trial.sent = True
            trial.unsure_until = time.monotonic() + self._late
        try:
            job = self._client.submit(script.path)
        except Busy as busy:
            for trial in group:
                trial.unsure_until = time.monotonic() + (self._late if busy.unsure else 0.0)
            raise
        except (TooLarge, LaunchError):
            for trial in group:
                trial.sent = False
                with suppress(OSError):
                    (trial.directory / RECORD).unlink(missing_ok=True)
            with suppress(OSError):
                script.path.unlink(missing_ok=True)
            raise
        for trial in group:
            trial.save(job=self._scheduler.element_id(job, trial.record.index))
            self.waiting.remove(trial)

    def _set_aside(self, trials: Sequence[BatchTrial], error: OSError) -> None:
        """Take out what cannot be written down now.

        Raises
        ------
        LaunchError
            Trying again does not help.
        """
        reason = f"the files of a job cannot be written to {self._home.path}: {error}"
        if not waiting_helps(error):
            raise LaunchError(reason) from error
        for trial in trials:
            if not trial.record.requeued:
                self.waiting.remove(trial)
                self.unstarted.append((trial, reason))
                with suppress(OSError):
                    (trial.directory / RECORD).unlink(missing_ok=True)
        if any(trial.record.requeued for trial in trials):  # its directory has a checkpoint
            self._next = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._say("files", f"jobs wait: {reason}; trying again")

    def script(self, jobs: Sequence[Sequence[BatchTrial]]) -> Script:
        """The script that runs `jobs`, each a list of trials that run at the same time."""
        name = self._name(jobs[0][0].directory.name)
        path = self._home.jobs / f"{name}.sh"
        members = [
            [self._member(trial, place) for place, trial in enumerate(trials)] for trials in jobs
        ]
        text = self._writer.text(name, path.with_suffix(".log"), self._home.ended, members)
        return Script(
            path, self._client.shown(self._scheduler.submit, {"script": [str(path)]}), text
        )

    def _name(self, trial: str) -> str:
        """A name that no job has yet, for the one whose first trial is `trial`."""
        names = self._home.names(trial)
        for name in names:
            try:
                os.lstat(self._home.jobs / f"{name}.sh")
            except (FileNotFoundError, NotADirectoryError):
                return name
        return names[-1]

    def preview(self, trials: Sequence[BatchTrial]) -> list[Script]:
        """The scripts that `send` would submit for `trials`."""
        size = self._most_jobs * self._per_job
        groups = [trials[i : i + size] for i in range(0, len(trials), size)]
        return [
            self.script([group[i : i + self._per_job] for i in range(0, len(group), self._per_job)])
            for group in groups
        ]
