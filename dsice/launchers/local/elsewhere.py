"""A trial of `Local` that an earlier coordinator started, and that this process cannot see."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import trial_directory
from dsice.launchers.allocation import Allocation
from dsice.launchers.base import Job, Result, Step
from dsice.launchers.elsewhere import (
    Signs,
    Whereabouts,
    death,
    has_ended,
    may_run,
    missed,
    occupant,
    this_cluster,
)
from dsice.launchers.local.process import TrialProcess
from dsice.launchers.outcome import CurveReader
from dsice.launchers.program import Program
from dsice.worker import STEPS

_LOOK = 1.0  # seconds between two looks for its end
_SIGNS = 5.0  # seconds between two looks for its signs of life


class TrialElsewhere(TrialProcess):
    """A trial on another machine, or in another container, followed through its files.

    Parameters
    ----------
    job
        What is to be run here once it is dead.
    who
        Where it runs.
    wanted
        Whether its result counts. Else it is in the way of another submission: it is asked to end,
        and `job` starts when it has.

    Attributes
    ----------
    dead
        Why it will never leave a record of its end, in words; empty: it may live, or it left one.
    """

    def __init__(
        self,
        job: Job,
        work: Program,
        directory: Path,
        submission: trial_directory.Submission,
        who: Whereabouts,
        *,
        grace: float,
        wanted: bool = True,
    ) -> None:
        super().__init__(job, work, directory, submission, grace=grace)
        self.who = who
        self.wanted = wanted
        self.dead = ""
        self._signs = Signs(directory)
        self._next_signs = 0.0
        self._left = False
        same = not (who.cluster and this_cluster()) or who.cluster == this_cluster()
        self._allocation = Allocation(who.scheduler if same else "", who.job)
        if not wanted:
            self.curve = _NoCurve(job.id, directory)
            self._tell_end()

    @property
    def starts(self) -> bool:
        """Whether its job is to be started here, now that it is over."""
        return not self.cancelled and (bool(self.dead) or not self.wanted)

    def over(self) -> bool:
        """Whether it has ended: it left a record, or it is dead."""
        now = time.monotonic()
        if self._left or self.dead:
            return True
        if self._end_at is not None and now > self._end_at:
            self._end_at = None
            self._tell_end()
        if now - self._looked < _LOOK:
            return False
        self._looked = now
        dead = self._death(now)
        try:  # only now: it may have ended in between
            ended = has_ended(self.directory, self.who)
        except OSError:  # it cannot be read for now
            return False
        if not ended:
            self.dead = dead
        if ended or dead:
            self._allocation.close()
        return ended or bool(dead)

    def _death(self, now: float) -> str:
        """Why it is dead, in words; empty: it may live."""
        if now >= self._next_signs:
            self._next_signs = now + _SIGNS
            self._signs.look()
        word = self._allocation.word()
        if word == "over" or (word == "unknown" and missed(self._signs)):
            return f"its job {self.who.job} has ended"
        return death(self.who, self._signs)

    def cancel(self, patience: float) -> None:
        """End the trial: after `patience` seconds if it has called `dsice.step`, else soon."""
        self.cancelled = True
        if patience > 0 and (self.directory / STEPS).exists():
            self._end_at = time.monotonic() + patience
        else:
            self._tell_end()

    def _tell_end(self) -> None:
        try:
            trial_directory.end_by_word(self.directory)
        except OSError:  # full, or out of reach just now
            self._end_at = time.monotonic() + _SIGNS

    def end(self) -> None:
        """Leave it alone: who comes after this process follows it again."""
        self._left = True
        self._allocation.close()

    def kill(self) -> None:
        """Nothing: no signal reaches it."""

    def sweep(self) -> None:
        """Nothing: what it may have left is on its own machine."""

    def supervisor(self) -> str:
        """How the supervisor ended, in words."""
        return self.dead or "how is unknown"

    def result(self, timeout: float | None, host: str) -> Result:
        """The result of a trial that is over."""
        if not self.wanted:
            return Result(self.id, "stopped", error="cancelled before it began")
        return super().result(timeout, self.who.host)

    def __str__(self) -> str:
        return f"trial {self.directory.name} {self.who}"


class _NoCurve(CurveReader):
    """The curve of a trial that nobody wants."""

    def new_steps(self, among: int = 1) -> list[Step]:
        return []


def find(directory: Path) -> Whereabouts | None:
    """The supervisor out of sight that may still work in a trial's directory; None: there is none.

    Raises
    ------
    LaunchError
        dsice 0.1.0 started it, so nobody can know whether it lives.
    OSError
        The trial's files cannot be read for now.
    """
    who = occupant(directory)
    if who is None or not may_run(directory):
        return None
    if not who.signs:
        raise LaunchError(
            f"the trial in {directory} was started by dsice 0.1.0 and has left no result. It may "
            f"still run {who}, which cannot be seen from here. Look there, and end it if it does; "
            "then give the launcher restart_elsewhere=True (in the section [launcher] of a study "
            "file: restart_elsewhere = true), which starts such trials again"
        )
    return who


def waiting(
    who: Whereabouts, job: Job, work: Program, directory: Path, slot: int, grace: float
) -> TrialElsewhere:
    """The trial on another machine that has the directory of a job, which waits for its end."""
    old = trial_directory.Submission(who.token, work.name, slot, time.time())
    trial = TrialElsewhere(job, work, directory, old, who, grace=grace, wanted=False)
    say_waiting([trial])
    return trial


def runs_in(directory: Path) -> bool:
    """Whether a trial out of sight may run in a directory, and would see that it is to end."""
    try:
        who = occupant(directory)
        return who is not None and who.signs and may_run(directory)
    except OSError:
        return False


def say_waiting(trials: Sequence[TrialElsewhere]) -> None:
    """Warn that trials may run out of sight, with where, and what is done about it."""
    shown = "; ".join(map(str, trials[:5]))
    if len(trials) > 5:
        shown += f"; and {len(trials) - 5} more"
    warnings.warn(
        f"an earlier coordinator started trials that may still run: {shown}. They are followed "
        "from here; one that gives no sign of life for 3 minutes, or whose job the scheduler says "
        "has ended, is started again here (at once, beside what may run there, with "
        "restart_elsewhere=True)",
        DsiceWarning,
        stacklevel=4,
    )


def say_again(trial: TrialElsewhere) -> None:
    """Warn that a trial is dead and starts again."""
    if trial.dead:
        warnings.warn(f"{trial} is started again here: {trial.dead}", DsiceWarning, stacklevel=5)
