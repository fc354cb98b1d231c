"""`Local`: the launcher that runs trials as processes of this machine."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsice.checks import flag, variables
from dsice.errors import LaunchError
from dsice.journal.files import strictly
from dsice.launchers import base, trial_directory
from dsice.launchers.base import NO_DIRECTORY, Job, Launcher, Result, Step, Study
from dsice.launchers.earlier import make_way
from dsice.launchers.elsewhere import Whereabouts
from dsice.launchers.home import Home, check_private
from dsice.launchers.local import elsewhere
from dsice.launchers.local.elsewhere import TrialElsewhere
from dsice.launchers.local.pinning import Pinning, pinning_of
from dsice.launchers.local.process import TrialProcess, environment, not_started, wait
from dsice.launchers.program import Program, program_of

_SHORTEST, _LONGEST = 0.001, 0.03  # seconds between two looks at the running trials


class Local(Launcher):
    r"""Run every trial as a tree of processes of this machine that really ends with the trial.

    Each trial has a supervisor process, a session of its own and a directory ``<directory>/<id>/``
    with ``params.json``, ``stdout``, ``stderr`` and what else is written to ``$DSICE_DIR``. A trial
    that is killed, kills its process group, hangs or leaves processes behind fails alone. Its
    working directory is that of the coordinator.

    Parameters
    ----------
    program
        A Python function, called with the parameters as keyword arguments in a fresh interpreter,
        that returns a number, a list of numbers (repeats) or a mapping of named metrics. Or a shell
        command, in which ``{lr}`` becomes the value of ``lr`` (docs/programs.md has all forms of
        placeholders), and whose last line of stdout is such a measurement as JSON.
    slots
        How many trials run at the same time; default: one per GPU with `gpus`, else one per core
        that this process may use, or per `cpus_per_trial` cores.
    timeout
        Time limit of a trial in seconds.
    directory
        Where the trials' directories go. With it, trials outlive a coordinator that is killed, and
        a restarted one finds them again (`attach`). Default: a temporary directory, of which
        `close` leaves only the trials that did not end well; trials end with the coordinator.
    env
        Variables added to the trials' environment; None removes one.
    grace
        Seconds between SIGTERM and SIGKILL when a trial is ended.
    stop_grace
        Seconds that a cancelled trial has before that to end by itself, if it has called
        `dsice.step`: the next call returns True, and what it then gives is its value.
    gpus
        How many GPUs there are, or their names (``[0, 1]``, ``["0,1", "2,3"]``): each slot has one,
        in ``CUDA_VISIBLE_DEVICES`` and ``HIP_VISIBLE_DEVICES``; more slots than that share them.
    cpus_per_trial
        How many cores each slot has for itself, or which (``[[0, 1], [2, 3]]``, one list per slot):
        trials are bound to them (Linux), and ``OMP_NUM_THREADS`` and its like are set to their
        number unless `env` says otherwise.
    restart_elsewhere
        What `attach` does with a trial of another machine that may still run there. False: follow
        it from here, and start it again once it is dead (no sign of life for 3 minutes, or its
        scheduler's job ended). True: start it again at once; what runs there ends within seconds.
    metrics
        Of a command that prints no JSON: for each metric a regular expression whose group holds the
        number. The last match counts; of ``{"pattern": ..., "last": 5}`` five do, as repeats.
    result, invalid_exit
        Of a command: the file in ``$DSICE_DIR`` with the measurement, and the exit code that says
        that its result is wrong.

    Raises
    ------
    OptionError
        An option of the wrong type or out of range.
    LaunchError
        A function that cannot be pickled.

    Notes
    -----
    Environment of every trial: ``DSICE_TRIAL`` (id), ``DSICE_DIR``, ``DSICE_PARENT_DIR`` (if it
    continues another trial), ``DSICE_STAGE``, ``DSICE_PREPARED`` (if something was prepared),
    ``DSICE_SLOT`` (0 to slots - 1, unique among the running trials: to pick a GPU by).

    Examples
    --------
    >>> from dsice.launchers import Job, Local
    >>> with Local("echo {x}", slots=2) as launcher:
    ...     launcher.submit([Job(0, {"x": 3})])
    ...     launcher.collect(timeout=30)[0].value
    3.0
    """

    def __init__(
        self,
        program: Callable[..., Any] | str,
        *,
        slots: int | None = None,
        timeout: float | None = None,
        directory: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        grace: float = 0.5,
        stop_grace: float = 5.0,
        gpus: int | Sequence[int | str] | None = None,
        cpus_per_trial: int | Sequence[Sequence[int]] | None = None,
        restart_elsewhere: bool = False,
        metrics: Mapping[str, Any] | None = None,
        result: str | None = None,
        invalid_exit: int | None = None,
    ) -> None:
        self._pinning: Pinning | None = None
        if gpus is not None or cpus_per_trial is not None:
            self._pinning = pinning_of(gpus, cpus_per_trial, slots, env or {})
        pinned = self._pinning
        self._slots = base.slots("Local", slots) if pinned is None else pinned.slots(slots)
        self._capacity = self._slots
        self._timeout = None if timeout is None else base.seconds("Local", "timeout", timeout)
        self._grace = base.seconds("Local", "grace", grace, least=0.0)
        self._stop_grace = base.seconds("Local", "stop_grace", stop_grace, least=0.0)
        self._env = variables("Local", env)
        self._restart_elsewhere = flag("Local", "restart_elsewhere", restart_elsewhere)
        self._program = program_of(
            program, "Local", metrics=metrics, result=result, invalid_exit=invalid_exit
        )
        self._home = Home(directory)
        self._running: dict[int, TrialProcess] = {}
        self._ready: list[Result | Step] = []
        self._closed = False
        self._owner = os.getpid()
        self._host = os.uname().nodename

    @property
    def slots(self) -> int:
        """How many trials run at the same time."""
        return self._slots

    @property
    def directory(self) -> Path | None:
        """Where the trials' directories are; None before a temporary directory is made."""
        return self._home.path or self._home.given

    @property
    def cannot_keep(self) -> str:  # type: ignore[override]
        """Why the directories of jobs end with this process; empty: they outlive it."""
        return "" if self._home.given else NO_DIRECTORY

    cannot_attach = cannot_keep

    def accept(self, study: Study | None) -> Path:
        """Take the directory of all trials for a study, at the first need; returns its path."""
        self._check([])
        self._program.check(study)
        if self._home.path is None:
            atexit.register(self.close)
        return self._home.open(study)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start `jobs`, each in a fresh directory.

        Raises
        ------
        LaunchError
            More jobs than free slots, an id that is running already, a placeholder without a
            parameter, a parameter that JSON cannot keep, a directory that cannot be used; nothing
            has been started then. What the machine lacks for the moment (room on the disk,
            processes, file handles) is no error: `collect` returns such a job as ``unstarted``.
        """
        self._check(jobs)
        try:
            with strictly():
                self._submit(jobs)
        except (OSError, MemoryError) as error:
            begun = {*self._running, *(result.id for result in self._ready)}
            left = [job for job in jobs if job.id not in begun]
            self._ready += [not_started(job, error, self._host) for job in left]

    def _submit(self, jobs: Sequence[Job]) -> None:
        home = self.accept(base.study_of(jobs))
        check_private(home)
        starts = [self._start_of(job, home) for job in jobs]
        away = {job.id: self._away(directory) for job, _, directory, _ in starts}
        for job, work, directory, arguments in starts:
            parent = trial_directory.parent_directory(directory, job)
            if parent is not None and not parent.is_dir():
                gone, where = trial_directory.no_checkpoint(parent), {"host": self._host}
                self._ready.append(Result(job.id, "failed", error=gone, where=where))
            elif who := away[job.id]:
                slot, grace = self._free_slot(), self._grace
                self._running[job.id] = elsewhere.waiting(who, job, work, directory, slot, grace)
            else:
                self._start(job, work, directory, arguments)

    def _away(self, directory: Path) -> Whereabouts | None:
        """Who may work in a directory on another machine, and has to end first."""
        if self._restart_elsewhere or not directory.exists():
            return None
        return elsewhere.find(directory)

    def _start_of(self, job: Job, home: Path) -> tuple[Job, Program, Path, list[str]]:
        """What starting a job needs; what is wrong with it is found before any job starts."""
        work = self._program_of(job)
        directory = home / trial_directory.directory_name(job.id, job.kind)
        if os.path.lexists(directory):
            make_way(directory, job, work.name)
        return job, work, directory, work.arguments(directory, job, home)

    def _check(self, jobs: Sequence[Job]) -> None:
        if self._closed:
            raise LaunchError("this launcher is closed; make a new one")
        base.check_startable(jobs, self._running, self._capacity - len(self._running), self._slots)

    def _start(self, job: Job, work: Program, directory: Path, arguments: list[str]) -> None:
        slot = self._free_slot()
        pinned = {} if self._pinning is None else self._pinning.variables(slot)
        cpus = () if self._pinning is None else self._pinning.cores(slot)
        try:
            submission = trial_directory.make(directory, job, work.name, slot)
            trial = TrialProcess(job, work, directory, submission, grace=self._grace)
            self._running[job.id] = trial
            variables = environment(job, directory, slot, {**pinned, **self._env})
            lifeline = self._home.lifeline
            trial.start(arguments, variables, timeout=self._timeout, lifeline=lifeline, cpus=cpus)
        except (OSError, MemoryError, ValueError) as error:
            self._running.pop(job.id, None)
            self._ready.append(not_started(job, error, self._host, arguments))

    def _free_slot(self) -> int:
        taken = {trial.submission.slot for trial in self._running.values()}
        return next(i for i in itertools.count() if i not in taken)

    def _program_of(self, job: Job) -> Program:
        return self._program if job.work is None else program_of(job.work)

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Take over those of `jobs` that an earlier coordinator started in the same directory.

        A job counts only if id, parameters, stage, parent and program are the same. One that runs
        is recognised by the pid and the birth of its supervisor; one that ended meanwhile is in the
        next `collect`, with its whole learning curve. What is neither is left out, to be submitted
        again. One that may run on another machine is taken over, too, with a warning that says
        where it runs (see `restart_elsewhere`).

        Raises
        ------
        LaunchError
            dsice 0.1.0 started a trial on another machine, where it may still run: that cannot be
            seen; nothing was taken over.
        OSError
            What an earlier coordinator left cannot be read now; nothing was taken over.
        """
        if not jobs or self._home.given is None or not self._home.given.is_dir():
            return []
        home = self.accept(base.study_of(jobs))
        found = {}
        with strictly():
            for job in jobs:
                trial = self._attached(job, home) if job.id not in self._running else None
                if trial is not None:
                    found[job.id] = trial
        self._running.update(found)
        away = [trial for trial in found.values() if isinstance(trial, TrialElsewhere)]
        if away:
            elsewhere.say_waiting(away)
        # more than slots, where they were started when there were more slots
        self._capacity = max(self._capacity, len(self._running))
        return list(found)

    def _attached(self, job: Job, home: Path) -> TrialProcess | None:
        work = self._program_of(job)
        directory = home / trial_directory.directory_name(job.id, job.kind)
        submission = trial_directory.find_submission(directory, job, work.name)
        if submission is None:
            return None
        # in this order: the trial may end in between
        process = trial_directory.supervisor(directory)
        away = self._away(directory) if process is None else None
        if process or trial_directory.has_result(directory, submission.token):
            trial = TrialProcess(job, work, directory, submission, grace=self._grace)
            trial.adopt(process, self._timeout)
            return trial
        if away is None or away.token != submission.token:
            return None
        return TrialElsewhere(job, work, directory, submission, away, grace=self._grace)

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        """What happened since the last call: the steps and results of the trials, steps first.

        Parameters
        ----------
        timeout
            Seconds to wait for something to happen; it returns at once when nothing is running.
        """
        until = time.monotonic() + timeout
        pause = _SHORTEST
        while True:
            self._look()
            if self._ready or not self._running or time.monotonic() >= until:
                break
            wait(self._running.values(), min(pause, max(0.0, until - time.monotonic())))
            pause = min(pause * 1.3, _LONGEST)
        events, self._ready = self._ready, []  # only now: an interrupt above loses nothing
        return events

    def _look(self) -> None:
        """Collect the steps and the results that there are by now."""
        for trial in list(self._running.values()):
            try:
                with strictly():
                    self._look_at(trial)
            except OSError as error:  # its files cannot be read now
                result = trial.unreadable(error, self._host)
                if result is not None:
                    self._ready.append(result)
                    del self._running[trial.id]

    def _look_at(self, trial: TrialProcess) -> None:
        over = trial.over()  # first: a trial that is over writes no step after the next line
        self._ready.extend(trial.curve.new_steps(len(self._running)))
        if over and isinstance(trial, TrialElsewhere) and trial.starts:
            start = self._start_of(trial.job, trial.directory.parent)
            del self._running[trial.id]
            elsewhere.say_again(trial)
            self._start(*start)
        elif over and not trial.curve.behind:
            self._ready.append(self._result(trial))
            del self._running[trial.id]

    def _result(self, trial: TrialProcess) -> Result:
        result = trial.result(self._timeout, self._host)
        if result.state not in ("done", "stopped"):
            self._home.keep(trial.directory)
        return result

    def cancel(self, id: int) -> None:
        """End a running trial with all its processes; `collect` returns it with state ``stopped``.

        `dsice.step` returns True in it from now on. A trial that has called it has `stop_grace`
        seconds to end by itself, and its value so far is in the result; then it gets SIGTERM, and
        after `grace` seconds SIGKILL. Others get SIGTERM at once. For a trial that ended by itself
        a moment before, the result is its own; an id that is not running is ignored. One on another
        machine sees that it is to end within 10 seconds.
        """
        trial = self._running.get(id)
        if trial is not None and not trial.cancelled:
            with contextlib.suppress(OSError):  # a program may have removed its directory
                trial_directory.ask_to_stop(trial.directory)
            trial.cancel(self._stop_grace)

    def stop(self, ids: Sequence[int]) -> list[int]:
        """End trials that any coordinator runs in this directory; those that ran.

        One on another machine ends within 10 seconds or so.

        The coordinator that follows them, now or later, records them as ``stopped``.
        """
        if self._home.given is None:
            return []
        found = []
        for id in ids:
            directory = self._home.given / trial_directory.directory_name(id)
            if not directory.is_symlink() and trial_directory.supervisor(directory) is not None:
                trial_directory.ask_to_stop(directory)
                trial_directory.end_supervisor(directory)
                found.append(id)
            elif elsewhere.runs_in(directory):
                trial_directory.end_by_word(directory)
                found.append(id)
        return found

    def close(self) -> None:
        """End all running trials and tidy up; a second call does nothing.

        A trial that ends by this has no result: a launcher that attaches later leaves it out, so
        that it is run again. Trials on other machines are left alone.
        """
        if os.getpid() != self._owner:  # a fork of the coordinator: the trials are not its own
            return
        self._closed = True
        self._end_all()
        atexit.unregister(self.close)
        self._home.leave()

    def _end_all(self) -> None:
        for trial in self._running.values():
            trial.end()
        while self._running:
            for trial in list(self._running.values()):
                if trial.over():
                    with contextlib.suppress(OSError):
                        trial.sweep()
                    del self._running[trial.id]
            wait(self._running.values(), _SHORTEST * 3 if self._running else 0.0)
