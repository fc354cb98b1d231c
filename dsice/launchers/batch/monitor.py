"""The trials that a scheduler has: who ended, who is lost, who is to end."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import trial_directory
from dsice.launchers.base import Result, Step
from dsice.launchers.batch.client import Busy, Client
from dsice.launchers.batch.submission import Home, Trial, arrived, outcome
from dsice.launchers.batch.submitter import Outbox

_GROWTH = 1.05  # so that a look comes at most a twentieth of the waiting time late


class Pace:
    """A growing interval between looks.

    Parameters
    ----------
    first, longest
        Seconds between two looks, at the beginning and in the end.
    """

    def __init__(self, first: float, longest: float, growth: float = _GROWTH) -> None:
        self._first, self._longest, self._growth = first, max(first, longest), growth
        self._interval, self._next = first, time.monotonic() + first

    def restart(self) -> None:
        """Begin with short intervals again: something new runs."""
        self._interval = self._first
        self._next = min(self._next, time.monotonic() + self._first)

    def hasten(self) -> None:
        """Look at the next occasion."""
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for a look; if so, the next one is set."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        self._interval = min(self._interval * self._growth, self._longest)
        return True

    def left(self) -> float:
        """Seconds to the next look."""
        return max(0.0, self._next - time.monotonic())


_SOON = 0.1  # seconds between looks for results, right after a submission
_ASK = 2.0  # seconds between questions to the scheduler, at first
_BRIEF = 5.0  # seconds that a cancelled trial's files may be late


class Following:
    """All trials between `submit` and their results.

    Attributes
    ----------
    running
        By id; also those that still wait in the outbox.
    ready
        Steps and results that were not collected yet.
    """

    def __init__(
        self,
        client: Client,
        home: Home,
        outbox: Outbox,
        scheduler: str,
        *,
        timeout: float | None,
        requeue: int,
        lost_after: float,
        poll: float,
    ) -> None:
        self._client, self._home, self._outbox, self._scheduler = client, home, outbox, scheduler
        self._timeout, self._requeue, self._lost_after = timeout, requeue, lost_after
        self._scan, self._ask = (
            Pace(min(_SOON, poll), poll),
            Pace(min(_ASK, poll), poll, growth=1.5),
        )
        self._warned = False
        self.running: dict[int, Trial] = {}
        self.ready: list[Result | Step] = []

    def add(self, trial: Trial) -> None:
        """A trial that is to be submitted."""
        self.running[trial.id] = trial
        self._outbox.waiting.append(trial)

    def adopt(self, trials: Sequence[Trial]) -> None:
        """Trials that an earlier coordinator submitted."""
        for trial in trials:
            trial.cancelled = trial_directory.asked_to_stop(trial.directory)
            self.running[trial.id] = trial
        self._scan.hasten()
        self._ask.hasten()

    def send(self) -> None:
        """Submit what waits, as far as it goes.

        Raises
        ------
        LaunchError
            The scheduler refused it; what no scheduler has is forgotten.
        """
        try:
            self._outbox.send()
        except LaunchError:
            self.forget()
            raise
        self._scan.restart()

    def forget(self) -> None:
        """Drop what no scheduler has."""
        self._outbox.waiting.clear()
        self.running = {
            id: trial for id, trial in self.running.items() if trial.record.job is not None
        }

    def pause(self) -> float:
        """Seconds in which nothing can be learnt."""
        return min(self._scan.left(), self._ask.left(), self._outbox.left())

    def look(self) -> None:
        """Submit, look for results and ask the scheduler, each when it is time for it."""
        if self._outbox.waiting and not self._outbox.left():
            if unsettled := [trial.id for trial in self._outbox.waiting if trial.cancelled]:
                self.cancel(unsettled)
            self.send()
        if self.running and self._scan.due():
            self._read()
        if self.running and self._ask.due():
            self._compare()

    def _read(self) -> None:
        """One look at the marks says who ended."""
        marks = {entry.name for entry in os.scandir(self._home.ended)}
        for trial in self._submitted():
            self.ready.extend(trial.curve.news())
            marked = trial.mark(self._home).name in marks
            complete = (marked or not trial.checked) and arrived(trial, self._home)
            if complete or (
                marked and trial.since(self._lost_after)
            ):  # a mark without the rest: that is late, or lost
                self._ended(trial)
            trial.checked = True

    def _submitted(self) -> list[Trial]:
        waiting = {trial.id for trial in self._outbox.waiting}
        return [trial for trial in self.running.values() if trial.id not in waiting]

    def _compare(self) -> None:
        """Trials whose jobs are gone from the queue without a word are lost, after a time."""
        try:
            listed = self._client.queue()
        except Busy as busy:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{self._scheduler} does not answer; asking again\n{busy}",
                    DsiceWarning,
                    stacklevel=2,
                )
            return
        again = []
        for trial in self._submitted():
            if trial.record.job in listed:
                trial.here()
                if trial.cancelled and self._alone(trial):
                    again.append(str(trial.record.job))
            elif arrived(trial, self._home) or trial.since(self._patience(trial)):
                self._ended(trial)
        if again:
            self._end(again)

    def _patience(self, trial: Trial) -> float:
        return min(self._lost_after, _BRIEF) if trial.cancelled else self._lost_after

    def _ended(self, trial: Trial) -> None:
        self.ready.extend(trial.curve.news())
        result = outcome(trial, self._home, self._timeout, self._scheduler)
        trial.mark(self._home).unlink(missing_ok=True)
        cut = result.state in ("lost", "timed_out") and not trial.cancelled
        if cut and trial.record.requeued < self._requeue:
            trial.again(result)
            self._outbox.waiting.append(trial)
            return
        self.ready.append(result)
        del self.running[trial.id]

    def farewell(self) -> str:
        """What is left in the queue, and how to go on."""
        jobs = [trial.record.job for trial in self.running.values() if trial.record.job]
        jobs = list(dict.fromkeys(jobs))  # one of each, where trials share a job
        shown = " ".join(jobs[:8]) + (f" and {len(jobs) - 8} more" if len(jobs) > 8 else "")
        return (
            f"dsice: {len(self.running)} trials stay in the {self._scheduler} queue (jobs: {shown or 'none yet'})\n"
            f"  to go on, run the same again: it takes them over from {self._home.path}\n"
            f"  to end them: {self._client.cancelling(jobs[:2]) + (' ...' if len(jobs) > 2 else '') if jobs else 'nothing to do'}"
        )

    # ------------------------------------------------------------------ cancel
    def cancel(self, ids: Sequence[int]) -> None:
        """End trials, with as few commands as possible; unknown ids are ignored."""
        trials = [self.running[id] for id in ids if id in self.running]
        for trial in trials:
            trial.cancelled = True
        self._withdraw([trial for trial in trials if trial in self._outbox.waiting])
        for trial in trials:
            trial_directory.ask_to_stop(trial.directory)
        jobs = {
            str(trial.record.job): None
            for trial in trials
            if trial.record.job and self._alone(trial)
        }
        if jobs:
            self._end(list(jobs))
        self._scan.restart()
        self._ask.restart()

    def _withdraw(self, trials: Sequence[Trial]) -> None:
        """Take trials out of the outbox; one whose submission only seemed to fail may have a job, which is to end, too."""
        try:
            self._outbox.settle(trials)
        except (
            Busy,
            LaunchError,
        ):  # those that no scheduler can have go now, the others when it answers
            trials = [trial for trial in trials if not trial.sent]
        for trial in trials:
            if trial in self._outbox.waiting:
                self._outbox.waiting.remove(trial)
                del self.running[trial.id]
                self.ready.append(
                    Result(
                        trial.id,
                        "stopped",
                        error="cancelled",
                        times=(trial.ticket.queued, None, None),
                    )
                )

    def _alone(self, trial: Trial) -> bool:
        """Whether ending its job would hit no other trial that is to go on."""
        return not trial.record.shared or all(
            other.cancelled
            for other in self.running.values()
            if other.record.job == trial.record.job
        )

    def _end(self, jobs: Sequence[str]) -> None:
        try:
            self._client.cancel(jobs)
        except Busy as busy:  # tried again while the queue lists it
            warnings.warn(
                f"cancelling failed; it is tried again\n{busy}", DsiceWarning, stacklevel=3
            )
