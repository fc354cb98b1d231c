"""`Futures` on dask.distributed."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from typing import Any

from distributed import Client, LocalCluster

from dsice.errors import LaunchError, OptionError
from dsice.launchers.futures.engines import Handle
from dsice.launchers.futures.remote import Task, perform


def local_client(workers: int) -> Client:
    """A client of `workers` processes of this machine with a thread each."""
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )
    return Client(cluster)


class Dask:
    """Calls as tasks of a dask client.

    Dask runs the task of a worker that died again, on another one, and gives it up after some (by default the fourth)
    death. Cancelling a task that runs makes dask forget it; the function itself goes on to its end.
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
        return sum(self._client.nthreads().values()) or None

    def start(self, task: Task) -> Handle:
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

    def drop(self, handle: Handle) -> None:
        with contextlib.suppress(Exception):  # the connection may be gone, and the task with it
            if not self._client.call_stack(keys=[handle.key]):  # type: ignore[attr-defined]  # no worker is at it
                handle.cancel(force=True)  # type: ignore[attr-defined]

    def let_go(self, handle: Handle) -> bool:
        with contextlib.suppress(
            Exception
        ):  # the connection may be gone: then it is let go of already
            handle.cancel(force=True)  # type: ignore[attr-defined]
        return True

    def verdict(self, error: BaseException) -> tuple[str, str]:
        kind = type(error).__name__
        if kind == "KilledWorker":
            return "lost", f"dask gave the trial up, because each worker that had it died: {error}"
        if kind in (
            "CommClosedError",
            "CancelledError",
            "FutureCancelledError",
            "FuturesCancelledError",
            "ClosedClientError",
        ):
            return "lost", f"dask lost the trial: {kind}: {error}"
        return "failed", f"dask could not run the trial: {kind}: {error}"

    def close(self) -> None:
        if self.owned:
            cluster = self._client.cluster
            self._client.close()
            if cluster is not None:
                cluster.close()
