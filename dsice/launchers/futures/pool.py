"""What `Futures` asks of whatever runs its calls, and `Pool`, the engine of standard executors."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Protocol, cast

from dsice.errors import OptionError
from dsice.launchers.futures.remote import Task, perform
from dsice.signals import whole

_NO_THREAD = "can't start new thread"
SHORT_OF = (*(errno.ENOSPC, errno.EDQUOT, errno.ENFILE, errno.EMFILE, errno.ENOMEM, errno.EAGAIN),)
"""Errors of a machine that lacks something for the moment."""


class Handle(Protocol):
    """A call that was handed to an engine: what the futures of all engines have in common."""

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""

    def cancelled(self) -> bool:
        """Whether it was taken back before it began."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What it raised; raises TimeoutError where the answer takes longer than `timeout`."""

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """What it returned; raises TimeoutError where the answer takes longer than `timeout`."""

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None:
        """Let `fn` be called when it ends."""


@whole
def has_ended(handle: Handle) -> bool:
    """Whether a call has ended, in whatever way."""
    return handle.done()


@whole
def when_ended(handle: Handle, ring: Callable[[], object]) -> None:
    """Let `ring` be called when a call ends."""
    handle.add_done_callback(lambda _: ring())


class Engine(Protocol):
    """Runs calls.

    Attributes
    ----------
    name
        How messages call it.
    threads
        Whether calls run in this process, so that the function is not pickled.
    owned
        Whether it was made here and is to be ended with the launcher.
    kills
        Whether `abandon` really ends a running function.
    """

    name: str
    threads: bool
    owned: bool
    kills: bool

    def slots(self) -> int | None:
        """How many calls it runs at a time; None if it does not say."""

    def start(self, task: Task) -> Handle:
        """Hand a call over; raises BrokenExecutor when nothing can run any more."""

    def cancel_queued(self, handle: Handle) -> None:
        """Take a call back that has not begun; one that runs is left alone."""

    def abandon(self, handle: Handle) -> bool:
        """End a running call, or at least wait for it no longer; False: this engine cannot."""

    def classify(self, error: BaseException) -> tuple[str, str]:
        """State and reason of a call that failed in the engine itself, not in the function."""

    def close(self) -> None:
        """End it with all its workers, if it is owned."""


class _Revocable:
    """A call on a thread that can be taken back though nobody has the executor's future of it.

    Attributes
    ----------
    own
        A future of its own, for that case.
    """

    def __init__(self, task: Task) -> None:
        self.own: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._task = task

    def __call__(self) -> dict[str, Any]:
        if not self.own.set_running_or_notify_cancel():
            return {}
        try:
            found = perform(self._task)
        except BaseException as error:
            self.own.set_exception(error)
            raise
        self.own.set_result(found)
        return found


class Pool:
    """Any executor of the ``concurrent.futures`` kind: threads, processes, loky, mpi4py.futures."""

    kills = False

    def __init__(self, executor: Executor, *, owned: bool, options: Mapping[str, Any]) -> None:
        if options:
            raise OptionError(
                f"options={dict(options)} are for dask and ray; "
                f"{type(executor).__name__} takes none"
            )
        self.executor = executor
        self.name = type(executor).__name__
        self.threads = isinstance(executor, ThreadPoolExecutor)
        self.owned = owned

    def slots(self) -> int | None:
        """How many workers the executor has; None if it does not say."""
        # the private attribute of the standard library's, loky's and mpi4py's executors
        count = getattr(self.executor, "_max_workers", None)
        return count if isinstance(count, int) and count > 0 else None

    @whole
    def start(self, task: Task) -> Handle:
        """Hand a call over.

        Raises
        ------
        BrokenExecutor
            A worker died before.
        OSError
            No worker can be started now, and the call was taken back.
        """
        revocable = _Revocable(task)
        try:
            if self.threads:
                return self.executor.submit(revocable)
            return self.executor.submit(perform, task)
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and _NO_THREAD not in str(error):
                raise
            queued = revocable.own if self.threads else self._queued(task)
            if queued is not None and not queued.cancel():
                return queued  # another worker has it
            raise OSError(errno.EAGAIN, f"{self.name} can start no worker: {error}") from error

    def _queued(self, task: Task) -> concurrent.futures.Future[Any] | None:
        """The future of a call that was queued before the executor failed to start a worker.

        The executor would run it later, when the same trial was handed over again.
        """
        executor: Any = self.executor
        thread = getattr(executor, "_executor_manager_thread", None)
        if thread is not None and thread.ident is None:
            executor._executor_manager_thread = None  # or it would never be started again
        for item in list(getattr(executor, "_pending_work_items", {}).values()):
            if any(argument is task for argument in item.args):
                return cast("concurrent.futures.Future[Any]", item.future)
        return None

    @whole
    def cancel_queued(self, handle: Handle) -> None:
        """Take a call back that has not begun; one that runs is left alone."""
        if isinstance(handle, concurrent.futures.Future):
            handle.cancel()

    def abandon(self, handle: Handle) -> bool:
        """False: an executor cannot end a running call."""
        return False

    def classify(self, error: BaseException) -> tuple[str, str]:
        """A dead worker takes the whole executor with it; everything else is the call's fault."""
        if isinstance(error, concurrent.futures.BrokenExecutor):
            reason = f"a worker of the {self.name} died, and with it every trial that it had"
            return "lost", f"{reason}: {error}"
        if isinstance(error, OSError) and error.errno in SHORT_OF:
            return "unstarted", f"{self.name} could not run the trial: {error}"
        return "failed", f"{self.name} could not run the trial: {type(error).__name__}: {error}"

    def close(self) -> None:
        """End the executor and kill its worker processes, if it is owned."""
        if not self.owned:
            return
        shutdown: Any = self.executor.shutdown
        if "kill_workers" in inspect.signature(shutdown).parameters:  # loky
            shutdown(wait=True, kill_workers=True)
            return
        # Python 3.14 has kill_workers()
        workers = getattr(self.executor, "_processes", None) or {}
        for process in list(workers.values()):
            with contextlib.suppress(OSError, ValueError):
                process.kill()
        shutdown(wait=not self.threads, cancel_futures=True)
