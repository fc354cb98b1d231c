"""Run times of the measurements of a log, for the virtual clock of `Table`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dsice.errors import TableError
from dsice.launchers._log import Floats, Log


def known(log: Log, column: str) -> Floats:
    """Run time of every row, shape (rows,), in seconds; a row without one has the median of the others.

    Raises
    ------
    TableError
        No row has a run time, or one is negative.
    """
    seconds = log.seconds
    good = np.isfinite(seconds)
    if not good.any():
        raise TableError(
            f"{log.source} has no run times (column {column!r}), and workers= needs them for its virtual clock: name their "
            "column with seconds= (dsice replay --seconds; in a journal they are the seconds= told), or leave workers= out"
        )
    for row in np.flatnonzero(good & (seconds < 0))[:1]:
        raise TableError(
            f"{log.source}: column {column!r} holds {seconds[row]} in row {row}, expected seconds >= 0"
        )
    return np.where(good, seconds, np.median(seconds[good]))


def scaled(seconds: Floats, points: Iterable[Sequence[int]], scale: float, source: str) -> Floats:
    """Run times, all multiplied by one number, so that the median of the points - each the sum of its rows - is `scale`.

    Raises
    ------
    TableError
        That median is 0.
    """
    times = seconds.tolist()
    now = float(np.median([sum(times[row] for row in rows) for rows in points]))
    if not now > 0:
        raise TableError(
            f"half of the points of {source} took 0 seconds, so no factor makes their median scale={scale:g}"
        )
    return seconds * (scale / now)
