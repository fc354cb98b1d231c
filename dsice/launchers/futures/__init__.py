"""Trials as calls of a function on an executor: threads, processes, dask, ray, MPI.

An executor in the sense of `concurrent.futures` takes calls of functions and returns a future for
each; dask and ray do the same on a cluster. `Futures` hands every trial to one that exists already,
for example ``Futures(train, ProcessPoolExecutor(4))``. What the engines differ in - how a call is
started, taken back, ended, and what a failure means - is behind the protocol `pool.Engine`.

- `launcher`: `Futures` itself, the hooks of a launcher.
- `call`: one call that was handed over, and its result.
- `engines`: which engine stands behind what the user gives.
- `pool`: the protocol of engines, and the engine of standard executors.
- `dask`, `ray`: the engines on these, imported when they are used.
- `remote`: the worker's side: what is called there, and the record that it makes.
"""

from dsice.launchers.futures.launcher import Futures

__all__ = ["Futures"]
