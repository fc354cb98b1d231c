"""Launchers: where and how trials run.

A launcher takes jobs (a trial's id and parameters), runs the user's program for each, and brings
their results; it knows nothing of search, spaces and journals. `Local` starts processes of this
machine, `Batch` submits jobs to a batch scheduler such as Slurm, `Futures` calls a function on an
executor that exists already (threads, processes, dask, ray, MPI), `Table` looks the results up in
a log. `run` works with any of them, and with an object of the user's own that has their six
methods.

- `base`: what a launcher is (`Launcher`, with all its hooks), `Job`, `Result` and `Step`.
- `program`: what is run: a shell command or a Python function; `command`, `shell`, `spelling`:
  what the braces in a command mean.
- `trial_directory`: the files of one trial, and whose they are.
- `outcome`: from these files to the result; `output`, `measurement`, `last_words`: what a program
  printed or returned, and which line of it says why it failed.
- `processes`: processes that are found again and signalled without a mistake.
- `standalone`: the two scripts that run beside a trial, also where dsice is not installed.
- `local`, `batch`, `futures`, `table`: the launchers.

A launcher of one's own, which calls a function in this process:

>>> from dsice import Tuner, run
>>> from dsice.launchers import Result
>>> class Here:
...     slots, ended = 1, ()
...     def submit(self, jobs):
...         self.ended = [Result(job.id, "done", value=job.params["x"] ** 2) for job in jobs]
...     def collect(self, timeout=0.0):
...         ended, self.ended = self.ended, ()
...         return ended
...     def attach(self, jobs):
...         return []
...     def cancel(self, id): ...
...     def close(self): ...
>>> run(Tuner({"x": range(-2, 3)}), Here(), progress=False).best.params
{'x': 0}
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
