"""Checks of options that several launchers take."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from dsice.errors import OptionError


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
