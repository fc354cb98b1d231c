"""run: a tuner's points through a launcher, until nothing is left. The only module that knows both sides."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Real
from typing import Any, Literal

from dsice.errors import DsiceWarning, OptionError, TellError
from dsice.launchers.base import Job, Launcher, Result, Step
from dsice.launchers.local import Local
from dsice.progress import Progress
from dsice.space import Space
from dsice.trial import Trial
from dsice.tuner import Axes, Tuner
from dsice.tuner.checks import whole

Callback = Callable[[Tuner, Trial], object]
WAIT = 0.5  # seconds that one look at the launcher may take; it comes back as soon as something happens


def run(
    tuner: Tuner,
    launcher: Launcher,
    *,
    mode: Literal["async", "rounds"] = "async",
    max_trials: int | None = None,
    max_seconds: float | None = None,
    retries: int = 1,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Tuner:
    """Tune: ask, launch, collect, tell, until the search is finished or the budget is used.

    Parameters
    ----------
    tuner, launcher
        Who proposes the points, and where they run.
    mode
        ``"async"`` asks for a point whenever a slot is free; ``"rounds"`` asks a batch of as
        many as there are slots and waits for all of it.
    max_trials
        Stop asking once the tuner has asked that many in all, earlier runs included.
    max_seconds
        Stop asking after that many seconds of this call; what runs is still awaited.
    retries
        How often a lost trial (the machine's fault) is started again before it counts as failed.
    callbacks
        Called with (tuner, trial) after each told trial.
    progress
        Show trials done and running, the best and the time left on the terminal.

    Returns
    -------
    Tuner
        The same tuner, for chaining.

    Raises
    ------
    OptionError
        An argument of the wrong kind, an unknown mode, or a number out of range.
    LaunchError
        The launcher cannot start anything. Failed trials never raise; when all failed, a `DsiceWarning` says so.

    Notes
    -----
    Trials that an earlier coordinator left running are taken over where the launcher can,
    and started again where it cannot. When this function leaves by an exception (Ctrl-C
    too) the launcher is closed; the journal holds everything told, and the same script goes on.
    """
    _check(tuner, launcher, mode, max_trials, max_seconds, retries, callbacks)
    loop = _Loop(tuner, launcher, mode, max_trials, max_seconds, retries, callbacks)
    try:
        with Progress(tuner, max_trials or tuner.max_trials) if progress else nullcontext() as display:
            loop.attach()
            while loop.fill():
                loop.collect()
                if display is not None:
                    display.update(len(loop.running))
    except BaseException:
        launcher.close()
        raise
    _warn_without_value(tuner)
    return tuner


def _check(
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
    if mode not in ("async", "rounds"):
        raise OptionError(f"run(mode={mode!r}): expected 'async' or 'rounds'")
    if max_trials is not None:
        whole("run", "max_trials", max_trials, 1)
    whole("run", "retries", retries, 0)
    if max_seconds is not None and not (isinstance(max_seconds, (int, float, Real)) and float(max_seconds) >= 0):
        raise OptionError(f"run(max_seconds={max_seconds!r}): expected a number of seconds >= 0")
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise OptionError(f"run(callbacks={callbacks!r}): expected a list of functions of (tuner, trial)")


def _warn_without_value(tuner: Tuner) -> None:
    """A study in which every trial failed ends like any other; say so, and why."""
    failed = [trial for trial in tuner.history if trial.error is not None]
    if tuner.best is None and failed:
        first = failed[0]
        warnings.warn(
            f"none of the {len(failed)} trials has a value, so there is no best; trial {first.id} {first.state}: {first.error}",
            DsiceWarning,
            stacklevel=3,
        )


class _Loop:
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
        self.running: dict[int, Job] = {}
        self.lost: dict[int, int] = {}
        self.known_steps: dict[int, int] = {}  # points of the curve told before: an attached job sends all of it again

    def attach(self) -> None:
        """Take over what an earlier coordinator left running or finished."""
        jobs = {t.id: self._job(t) for t in self.tuner.orphans}
        for id in self.launcher.attach(list(jobs.values())) if jobs else []:
            self.running[id] = jobs[id]
            self.known_steps[id] = len(self.tuner.history[id].curve)
            self.tuner.adopt(id)

    def fill(self) -> bool:
        """Ask for as much as fits and start it; False when nothing runs and nothing more comes."""
        free = self.launcher.slots - len(self.running)
        if free > 0 and (self.mode == "async" or not self.running):
            trials = self.tuner.ask(free) if self._may_ask() else []
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
        if self.known_steps.get(event.id, 0) > 0:
            self.known_steps[event.id] -= 1
        elif event.id in self.running and self.tuner.step(event.id, event.step, event.value):
            self.launcher.cancel(event.id)

    def _may_ask(self) -> bool:
        if self.tuner.orphans:
            return True
        if self.max_trials is not None and self.tuner.asked >= self.max_trials:
            return False
        return self.deadline is None or time.monotonic() < self.deadline

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
        trial = self._tell(result)
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


def minimize(
    objective: Callable[..., Any],
    space: Space | Axes,
    *,
    workers: int | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    journal: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Tuner:
    """Minimise a Python function over a grid, `workers` processes at a time.

    Parameters
    ----------
    objective
        Called with the params as keyword arguments; returns a number, or a list of repeats.
    space
        Axes by name, or a `Space`.
    workers
        Processes at the same time; the number of cores by default.
    max_trials, max_seconds
        Budget; without one the whole grid is measured.
    journal
        File that makes the run resumable.
    seed
        Same seed, same first batch.

    Examples
    --------
    >>> from dsice import minimize
    >>> def cost(x, y):
    ...     return (x - 3) ** 2 + (y - 5) ** 2
    >>> minimize(cost, {"x": range(9), "y": range(9)}, max_trials=40, progress=False).best.params
    {'x': 3, 'y': 5}
    """
    if not callable(objective) or isinstance(objective, Mapping):
        raise OptionError(f"minimize(objective={objective!r}): expected a function of the params")
    if workers is not None:
        whole("minimize", "workers", workers, 1)
    tuner = Tuner(space, journal=journal, max_trials=max_trials, seed=seed)
    directory = None if journal is None else f"{os.fspath(journal)}.trials"
    with tuner, Local(objective, slots=workers, directory=directory) as launcher:
        return run(tuner, launcher, max_seconds=max_seconds, progress=progress)
