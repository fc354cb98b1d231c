"""`Batch`: trials as jobs of a batch scheduler."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsice.errors import LaunchError
from dsice.launchers import base, trial_directory
from dsice.launchers.base import Job, Launcher, Result, Step
from dsice.launchers.batch.client import Busy, Client, Listed
from dsice.launchers.batch.monitor import Following
from dsice.launchers.batch.scheduler import Scheduler, find
from dsice.launchers.batch.script import Member, Script, Writer, resource_lines
from dsice.launchers.batch.submission import Home, Record, Trial
from dsice.launchers.batch.submitter import Outbox
from dsice.launchers.program import FunctionProgram, Program, interpreter, parse
from dsice.signals import Interrupts


class Batch(Launcher):
    """Run every trial as a job of Slurm, PJM, PBS or another batch scheduler.

    A trial's job outlives the coordinator: `close`, Ctrl-C, SIGTERM and SIGHUP leave it in the queue and say how to go on; the
    same script, started again, takes over what waits, runs or ended meanwhile (`attach`). `cancel` and `cancel_all` end jobs.

    Parameters
    ----------
    program
        A Python function or a shell command with placeholders, as for `Local`.
    scheduler
        ``"slurm"``, ``"pjm"``, ``"pbs"``, a `Scheduler`, or a mapping of its templates (with ``base="slurm"``: some of them).
        PJM and PBS are tested against fakes only.
    resources
        What a job asks for: ``{"partition": "gpu", "gres": "gpu:1"}``, ``{"rscgrp": "small", "node": 1, "-g": "hp123456"}``.
    slots
        How many trials wait or run at the same time.
    directory
        Where the trials' directories go; on a file system that the jobs' machines share. One study each.
    timeout
        Run time of a trial in seconds, without the wait in the queue; also the job's wall time (a minute longer) where
        `resources` gives none.
    requeue
        How often a trial that was cut - by its time limit, by maintenance, with its machine - is submitted again, with the same
        id and directory, so that it finds its checkpoint.
    per_job
        How many trials share a job; they run at the same time.
    gpus
        With ``per_job``: GPUs of each trial, bound by ``CUDA_VISIBLE_DEVICES``.
    setup, after
        Shell lines before the trial, ``["module load cuda", "source env/bin/activate"]``, and after the trials of a job:
        ``["dsice advance study.toml"]`` goes on with the tuning without a coordinator that waits.
    wrap
        Command in front of the trial's program, to run it in a container: ``"singularity exec --nv image.sif"``.
    env
        Variables set in the jobs, written into the script; None removes one.
    forward
        Names of variables whose present values are written into the script, for schedulers that pass none on (PJM, PBS).
    python
        Interpreter on the jobs' machines, 3.11 or newer; default: the one that runs this.
    poll
        Longest interval in seconds between looks for results, and between questions to the scheduler. They start short.
    lost_after
        Seconds after which a job that is not in the queue and left no result is lost. Shared file systems are late.
    throttle
        Seconds between two submissions.
    grace
        Seconds between SIGTERM and SIGKILL when a trial is ended.

    Raises
    ------
    OptionError
        An option of the wrong type or out of range.
    LaunchError
        A function that cannot be pickled, a command whose braces do not match.

    Examples
    --------
    >>> from dsice.launchers import Batch, Job
    >>> launcher = Batch("echo {x}", scheduler="slurm", resources={"partition": "short", "time": "0:10:00"})
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
    ) -> None:
        self._slots = self._room = base.slots(slots)
        seconds = None if timeout is None else base.seconds("timeout", timeout)
        self._wrap = shlex.split(base.text("wrap", wrap))
        self._python = base.text("python", python) if python is not None else interpreter()
        self._scheduler = find(scheduler)
        self._program = parse(program)
        self._client = Client(self._scheduler)
        self._home = Home(Path(directory).absolute())
        exports = {name: os.environ.get(name) for name in base.texts("forward", forward)}
        writer = Writer(
            scheduler=self._scheduler,
            lines=resource_lines(self._scheduler, {} if resources is None else resources, seconds),
            setup=base.texts("setup", setup),
            after=base.texts("after", after),
            exports={
                **{name: value for name, value in exports.items() if value is not None},
                **base.variables(env),
            },
            folder=Path.cwd(),
            python=self._python,
            supervise=self._home.supervise,
            timeout=seconds,
            grace=base.seconds("grace", grace, least=0.0),
            gpus=base.whole("gpus", gpus),
        )
        per_job = base.count("per_job", per_job)
        throttle = base.seconds("throttle", throttle, least=0.0)
        self._outbox = Outbox(
            self._client,
            self._scheduler,
            self._home,
            writer,
            per_job=per_job,
            throttle=throttle,
            member=self._member,
        )
        self._trials = Following(
            self._client,
            self._home,
            self._outbox,
            self._scheduler.name,
            timeout=seconds,
            requeue=base.whole("requeue", requeue),
            lost_after=base.seconds("lost_after", lost_after, least=0.0),
            poll=base.seconds("poll", poll),
        )
        self._interrupts = Interrupts()
        self._opened = self._closed = False

    @property
    def slots(self) -> int:
        """How many trials wait or run at the same time."""
        return self._slots

    @property
    def directory(self) -> Path:
        """Where the trials' directories are."""
        return self._home.path

    @property
    def cannot_detach(self) -> str:
        """Empty: its jobs go on without this process."""
        return ""

    # ------------------------------------------------------------------ submit
    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand `jobs` to the scheduler, each in a fresh directory; while the queue is full they wait here.

        Raises
        ------
        LaunchError
            More jobs than free slots, an id that is running already, a placeholder that a job has no parameter for, a
            parameter that JSON cannot keep, a directory that cannot be used: nothing has been submitted then. Or the
            scheduler is not there or refuses the jobs: those that it has not taken are forgotten.
        """
        self._check(jobs)
        self._open()
        found = [(job, self._work(job), self._place(job)) for job in jobs]
        for job, work, directory in found:
            trial_directory.check_ours(directory)
            self._arguments(work, directory, job)
        for job, work, directory in found:
            if (
                parent := trial_directory.parent(directory, job)
            ) is not None and not parent.is_dir():
                self._trials.ready.append(
                    Result(job.id, "failed", error=trial_directory.no_checkpoint(parent))
                )
                continue
            try:
                ticket = trial_directory.prepare(directory, job, work.name, 0)
            except OSError as error:
                self._trials.forget()
                raise LaunchError(f"directory {directory} cannot be written to: {error}") from error
            self._trials.add(Trial(job, work, directory, ticket, Record(ticket.token, "")))
        self._trials.send()

    def _check(self, jobs: Sequence[Job]) -> None:
        if self._closed:
            raise LaunchError("this launcher is closed; make a new one")
        base.startable(
            jobs, self._trials.running, self._room - len(self._trials.running), self._slots
        )

    def _open(self) -> None:
        if not self._opened:
            self._home.open()
            self._interrupts.install()
            self._opened = True

    # ------------------------------------------------------------------ a job as a member of a script
    def _work(self, job: Job) -> Program:
        return self._program if job.work is None else parse(job.work)

    def _place(self, job: Job) -> Path:
        return self._home.path / trial_directory.name(job.id, job.kind)

    def _arguments(self, work: Program, directory: Path, job: Job) -> list[str]:
        if isinstance(work, FunctionProgram):
            file = work.file(self._home.path) if self._opened else work.path(self._home.path)
            return [
                *self._wrap,
                self._python,
                "-P",
                str(self._home.call),
                str(directory),
                str(file),
            ]
        return [
            *self._wrap,
            *work.arguments(directory, trial_directory.plain(job.params), self._home.path),
        ]

    def _member(self, trial: Trial, place: int) -> Member:
        job = trial.job
        variables = {
            **job.variables,
            "DSICE_TRIAL": trial_directory.name(job.id, job.kind),
            "DSICE_DIR": str(trial.directory),
            "DSICE_STAGE": str(job.stage),
            "DSICE_SLOT": str(place),
        }
        if job.parent is not None:
            variables["DSICE_PARENT_DIR"] = str(trial_directory.parent(trial.directory, job))
        return Member(
            trial.directory,
            trial.ticket.token,
            variables,
            self._arguments(trial.work, trial.directory, job),
        )

    def dry_run(self, jobs: Sequence[Job]) -> list[Script]:
        """The scripts that `submit` would write for `jobs`; nothing is written or submitted."""
        trials = []
        for job in jobs:
            work = self._work(job)
            ticket = trial_directory.Ticket("TOKEN", work.name, 0, 0.0)
            trials.append(Trial(job, work, self._place(job), ticket, Record("TOKEN", "")))
        return self._outbox.preview(trials)

    # ------------------------------------------------------------------ attach
    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Take over those of `jobs` that an earlier coordinator submitted from the same directory.

        A job counts only if id, parameters, stage, parent and program are the same. It is known by the id that the
        scheduler gave, or, where the coordinator died before it wrote that down, by its name in the queue. One that
        ended meanwhile is in the next `collect`. What was never submitted is left out.

        Raises
        ------
        LaunchError
            The scheduler has to be asked and does not answer.
        """
        if not self._home.path.is_dir():
            return []
        self._check([])
        self._open()
        found = [
            trial
            for job in jobs
            if job.id not in self._trials.running and (trial := self._known(job)) is not None
        ]
        names = self._names() if any(trial.record.job is None for trial in found) else []
        taken = [trial for trial in found if self._adopt(trial, names)]
        self._trials.adopt(taken)
        self._room = max(
            self._room, len(self._trials.running)
        )  # more than slots: submitted when there were more of them
        return [trial.id for trial in taken]

    def _known(self, job: Job) -> Trial | None:
        work, directory = self._work(job), self._place(job)
        ticket = trial_directory.claimed_by(directory, job, work.name)
        record = None if ticket is None else Record.read(directory, ticket.token)
        if ticket is None or record is None:
            return None
        return Trial(job, work, directory, ticket, record, sent=True, checked=False)

    def _names(self) -> list[Listed]:
        try:
            return list(self._client.queue().values())
        except Busy as busy:
            raise LaunchError(
                f"{self._scheduler.name} has to be asked for jobs whose ids were not written down, and does not answer; "
                f"try again later\n{busy}"
            ) from None

    def _adopt(self, trial: Trial, listed: Sequence[Listed]) -> bool:
        if trial.record.job is not None or trial.found(listed, self._scheduler):
            return True
        if trial.record.requeued:  # it has a checkpoint, perhaps: submitted afresh it would lose it
            trial.renew()
            self._outbox.waiting.append(trial)
            return True
        return False

    def queued(self) -> int:
        """How many jobs of this user the scheduler has, of any program.

        Raises
        ------
        LaunchError
            It is not there, or does not answer.
        """
        try:
            return len(self._client.queue())
        except Busy as busy:
            raise LaunchError(f"{self._scheduler.name} does not answer\n{busy}") from None

    # ------------------------------------------------------------------ collect
    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        """What happened since the last call: the steps and results of the trials, steps first.

        Parameters
        ----------
        timeout
            Seconds to wait for something to happen; it returns at once when nothing is running.

        Raises
        ------
        LaunchError
            The scheduler refuses a trial that waited for a free place, or its answer cannot be read. Jobs go on.
        """
        until = time.monotonic() + timeout
        while True:
            self._trials.look()
            if self._trials.ready or not self._trials.running or time.monotonic() >= until:
                break
            time.sleep(max(0.005, min(self._trials.pause(), until - time.monotonic())))
        news, self._trials.ready = (
            self._trials.ready,
            [],
        )  # only now: an interrupt above loses nothing
        return news

    # ------------------------------------------------------------------ cancel, close
    def stop(self, ids: Sequence[int]) -> list[int]:
        """End trials that any coordinator submitted from this directory, also one that is at work; those that had a job.

        They are told as ``stopped`` by the coordinator that follows them, now or later.

        Raises
        ------
        LaunchError
            The scheduler is not there, or does not answer in time.
        """
        records = {
            id: record
            for id in ids
            if (record := Record.current(self._home.path / trial_directory.name(id))) is not None
        }
        for id in records:
            trial_directory.ask_to_stop(
                self._home.path / trial_directory.name(id)
            )  # a trial that shares its job ends by this
        jobs = dict.fromkeys(
            record.job
            for record in records.values()
            if record.job is not None and not record.shared
        )
        try:
            self._client.cancel(job for job in jobs if job is not None)
        except Busy as busy:
            raise LaunchError(
                f"{self._scheduler.name} does not answer; try again later\n{busy}"
            ) from None
        return list(records)

    def cancel(self, id: int) -> None:
        """End trial `id` with all its processes, or take its job out of the queue; its result has the state ``stopped``.

        `dsice.step` returns True in it from now on. A trial that shares its job ends within a second or two, one that has a
        job of its own at once: what it would have returned may be lost, its learning curve is not.
        For a trial that ended by itself a moment before, the result is its own; an unknown id is ignored.
        """
        self._trials.cancel([id])

    def cancel_all(self) -> None:
        """End all trials that wait or run, with one command; their results come as ``stopped``."""
        self._trials.cancel(list(self._trials.running))

    def close(self) -> None:
        """Let go of everything and leave the jobs in the queue, saying how to go on; a second call does nothing."""
        if self._trials.running and not self._closed:
            print(self._trials.farewell(), file=sys.stderr)
        self._let_go()

    def detach(self) -> None:
        """Submit what waits for the throttle, not for a full queue; then `close` without a word.

        Raises
        ------
        LaunchError
            The scheduler refuses a trial that waited.
        """
        try:
            self._outbox.flush()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._opened:
            self._interrupts.restore()
            self._home.close()
        self._trials.running.clear()
