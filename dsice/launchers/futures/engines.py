"""The engine that stands behind an executor, a dask client, the module ray, or a name of these."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from types import ModuleType
from typing import Any

from dsice.errors import MissingPackageError, OptionError
from dsice.launchers.base import cores
from dsice.launchers.futures.pool import Engine, Pool

EXTRAS = {"dask": "distributed", "ray": "ray", "mpi": "mpi4py"}
"""Package that each engine needs, by the name of the engine and of dsice's extra."""


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
