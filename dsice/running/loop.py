"""The loop of `run`: ask for trials, submit them as jobs, collect what happens, tell the tuner.

`run_loop` goes on until the search is over; `advancing` goes on for a limited time.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace

from dsice.errors import VISIBLE, DsiceWarning, JournalError, LockedError
from dsice.launchers.base import Job, Launcher, LauncherLike, Result, Step
from dsice.launchers.outcome import ends_first
from dsice.running.callbacks import Listeners
from dsice.running.failing import FirstFailures
from dsice.running.options import (
    RunOptions,
    job_of,
    study_of,
    tell_result,
    usable_launcher,
    within_options,
)
from dsice.running.preparing import WAIT, missing_directory, prepare
from dsice.running.progress import (
    Progress,
    end_of_run,
    note_end,
    note_error,
    say_sources,
    warn_without_value,
)
from dsice.running.starting import Postponed, attach_later, may_pass
from dsice.trial import Trial
from dsice.tuner import Tuner
from dsice.tuner.ending import End

RETRY = 5.0  # seconds between two attempts to write a journal that cannot be written


def run_loop(
    tuner: Tuner, launcher: LauncherLike, options: RunOptions, *, progress: bool = True
) -> Tuner:
    """Do what `run` does, with options that are checked already."""
    usable = usable_launcher(tuner, launcher)
    with tuner.working():
        return _run(tuner, usable, options, progress=progress)


def _run(tuner: Tuner, launcher: Launcher, options: RunOptions, *, progress: bool) -> Tuner:
    if progress:
        say_sources(tuner)
    try:
        directories = prepare(tuner, launcher, options) if options.preparations else None
        loop = Loop(tuner, launcher, options, directories)
    except BaseException:
        launcher.close()
        raise
    try:
        with Progress(tuner, options) if progress else nullcontext() as display, loop:
            while loop.fill():
                loop.collect()
                if display is not None:
                    error = "" if loop.failures is None else loop.failures.last_error
                    display.update(len(loop.running), loop.postponed, error)
    except BaseException as error:
        loop.leave()
        note_error(tuner, error, loop.failures)
        loop.notify("finished")
        raise
    note_end(tuner, loop.end)
    loop.notify("finished")
    warn_without_value(tuner)
    if options.confirm and progress:
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print(str(tuner.confirmation).translate(VISIBLE), file=sys.stderr)
    return tuner


class Loop:
    """One call of `run`, as a block.

    Parameters
    ----------
    prepared
        Directories that the trials depend on, by name.

    Attributes
    ----------
    running
        The jobs in flight, by the id of the trial.
    journal_error
        Why the journal cannot be written now; None: it can.
    unrecorded_losses
        How often each trial was lost while the journal could not be written.
    failures
        What ended as long as nothing was measured; None before the first trial fails.
    postponed
        The jobs that the machine could not start; None: it could always.
    limit
        The option that lets nothing more be asked for now; None: the search may go on.
    end
        Why nothing more is asked, once that is so.
    events
        What happened, as long as it is not told.
    listeners
        The callbacks; None: there are none.
    """

    def __init__(
        self,
        tuner: Tuner,
        launcher: Launcher,
        options: RunOptions,
        prepared: Mapping[str, str] | None = None,
    ) -> None:
        self.tuner = tuner
        self.launcher = launcher
        self.options = options
        self.prepared = dict(prepared or {})
        self.deadline = math.inf
        if options.max_seconds is not None:
            self.deadline = time.monotonic() + options.max_seconds
        self.confirming = False
        self.running: dict[int, Job] = {}
        self.failures: FirstFailures | None = None
        self.journal_error: JournalError | None = None
        self.next_attempt = 0.0
        self.unwritable_since = 0.0
        self.unrecorded_losses: Counter[int] = Counter()
        self.postponed: Postponed | None = None
        self.limit: End | None = None
        self.end: End | None = None
        self.events: Sequence[Result | Step] = ()
        self.listeners = Listeners(tuner, options.callbacks) if options.callbacks else None

    def __enter__(self) -> Loop:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        # for the next call with this tuner, as for the next process
        self.tuner.give_back([*self.running, *(self.postponed or ())])

    def notify(self, event: str, *what: object) -> None:
        """Tell the callbacks what happened."""
        if self.listeners is not None:
            self.listeners.notify(event, *what)

    def attach(self) -> None:
        """Take over what an earlier coordinator left running or finished."""
        jobs = {t.id: job_of(self.tuner, t, self.prepared) for t in self.tuner.orphans}
        if not jobs:
            return
        try:
            found = self.launcher.attach(list(jobs.values()))
        except OSError as error:
            found = attach_later(self.launcher, jobs, error, self.options.start_timeout)
        for id in found:
            self.running[id] = jobs[id]
            self.tuner.adopt(id)

    def fill(self) -> bool:
        """Ask for as many trials as fit, and start them.

        While the journal cannot be written nothing is asked; what runs goes on, and its results
        are kept.

        Returns
        -------
        bool
            False when nothing runs and nothing more comes.

        Raises
        ------
        JournalError
            Nothing runs any more and the journal still cannot be written, for `start_timeout`
            seconds where that may pass; the message says where the results are.
        LaunchError
            Nothing could be started for `start_timeout` seconds, or all trials fail alike.
        """
        if self.failures is not None:
            self.failures.check()
        free = self.launcher.slots - len(self.running)
        try:
            self._retry_journal()
            if self.tuner.requested:
                self.tuner.take_requests()
            if self._ask_and_start(free):
                return True
            if self.end is None:
                self.end = end_of_run(self.tuner, self.limit)
            return self._confirm()
        except JournalError as error:
            if not self.running and not self._may_pass(error):
                raise
            self._cannot_write(error)
        return True

    def _may_pass(self, error: JournalError) -> bool:
        """Whether to wait for a journal that cannot be written, though nothing runs."""
        since = time.monotonic() if self.journal_error is None else self.unwritable_since
        return may_pass(error) and time.monotonic() - since < self.options.start_timeout

    def _confirm(self) -> bool:
        """Measure the best points anew, in full, when the search is over."""
        if not self.options.confirm or self.confirming:
            return False
        self.confirming = True
        confirmed = self.tuner.confirm(self.options.confirm, repeats=self.options.repeats)
        return bool(confirmed) and self._ask_and_start(self.launcher.slots)

    def _retry_journal(self) -> None:
        """Try again, every few seconds, to write what could not be written."""
        if self.journal_error is not None:
            if time.monotonic() < self.next_attempt:
                raise self.journal_error
            self.tuner.flush()
            self.journal_error = None

    def _cannot_write(self, error: JournalError) -> None:
        if isinstance(error, LockedError):
            raise error
        if self.journal_error is None:
            self.unwritable_since = time.monotonic()
            text = "What runs goes on; nothing new is started until the journal can be written"
            warnings.warn(f"{error}. {text}", DsiceWarning)
        if error is not self.journal_error:
            self.journal_error = error
            self.next_attempt = time.monotonic() + RETRY

    def _ask_and_start(self, free: int) -> bool:
        if self.postponed is not None:
            if self.postponed.active:
                self._start(self.postponed.due(free, len(self.running)))
                return True
            free = self.postponed.allowed(free, len(self.running))
        if free > 0 and (self.options.mode == "async" or not self.running):
            free = self._within_budget(free)
            if free > 0:
                self._check_before_asking()
            trials = self.tuner.ask(free) if free > 0 else []
            if trials:
                self.notify("asked", trials)
            self._start([job_of(self.tuner, trial, self.prepared) for trial in trials])
        return bool(self.running or (self.postponed and self.postponed.active))

    def _check_before_asking(self) -> None:
        """Raise LaunchError where no trial could be started, so that none is asked."""
        with suppress(OSError):  # what the machine lacks for now
            values = {name: axis.values for name, axis in self.tuner.space.axes.items()}
            self.launcher.accept(replace(study_of(self.tuner), values=values))

    def _start(self, jobs: Sequence[Job]) -> None:
        self.running.update((job.id, job) for job in jobs)
        gone = missing_directory(self.prepared) if jobs and self.prepared else ""
        if gone:
            for job in jobs:
                self._end(Result(job.id, "unstarted", error=gone))
        elif jobs:
            self.launcher.submit(jobs)
            for job in jobs if self.listeners else ():
                self.notify("started", self.tuner.history[job.id])

    def collect(self, seconds: float = WAIT) -> int:
        """Tell the tuner what happens within `seconds`; returns as soon as something does.

        Returns how many steps and results came.
        """
        left = self._wait(seconds)
        self.events = ends_first(self.launcher.collect(left) if self.running else ())
        steps: list[Step] = []
        for event in self.events:
            if isinstance(event, Step):
                steps.append(event)
                continue
            self._steps(steps)
            steps = []
            if event.id in self.running:
                self._end(event)
        self._steps(steps)
        count, self.events = len(self.events), ()
        return count

    def leave(self) -> None:
        """Close the launcher; what was measured by now is told where it would be lost with it."""
        in_callback = self.listeners is not None and self.listeners.active  # it interrupted
        if in_callback or not self.launcher.cannot_attach:
            self.launcher.close()
            return
        try:
            self._tell_measured()
        finally:
            self.launcher.close()
        self._tell_measured()  # what it waited for

    def _tell_measured(self) -> None:
        # what makes the run end is for the user to see, not what goes wrong here
        with suppress(Exception):
            pending = {trial.id for trial in self.tuner.pending}
            for event in (*self.events, *self.launcher.collect(0.0)):
                if isinstance(event, Result) and event.state == "done" and event.id in pending:
                    self.notify("told", self._tell(event))

    def _wait(self, seconds: float) -> float:
        """How long the launcher may wait; where nothing runs it would not, and this method does."""
        if self.journal_error is not None and not self.running:
            time.sleep(max(0.0, min(seconds, self.next_attempt - time.monotonic())))
        elif self.postponed is not None:
            return self.postponed.sleep(seconds, len(self.running))
        return seconds

    def _steps(self, steps: Sequence[Step]) -> None:
        reported = [(s.id, s.step, s.value) for s in steps if s.id in self.running]
        if not reported:
            return
        try:
            for id in self.tuner.runs.steps(reported, self.tuner.stopper):
                self.launcher.cancel(id)
        except JournalError as error:
            self._cannot_write(error)
        for id, step, value in reported if self.listeners else ():
            self.notify("stepped", self.tuner.history[id], step, value)

    def _within_budget(self, free: int) -> int:
        """How many of `free` trials the budget allows; it allows all that were asked before."""
        if self.tuner.orphans:
            return free
        if self.confirming:
            return 0
        free, self.limit = within_options(
            free, self.tuner, self.options, len(self.running), self.deadline
        )
        if self.failures is not None:
            free = int(min(free, self.failures.left(len(self.running))))
        return free

    def _end(self, result: Result) -> None:
        """Tell how a job ended, or start it again where the machine lost it."""
        job = self.running.pop(result.id)
        if result.state == "unstarted" and self.postponed is None:
            self.postponed = Postponed(self.options.start_timeout)
        if self.postponed is not None:
            told = self.postponed.keep(job, result, len(self.running))
            if told is None:
                return
            result = told
        try:
            if result.state == "lost" and self._restart(job, result):
                return
            trial = self._tell(result)
        except JournalError as error:  # the tuner keeps the result until it can be written
            self._cannot_write(error)
            return
        if self.failures is not None or trial.error is not None:
            self.watch_failures().note(trial)
        self.notify("told", trial)

    def watch_failures(self) -> FirstFailures:
        """Look from now on at how trials end."""
        if self.failures is None:
            most, slots = self.options.stop_after_failures, self.launcher.slots
            self.failures = FirstFailures(self.tuner.history, most, slots)
        return self.failures

    def _losses(self, id: int) -> int:
        return self.tuner.runs.losses(id) + self.unrecorded_losses[id]

    def _restart(self, job: Job, result: Result) -> bool:
        """Start a lost trial again, if it was not lost too often."""
        if self._losses(job.id) >= self.options.retries:
            return False
        try:
            self.tuner.runs.lose(job.id, result.error or "")
        except JournalError as error:
            self.unrecorded_losses[job.id] += 1
            self._cannot_write(error)
        self._start([replace(job, again=True)])
        return True

    def _tell(self, result: Result) -> Trial:
        if result.state == "lost":  # too often
            error = f"lost {self._losses(result.id) + 1} times: {result.error}"
            result = Result(
                result.id,
                "failed",
                seconds=result.seconds,
                times=result.times,
                where=result.where,
                tags=result.tags,
                error=error,
            )
        return tell_result(self.tuner, result)
