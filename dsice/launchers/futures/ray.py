"""`Ray`: the engine of `Futures` on ray."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import ray

from dsice.errors import LaunchError, OptionError
from dsice.launchers.futures.pool import Handle
from dsice.launchers.futures.remote import Task, perform


class _Reference:
    """A ray task with the future that follows it.

    Without the task's reference ray would drop the result.
    """

    def __init__(self, reference: Any) -> None:
        self.reference = reference
        self._future = reference.future()
        self.cancelled: Callable[[], bool] = self._future.cancelled
        self.done: Callable[[], bool] = self._future.done
        self.exception: Callable[..., BaseException | None] = self._future.exception
        self.result: Callable[..., dict[str, Any]] = self._future.result
        self.add_done_callback: Callable[..., None] = self._future.add_done_callback


class Ray:
    """Calls as ray tasks, never run twice by ray itself."""

    name = "ray"
    threads = False
    kills = True

    def __init__(self, slots: int | None, options: Mapping[str, Any]) -> None:
        self.owned = not ray.is_initialized()
        if self.owned:
            # the user has not asked anybody to send statistics anywhere
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(
                num_cpus=slots,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
            )
        self._options = {"num_cpus": 1, **options}
        try:
            self._perform = ray.remote(perform).options(max_retries=0, **self._options)
        except (TypeError, ValueError) as error:
            self.close()
            raise OptionError(f"options={dict(options)}: ray says {error}") from error

    def slots(self) -> int | None:
        """How many tasks the CPUs and GPUs of the cluster are enough for."""
        have = ray.cluster_resources()
        needed = {"CPU": self._options.get("num_cpus"), "GPU": self._options.get("num_gpus")}
        counts = [int(have.get(name, 0) // count) for name, count in needed.items() if count]
        return min(counts, default=0) or None

    def start(self, task: Task) -> Handle:
        """Hand a call over; raises LaunchError where ray refuses it."""
        try:
            return _Reference(self._perform.remote(task))
        except Exception as error:  # ray's own kinds, and what pickling may raise
            raise LaunchError(f"ray refused the trial: {type(error).__name__}: {error}") from error

    def cancel_queued(self, handle: Handle) -> None:
        """Nothing: ray cannot take back what has not begun without interrupting what has."""

    def abandon(self, handle: Handle) -> bool:
        """Kill the worker process that runs the call."""
        with contextlib.suppress(ray.exceptions.RayError, ValueError):
            ray.cancel(handle.reference, force=True)  # type: ignore[attr-defined]
        return True

    def classify(self, error: BaseException) -> tuple[str, str]:
        """Cancelled, or ray's fault, or that of what the task asked for."""
        kinds = ray.exceptions
        of_the_task = (
            kinds.RayTaskError,
            kinds.OutOfMemoryError,
            kinds.RuntimeEnvSetupError,
            kinds.TaskUnschedulableError,
        )
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, kinds.TaskCancelledError):
            return "stopped", "cancelled"
        if isinstance(error, of_the_task):
            return "failed", f"ray could not run the trial: {reason}"
        return "lost", f"ray lost the trial: {reason}"

    def close(self) -> None:
        """End ray, if it was started here."""
        if self.owned and ray.is_initialized():
            ray.shutdown()
