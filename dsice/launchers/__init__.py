"""Launchers: where trials run.

`Local` starts them as processes of this machine, `Batch` as jobs of a batch scheduler, `Futures` calls a function on an executor
that exists already (threads, processes, dask, ray, MPI), `Table` looks them up in a log.
"""

from typing import TYPE_CHECKING, Any

from dsice.launchers.base import Job, Launcher, LauncherLike, Result, Step
from dsice.launchers.local.launcher import Local
from dsice.launchers.table.clock import Clock
from dsice.launchers.table.launcher import Table

if TYPE_CHECKING:
    from dsice.launchers.batch import Batch, Scheduler
    from dsice.launchers.futures.launcher import Futures

__all__ = [
    "Batch",
    "Clock",
    "Futures",
    "Job",
    "Launcher",
    "LauncherLike",
    "Local",
    "Result",
    "Scheduler",
    "Step",
    "Table",
]

_LAZY = {
    "Batch": "dsice.launchers.batch",
    "Futures": "dsice.launchers.futures",
    "Scheduler": "dsice.launchers.batch",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
