"""Trials on their way to the scheduler: grouped, throttled, patient with a full queue."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers.batch.client import Busy, Client
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.script import Member, Script, Writer
from dsice.launchers.batch.submission import Home, Trial

_ARRAY = 1000  # jobs in an array; a common limit is 1001
_PATIENCE, _LONGEST = 2.0, 60.0  # seconds before a full queue is tried again: at first, and at most


class Outbox:
    """What waits to be submitted.

    Parameters
    ----------
    per_job
        Trials that share a job.
    throttle
        Seconds between two submissions.
    member
        The trial as a member of a script; the second argument is its place in its job.
    """

    def __init__(
        self,
        client: Client,
        scheduler: Scheduler,
        home: Home,
        writer: Writer,
        *,
        per_job: int,
        throttle: float,
        member: Callable[[Trial, int], Member],
    ) -> None:
        self._client, self._scheduler, self._home, self._writer = client, scheduler, home, writer
        self._per_job, self._throttle, self._member = per_job, throttle, member
        self._most = _ARRAY if scheduler.array else 1  # jobs in one submission
        self._jobs = self._most  # the same, while the queue is full
        self._next = 0.0
        self._pause = _PATIENCE
        self._warned = False
        self.waiting: list[Trial] = []

    def left(self) -> float:
        """Seconds to the next submission."""
        return max(0.0, self._next - time.monotonic()) if self.waiting else float("inf")

    def send(self) -> None:
        """Submit what waits, as far as throttle and queue allow.

        Raises
        ------
        LaunchError
            A submission was refused for good; nothing waits any more.
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
            self._jobs, self._pause = min(2 * self._jobs, self._most), _PATIENCE

    def flush(self) -> None:
        """Submit all that waits for the throttle only; what a full queue refused goes on waiting."""
        while self.waiting and self.left() <= self._throttle:
            time.sleep(self.left())
            self.send()

    def _wait(self, group: Sequence[Trial], full: Busy) -> None:
        """A queue that takes 30 jobs takes no array of 40: fewer next time."""
        self._jobs = max(1, -(-len(group) // self._per_job) // 2)
        self._next = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST)
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the {self._scheduler.name} queue is full; waiting and trying again\n{full}",
                DsiceWarning,
                stacklevel=2,
            )

    def settle(self, group: Sequence[Trial]) -> None:
        """A submission that seemed to fail may have reached the scheduler; ask before trying it again.

        Raises
        ------
        Busy
            The scheduler cannot be asked.
        """
        if not any(trial.sent for trial in group):
            return
        listed = self._client.queue().values()
        for trial in group:
            if trial.sent and trial.found(listed, self._scheduler):
                self.waiting.remove(trial)
            elif trial.sent:
                trial.renew()  # should it turn up yet, it finds that it is not wanted

    def _submit(self, group: Sequence[Trial]) -> None:
        jobs = [group[i : i + self._per_job] for i in range(0, len(group), self._per_job)]
        script = self.script(jobs)
        for index, trials in enumerate(jobs):
            for trial in trials:
                number = index if len(jobs) > 1 else None
                trial.record = replace(
                    trial.record, name=script.path.stem, index=number, shared=len(trials) > 1
                )
                trial.record.write(
                    trial.directory
                )  # before: the job is found by its name should this process die in between
                trial.sent = True
        script.path.write_text(script.text, encoding="utf-8")
        job = self._client.submit(script.path)
        for trial in group:
            trial.record = replace(
                trial.record, job=self._scheduler.element_id(job, trial.record.index)
            )
            trial.record.write(trial.directory)

    def script(self, jobs: Sequence[Sequence[Trial]]) -> Script:
        """The script that runs `jobs`, each a list of trials at the same time."""
        name = self._home.name(jobs[0][0].directory.name)
        path = self._home.jobs / f"{name}.sh"
        members = [
            [self._member(trial, place) for place, trial in enumerate(trials)] for trials in jobs
        ]
        text = self._writer.text(name, path.with_suffix(".log"), self._home.ended, members)
        return Script(
            path, self._client.shown(self._scheduler.submit, {"script": [str(path)]}), text
        )

    def preview(self, trials: Sequence[Trial]) -> list[Script]:
        """The scripts that `send` would submit for `trials`."""
        size = self._most * self._per_job
        groups = [trials[i : i + size] for i in range(0, len(trials), size)]
        return [
            self.script([group[i : i + self._per_job] for i in range(0, len(group), self._per_job)])
            for group in groups
        ]
