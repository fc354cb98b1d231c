"""The GPU and the cores that a trial of `Local` has: those of its slot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsice.errors import OptionError
from dsice.launchers import base

VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Variables that say which GPUs a process may use (NVIDIA, AMD)."""

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables that say how many threads numerical libraries start."""


@dataclass(frozen=True)
class Pinning:
    """What each slot has; slots beyond the last begin again with the first.

    Attributes
    ----------
    gpus
        Value of the variables in `VISIBLE`; empty: they are left as they are.
    cpus
        Cores to be bound to; empty: not bound.
    threads
        Number of threads; None: the variables in `THREADS` are left as they are.
    """

    gpus: tuple[str, ...] = ()
    cpus: tuple[tuple[int, ...], ...] = ()
    threads: tuple[int, ...] = ()

    def slots(self, asked: int | None) -> int:
        """How many trials run at the same time, where `asked` may be None."""
        if asked is None and (self.gpus or self.threads):
            return min(len(part) for part in (self.gpus, self.threads) if part)
        return base.slots("Local", asked)

    def variables(self, slot: int) -> dict[str, str]:
        """Environment variables of a slot."""
        found = {}
        if self.gpus:
            found.update(dict.fromkeys(VISIBLE, self.gpus[slot % len(self.gpus)]))
        if self.threads:
            found.update(dict.fromkeys(THREADS, str(self.threads[slot % len(self.threads)])))
        return found

    def cores(self, slot: int) -> tuple[int, ...]:
        """Cores of a slot; empty: any."""
        return self.cpus[slot % len(self.cpus)] if self.cpus else ()


def pinning_of(
    gpus: int | Sequence[int | str] | None,
    cpus_per_trial: int | Sequence[Sequence[int]] | None,
    slots: int | None,
    env: Mapping[str, object],
) -> Pinning:
    """The options of `Local`, checked.

    Raises
    ------
    OptionError
        An option of the wrong kind; more GPUs or cores than this process may use; GPUs that `env`
        names, too.
    """
    clash = [name for name in VISIBLE if name in env] if gpus is not None else []
    if clash:
        raise OptionError(f"gpus={gpus!r} and env sets {clash[0]}: leave one of them out")
    devices = () if gpus is None else _gpus(gpus)
    if cpus_per_trial is None:
        return Pinning(devices)
    if isinstance(cpus_per_trial, int) and slots is None and devices:
        slots = len(devices)
    cores = _cores(cpus_per_trial, slots)
    bound = cores if hasattr(os, "sched_setaffinity") else ()
    return Pinning(devices, bound, tuple(len(part) for part in cores))


def _gpus(gpus: int | Sequence[int | str]) -> tuple[str, ...]:
    """The device of each slot, of the GPUs that this process may use."""
    seen = os.environ.get(VISIBLE[0])
    mine = None if seen is None else [name.strip() for name in seen.split(",") if name.strip()]
    if isinstance(gpus, int):
        count = base.count("Local", "gpus", gpus, "how many GPUs there are")
        if mine is not None and count > len(mine):
            raise OptionError(
                f"gpus={count}, and {VISIBLE[0]}={seen!r} lets this process use {len(mine)}; "
                "ask for fewer"
            )
        return tuple(str(i) for i in range(count)) if mine is None else tuple(mine[:count])
    names = tuple(gpus) if isinstance(gpus, Sequence) and not isinstance(gpus, str) else ()
    if not names or not all(
        isinstance(name, (int, str)) and not isinstance(name, bool) for name in names
    ):
        raise OptionError(
            "gpus must be a number >= 1 or a list of devices such as [0, 1] or ['0,1', '2,3'], "
            f"got {gpus!r}"
        )
    return tuple(str(name) for name in names)


def _cores(
    cpus_per_trial: int | Sequence[Sequence[int]], slots: int | None
) -> tuple[tuple[int, ...], ...]:
    """The cores of each slot, of those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        have = sorted(os.sched_getaffinity(0))
    else:
        have = list(range(os.cpu_count() or 1))
    if isinstance(cpus_per_trial, int):
        each = base.count("Local", "cpus_per_trial", cpus_per_trial, "how many cores a trial has")
        count = max(1, len(have) // each) if slots is None else base.count("Local", "slots", slots)
        if each * count > len(have):
            raise OptionError(
                f"cpus_per_trial={each} in {count} slots needs {each * count} cores, and this "
                f"process may use {len(have)}; take fewer slots or cores"
            )
        return tuple(tuple(have[i * each : (i + 1) * each]) for i in range(count))
    lists = (
        isinstance(cpus_per_trial, Sequence)
        and not isinstance(cpus_per_trial, str)
        and len(cpus_per_trial) > 0
    )
    if not lists or not all(
        isinstance(part, Sequence) and not isinstance(part, str) and part for part in cpus_per_trial
    ):
        raise OptionError(
            "cpus_per_trial must be a number >= 1 or a list of cores for each slot such as "
            f"[[0, 1], [2, 3]], got {cpus_per_trial!r}"
        )
    strange = [cpu for part in cpus_per_trial for cpu in part if cpu not in have]
    if strange:
        raise OptionError(
            f"cpus_per_trial={cpus_per_trial!r}: this process may not use core {strange[0]!r}, "
            f"only {have}"
        )
    return tuple(tuple(int(cpu) for cpu in part) for part in cpus_per_trial)
