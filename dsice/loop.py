"""The loop of `run`: ask, submit, collect, tell; and what it checks before and after."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from dsice.errors import DsiceWarning, JournalError, LockedError, OptionError, TellError
from dsice.launchers.base import Job, Launcher, Result, Step
from dsice.strategies import Strategy
from dsice.trial import Trial
from dsice.tuner import Tuner
from dsice.tuner.checks import whole

Callback = Callable[[Tuner, Trial], object]
RETRY = 5.0  # seconds between two tries to write a journal that cannot be written
WAIT = 0.5  # seconds that one look at the launcher may take; it comes back as soon as something happens


def check(
    tuner: object,
    launcher: object,
    mode: object,
    max_trials: object,
    max_seconds: object,
    retries: object,
    callbacks: object,
) -> None:
    """Raise OptionError for what `run` cannot use, before anything is asked."""
    if not isinstance(tuner, Tuner):
        raise OptionError(f"run(tuner={tuner!r}): expected a Tuner")
    if not all(hasattr(launcher, name) for name in ("submit", "collect", "slots")) or isinstance(launcher, type):
        raise OptionError(f"run(launcher={launcher!r}): expected a launcher such as Local(function), not the program itself")
    check_stages(tuner.strategy, launcher)
    if tuner.stopper is not None and (reason := getattr(launcher, "cannot_step", "")):
        raise OptionError(f"the tuner has a stopper, {tuner.stopper!r}, which decides by learning curves, and {reason}")
    if mode not in ("async", "rounds"):
        raise OptionError(f"run(mode={mode!r}): expected 'async' or 'rounds'")
    if max_trials is not None:
        whole("run", "max_trials", max_trials, 1)
    whole("run", "retries", retries, 0)
    if max_seconds is not None and not (isinstance(max_seconds, (int, float, Real)) and float(max_seconds) >= 0):
        raise OptionError(f"run(max_seconds={max_seconds!r}): expected a number of seconds >= 0")
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise OptionError(f"run(callbacks={callbacks!r}): expected a list of functions of (tuner, trial)")


def check_stages(strategy: Strategy, launcher: object) -> None:
    """Raise OptionError for a launcher that cannot let trials continue others, where the strategy trains in stages."""
    reason = getattr(launcher, "cannot_continue", "")
    if reason and getattr(strategy, "last_stage", 0) > 0:
        raise OptionError(
            f"{type(strategy).__name__} trains in stages, each from a checkpoint of the one before, and this launcher "
            f"cannot do that: {reason}"
        )


def warn_without_value(tuner: Tuner) -> None:
    """A study in which every trial failed, or broke a bound, ends like any other; say so, and why."""
    history, best = tuner.history, tuner.best
    failed = [trial for trial in history if trial.error is not None]
    text = ""
    if best is None and failed:
        first, lacking = failed[0], history.unreported()
        why = f" (no trial reported {' and '.join(map(repr, lacking))}, which the goal needs)" if lacking else ""
        text = f"none of the {len(failed)} trials has a value, so there is no best{why}; "
        text += f"trial {first.id} {first.state}: {first.error}"
    elif best is not None and (over := history.goal.violation(best)) > 0:
        text = f"no trial keeps all bounds of the goal: the best, trial {best.id}, is beyond them by {over:.3g} of their size"
    if text:
        warnings.warn(text, DsiceWarning, stacklevel=4)


class Loop:
    """One call of `run`: the jobs in flight."""

    def __init__(
        self,
        tuner: Tuner,
        launcher: Launcher,
        mode: str,
        max_trials: int | None,
        max_seconds: float | None,
        retries: int,
        callbacks: Sequence[Callback],
    ) -> None:
        self.tuner, self.launcher, self.callbacks = tuner, launcher, callbacks
        self.mode, self.max_trials, self.retries = mode, max_trials, retries
        self.deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self.stuck: JournalError | None = None
        self.next_try = 0.0
        self.running: dict[int, Job] = {}
        self.lost: dict[int, int] = {}

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
            return self._ask_and_start(free)
        except LockedError:
            raise
        except JournalError as error:
            if not self.running:
                raise
            self._cannot_write(error)
        return True

    def _write_on(self) -> None:
        """Try again, now and then, what could not be written."""
        if self.stuck is not None:
            if self.running and time.monotonic() < self.next_try:
                raise self.stuck
            self.tuner.flush()
            self.stuck = None

    def _cannot_write(self, error: JournalError) -> None:
        if self.stuck is None:
            warnings.warn(f"{error}. What runs goes on; nothing new is started until the journal can be written", DsiceWarning)
        if error is not self.stuck:
            self.stuck, self.next_try = error, time.monotonic() + RETRY

    def _ask_and_start(self, free: int) -> bool:
        if free > 0 and (self.mode == "async" or not self.running):
            free = self._may_ask(free)
            trials = self.tuner.ask(free) if free > 0 else []
            jobs = [self._job(trial) for trial in trials]
            self.running.update((job.id, job) for job in jobs)
            if jobs:
                self.launcher.submit(jobs)
        return bool(self.running)

    def collect(self) -> None:
        for event in self.launcher.collect(WAIT):
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
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return 0
        return free if self.max_trials is None else min(free, self.max_trials - self.tuner.asked)

    def _job(self, trial: Trial) -> Job:
        return Job(trial.id, dict(trial.params), parent=trial.parent, stage=trial.stage)

    def _ended(self, result: Result) -> None:
        job = self.running.pop(result.id)
        if result.state == "lost":
            self.lost[result.id] = self.lost.get(result.id, 0) + 1
            if self.lost[result.id] <= self.retries:
                self.running[result.id] = job
                self.launcher.submit([job])
                return
        try:
            trial = self._tell(result)
        except LockedError:
            raise
        except JournalError as error:  # the tuner has it in hand
            self._cannot_write(error)
            return
        for callback in self.callbacks:
            callback(self.tuner, trial)

    def _tell(self, result: Result) -> Trial:
        extra: dict[str, Any] = {"seconds": result.seconds, "times": result.times, "where": result.where}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)  # the trial's own state and error say it
            if result.state == "lost":
                return self.tuner.tell(result.id, error=f"lost {self.lost[result.id]} times: {result.error}", **extra)
            try:
                return self.tuner.tell(
                    result.id, result.value, metrics=result.metrics, error=result.error, state=result.state, **extra
                )
            except TellError as problem:  # ran, but what it gave cannot be used
                log = result.where.get("log")
                error = (self._lacking(result) or f"{problem}") + (f"; log: {log}" if log else "")
                try:  # what it measured is kept
                    return self.tuner.tell(result.id, result.value, metrics=result.metrics, error=error, **extra)
                except TellError:
                    return self.tuner.tell(result.id, error=error, **extra)

    def _lacking(self, result: Result) -> str:
        """What the goal needs and the program did not give; empty if it is something else that is wrong."""
        goal = self.tuner.history.goal
        given = {*result.metrics, *(() if result.value is None else (goal.metric, "value"))}
        lacking = [name for name in dict.fromkeys((goal.metric, *goal.bounded)) if name not in given]
        if result.state != "done" or not lacking:
            return ""
        gave = f"the metrics {', '.join(result.metrics)}" if result.metrics else "a plain number"
        return (
            f"the program gave {gave}, and the goal needs {', '.join(map(repr, lacking))}: let the program give it, "
            "or name another metric in the Goal"
        )
