"""`Futures` on mpi4py.futures, whose pool is a ``concurrent.futures`` executor; here is only how one is made."""

from __future__ import annotations

import os
import shutil
import sys
from concurrent.futures import Executor
from pathlib import Path

from mpi4py.futures import MPIPoolExecutor

from dsice.errors import MissingPackageError


def local_pool(workers: int) -> Executor:
    """A pool of `workers` processes that MPI starts.

    Raises
    ------
    MissingPackageError
        MPI's ``mpiexec`` is not there: without it MPI hangs or aborts when it is to start a process.
    """
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
