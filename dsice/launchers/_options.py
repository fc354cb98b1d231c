"""Checks of options and jobs that several launchers make."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence

from dsice.errors import LaunchError, OptionError
from dsice.launchers.base import Job


def slots(slots: int | None) -> int:
    """How many trials run at the same time; default: the cores this process may use."""
    if slots is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return count("slots", slots)


def count(name: str, value: int, what: str = "how many trials run at the same time") -> int:
    """An integer >= 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 1:
        raise OptionError(f"{name} must be an integer >= 1 ({what}), got {value!r}")
    return value.__index__()


def seconds(name: str, value: float, least: float | None = None) -> float:
    """A finite number of seconds, positive or at least `least`."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or (value <= 0 if least is None else value < least):
        raise OptionError(f"{name} must be a number of seconds {'> 0' if least is None else f'>= {least:g}'}, got {value!r}")
    return float(value)


def variables(env: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Environment variables as text; None stands for one to remove."""
    found: dict[str, str | None] = {}
    for name, value in ({} if env is None else env).items():
        if not isinstance(name, str) or not (value is None or isinstance(value, (str, int, float))):
            raise OptionError(f"env must map names to strings (or None, to remove a variable), got {name!r}: {value!r}")
        found[name] = None if value is None else str(value)
    return found


def startable(jobs: Sequence[Job], running: Collection[int], free: int, slots: int) -> None:
    """Raise LaunchError for more `jobs` than free slots, and for an id that comes twice or is running."""
    if len(jobs) > free:
        raise LaunchError(f"{len(jobs)} jobs submitted and {free} of {slots} slots free; collect results first, or raise slots=")
    ids = [job.id for job in jobs]
    twice = sorted({id for id in ids if id in running or ids.count(id) > 1})
    if twice:
        raise LaunchError(f"trial {twice[0]} is running already; an id can be submitted again after its result was collected")
