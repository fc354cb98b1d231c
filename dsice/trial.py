"""Trials: one measurement each, from the proposal to the told value.

The random numbers that a strategy takes for a trial depend on its id (`stream`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np

from dsice.checks import whole
from dsice.typing import Point

Identity = tuple[Point, int, int, int]
Times = tuple[float | None, float | None, float | None]


class State(StrEnum):
    """What became of a trial."""

    PENDING = "pending"  # asked, not told
    DONE = "done"  # measured
    FAILED = "failed"  # the program's fault; counts as measured
    TIMED_OUT = "timed_out"  # ended by its time limit; counts as measured
    INVALID = "invalid"  # ran to the end with a wrong result; counts as measured
    LOST = "lost"  # the machine's fault; may be told once more
    STOPPED = "stopped"  # ended early on purpose; not better than the best


@dataclass(frozen=True)
class Proposal:
    """What a strategy wants measured next.

    Parameters
    ----------
    point
        Levels, one per axis; inactive axes at level 0.
    note
        Why it was proposed: flat JSON with the keys phase, width, direction, centre, predicted,
        sd, each absent where it is unknown. Plots and reports are drawn from notes.
    stage, repeat, member
        With `point` the identity of the measurement; no identity is asked twice.
    parent
        Id of the trial whose checkpoint this one continues.
    overrides
        Values of parameters that leave the grid, such as a perturbed learning rate. They are
        recorded with the trial and are no part of the point.
    """

    point: Point
    note: Mapping[str, Any] = field(default_factory=dict)
    stage: int = field(default=0, kw_only=True)
    repeat: int = field(default=0, kw_only=True)
    member: int = field(default=0, kw_only=True)
    parent: int | None = field(default=None, kw_only=True)
    overrides: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def identity(self) -> Identity:
        """What is measured: (point, stage, repeat, member)."""
        return (self.point, self.stage, self.repeat, self.member)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial as the history knows it; a told value makes a new one.

    Attributes
    ----------
    id
        Number of the trial, from 0 without gaps.
    round
        Number of the ask that brought it; None for one that was added, or confirms another.
    params
        Names and values of the active parameters, overrides applied.
    point
        Levels on the axes.
    values, value
        The told measurements and their mean; ``()`` and None while nothing is told.
    metrics
        Other named numbers, mean over repeats where several were told.
    seconds
        Run time, without the wait in a queue.
    times
        Unix times (queued, started, ended).
    curve
        Learning curve: (step, value) in the order told.
    where
        Job id, worker and log of the run, as far as known.
    """

    id: int
    round: int | None
    params: Mapping[str, Any]
    point: Point
    stage: int = 0
    repeat: int = 0
    member: int = 0
    parent: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    note: Mapping[str, Any] = field(default_factory=dict)
    state: State = State.PENDING
    values: tuple[float, ...] = ()
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    times: Times = (None, None, None)
    curve: tuple[tuple[int, float], ...] = ()
    error: str | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """What is measured: (point, stage, repeat, member)."""
        return (self.point, self.stage, self.repeat, self.member)


def stream(seed: int) -> Callable[..., np.random.Generator]:
    """The random numbers of a search with this seed, for `Strategy.ask`: those of its tuner.

    A key is one or more whole numbers, and gives a generator of its own: what is drawn from it
    depends on nothing but the seed and the key. So there is no state to keep between two asks.

    Raises
    ------
    OptionError
        The seed is not a whole number >= 0.

    Examples
    --------
    >>> numbers = stream(7)
    >>> numbers(3).random() == stream(7)(3).random()
    True
    """
    return partial(_generator, whole("stream", "seed", seed))


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, *key])


def mean(values: Sequence[float], weights: Sequence[int] | None = None) -> float | None:
    """The mean, weighted or not, correctly rounded, also of values near the largest float.

    None where there are no values.
    """
    weights = weights or [1] * len(values)
    total = sum(weights)
    if not total:
        return None
    try:
        found = math.fsum(v * w for v, w in zip(values, weights, strict=True)) / total
        if math.isfinite(found):
            return found
    except (OverflowError, ValueError):  # beyond the floats, or infinities of both signs
        pass
    return sum(v * (w / total) for v, w in zip(values, weights, strict=True))


def mean_trial(trials: Sequence[Trial], values: Sequence[float]) -> Trial:
    """The first trial of a point, with the measurements of all of its trials.

    Parameters
    ----------
    trials
        All scored trials of the point.
    values
        The goal's metric of each, the mean of the measurements inside the trial.

    Returns
    -------
    Trial
        Its value is the mean of all measurements: a trial weighs as many as were told in it.
    """
    first = trials[0]
    value = mean(values, [len(trial.values) or 1 for trial in trials])
    if len(trials) == 1:
        return first if first.value == value else replace(first, value=value)
    return replace(first, values=tuple(v for trial in trials for v in trial.values), value=value)
