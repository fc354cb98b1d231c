"""The engine that stands behind an executor, a dask client, the module ray, or a name of these.

`Workers` keeps it, and makes it anew when it broke.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import BrokenExecutor, Executor
from pathlib import Path
from types import ModuleType
from typing import Any

from dsice.errors import LaunchError, MissingPackageError, OptionError
from dsice.launchers.base import cores
from dsice.launchers.futures.call import Call
from dsice.launchers.futures.pool import Engine, Pool
from dsice.launchers.futures.remote import Task

EXTRAS = {"dask": "distributed", "ray": "ray", "mpi": "mpi4py"}
"""Package that each engine needs, by the name of the engine and of dsice's extra."""


class Workers:
    """The engine that runs the calls; where the user gave a function that makes one, also later.

    Calls that ran when a worker died run apart from the others when they come again.

    Attributes
    ----------
    engine
        The engine of calls that run with others.

    Parameters
    ----------
    executor, slots, options
        As for `engine`; `executor` may also be a function without arguments that makes one.
    """

    def __init__(self, executor: object, slots: int | None, options: Mapping[str, Any]) -> None:
        self._make: Callable[[], Engine] | None = None
        if _is_factory(executor):
            make: Callable[[], object] = executor  # type: ignore[assignment]
            self._make = lambda: engine(make(), slots, options, owned=True)
        self.engine = self._make() if self._make else engine(executor, slots, options)
        self._suspects: set[int] = set()

    def slots(self) -> int:
        """How many workers there are; raises OptionError where the engine does not say."""
        found = self.engine.slots()
        if not found:
            raise OptionError(
                f"slots=None: {self.engine.name} does not say how many workers it has, or has "
                "none yet; give slots="
            )
        return found

    def start(self, call: Call, task: Task) -> None:
        """Hand a call over.

        Raises
        ------
        LaunchError
            The engine takes no more calls.
        """
        if call.job.id in self._suspects and self._make is not None:
            call.engine = self._make()
        try:
            call.handle = call.engine.start(task)
        except BrokenExecutor as error:
            if self._make is None:
                raise LaunchError(
                    f"a worker of the {call.engine.name} died, which ends the whole pool "
                    f"({error}). Give Futures a function that makes the executor, such as "
                    "lambda: ProcessPoolExecutor(4): then it is made anew"
                ) from error
            self.engine.close()
            call.engine = self.engine = self._make()
            call.handle = call.engine.start(task)
        except RuntimeError as error:
            if isinstance(error, LaunchError):
                raise
            raise LaunchError(
                f"the {call.engine.name} takes no more trials: {error}; "
                "give Futures one that is open"
            ) from error

    def note_failure(self, call: Call, error: BaseException) -> None:
        """Suspect a call that ran when a worker died, where the engine can be made anew."""
        if isinstance(error, BrokenExecutor) and self._make is not None:
            self._suspects.add(call.job.id)

    def tidy(self, call: Call, others: Iterable[Call], *, lost: bool) -> None:
        """Tidy up after a call; `others` still run."""
        shared = any(call.engine is other.engine for other in others)
        if call.engine is not self.engine and not shared:
            call.engine.close()
        if not lost:
            self._suspects.discard(call.job.id)


def _is_factory(executor: object) -> bool:
    """Whether it makes an executor and is none."""
    return callable(executor) and (isinstance(executor, type) or not hasattr(executor, "submit"))


def engine(
    given: object, slots: int | None, options: Mapping[str, Any], *, owned: bool = False
) -> Engine:
    """The engine that `given` stands for.

    Parameters
    ----------
    given
        An executor, a dask client, the module ray, or ``"dask"``, ``"ray"`` or ``"mpi"``.
    slots
        How many workers an engine gets that is made here.
    options
        For each call, as the engine understands them.
    owned
        Whether `given` was made for the launcher and is to be ended with it.

    Raises
    ------
    OptionError
        `given` is none of these.
    MissingPackageError
        It is the name of an engine whose package is not installed.
    """
    if isinstance(given, str):
        return named(given, slots, options)
    if _is_dask_client(given):
        from dsice.launchers.futures.dask import Dask

        return Dask(given, owned=owned, options=options)
    if isinstance(given, ModuleType) and given.__name__ == "ray":
        from dsice.launchers.futures.ray import Ray

        return Ray(slots, options)
    if _is_executor(given):
        return Pool(given, owned=owned, options=options)  # type: ignore[arg-type]
    raise OptionError(
        "executor must be a concurrent.futures executor, a dask.distributed Client, the module "
        "ray, one of 'dask', 'ray' and 'mpi', or a function without arguments that makes one of "
        f"these; got {type(given).__name__} {str(given)[:80]!r}"
    )


def _is_dask_client(given: object) -> bool:
    """Known by its module's name, so that dask is not imported for it."""
    package = type(given).__module__.partition(".")[0]
    return package == "distributed" and hasattr(given, "scheduler_info")


def _is_executor(given: object) -> bool:
    if isinstance(given, Executor):
        return True
    alike = hasattr(given, "submit") and hasattr(given, "shutdown")
    return alike and not isinstance(given, type)


def named(name: str, slots: int | None, options: Mapping[str, Any]) -> Engine:
    """An engine of this machine's own processes, made here and ended with the launcher.

    Raises
    ------
    OptionError
        An unknown name.
    MissingPackageError
        The engine's package is not installed.
    """
    if name not in EXTRAS:
        raise OptionError(
            f"executor={name!r}: expected 'dask', 'ray' or 'mpi', or the executor itself"
        )
    try:
        if name == "dask":
            from dsice.launchers.futures.dask import Dask, local_client

            return Dask(local_client(slots or cores()), owned=True, options=options)
        if name == "ray":
            from dsice.launchers.futures.ray import Ray

            return Ray(slots, options)
        return Pool(local_pool(slots or cores()), owned=True, options=options)
    except ModuleNotFoundError as error:
        package = EXTRAS[name]
        if (error.name or "").partition(".")[0] not in (package, "dask"):
            raise
        raise MissingPackageError(
            f"executor={name!r} needs {package}, which is not installed: "
            f"pip install 'dsice[{name}]'"
        ) from None


def local_pool(workers: int) -> Executor:
    """A pool of processes that MPI starts.

    Raises
    ------
    MissingPackageError
        There is no ``mpiexec``: without it MPI hangs or aborts when it is to start a process.
    """
    from mpi4py.futures import MPIPoolExecutor

    if shutil.which("mpiexec") is None:
        # a wheel of MPICH puts it beside the interpreter; the environment need not be activated
        beside = Path(sys.executable).parent
        if not os.access(beside / "mpiexec", os.X_OK):
            raise MissingPackageError(
                "executor='mpi' needs mpiexec on the PATH: load your machine's MPI module, "
                "or pip install 'dsice[mpi]' mpich"
            )
        os.environ["PATH"] = f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"
    pool: Executor = MPIPoolExecutor(workers)
    return pool
