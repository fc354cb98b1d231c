"""Trials as calls on an executor that exists already: threads, processes, dask, ray, MPI."""

from dsice.launchers.futures.launcher import Futures

__all__ = ["Futures"]
