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
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
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
        raise OptionError(
            f"{name} must be a number of seconds {'> 0' if least is None else f'>= {least:g}'}, got {value!r}"
        )
    return float(value)


def variables(env: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Environment variables as text; None stands for one to remove."""
    if env is not None and not isinstance(env, Mapping):
        raise OptionError(
            f"env must map names to strings (or None, to remove a variable), got {type(env).__name__} {env!r}"
        )
    found: dict[str, str | None] = {}
    for name, value in ({} if env is None else env).items():
        if not isinstance(name, str) or not (value is None or isinstance(value, (str, int, float))):
            raise OptionError(
                f"env must map names to strings (or None, to remove a variable), got {name!r}: {value!r}"
            )
        found[name] = None if value is None else str(value)
    return found


def startable(jobs: Sequence[Job], running: Collection[int], free: int, slots: int) -> None:
    """Raise LaunchError for more `jobs` than free slots, and for an id that comes twice or is running."""
    if len(jobs) > free:
        raise LaunchError(
            f"{len(jobs)} jobs submitted and {free} of {slots} slots free; collect results first, or raise slots="
        )
    ids = [job.id for job in jobs]
    twice = sorted({id for id in ids if id in running or ids.count(id) > 1})
    if twice:
        raise LaunchError(
            f"trial {twice[0]} is running already; an id can be submitted again after its result was collected"
        )


def whole(name: str, value: int) -> int:
    """An integer >= 0."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise OptionError(f"{name} must be an integer >= 0, got {value!r}")
    return value.__index__()


def text(name: str, value: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise OptionError(f"{name} must be a string, got {value!r}")
    return value


def texts(name: str, value: Sequence[str]) -> list[str]:
    """A list of strings; a single string would be taken for a list of letters."""
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(isinstance(v, str) for v in value)
    ):
        raise OptionError(f"{name} must be a list of strings, got {value!r}")
    return list(value)


def check_continuing(jobs: Sequence[Job], reason: str) -> None:
    """Raise LaunchError for a job that continues another one, where that cannot be for the `reason`; empty: it can."""
    for job in jobs:
        if reason and job.parent is not None:
            raise LaunchError(
                f"trial {job.id} continues from the checkpoint of trial {job.parent}: {reason}"
            )
