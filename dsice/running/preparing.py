"""What all trials depend on: run once, before the first of them, through the same launcher."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from dsice.errors import LaunchError, OptionError
from dsice.launchers.base import Job, Launcher, Result
from dsice.running.options import Plan
from dsice.tuner import Tuner

WAIT = 0.5  # seconds that one look at the launcher may take
_LEAVE = 10.0  # seconds for the others to end when one has failed


def prepared(tuner: Tuner, launcher: Launcher, plan: Plan) -> dict[str, str]:
    """Run what the journal does not have yet; the directories of all preparations, by name.

    Raises
    ------
    LaunchError
        One failed, and the others were ended; or a directory of the journal has vanished. No trial was asked.
    OptionError
        The directories would be removed at the end, and the journal would name what is not there.
    """
    phase = Preparing(tuner, launcher, plan)
    phase.start()
    while not phase.over:
        phase.collect()
    return phase.directories


class Preparing:
    """The preparations of one call of `run`.

    Attributes
    ----------
    running
        Those that were started and have not ended.
    """

    def __init__(self, tuner: Tuner, launcher: Launcher, plan: Plan) -> None:
        self._tuner, self._launcher, self._plan = tuner, launcher, plan
        known = tuner.preparations
        check_there({name: known[name] for name in plan.preparations if name in known})
        if (
            len(plan.preparations) > len(known.keys() & plan.preparations.keys())
            and tuner.journal is not None
        ):
            _check_lasting(launcher)
        self._waiting = self._jobs(known)
        self._names = {job.id: name for name, job in self._waiting.items()}
        self._lost: dict[int, int] = {}
        self._began = time.time()
        self.running: dict[int, Job] = {}

    def _jobs(self, known: Mapping[str, str]) -> dict[str, Job]:
        """A job for each that is new; its number is the same each time, and no other's."""
        taken = {int(found[1]) for path in known.values() if (found := re.search(r"-(\d+)$", path))}
        jobs = {}
        for place, (name, work) in enumerate(self._plan.preparations.items()):
            if name not in known:
                number = next(i for i in range(place, place + len(taken) + 1) if i not in taken)
                taken.add(number)
                jobs[name] = Job(number, kind="prepare", work=work)
        return jobs

    @property
    def over(self) -> bool:
        """Whether all are there."""
        return not self._waiting and not self.running

    @property
    def directories(self) -> dict[str, str]:
        """Where they are, by name."""
        return {name: self._tuner.preparations[name] for name in self._plan.preparations}

    def start(self) -> None:
        """Take over those that an earlier coordinator started, and start others as far as there are slots."""
        jobs = {job.id: job for job in self._waiting.values()}
        for id in self._launcher.attach(list(jobs.values())) if jobs else []:
            self.running[id] = self._waiting.pop(self._names[id])
        self._submit()

    def _submit(self) -> None:
        free = max(0, self._launcher.slots - len(self.running))
        names = list(self._waiting)[:free]
        if names:
            jobs = [self._waiting.pop(name) for name in names]
            self.running.update((job.id, job) for job in jobs)
            self._launcher.submit(jobs)

    def collect(self, seconds: float = WAIT) -> None:
        """Take what ended within `seconds`, and start what waits."""
        for event in self._launcher.collect(seconds):
            if isinstance(event, Result) and event.id in self.running:
                self._ended(event)
        self._submit()

    def _ended(self, result: Result) -> None:
        job, name = self.running.pop(result.id), self._names[result.id]
        if result.state == "done":
            self._tuner.runs.prepared(name, str(result.where["directory"]))
            return
        ended = result.times[2]
        if result.state == "lost":
            self._lost[result.id] = self._lost.get(result.id, 0) + 1
            again = self._lost[result.id] <= self._plan.retries
        else:  # it failed before this call: whoever starts the script again has seen that, and changed something
            again = ended is not None and ended < self._began
        if again:
            self._waiting[name] = job
            return
        self._end_others()
        raise LaunchError(
            f"the preparation {name!r} {result.state.replace('_', ' ')}, so no trial was started: {result.error}\n"
            "correct it and start again; what was prepared well is not repeated"
        )

    def _end_others(self) -> None:
        self._waiting.clear()
        for id in self.running:
            self._launcher.cancel(id)
        until = time.monotonic() + _LEAVE
        while self.running and time.monotonic() < until:
            for event in self._launcher.collect(WAIT):
                if isinstance(event, Result):
                    self.running.pop(event.id, None)


def check_there(directories: Mapping[str, str]) -> None:
    """Raise LaunchError if a prepared directory has vanished."""
    for name, directory in directories.items():
        if not Path(directory).is_dir():
            raise LaunchError(
                f"the prepared directory {directory} of prepare={name!r} has vanished, and trials need it; put it back, or have "
                f"it made anew under another name: prepare={{'{name}_again': ...}}"
            )


def _check_lasting(launcher: Launcher) -> None:
    """A journal must not name a directory that `close` removes."""
    if launcher.cannot_keep:
        raise OptionError(
            "run(prepare=...) with a journal: what is prepared must outlive this process; "
            f"{launcher.cannot_keep}"
        )
