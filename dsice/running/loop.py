"""The loop of `run`: ask, submit, collect, tell."""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from dsice.errors import DsiceWarning, JournalError, LockedError, TellError
from dsice.launchers.base import Job, Launcher, Result, Step
from dsice.running.options import Plan
from dsice.running.preparing import Preparing, check_there
from dsice.trial import State, Trial
from dsice.tuner import Tuner

RETRY = 5.0  # seconds between two tries to write a journal that cannot be written
WAIT = 0.5  # seconds that one look at the launcher may take; it comes back as soon as something happens


def warn_without_value(tuner: Tuner) -> None:
    """A study in which every trial failed, broke a bound or ended before the last stage ends like any other; say so, and why."""
    history, best = tuner.history, tuner.best
    failed = [trial for trial in history if trial.error is not None]
    text = ""
    if (
        best is None
        and not history.of_stage().any()
        and (earlier := int(history.in_state(State.DONE).sum()))
    ):
        text = f"{earlier} trials were measured, none of stage {history.goal.stage}, which the goal is about, so there is no best"
        text += (
            f": a larger max_trials than {tuner.max_trials} goes on from here"
            if tuner.max_trials is not None
            else ""
        )
    elif best is None and failed:
        first, lacking = failed[0], history.unreported()
        why = (
            f" (no trial reported {' and '.join(map(repr, lacking))}, which the goal needs)"
            if lacking
            else ""
        )
        text = f"none of the {len(failed)} trials has a value, so there is no best{why}; "
        text += f"trial {first.id} {first.state}: {first.error}"
    elif best is not None and (over := history.goal.violation(best)) > 0:
        text = f"no trial keeps all bounds of the goal: the best, trial {best.id}, is beyond them by {over:.3g} of their size"
    if text:
        warnings.warn(text, DsiceWarning, stacklevel=4)


