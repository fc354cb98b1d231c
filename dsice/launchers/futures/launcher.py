"""`Futures`: the launcher that calls a function on an executor, dask, ray or MPI."""

from __future__ import annotations

import os
import time
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from dsice.checks import absolute, renamed
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers import base, trial_directory
from dsice.launchers.base import NO_DIRECTORY, Job, Launcher, Result, Step, Study
from dsice.launchers.continuing import check_continuing
from dsice.launchers.earlier import make_way
from dsice.launchers.futures.call import Call, not_started
from dsice.launchers.futures.engines import Workers
from dsice.launchers.futures.pool import Handle, has_ended, when_ended
from dsice.launchers.home import note_study, refuse, take_home, unlock_directory
from dsice.launchers.program import function_name, pickled
from dsice.launchers.trial_directory import plain_params
from dsice.signals import Interrupts, whole

_LOOK = 0.1  # seconds between two looks at the learning curves
_FETCH = 5.0  # seconds for a result to travel
_WORRY = 2.0  # seconds that `close` waits before it says for what


class Futures(Launcher):
    """Run every trial as a call of a Python function on an executor that exists already.

    Parameters
    ----------
    program
        A Python function, called with the parameters as keyword arguments, that returns a number, a
        list of numbers (repeats) or a mapping of named metrics. What it needs must be importable on
        the workers; closures and functions of a script are sent there.
    executor
        A ``concurrent.futures`` executor (threads, processes, loky, mpi4py.futures), a
        ``dask.distributed.Client``, the module ``ray``; or a function without arguments that makes
        one of these, which is then ended by `close` and made anew when a killed worker broke it; or
        ``"dask"``, ``"ray"``, ``"mpi"`` for worker processes on this machine.
    slots
        How many trials are handed over at the same time; default: as many as the executor has
        workers (ray: CPUs or GPUs).
    directory
        Where the trials' directories go: a file system that the workers share. Without one
        `dsice.step` is not available.
    options
        For each trial, as the engine understands them: dask's ``Client.submit``
        (``{"resources": {"GPU": 1}}``), ray's ``.options`` (``{"num_gpus": 1}``).
    stop_grace
        Seconds that a cancelled trial has to see `dsice.step` return True, before the engine ends
        it (ray) or forgets it (dask).
    function
        Deprecated name of `program`.

    Raises
    ------
    OptionError
        An option of the wrong type or out of range; an executor that does not say how many workers
        it has.
    LaunchError
        A function that cannot be pickled.
    MissingPackageError
        The engine is not installed.

    Notes
    -----
    There is no time limit, since no engine but ray can end a running function, and no `attach`:
    calls end with their coordinator. Only `Local` and `Batch` keep each trial's processes apart and
    end whole trees of them.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from dsice.launchers import Futures, Job
    >>> with ThreadPoolExecutor(2) as pool, Futures(lambda x: x * x, pool) as launcher:
    ...     launcher.submit([Job(0, {"x": 3})])
    ...     launcher.collect(timeout=30)[0].value
    9.0
    """

    @renamed(function="program")
    def __init__(
        self,
        program: Callable[..., Any],
        executor: object,
        *,
        slots: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
        stop_grace: float = 10.0,
    ) -> None:
        if not callable(program) or isinstance(program, (type, str)):
            raise OptionError(
                f"program must be a Python function, got {program!r}; "
                "Local and Batch run shell commands"
            )
        self._function = program
        self._stop_grace = base.seconds("Futures", "stop_grace", stop_grace, least=0.0)
        asked = None if slots is None else base.slots("Futures", slots)
        self._home = None if directory is None else absolute(directory)
        self._study: Study | None = None
        self._let_go: weakref.finalize[..., Any] | None = None  # of the directory, once it is taken
        self._workers = Workers(executor, asked, dict(options or {}))
        try:
            self._sent = self._sendable(program)
            self._slots = asked or self._workers.slots()
        except BaseException:
            self._workers.engine.close()
            raise
        self._running: dict[int, Call] = {}
        self._ready: list[Result | Step] = []
        self._bell: SimpleQueue[None] = SimpleQueue()  # something has ended
        self._closed = self._warned = False
        self._owner = os.getpid()
        self._interrupts = Interrupts()
        if self._workers.engine.owned and not self._workers.engine.threads:
            # worker processes do not notice that their coordinator is gone
            self._interrupts.install()

    cannot_attach = "the calls of an earlier coordinator ended with it, or cannot be found again"

    @property
    def slots(self) -> int:
        """How many trials are handed over at the same time."""
        return self._slots

    @property
    def directory(self) -> Path | None:
        """Where the trials' directories are."""
        return self._home

    @property
    def cannot_keep(self) -> str:  # type: ignore[override]
        """Why the directories of jobs end with this process; empty: they outlive it."""
        return "" if self._home else NO_DIRECTORY

    @property
    def cannot_continue(self) -> str:  # type: ignore[override]
        """Why a trial cannot continue from the checkpoint of another; empty if it can."""
        if self._home:
            return ""
        return (
            "Futures has no directories for checkpoints; "
            "give it directory=, which all workers share"
        )

    def _sendable(self, function: Callable[..., Any]) -> bytes | Callable[..., Any]:
        """A function as it travels to a worker."""
        return function if self._workers.engine.threads else pickled(function)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand `jobs` to the executor.

        Raises
        ------
        LaunchError
            More jobs than free slots, an id that is running already, a parameter that JSON cannot
            keep, a directory that cannot be used, a shell command as work, a trial that continues
            another one and no directory; an executor that was shut down or that a dead worker
            broke. What the machine lacks for the moment (room on the disk, processes, threads) is
            no error: `collect` returns such a job as ``unstarted``.
        """
        self._check(jobs)
        work = [self._sent if job.work is None else self._work(job) for job in jobs]
        params = [plain_params(job.params) for job in jobs]
        try:
            self.accept(base.study_of(jobs))
            directories = [self._directory(job) for job in jobs]
        except OSError as error:
            self._ready += [not_started(job, error) for job in jobs]
            return
        for job, function, plain, directory in zip(jobs, work, params, directories, strict=True):
            try:
                self._start(job, function, plain, directory)
            except OSError as error:
                self._ready.append(not_started(job, error))

    def _check(self, jobs: Sequence[Job]) -> None:
        if self._closed:
            raise LaunchError("this launcher is closed; make a new one")
        base.check_startable(jobs, self._running, self._slots - len(self._running), self._slots)
        check_continuing(jobs, self.cannot_continue)

    def _work(self, job: Job) -> bytes | Callable[..., Any]:
        if not callable(job.work):
            raise LaunchError(
                f"Futures runs Python functions, and the work of job {job.id} is {job.work!r}; "
                "use Local or Batch"
            )
        return self._sendable(job.work)

    def _directory(self, job: Job) -> Path | None:
        if self._home is None:
            if job.kind == "prepare":
                raise LaunchError(
                    "what is prepared needs a directory: Futures(..., directory=...), "
                    "on a file system that workers share"
                )
            return None
        directory = self._home / trial_directory.directory_name(job.id, job.kind)
        if os.path.lexists(directory):
            make_way(directory, job, function_name(self._function))
        return directory

    def accept(self, study: Study | None) -> None:
        """Take the directory of all trials for a study, at the first need.

        A launcher that is simply forgotten lets go of it, too.
        """
        self._check([])
        if self._home is None:
            return
        try:
            if self._let_go is None:
                handle = take_home(self._home, study)
                self._let_go = weakref.finalize(self, unlock_directory, handle)
            elif study != self._study:
                note_study(self._home, study)
        except OSError as error:
            refuse(self._home, error)
        self._study = study

    def _start(
        self,
        job: Job,
        function: bytes | Callable[..., Any],
        params: dict[str, Any],
        directory: Path | None,
    ) -> None:
        call = Call(job, self._workers.engine, directory)
        if directory is not None:
            name = function_name(self._function)
            call.token = trial_directory.make(directory, job, name, 0).token
        self._workers.start(call, call.task(function, params))
        self._running[job.id] = call
        if call.handle is not None:
            when_ended(call.handle, self._ring)
        self._interrupts.check()

    def _ring(self) -> None:
        """Note that something has ended; in whatever thread."""
        self._bell.put(None)

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        """Nothing: the calls of an earlier coordinator ended with it, or cannot be found again."""
        return []

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        """What happened since the last call: the steps and results of the trials, steps first.

        Parameters
        ----------
        timeout
            Seconds to wait for something to happen; it returns at once when nothing is running.
        """
        until = time.monotonic() + timeout
        while True:
            self._interrupts.check()
            self._look()
            left = until - time.monotonic()
            if self._ready or not self._running or left <= 0:
                break
            with suppress(Empty):
                self._bell.get(timeout=min(left, _LOOK))
        events, self._ready = self._ready, []  # only now: an interrupt above loses nothing
        return events

    def _look(self) -> None:
        """Collect steps and results, and abandon cancelled calls whose time is over."""
        for id, call in list(self._running.items()):
            handle = call.handle
            if handle is None:
                continue
            over = has_ended(handle)  # first: what is over writes no step after the next line
            self._ready.extend(call.new_steps(len(self._running)))
            result = self._result(call, handle) if over and not call.behind else None
            if result is not None:
                call.note_end(result)
                self._ready.append(result)
                del self._running[id]
                self._workers.tidy(call, self._running.values(), lost=result.state == "lost")
            elif call.abandon_at is not None and time.monotonic() >= call.abandon_at:
                call.abandon_at = None
                call.engine.abandon(handle)

    @whole
    def _result(self, call: Call, handle: Handle) -> Result | None:
        """How a call ended; None when its result has not arrived after all."""
        if handle.cancelled():
            return call.without_record("lost", f"{call.engine.name} cancelled the trial")
        try:
            error = handle.exception(_FETCH)
            found = handle.result(_FETCH) if error is None else {}
        except TimeoutError:
            return None
        except Exception as problem:  # the connection broke in between
            error = problem
        if error is None:
            self._warn_unheard(call.job.id, int(found["unheard"]))
            return call.result(found)
        self._workers.note_failure(call, error)
        return call.without_record(*call.engine.classify(error))

    def _warn_unheard(self, id: int, unheard: int) -> None:
        if unheard and not self._warned:
            self._warned = True
            warnings.warn(
                f"trial {id} called dsice.step {unheard} times, and nobody heard it: learning "
                "curves need Futures(directory=...), on a file system that the workers share",
                DsiceWarning,
                stacklevel=5,
            )

    def cancel(self, id: int) -> None:
        """Take a trial back that has not begun, and ask one that runs to stop.

        With a directory `dsice.step` returns True in it from now on, and when the function returns,
        the result is its last value with state ``stopped``. A function that does not ask goes on to
        its end and its result is its own; but after `stop_grace` seconds (at once without a
        directory) ray ends it, and dask forgets it, though it runs on. An id that is not running is
        ignored.
        """
        call = self._running.get(id)
        if call is None or call.handle is None or call.cancelled:
            return
        call.cancelled = True
        call.ask_to_stop()
        if not call.stepped:  # dask may not know yet that a worker is at it
            call.engine.cancel_queued(call.handle)
        grace = 0.0 if call.directory is None else self._stop_grace
        call.abandon_at = time.monotonic() + grace

    def close(self) -> None:
        """End what can be ended, wait for what cannot; a second call does nothing.

        Calls that have not begun are taken back. Ray's tasks, and worker processes of an executor
        that the launcher made itself, are killed; for functions in other executors and in threads
        it waits until they return; what they measured is in the next `collect`.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        engines = [self._workers.engine, *(call.engine for call in self._running.values())]
        try:
            for call in self._running.values():
                if call.handle is not None and not has_ended(call.handle):
                    call.cancelled = True  # what it returns early is no measurement
                    call.ask_to_stop()
                    call.engine.cancel_queued(call.handle)
                    if call.engine.kills:
                        call.engine.abandon(call.handle)
            calls = self._running.values()
            self._await([call for call in calls if call.engine.threads or not call.engine.owned])
            self._keep_measured()
        finally:
            for engine in {id(engine): engine for engine in engines}.values():
                engine.close()
            if self._let_go is not None:
                self._let_go()
            self._running.clear()
            self._interrupts.restore()

    def _keep_measured(self) -> None:
        """Keep the results of calls that were waited for, for another `collect`."""
        for call in self._running.values():
            if call.handle is not None and has_ended(call.handle):
                result = self._result(call, call.handle)
                if result is not None and result.state == "done":
                    self._ready.append(result)

    def _await(self, calls: Sequence[Call]) -> None:
        """Wait until calls have returned."""
        worry: float | None = time.monotonic() + _WORRY
        while rest := [call for call in calls if call.handle and not has_ended(call.handle)]:
            self._interrupts.check()
            if worry is not None and time.monotonic() > worry:
                worry = None
                warnings.warn(
                    f"{len(rest)} trials still run in {rest[0].engine.name}, which cannot end "
                    "them: waiting for them to return (Ctrl-C leaves them alone)",
                    DsiceWarning,
                    stacklevel=4,
                )
            time.sleep(0.01)
