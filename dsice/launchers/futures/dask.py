"""`Dask`: the engine of `Futures` on dask.distributed."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from typing import Any

from distributed import Client, LocalCluster

from dsice.errors import LaunchError, OptionError
from dsice.launchers.futures.pool import Handle
from dsice.launchers.futures.remote import Task, perform

_LOST = (
    "CommClosedError",
    "CancelledError",
    "FutureCancelledError",
    "FuturesCancelledError",
    "ClosedClientError",
)  # known by name: the classes have moved between versions


def local_client(workers: int) -> Client:
    """A client of worker processes of this machine, with a thread each."""
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )
    return Client(cluster)


class Dask:
    """Calls as tasks of a dask client.

    When a worker dies, dask runs its task again on another one, and gives the task up after some
    (by default the fourth) death. Cancelling a task that runs makes dask forget it; the function
    itself goes on to its end.
    """

    name = "dask"
    threads = False
    kills = False

    def __init__(self, client: Client, *, owned: bool, options: Mapping[str, Any]) -> None:
        if client.asynchronous:
            raise OptionError(
                "executor: this dask Client is asynchronous; make it with asynchronous=False"
            )
        self.owned = owned
        self._client = client
        self._options = dict(options)

    def slots(self) -> int | None:
        """How many threads the workers have in all; None where there is no worker yet."""
        return sum(self._client.nthreads().values()) or None

    def start(self, task: Task) -> Handle:
        """Hand a call over; raises LaunchError where dask refuses it."""
        # pure=False and a key of its own: the same parameters are measured again when asked again
        key = f"dsice-{secrets.token_hex(8)}"
        try:
            future: Handle = self._client.submit(
                perform, task, pure=False, key=key, **self._options
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise LaunchError(
                f"dask refused the trial (options={self._options}): {type(error).__name__}: {error}"
            ) from error
        return future

    def cancel_queued(self, handle: Handle) -> None:
        """Take a call back that no worker has begun."""
        with contextlib.suppress(Exception):  # the connection may be gone, and the task with it
            working = self._client.call_stack(keys=[handle.key])  # type: ignore[attr-defined]
            if not working:
                handle.cancel(force=True)  # type: ignore[attr-defined]

    def abandon(self, handle: Handle) -> bool:
        """Let dask forget the call."""
        with contextlib.suppress(Exception):  # no connection: then it is forgotten already
            handle.cancel(force=True)  # type: ignore[attr-defined]
        return True

    def classify(self, error: BaseException) -> tuple[str, str]:
        """Lost where workers or the connection ended; else the call could not be run."""
        kind = type(error).__name__
        if kind == "KilledWorker":
            return "lost", f"dask gave the trial up, because each worker that had it died: {error}"
        if kind in _LOST:
            return "lost", f"dask lost the trial: {kind}: {error}"
        return "failed", f"dask could not run the trial: {kind}: {error}"

    def close(self) -> None:
        """End client and cluster, if they are owned."""
        if self.owned:
            cluster = self._client.cluster
            self._client.close()
            if cluster is not None:
                cluster.close()
