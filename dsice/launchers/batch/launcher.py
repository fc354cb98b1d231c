"""`Batch`: the launcher that runs trials as jobs of a batch scheduler."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dsice.checks import absolute, text, texts, whole, wrong
from dsice.errors import VISIBLE, LaunchError
from dsice.launchers import base, trial_directory
from dsice.launchers.base import Job, Launcher, Result, Step, Study
from dsice.launchers.batch.monitor import JobMonitor, end_trials
from dsice.launchers.batch.patience import insist, waiting_helps
from dsice.launchers.batch.scheduler import Scheduler, find_scheduler
from dsice.launchers.batch.scheduler_client import Busy, Client
from dsice.launchers.batch.script import (
    MemberBuilder,
    Script,
    ScriptWriter,
    exported,
    resource_lines,
)
from dsice.launchers.batch.submission import BatchDirectory, new_trial
from dsice.launchers.batch.submitter import ARRAY, Limits, SubmissionQueue
from dsice.launchers.earlier import make_way
from dsice.launchers.machine import unwritable
from dsice.launchers.program import Program, interpreter, program_of
from dsice.signals import Interrupts

_LONGEST_THROTTLE = 3600.0  # seconds


class Batch(Launcher):
    """Run every trial as a job of Slurm, PJM, PBS or another batch scheduler.

    A trial's job outlives the coordinator: `close`, Ctrl-C, SIGTERM and SIGHUP leave it in the
    queue and say how to go on; the same script, started again, takes over what waits, runs or ended
    meanwhile (`attach`). `cancel` and `cancel_all` end jobs.

    Parameters
    ----------
    program
        A Python function or a shell command with placeholders, as for `Local`.
    scheduler
        ``"slurm"``, ``"pjm"``, ``"pbs"``, a `Scheduler`, or a mapping of its templates (with
        ``base="slurm"``: some of them). PJM and PBS are tested against fakes only.
    resources
        What a job asks for: ``{"partition": "gpu", "gres": "gpu:1", "-A": "hp123456"}``.
    slots
        How many trials wait or run at the same time.
    directory
        Where the trials' directories go; shared with the jobs' machines, and of this study alone.
    timeout
        Time limit of a trial in seconds, without the wait in the queue; also the job's wall time (a
        minute longer) where `resources` gives none.
    requeue
        How often a trial that was cut - by its time limit, by maintenance, with its machine - is
        submitted again, with the same id and directory, so that it finds its checkpoint.
    per_job
        How many trials share a job; they run at the same time.
    array_size
        How many jobs are submitted at once, as an array, at most; 0 or 1: no arrays. On a cluster
        that takes smaller ones only, smaller ones are tried.
    gpus
        With ``per_job``: GPUs of each trial, bound by ``CUDA_VISIBLE_DEVICES``.
    setup
        Shell lines before the trial: ``["module load cuda", "source env/bin/activate"]``.
    after
        Shell lines after the trials of a job: ``["dsice advance study.toml"]`` goes on with the
        tuning without a coordinator that waits.
    wrap
        Command in front of the trial's program, to run it in a container:
        ``"singularity exec --nv image.sif"``.
    env
        Variables set in the jobs, written into the script; None removes one.
    forward
        Names of variables whose present values are written into the script, for schedulers that
        pass none on (PJM, PBS).
    python
        Interpreter on the jobs' machines, 3.11 or newer for a function, 3.8 for a command;
        default: the one that runs this.
    poll
        Longest interval in seconds between looks for results or questions to the scheduler.
    lost_after
        Seconds after which a job that is not in the queue and left no result is lost. Shared file
        systems may show files late.
    throttle
        Seconds between two submissions.
    grace
        Seconds between SIGTERM and SIGKILL when a trial is ended.
    metrics, result, invalid_exit
        How the measurement of a command is read, as for `Local`.

    Raises
    ------
    OptionError
        An option of the wrong type or out of range.
    LaunchError
        A function that cannot be pickled.

    Examples
    --------
    >>> from dsice.launchers import Batch, Job
    >>> resources = {"partition": "short", "time": "0:10:00"}
    >>> launcher = Batch("echo {x}", scheduler="slurm", resources=resources)
    >>> print(launcher.dry_run([Job(0, {"x": 3})])[0].text)
    #!/bin/bash
    #SBATCH --job-name=d...-0
    ...
    #SBATCH --partition=short
    #SBATCH --time=0:10:00
    ...
    """

    def __init__(
        self,
        program: Callable[..., Any] | str,
        *,
        scheduler: str | Mapping[str, Any] | Scheduler = "slurm",
        resources: Mapping[str, Any] | None = None,
        slots: int = 40,
        directory: str | os.PathLike[str] = "dsice.trials",
        timeout: float | None = None,
        requeue: int = 0,
        per_job: int = 1,
        array_size: int = ARRAY,
        gpus: int = 0,
        setup: Sequence[str] = (),
        after: Sequence[str] = (),
        wrap: str = "",
        env: Mapping[str, str | None] | None = None,
        forward: Sequence[str] = (),
        python: str | None = None,
        poll: float = 10.0,
        lost_after: float = 60.0,
        throttle: float = 0.1,
        grace: float = 0.5,
        metrics: Mapping[str, Any] | None = None,
        result: str | None = None,
        invalid_exit: int | None = None,
    ) -> None:
        self._slots = self._capacity = base.slots("Batch", slots)
        limit = None if timeout is None else base.seconds("Batch", "timeout", timeout)
        self._scheduler, path = find_scheduler(scheduler), absolute(directory)
        self._client, self._home = Client(self._scheduler), BatchDirectory(path)
        python = interpreter() if python is None else text("Batch", "python", python)
        wraps = shlex.split(text("Batch", "wrap", wrap))
        read = {"metrics": metrics, "result": result, "invalid_exit": invalid_exit}
        work = program_of(program, "Batch", **read)
        self._members = MemberBuilder(work, self._home, wrap=wraps, python=python)
        writer = ScriptWriter(
            scheduler=self._scheduler,
            lines=resource_lines(self._scheduler, {} if resources is None else resources, limit),
            setup=texts("Batch", "setup", setup),
            after=texts("Batch", "after", after),
            exports=exported(forward, env),
            folder=Path.cwd(),
            python=python,
            supervise=self._home.supervise,
            timeout=limit,
            grace=base.seconds("Batch", "grace", grace, least=0.0),
            gpus=whole("Batch", "gpus", gpus),
        )
        late = base.seconds("Batch", "lost_after", lost_after, least=0.0)
        how = (writer, _limits(per_job, array_size, throttle, late), self._members.member)
        self._submissions = SubmissionQueue(self._client, self._scheduler, self._home, *how)
        self._monitor = JobMonitor(
            *(self._client, self._home, self._submissions, self._scheduler),
            timeout=limit,
            requeue=whole("Batch", "requeue", requeue),
            lost_after=late,
            poll=base.seconds("Batch", "poll", poll),
        )
        self._interrupts, self._closed = Interrupts(), False

    @property
    def slots(self) -> int:
        """How many trials wait or run at the same time."""
        return self._slots

    @property
    def directory(self) -> Path:
        """Where the trials' directories are."""
        return self._home.path

    @property
    def cannot_detach(self) -> str:  # type: ignore[override]
        """Empty: its jobs go on without this process."""
        return ""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand `jobs` to the scheduler, each in a fresh directory.

        While the queue is full they wait here. What cannot be written to the disk for now (it is
        full, the file server is away) comes from `collect` as ``unstarted``.

        Raises
        ------
        LaunchError
            More jobs than free slots, an id that is running already, a placeholder without a
            parameter, a parameter that JSON cannot keep, a directory that cannot be used: nothing
            has been submitted then. Or the scheduler is not there or refuses the jobs: those that
            it has not taken are forgotten.
        """
        self._check(jobs)
        self.accept(base.study_of(jobs))
        ready = []
        for job in jobs:
            work, directory = self._members.program(job), self._members.directory(job)
            with self._unstarted_on_error(job):
                make_way(directory, job, work.name)
                arguments = self._members.arguments(work, directory, job)
                if reason := unwritable(job.params, arguments):
                    self._monitor.ready.append(Result(job.id, "failed", error=reason))
                else:
                    ready.append((job, work, directory))
        for job, work, directory in ready:
            with self._unstarted_on_error(job):
                self._add(job, work, directory)
        self._monitor.send()

    @contextmanager
    def _unstarted_on_error(self, job: Job) -> Iterator[None]:
        """A block after which a job whose files cannot be used for now is ``unstarted``."""
        try:
            yield
        except OSError as error:
            reason = f"directory {self._members.directory(job)} cannot be written to: {error}"
            if not waiting_helps(error):
                self._monitor.forget()
                raise LaunchError(reason) from error
            self._monitor.ready.append(Result(job.id, "unstarted", error=reason))

    def _add(self, job: Job, work: Program, directory: Path) -> None:
        """Make the directory of a job, and let the job wait; OSError where it cannot be made."""
        parent = trial_directory.parent_directory(directory, job)
        if parent is not None and not parent.is_dir():
            error = trial_directory.no_checkpoint(parent)
            self._monitor.ready.append(Result(job.id, "failed", error=error))
            return
        self._monitor.add(new_trial(job, work, directory))

    def _check(self, jobs: Sequence[Job]) -> None:
        if self._closed:
            raise LaunchError("this launcher is closed; make a new one")
        running = self._monitor.running
        base.check_startable(jobs, running, self._capacity - len(running), self._slots)

    def accept(self, study: Study | None) -> None:
        """Take the directory of all trials for a study, at the first need."""
        self._check([])
        self._members.check(study)
        if self._home.open(study):
            self._interrupts.install()

    def dry_run(self, jobs: Sequence[Job]) -> list[Script]:
        """The scripts that `submit` would write for `jobs`; nothing is written or submitted."""
        trials = [self._members.planned(job) for job in jobs]
        return self._submissions.preview(trials)

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Take over those of `jobs` that an earlier coordinator submitted from the same directory.

        A job counts only if id, parameters, stage, parent and program are the same. It is known by
        the id that the scheduler gave, or, where the coordinator died before it wrote that down, by
        its name in the queue, where it may turn up late. One that ended meanwhile is in the next
        `collect`. What was never submitted is left out.

        Raises
        ------
        LaunchError
            The scheduler is not there, or the files cannot be read.
        """
        try:
            if not jobs or not insist(self._home.path.is_dir):
                return []
            self.accept(base.study_of(jobs))
            new = [job for job in jobs if job.id not in self._monitor.running]
            taken = self._monitor.adopt(self._members.submitted_before(new))
        except OSError as error:
            raise LaunchError(f"directory {self._home.path} cannot be read: {error}") from error
        # more than slots, where they were submitted when there were more slots
        self._capacity = max(self._capacity, len(self._monitor.running))
        return [trial.id for trial in taken]

    def queued(self) -> int:
        """How many jobs of this user the scheduler has, of any program.

        Raises
        ------
        LaunchError
            The scheduler is not there, or does not answer.
        """
        try:
            return len(self._client.queue())
        except Busy as busy:
            raise LaunchError(f"{self._scheduler.name} does not answer\n{busy}") from None

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        """What happened since the last call: the steps and results of the trials, steps first.

        Parameters
        ----------
        timeout
            Seconds to wait for something to happen; it returns at once when nothing is running.

        Raises
        ------
        LaunchError
            The scheduler refuses a trial that waited for a free place, or ten of its answers in a
            row could not be read. The jobs go on.
        """
        until = time.monotonic() + timeout
        while True:
            self._monitor.poll()
            if self._monitor.ready or not self._monitor.running or time.monotonic() >= until:
                break
            time.sleep(max(0.005, min(self._monitor.pause(), until - time.monotonic())))
        # only now: an interrupt above loses nothing
        events, self._monitor.ready = self._monitor.ready, []
        return events

    def stop(self, ids: Sequence[int]) -> list[int]:
        """End trials that any coordinator submitted from this directory; those that had a job.

        The coordinator that follows them, now or later, records them as ``stopped``.

        Raises
        ------
        LaunchError
            The scheduler is not there, or does not answer in time.
        """
        return end_trials(self._home, self._client, self._scheduler, ids)

    def cancel(self, id: int) -> None:
        """End a trial with all its processes, or take its job out of the queue.

        Its result has the state ``stopped``. `dsice.step` returns True in it from now on. A trial
        that shares its job ends within a second or two, one that has a job of its own at once: what
        it would have returned may be lost, its learning curve is not. For a trial that ended by
        itself a moment before, the result is its own; an unknown id is ignored.
        """
        self._monitor.cancel([id])

    def cancel_all(self) -> None:
        """End all trials that wait or run, with one command; their results come as ``stopped``."""
        self._monitor.cancel(list(self._monitor.running))

    def close(self) -> None:
        """Release everything and leave the jobs in the queue, with a word on how to go on.

        A second call does nothing.
        """
        if self._monitor.running and not self._closed:
            with suppress(OSError, ValueError):  # a terminal that is gone, a log on a full disk
                print(self._monitor.farewell().translate(VISIBLE), file=sys.stderr)
        self._release()

    def detach(self) -> None:
        """Submit what waits for the throttle only, then `close` without a word.

        Raises
        ------
        LaunchError
            The scheduler refuses a trial that waited.
        """
        try:
            self._submissions.flush()
        finally:
            self._release()

    def _release(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._home.is_open:
            self._interrupts.restore()
            self._home.close()
        self._monitor.running.clear()


def _limits(per_job: object, array_size: object, throttle: object, late: float) -> Limits:
    """The limits of submissions, checked."""
    pause = base.seconds("Batch", "throttle", throttle, least=0.0)
    if pause > _LONGEST_THROTTLE:
        raise wrong("Batch", "throttle", throttle, "a number of seconds from 0 to 3600")
    return Limits(
        base.count("Batch", "per_job", per_job, "how many trials share a job"),
        whole("Batch", "array_size", array_size),
        pause,
        late,
    )
