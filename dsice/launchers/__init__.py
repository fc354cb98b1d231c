"""Launchers: where trials run.

`Local` starts them as processes of this machine, `Futures` calls a function on an executor that exists already (threads,
processes, dask, ray, MPI), `Table` looks them up in a log.
"""

from dsice.launchers._clock import Clock
from dsice.launchers.base import Job, Launcher, Result, Step
from dsice.launchers.futures import Futures
from dsice.launchers.local import Local
from dsice.launchers.table import Table

__all__ = ["Clock", "Futures", "Job", "Launcher", "Local", "Result", "Step", "Table"]
