"""Trials: one measurement each, from the proposal to the told value.

The random numbers that a strategy takes for a trial depend on its id (`stream`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Literal

import numpy as np

from dsice.checks import whole
from dsice.errors import VISIBLE_IN_LINE
from dsice.space.summary import Summarised, Summary, joined, named
from dsice.typing import Point

Identity = tuple[Point, int, int, int]
Times = tuple[float | None, float | None, float | None]
Of = Literal["mean", "median", "min"]
"""How one number is made of all measurements of a point; see `Goal`."""


class State(StrEnum):
    """What became of a trial.

    Examples
    --------
    >>> from dsice import State, Tuner
    >>> tuner = Tuner({"x": [1, 2]})
    >>> tuner.tell(tuner.ask()[0], error="diverged").state is State.FAILED
    True
    """

    PENDING = "pending"  # asked, not told
    DONE = "done"  # measured
    FAILED = "failed"  # the program's fault; counts as measured
    TIMED_OUT = "timed_out"  # ended by its time limit; counts as measured
    INVALID = "invalid"  # ran to the end with a wrong result; counts as measured
    LOST = "lost"  # the machine's fault; may be told once more
    STOPPED = "stopped"  # ended early on purpose; not better than the best
    WITHDRAWN = "withdrawn"  # told, then taken back: counts as never measured, and stays taken


@dataclass(frozen=True)
class Proposal:
    """What a strategy wants measured next.

    Parameters
    ----------
    point
        Levels, one per axis; inactive axes at level 0.
    note
        Why it was proposed: flat JSON with the keys phase, width, direction, through, centre,
        predicted, sd, each absent where it is unknown. Plots and reports are drawn from notes.
    stage, repeat, member
        With `point` the identity of the measurement; no identity is asked twice.
    parent
        Id of the trial whose checkpoint this one continues.
    overrides
        Values of parameters that leave the grid, such as a perturbed learning rate. They are
        recorded with the trial and are no part of the point.

    Examples
    --------
    >>> from dsice import Proposal
    >>> Proposal((0, 3), {"phase": "mine"}).identity
    ((0, 3), 0, 0, 0)
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


@dataclass(frozen=True, slots=True, repr=False)
class Trial(Summarised):
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
        The told measurements and their mean; ``()`` and None while nothing is told. Of a best
        trial: all measurements of its point, and what the goal makes of them.
    metrics
        Other named numbers, mean over repeats where several were told.
    repeats
        All measurements of each named metric that was told as a list of several.
    seconds
        Run time, without the wait in a queue.
    times
        Unix times (queued, started, ended).
    curve
        Learning curve: (step, value) in the order told.
    where
        Job id, worker and log of the run, as far as known.

    Examples
    --------
    >>> from dsice import Tuner
    >>> tuner = Tuner({"x": [1, 2]})
    >>> trial = tuner.tell(tuner.ask()[0], [0.5, 0.7], seconds=12)
    >>> trial.state.value, trial.value, trial.values
    ('done', 0.6, (0.5, 0.7))
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
    repeats: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """What is measured: (point, stage, repeat, member)."""
        return (self.point, self.stage, self.repeat, self.member)

    @property
    def spread(self) -> float | None:
        """Standard deviation of `values`, with n - 1; None for fewer than two."""
        return spread(self.values)

    def measured(self, name: str) -> tuple[float, ...]:
        """All measurements of a metric in this trial, one where only their mean is recorded.

        ``"value"`` is the plain number; ``()`` where the trial has no such metric.
        """
        if name in self.repeats:
            return self.repeats[name]
        if name in self.metrics:
            return (self.metrics[name],)
        return self.values if name == "value" else ()

    def _summary(self) -> Summary:
        heading = f"Trial {self.id}, {self.state}"
        facts = dict(self.metrics) or ({} if self.value is None else {"value": self.value})
        about = [f"{name} = {number:.6g}" for name, number in facts.items()]
        shown: dict[str, object] = dict(facts)
        if len(self.values) > 1:
            about.append(f"sd {self.spread:.3g} of {len(self.values)}")
            shown["measurements"] = f"{len(self.values)}, sd {self.spread:.3g}"
        if self.error:
            about.append(self.error.strip().split("\n")[0])
            shown["error"] = about[-1]
        shown |= {"params": named(self.params), "seconds": self.seconds}
        shown |= {key: self.where[key] for key in ("host", "log") if key in self.where}
        found = f": {joined(about)}" if about else ""
        text = f"<{heading}{found}; {named(self.params)}>"
        shown = {name: value for name, value in shown.items() if value is not None}
        return Summary(heading, shown, text.translate(VISIBLE_IN_LINE))


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


def median(values: Sequence[float]) -> float | None:
    """The middle value, or the mean of the two in the middle; None where there are no values."""
    ascending = sorted(values)
    half, odd = divmod(len(ascending), 2)
    return mean(ascending[half : half + 1] if odd else ascending[max(half - 1, 0) : half + 1])


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation of a sample, with n - 1; None for fewer than two values."""
    middle = mean(values)
    if middle is None or len(values) < 2:
        return None
    if not all(map(math.isfinite, values)):
        return math.nan
    unit = max(abs(v / 2 - middle / 2) for v in values) or 1.0  # or squares overflow
    total = math.fsum(((v / 2 - middle / 2) / unit) ** 2 for v in values)
    return 2.0 * unit * math.sqrt(total / (len(values) - 1))
