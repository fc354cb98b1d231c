"""What all trials depend on: run once, before the first of them, through the same launcher."""

from __future__ import annotations

import math
import re
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from dsice.errors import LaunchError, OptionError
from dsice.launchers.base import Job, Launcher, Result
from dsice.running.options import RunOptions, study_of
from dsice.running.starting import Postponed, attach_later
from dsice.tuner import Tuner

WAIT = 0.5  # seconds that one look at the launcher may take, if nothing happens
_PATIENCE = 10.0  # seconds for the other preparations to end when one has failed


def prepare(
    tuner: Tuner, launcher: Launcher, options: RunOptions, until: float = math.inf
) -> dict[str, str] | None:
    """Run the preparations that the journal does not have yet.

    Parameters
    ----------
    until
        When to leave them running, on the clock of `time.monotonic`.

    Returns
    -------
    dict or None
        The directories of all preparations, by name; None: some still run.

    Raises
    ------
    LaunchError
        One failed, and the others were ended; or a directory of the journal has vanished.
        No trial was asked.
    OptionError
        The launcher's directories would be removed at the end, and the journal would name
        directories that do not exist.
    """
    preparations = Preparations(tuner, launcher, options)
    preparations.start()
    while not preparations.finished:
        left = until - time.monotonic()
        preparations.collect(min(WAIT, max(0.0, left)))
        if left <= 0 and not preparations.finished:
            return None
    return preparations.directories


class Preparations:
    """The preparations of one call of `run`.

    Attributes
    ----------
    running
        Those that were started and have not ended, by the id of the job.
    """

    def __init__(self, tuner: Tuner, launcher: Launcher, options: RunOptions) -> None:
        self._tuner = tuner
        self._launcher = launcher
        self._options = options
        wanted = options.preparations
        known = {name: path for name, path in tuner.preparations.items() if name in wanted}
        if gone := missing_directory(known):
            raise LaunchError(gone)
        if len(known) < len(wanted) and tuner.journal is not None:
            _check_kept(launcher)
        self._waiting = self._jobs(tuner.preparations)
        self._names = {job.id: name for name, job in self._waiting.items()}
        self._losses: dict[int, int] = {}
        self._began = time.time()
        self._postponed: Postponed | None = None
        self.running: dict[int, Job] = {}

    def _jobs(self, known: Mapping[str, str]) -> dict[str, Job]:
        """A job for each new preparation; its number is the same in each call, and no other's."""
        taken = {int(found[1]) for path in known.values() if (found := re.search(r"-(\d+)$", path))}
        jobs = {}
        for position, (name, work) in enumerate(self._options.preparations.items()):
            if name not in known:
                possible = range(position, position + len(taken) + 1)
                number = next(i for i in possible if i not in taken)
                taken.add(number)
                study = study_of(self._tuner)
                jobs[name] = Job(number, kind="prepare", work=work, study=study)
        return jobs

    @property
    def finished(self) -> bool:
        """Whether all preparations have succeeded."""
        waits = self._postponed is not None and self._postponed.active
        return not self._waiting and not self.running and not waits

    @property
    def directories(self) -> dict[str, str]:
        """The directories of the preparations, by name."""
        return {name: self._tuner.preparations[name] for name in self._options.preparations}

    def start(self) -> None:
        """Take over what an earlier coordinator started, and start others in the free slots."""
        jobs = {job.id: job for job in self._waiting.values()}
        for id in self._attached(jobs) if jobs else []:
            self.running[id] = self._waiting.pop(self._names[id])
        self._submit()

    def _attached(self, jobs: Mapping[int, Job]) -> list[int]:
        try:
            return self._launcher.attach(list(jobs.values()))
        except OSError as error:
            return attach_later(self._launcher, jobs, error, self._options.start_timeout)

    def _submit(self) -> None:
        if self._postponed is not None and self._postponed.active:
            self._submit_again(self._postponed)
            return
        free = max(0, self._launcher.slots - len(self.running))
        names = list(self._waiting)[:free]
        if names:
            jobs = [self._waiting.pop(name) for name in names]
            self.running.update((job.id, job) for job in jobs)
            self._launcher.submit(jobs)

    def _submit_again(self, postponed: Postponed) -> None:
        """Start again what the machine could not start before."""
        free = self._launcher.slots - len(self.running)
        jobs = postponed.due(max(0, free), len(self.running))
        if jobs:
            self.running.update((job.id, job) for job in jobs)
            self._launcher.submit(jobs)

    def collect(self, seconds: float = WAIT) -> None:
        """Record the preparations that end within `seconds`, and start those that wait."""
        if self._postponed is not None:
            seconds = self._postponed.sleep(seconds, len(self.running))
        for event in self._launcher.collect(seconds):
            if isinstance(event, Result) and event.id in self.running:
                self._end(event)
        self._submit()

    def _end(self, result: Result) -> None:
        """Record a preparation that has ended; start it again, or give up, where it failed."""
        job = self.running.pop(result.id)
        name = self._names[result.id]
        if result.state == "unstarted" and self._postponed is None:
            self._postponed = Postponed(self._options.start_timeout)
        if self._postponed is not None:
            told = self._postponed.keep(job, result, len(self.running))
            if told is None:
                return
            result = told
        if result.state == "done":
            self._tuner.runs.prepared(name, str(result.where["directory"]))
        elif self._may_restart(result):
            self._waiting[name] = job
        else:
            self._end_others()
            raise LaunchError(
                f"the preparation {name!r} {result.state.replace('_', ' ')}, "
                f"so no trial was started: {result.error}\n"
                "correct it and start again; what was prepared well is not repeated"
            )

    def _may_restart(self, result: Result) -> bool:
        if result.state == "lost":
            self._losses[result.id] = self._losses.get(result.id, 0) + 1
            return self._losses[result.id] <= self._options.retries
        # It failed before this call: who starts the script again has seen that, and changed it.
        ended = result.times[2]
        return ended is not None and ended < self._began

    def _end_others(self) -> None:
        self._waiting.clear()
        for id in self.running:
            self._launcher.cancel(id)
        until = time.monotonic() + _PATIENCE
        while self.running and time.monotonic() < until:
            for event in self._launcher.collect(WAIT):
                if isinstance(event, Result):
                    self.running.pop(event.id, None)


def missing_directory(directories: Mapping[str, str]) -> str:
    """Which prepared directory has vanished or cannot be looked at, and what to do; empty: none."""
    for name, directory in directories.items():
        try:
            mode = Path(directory).stat().st_mode
            reason = "" if stat.S_ISDIR(mode) else "is no directory any more"
        except (FileNotFoundError, NotADirectoryError):
            reason = "has vanished"
        except OSError as error:
            reason = f"cannot be looked at ({error.strerror})"
        if reason:
            return (
                f"the prepared directory {directory} of prepare={name!r} {reason}, "
                "and trials need it; put it back, or have it made anew under another name: "
                f"prepare={{'{name}_again': ...}}"
            )
    return ""


def _check_kept(launcher: Launcher) -> None:
    """Raise OptionError for a launcher whose directories are removed when it is closed."""
    if launcher.cannot_keep:
        raise OptionError(
            "run(prepare=...) with a journal: what is prepared must outlive this process; "
            f"{launcher.cannot_keep}"
        )
