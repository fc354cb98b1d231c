"""Numbers of all trials, kept up to date one by one: an ask costs the same after 10 and after 100 000 trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsice.trial import State
from dsice.typing import Array, Point

_FIRST = 64  # rows of a new column


class Column:
    """A growing array: one number for each trial, or a row of them.

    Parameters
    ----------
    dtype
        Of the numbers.
    rows
        What it starts with, shape (trials,) or (trials, width).
    """

    def __init__(self, dtype: type | np.dtype[Any], rows: Array | Sequence[Any] = ()) -> None:
        self._data: Array = np.array(rows, dtype=dtype)
        self._length = len(self._data)

    def append(self, value: object) -> None:
        """One row more."""
        if self._length == len(self._data):
            grown = np.empty(
                (max(_FIRST, 2 * self._length), *np.asarray(value).shape), dtype=self._data.dtype
            )
            if self._length:
                grown[: self._length] = self._data
            self._data = grown
        self._data[self._length] = value
        self._length += 1

    def __setitem__(self, id: int, value: object) -> None:
        self._data[id] = value

    def copy(self) -> Column:
        """One of its own, with the same rows."""
        return Column(self._data.dtype, self.array())

    def array(self) -> Array:
        """All rows, to look at only; what is written later may show in it."""
        rows = self._data[: self._length]
        rows.flags.writeable = False
        return rows


@dataclass
class Rows:
    """What a history must know of every trial at once, for trials that are made only when somebody looks at them.

    Attributes
    ----------
    points, rounds, keys
        Point, round (None: added) and (stage, repeat, member) of each trial.
    states, values, metrics, seconds, counts
        What was told: value, metrics and seconds as in `Trial`, NaN where there is none; the number of values.
    """

    points: list[Point] = field(default_factory=list)
    rounds: list[int | None] = field(default_factory=list)
    keys: list[tuple[int, int, int]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    metrics: list[Mapping[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def extend(
        self, points: Sequence[Point], round: int | None, keys: Sequence[tuple[int, int, int]]
    ) -> None:
        """Trials that were asked or added and are not told yet."""
        n = len(points)
        self.points.extend(points)
        self.rounds.extend([round] * n)
        self.keys.extend(keys)
        self.states.extend([State.PENDING] * n)
        self.values.extend([math.nan] * n)
        self.metrics.extend([_NOTHING] * n)
        self.seconds.extend([math.nan] * n)
        self.counts.extend([0] * n)


_NOTHING: Mapping[str, float] = {}
