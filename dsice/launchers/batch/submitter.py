"""Trials on their way to the scheduler: grouped, throttled, and patient with a full queue."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import Busy, Client
from dsice.launchers.batch.script import Member, Script, ScriptWriter
from dsice.launchers.batch.submission import BatchDirectory, BatchTrial

_ARRAY = 1000  # jobs in an array; a common limit is 1001
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # seconds before a full queue is tried again


class SubmissionQueue:
    """What waits to be submitted.

    Attributes
    ----------
    waiting
        The trials, the next one first.

    Parameters
    ----------
    per_job
        Trials that share a job.
    throttle
        Seconds between two submissions.
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
        *,
        per_job: int,
        throttle: float,
        member: Callable[[BatchTrial, int], Member],
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._home = home
        self._writer = writer
        self._per_job = per_job
        self._throttle = throttle
        self._member = member
        self._most_jobs = _ARRAY if scheduler.array else 1  # in one submission
        self._jobs = self._most_jobs  # fewer while the queue is full
        self._next = 0.0
        self._pause = _FIRST_PAUSE
        self._warned = False
        self.waiting: list[BatchTrial] = []

    def seconds_left(self) -> float:
        """Seconds to the next submission."""
        return max(0.0, self._next - time.monotonic()) if self.waiting else float("inf")

    def send(self) -> None:
        """Submit what waits, as far as throttle and queue allow.

        Raises
        ------
        LaunchError
            The scheduler refused a submission for good; nothing waits any more.
        """
        while self.waiting and time.monotonic() >= self._next:
            group = self.waiting[: self._jobs * self._per_job]
            try:
                if any(trial.sent for trial in group):
                    self.settle(group)
                    continue
                self._submit(group)
            except Busy as full:
                self._wait(group, full)
                return
            except LaunchError:
                self.waiting.clear()
                raise
            del self.waiting[: len(group)]
            self._next = time.monotonic() + self._throttle
            self._jobs = min(2 * self._jobs, self._most_jobs)
            self._pause = _FIRST_PAUSE

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
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the {self._scheduler.name} queue is full; waiting and trying again\n{full}",
                DsiceWarning,
                stacklevel=2,
            )

    def settle(self, group: Sequence[BatchTrial]) -> None:
        """Find out whether a submission that seemed to fail has reached the scheduler.

        Raises
        ------
        Busy
            The scheduler cannot be asked.
        """
        if not any(trial.sent for trial in group):
            return
        listed = self._client.queue().values()
        for trial in group:
            if trial.sent and trial.find_in(listed, self._scheduler):
                self.waiting.remove(trial)
            elif trial.sent:
                trial.claim_again()  # a job that turns up later finds that it is not wanted

    def _submit(self, group: Sequence[BatchTrial]) -> None:
        jobs = [group[i : i + self._per_job] for i in range(0, len(group), self._per_job)]
        script = self.script(jobs)
        for index, trials in enumerate(jobs):
            for trial in trials:
                number = index if len(jobs) > 1 else None
                trial.record = replace(
                    trial.record, name=script.path.stem, index=number, shared=len(trials) > 1
                )
                # first: should this process die now, the job is found by its name
                trial.record.write(trial.directory)
                trial.sent = True
        script.path.write_text(script.text, encoding="utf-8")
        job = self._client.submit(script.path)
        for trial in group:
            trial.record = replace(
                trial.record, job=self._scheduler.element_id(job, trial.record.index)
            )
            trial.record.write(trial.directory)

    def script(self, jobs: Sequence[Sequence[BatchTrial]]) -> Script:
        """The script that runs `jobs`, each a list of trials that run at the same time."""
        name = self._home.name(jobs[0][0].directory.name)
        path = self._home.jobs / f"{name}.sh"
        members = [
            [self._member(trial, place) for place, trial in enumerate(trials)] for trials in jobs
        ]
        text = self._writer.text(name, path.with_suffix(".log"), self._home.ended, members)
        return Script(
            path, self._client.shown(self._scheduler.submit, {"script": [str(path)]}), text
        )

    def preview(self, trials: Sequence[BatchTrial]) -> list[Script]:
        """The scripts that `send` would submit for `trials`."""
        size = self._most_jobs * self._per_job
        groups = [trials[i : i + size] for i in range(0, len(trials), size)]
        return [
            self.script([group[i : i + self._per_job] for i in range(0, len(group), self._per_job)])
            for group in groups
        ]
