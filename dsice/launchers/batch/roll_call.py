"""What the scheduler says about the jobs of trials: which are there, which are gone for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from dsice.launchers.batch.record import age
from dsice.launchers.batch.scheduler import Scheduler
from dsice.launchers.batch.scheduler_client import Busy, Client, QueuedJob
from dsice.launchers.batch.submission import BatchDirectory, BatchTrial

_BRIEF = 5.0  # seconds that the files of a cancelled trial may be late
_DOUBT = 5.0  # times the patience, where nothing says for certain that a job is gone
_AT_ONCE = 20  # jobs that are asked for one by one at a look
_LIVELY = 30.0  # seconds between two signs of life of a supervisor, at most
_ALIVE = "alive"


@dataclass
class Roll:
    """The answer to one question to the queue.

    Attributes
    ----------
    listed
        All jobs that wait or run, by id.
    present, missing
        The trials whose jobs are among them, and the others.
    surplus
        Ids of jobs that a submission made twice, or that a later submission replaced.
    """

    listed: Mapping[str, QueuedJob]
    present: list[BatchTrial] = field(default_factory=list)
    missing: list[BatchTrial] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)


class RollCall:
    """Compares trials with what the scheduler says.

    One answer is not believed. It may be empty although jobs run, and it may be late: a job is gone
    when it has been missing for the patience, and the scheduler, asked for it by its id, says so.
    Where it does not say, several times the patience must pass.

    Parameters
    ----------
    lost_after
        Seconds after which a job that is missing is looked for by its id.
    """

    def __init__(
        self, client: Client, home: BatchDirectory, scheduler: Scheduler, *, lost_after: float
    ) -> None:
        self._client = client
        self._home = home
        self._scheduler = scheduler
        self._lost_after = lost_after

    def call(self, trials: Sequence[BatchTrial], former: set[tuple[str, int | None]]) -> Roll:
        """Ask the queue about all `trials`.

        Parameters
        ----------
        former
            Names and numbers of jobs that were replaced.

        Raises
        ------
        Busy
            There is no answer, or none that can be read.
        LaunchError
            The scheduler is not there, or ten answers in a row could not be read.
        """
        roll = Roll(self._client.queue())
        for trial in trials:
            here = trial.is_listed(roll.listed, self._scheduler)
            (roll.present if here else roll.missing).append(trial)
        known = {(trial.record.name, trial.record.index) for trial in trials}
        ours = {trial.record.job for trial in trials}
        unwanted = {
            job for trial in trials for job in trial.named_in(roll.listed, self._scheduler)
        } | {
            job.job
            for job in roll.listed.values()
            for name, index in former - known
            if job.name == name and not job.cut and self._scheduler.is_element(job.job, index)
        }
        roll.surplus = sorted(unwanted - ours)
        return roll

    def gone(self, roll: Roll) -> list[BatchTrial]:
        """The trials among the missing ones whose jobs are gone for good."""
        alone = not roll.present  # an answer that lacks every job is none
        overdue = [t for t in roll.missing if t.missing_for(self.patience(t))]
        found = []
        asked = 0
        for trial in overdue:
            there: bool | None = None
            if trial.record.job is not None and asked < _AT_ONCE:
                asked += 1
                try:
                    there = self._is_there(trial)
                except Busy:
                    asked = _AT_ONCE if self._scheduler.find else asked
            sure = there is False or not (alone or self._scheduler.find)
            if there:
                trial.note_listed()
            elif self._lives(trial):
                continue
            elif sure or trial.missing_for(self.patience(trial), _DOUBT):
                found.append(trial)
        return found

    def patience(self, trial: BatchTrial) -> float:
        """Seconds that the files of a trial may be late."""
        return min(self._lost_after, _BRIEF) if trial.cancelled else self._lost_after

    def _is_there(self, trial: BatchTrial) -> bool:
        """Whether its job waits or runs, asked for by its id.

        Raises
        ------
        Busy
            The scheduler does not say.
        """
        found = self._client.find(str(trial.record.job))
        return found is not None and not trial.is_another(found, self._scheduler)

    def _lives(self, trial: BatchTrial) -> bool:
        """Whether its supervisor gave a sign of life a moment ago, by the clock of its files."""
        probe = self._home.path / f".clock-{trial.directory.name}"
        with suppress(OSError):
            if trial.begun:
                since = age(trial.directory / _ALIVE, probe)
                return since < min(_LIVELY, _DOUBT * self.patience(trial))
        return False

    def ours_to_cancel(
        self, trials: Sequence[BatchTrial], listed: Mapping[str, QueuedJob] | None
    ) -> list[str]:
        """Ids of the jobs of `trials`, without those that another program has by now.

        Parameters
        ----------
        listed
            The jobs in the queue; None: it could not be asked.
        """
        jobs: dict[str, None] = {}
        for trial in trials:
            job, found = trial.record.job, (listed or {}).get(trial.record.job or "")
            if job and not (found and trial.is_another(found, self._scheduler)):
                jobs[job] = None
            jobs.update(dict.fromkeys(trial.named_in(listed or {}, self._scheduler)))
        return list(jobs)