class Loop:
    """One call of `run`: the jobs in flight.

    Parameters
    ----------
    prepared
        Directories that the trials depend on, by name.
    """

    def __init__(
        self,
        tuner: Tuner,
        launcher: Launcher,
        plan: Plan,
        prepared: Mapping[str, str] | None = None,
    ) -> None:
        self.tuner, self.launcher, self.plan, self.prepared = (
            tuner,
            launcher,
            plan,
            dict(prepared or {}),
        )
        self.deadline = None if plan.max_seconds is None else time.monotonic() + plan.max_seconds
        self.stuck: JournalError | None = None
        self.next_try = 0.0
        self.confirming = False
        self.running: dict[int, Job] = {}
        self.unnoted: Counter[int] = (
            Counter()
        )  # runs that were lost while the journal could not be written

    def attach(self) -> None:
        """Take over what an earlier coordinator left running or finished."""
        jobs = {t.id: self._job(t) for t in self.tuner.orphans}
        for id in self.launcher.attach(list(jobs.values())) if jobs else []:
            self.running[id] = jobs[id]
            self.tuner.adopt(id)

    def fill(self) -> bool:
        """Ask for as much as fits and start it; False when nothing runs and nothing more comes.

        While the journal cannot be written nothing is asked; what runs goes on, and its results are kept.

        Raises
        ------
        JournalError
            Nothing runs any more and the journal still cannot be written; the message says where the results are.
        """
        free = self.launcher.slots - len(self.running)
        try:
            self._write_on()
            return self._ask_and_start(free) or self._confirm()
        except LockedError:
            raise
        except JournalError as error:
            if not self.running:
                raise
            self._cannot_write(error)
        return True

    def _confirm(self) -> bool:
        """When the search is over: the best once more, in full."""
        if not self.plan.confirm or self.confirming:
            return False
        self.confirming = True
        return bool(self.tuner.confirm(self.plan.confirm)) and self._ask_and_start(
            self.launcher.slots
        )

    def _write_on(self) -> None:
        """Try again, now and then, what could not be written."""
        if self.stuck is not None:
            if self.running and time.monotonic() < self.next_try:
                raise self.stuck
            self.tuner.flush()
            self.stuck = None

    def _cannot_write(self, error: JournalError) -> None:
        if self.stuck is None:
            warnings.warn(
                f"{error}. What runs goes on; nothing new is started until the journal can be written",
                DsiceWarning,
            )
        if error is not self.stuck:
            self.stuck, self.next_try = error, time.monotonic() + RETRY

    def _ask_and_start(self, free: int) -> bool:
        if free > 0 and (self.plan.mode == "async" or not self.running):
            free = self._may_ask(free)
            if free > 0:
                check_there(self.prepared)  # before an ask: what cannot be started is not asked
            trials = self.tuner.ask(free) if free > 0 else []
            jobs = [self._job(trial) for trial in trials]
            self.running.update((job.id, job) for job in jobs)
            if jobs:
                self.launcher.submit(jobs)
        return bool(self.running)

    def collect(self, seconds: float = WAIT) -> None:
        """Tell what happens within `seconds`; it comes back as soon as something does."""
        for event in self.launcher.collect(seconds):
            if isinstance(event, Step):
                self._step(event)
            elif event.id in self.running:
                self._ended(event)

    def _step(self, event: Step) -> None:
        if event.id in self.running:
            try:
                if self.tuner.step(event.id, event.step, event.value):
                    self.launcher.cancel(event.id)
            except LockedError:
                raise
            except JournalError as error:
                self._cannot_write(error)

    def _may_ask(self, free: int) -> int:
        """How many trials the budget lets in; those asked before a restart always."""
        if self.tuner.orphans:
            return free
        if self.confirming:
            return 0
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return 0
        if self.plan.max_trials is not None:
            free = min(free, self.plan.max_trials - self.tuner.asked)
        return min(free, self._affordable(free))

    def _affordable(self, free: int) -> int:
        """How many more trials max_cost pays for, if each of those that run takes the mean of the told ones."""
        if self.plan.max_cost is None:
            return free
        seconds = self.tuner.history.seconds()
        told = seconds[np.isfinite(seconds)]
        left = 3600.0 * self.plan.max_cost - float(told.sum())
        mean = float(told.mean()) if len(told) else 0.0
        if left <= 0:
            return 0
        return free if mean <= 0 else math.ceil(min(left / mean, 1e9)) - len(self.running)

    def _job(self, trial: Trial) -> Job:
        return Job(
            trial.id,
            dict(trial.params),
            parent=trial.parent,
            stage=trial.stage,
            prepared=self.prepared,
        )

    def _ended(self, result: Result) -> None:
        job = self.running.pop(result.id)
        try:
            if result.state == "lost" and self._again(job, result):
                return
            trial = self._tell(result)
        except LockedError:
            raise
        except JournalError as error:  # the tuner has it in hand
            self._cannot_write(error)
            return
        for callback in self.plan.callbacks:
            callback(self.tuner, trial)

    def _again(self, job: Job, result: Result) -> bool:
        """Start a lost trial again, if it was not lost too often."""
        if self.tuner.runs.losses(job.id) + self.unnoted[job.id] >= self.plan.retries:
            return False
        try:
            self.tuner.runs.lose(job.id, result.error or "")
        except LockedError:
            raise
        except JournalError as error:
            self.unnoted[job.id] += 1
            self._cannot_write(error)
        self.running[job.id] = job
        self.launcher.submit([job])
        return True

    def _tell(self, result: Result) -> Trial:
        extra: dict[str, Any] = {
            "seconds": result.seconds,
            "times": result.times,
            "where": result.where,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)  # the trial's own state and error say it
            if result.state == "lost":
                times = self.tuner.runs.losses(result.id) + self.unnoted[result.id] + 1
                return self.tuner.tell(
                    result.id, error=f"lost {times} times: {result.error}", **extra
                )
            try:
                return self.tuner.tell(
                    result.id,
                    result.value,
                    metrics=result.metrics,
                    error=result.error,
                    state=result.state,
                    **extra,
                )
            except TellError as problem:  # ran, but what it gave cannot be used
                log = result.where.get("log")
                error = (self._lacking(result) or f"{problem}") + (f"; log: {log}" if log else "")
                try:  # what it measured is kept
                    return self.tuner.tell(
                        result.id, result.value, metrics=result.metrics, error=error, **extra
                    )
                except TellError:
                    return self.tuner.tell(result.id, error=error, **extra)

    def _lacking(self, result: Result) -> str:
        """What the goal needs and the program did not give; empty if it is something else that is wrong."""
        goal = self.tuner.history.goal
        given = {*result.metrics, *(() if result.value is None else (goal.metric, "value"))}
        lacking = [
            name for name in dict.fromkeys((goal.metric, *goal.bounded)) if name not in given
        ]
        if result.state != "done" or not lacking:
            return ""
        gave = f"the metrics {', '.join(result.metrics)}" if result.metrics else "a plain number"
        return (
            f"the program gave {gave}, and the goal needs {', '.join(map(repr, lacking))}: let the program give it, "
            "or name another metric in the Goal"
        )


def advanced(tuner: Tuner, launcher: Launcher, plan: Plan, seconds: float) -> bool:
    """A run of `seconds` that leaves its jobs running; whether there are any."""
    until = time.monotonic() + seconds
    phase = Preparing(tuner, launcher, plan)
    phase.start()
    while not phase.over:
        left = until - time.monotonic()
        phase.collect(min(WAIT, max(0.0, left)))
        if left <= 0 and not phase.over:
            return True
    loop = Loop(tuner, launcher, plan, phase.directories)
    loop.attach()
    loop.collect(0.0)  # what ended since the last call
    while more := loop.fill():
        left = until - time.monotonic()
        if left <= 0:
            break
        loop.collect(min(WAIT, left))
    return more
