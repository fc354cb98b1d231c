"""`Log`: measurements as arrays, one row per measurement, whatever file they come from.

`read_table` makes one of a table, `read_journal` of a journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsice.checks import is_whole
from dsice.errors import OptionError, TableError
from dsice.space import Axis, Require, Rule, Space
from dsice.space.among import LOGGED
from dsice.space.points import MAX_POINTS
from dsice.space.values import has_parts, identity
from dsice.typing import Curve, Floats, Params

Key = tuple[Any, ...]

ABSENT = "\0absent"
"""Stands in a key for a parameter that is not active."""


@dataclass(frozen=True)
class Log:
    """Measurements, one per row; repeats are rows with the same key.

    Attributes
    ----------
    source
        Where the log comes from, for messages.
    objective
        What the values are called.
    axes, rules
        The grid of its points, and the conditions of its conditional parameters.
    keys
        Values of the parameters of each row, `ABSENT` where inactive, in the order of `axes`.
    values, seconds
        Objective and run time, shape (rows,); NaN for a failed or unknown one.
    metrics
        Other measured columns, each of shape (rows,).
    curves
        Learning curve of each row, (step, value); empty where there is none. No entries at all: the
        log has no curves.
    """

    source: str
    objective: str
    axes: dict[str, Axis]
    rules: tuple[Rule, ...]
    keys: list[Key]
    values: Floats
    seconds: Floats
    metrics: dict[str, Floats]
    curves: Sequence[Curve] = ()


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are what (see `Table`); None: those with the usual names."""

    objective: str | None = None
    params: Sequence[str] | Mapping[str, Axis | Sequence[Any]] | None = None
    seconds: str | None = None
    valid: str | None = None
    metrics: Sequence[str] = ()
    curves: Mapping[int, str] | bool = False


def check_curves(curves: object) -> None:
    """Check the option `curves` of `Table`.

    Raises
    ------
    OptionError
        It is neither True, False nor a mapping of steps to columns.
    """
    if isinstance(curves, bool):
        return
    steps = list(curves) if isinstance(curves, Mapping) else []
    if not steps or not all(is_whole(step) and step >= 0 for step in steps):
        raise OptionError(
            "curves must map steps (whole numbers >= 0) to columns, or be True or False, "
            f"got {curves!r}"
        )


def hashed(key: Key) -> Key:
    """A key for dicts: Python calls (1,) and (True,) equal."""
    if any(map(has_parts, key)):
        return tuple(identity(value) if has_parts(value) else value for value in key)
    return key


def logged_space(log: Log, points: Collection[Key]) -> Space:
    """The grid of a log on which only its own points, these keys, are valid."""
    grid = Space(log.axes, where=log.rules)
    if len(points) <= MAX_POINTS:
        rows = (zip(grid.names, key, strict=True) for key in points)
        params = [{name: value for name, value in row if value != ABSENT} for row in rows]
        return grid.among(params, name=LOGGED)

    known = set(map(hashed, points))

    def logged(params: Params) -> bool:
        return hashed(tuple([params.get(name, ABSENT) for name in grid.names])) in known

    return Space(log.axes, where=[*log.rules, Require(logged, name=LOGGED)])


def rows_of(log: Log) -> Iterator[tuple[Params, float]]:
    """Params and value of each row."""
    for key, value in zip(log.keys, log.values.tolist(), strict=True):
        named = zip(log.axes, key, strict=True)
        yield {name: own for name, own in named if own != ABSENT}, value


def run_times(log: Log, column: str) -> Floats:
    """Run time of every row in seconds, shape (rows,).

    A row without one takes the median of the others.

    Raises
    ------
    TableError
        No row has a run time, or one is negative.
    """
    seconds = log.seconds
    good = np.isfinite(seconds)
    if not good.any():
        raise TableError(
            f"{log.source} has no run times (column {column!r}), and the virtual clock (workers=, "
            "clock=True) needs them: name their column with seconds= (dsice replay --seconds; in a "
            "journal they are the seconds= told), or leave that option out"
        )
    for row in np.flatnonzero(good & (seconds < 0))[:1]:
        raise TableError(
            f"{log.source}: column {column!r} holds {seconds[row]} in row {row}, "
            "expected seconds >= 0"
        )
    return np.where(good, seconds, np.median(seconds[good]))


def scaled_times(
    seconds: Floats, points: Iterable[Sequence[int]], scale: float, source: str
) -> Floats:
    """Run times, all multiplied by one number, so that their median over the points is `scale`.

    Parameters
    ----------
    points
        The rows of each point; its run time is the sum over them.

    Raises
    ------
    TableError
        That median is 0.
    """
    times = seconds.tolist()
    now = float(np.median([sum(times[row] for row in rows) for rows in points]))
    if not now > 0:
        raise TableError(
            f"half of the points of {source} took 0 seconds, so no factor makes their median "
            f"scale={scale:g}"
        )
    return seconds * (scale / now)
