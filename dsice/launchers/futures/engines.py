"""What `Futures` needs of whatever runs its calls, and the adapter for every ``concurrent.futures`` executor."""

from __future__ import annotations

import concurrent.futures
import contextlib
import inspect
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from dsice.errors import MissingPackageError, OptionError
from dsice.launchers.futures.remote import Task, perform


def local_pool(workers: int) -> Executor:
    """A pool of `workers` processes that MPI starts.

    Raises
    ------
    MissingPackageError
        MPI's ``mpiexec`` is not there: without it MPI hangs or aborts when it is to start a process.
    """
    from mpi4py.futures import MPIPoolExecutor

    if shutil.which("mpiexec") is None:
        beside = Path(
            sys.executable
        ).parent  # where a wheel of MPICH puts it; a virtual environment need not be activated
        if not os.access(beside / "mpiexec", os.X_OK):
            raise MissingPackageError(
                "executor='mpi' needs mpiexec on the PATH: load your machine's MPI module, or pip install 'dsice[mpi]' mpich"
            )
        os.environ["PATH"] = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    pool: Executor = MPIPoolExecutor(workers)
    return pool


EXTRAS = {"dask": "distributed", "ray": "ray", "mpi": "mpi4py"}


class Handle(Protocol):
    """A call in flight; the futures of all engines have this much in common."""

    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...
    def result(self, timeout: float | None = None) -> dict[str, Any]: ...
    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...


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
        Whether `let_go` really ends a running function.
    """

    name: str
    threads: bool
    owned: bool
    kills: bool

    def slots(self) -> int | None:
        """How many calls it runs at a time; None if it does not say."""

    def start(self, task: Task) -> Handle:
        """Hand a call over; raises concurrent.futures.BrokenExecutor when nothing can run any more."""

    def drop(self, handle: Handle) -> None:
        """Take a call back that has not begun; one that runs is left alone."""

    def let_go(self, handle: Handle) -> bool:
        """End a running call, or at least wait for it no longer; False: this engine cannot."""

    def verdict(self, error: BaseException) -> tuple[str, str]:
        """State and reason of a call that the engine itself, not the function, failed."""

    def close(self) -> None:
        """End it with all its workers, if it is owned."""


class Pool:
    """Any executor of the ``concurrent.futures`` kind: threads, processes, loky, mpi4py.futures."""

    kills = False

    def __init__(self, executor: Executor, *, owned: bool, options: Mapping[str, Any]) -> None:
        if options:
            raise OptionError(
                f"options={dict(options)} are for dask and ray; {type(executor).__name__} takes none"
            )
        self.executor = executor
        self.name = type(executor).__name__
        self.threads = isinstance(executor, ThreadPoolExecutor)
        self.owned = owned

    def slots(self) -> int | None:
        count = getattr(
            self.executor, "_max_workers", None
        )  # of the standard library's, loky's and mpi4py's executors
        return count if isinstance(count, int) and count > 0 else None

    def start(self, task: Task) -> Handle:
        return self.executor.submit(perform, task)

    def drop(self, handle: Handle) -> None:
        if isinstance(handle, concurrent.futures.Future):
            handle.cancel()

    def let_go(self, handle: Handle) -> bool:
        return False

    def verdict(self, error: BaseException) -> tuple[str, str]:
        if isinstance(error, concurrent.futures.BrokenExecutor):
            return (
                "lost",
                f"a worker of the {self.name} died, and with it every trial that it had: {error}",
            )
        return "failed", f"{self.name} could not run the trial: {type(error).__name__}: {error}"

    def close(self) -> None:
        if not self.owned:
            return
        shutdown: Any = self.executor.shutdown
        if "kill_workers" in inspect.signature(shutdown).parameters:  # loky
            shutdown(wait=True, kill_workers=True)
            return
        for process in list(
            (getattr(self.executor, "_processes", None) or {}).values()
        ):  # Python 3.14 has kill_workers()
            with contextlib.suppress(OSError, ValueError):
                process.kill()
        shutdown(wait=not self.threads, cancel_futures=True)


def engine(
    given: object, slots: int | None, options: Mapping[str, Any], *, owned: bool = False
) -> Engine:
    """The engine that `given` stands for.

    Raises
    ------
    OptionError
        It is none.
    MissingPackageError
        It is the name of an engine whose package is not installed.
    """
    if isinstance(given, str):
        return named(given, slots, options)
    if type(given).__module__.partition(".")[0] == "distributed" and hasattr(
        given, "scheduler_info"
    ):
        from dsice.launchers.futures.dask import Dask

        return Dask(given, owned=owned, options=options)
    if isinstance(given, ModuleType) and given.__name__ == "ray":
        from dsice.launchers.futures.ray import Ray

        return Ray(slots, options)
    if isinstance(given, Executor) or (
        hasattr(given, "submit") and hasattr(given, "shutdown") and not isinstance(given, type)
    ):
        return Pool(given, owned=owned, options=options)  # type: ignore[arg-type]
    raise OptionError(
        "executor must be a concurrent.futures executor, a dask.distributed Client, the module ray, one of 'dask', 'ray' and "
        f"'mpi', or a function without arguments that makes one of these; got {type(given).__name__} {str(given)[:80]!r}"
    )


def named(name: str, slots: int | None, options: Mapping[str, Any]) -> Engine:
    """An engine of this machine's own processes, made here and ended with the launcher."""
    if name not in EXTRAS:
        raise OptionError(
            f"executor={name!r}: expected 'dask', 'ray' or 'mpi', or the executor itself"
        )
    try:
        if name == "dask":
            from dsice.launchers.futures.dask import Dask, local_client

            return Dask(local_client(slots or _cores()), owned=True, options=options)
        if name == "ray":
            from dsice.launchers.futures.ray import Ray

            return Ray(slots, options)
        return Pool(local_pool(slots or _cores()), owned=True, options=options)
    except ModuleNotFoundError as error:
        package = EXTRAS[name]
        if (error.name or "").partition(".")[0] not in (package, "dask"):
            raise
        raise MissingPackageError(
            f"executor={name!r} needs {package}, which is not installed: pip install 'dsice[{name}]'"
        ) from None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
