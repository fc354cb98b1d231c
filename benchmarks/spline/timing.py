"""Times that can be compared on a shared machine: short turns in rotation, medians over rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rotate(
    tasks: Mapping[str, Callable[[], object]],
    *,
    turn: float = 1e-3,
    rounds: int = 60,
    budget: float = 4.0,
) -> dict[str, Array]:
    """Seconds per call of each task in each round, shape (rounds,).

    A turn lasts about ``turn`` seconds or one call; all turns together last at most ``budget``
    seconds, but there are at least three rounds. All tasks take their turns in every round, so that
    a ratio of two medians compares times of the same minutes.
    """
    repeats = {}
    for name, task in tasks.items():
        task()
        began = time.perf_counter()
        task()
        repeats[name] = max(1, int(turn / max(time.perf_counter() - began, 1e-9)))
    found: dict[str, list[float]] = {name: [] for name in tasks}
    began = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - began > budget:
            break
        for name, task in tasks.items():
            count = repeats[name]
            start = time.perf_counter()
            for _ in range(count):
                task()
            found[name].append((time.perf_counter() - start) / count)
    return {name: np.array(times) for name, times in found.items()}


def median(times: Array) -> float:
    """Median seconds per call."""
    return float(np.median(times))


def readable(seconds: float) -> str:
    """Seconds with a unit and three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
