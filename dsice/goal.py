"""What is wanted: which metric, under which bounds, and what time costs.

The score is what every strategy minimises: Z = L + b*T while time counts, then Z = L
(L the metric with the sign that makes less better, T the run time in seconds, b the weight).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from dsice.errors import OptionError
from dsice.trial import State, Trial


@dataclass(frozen=True)
class Trials:
    """Until that many trials are told."""

    n: int


@dataclass(frozen=True)
class Seconds:
    """Until the told run times add up to that many seconds (never the clock)."""

    s: float


@dataclass(frozen=True)
class Share:
    """Until that share of the budget (``max_trials``) is told."""

    f: float


Until = Trials | Seconds | Share
_UNTIL: dict[str, type[Trials] | type[Seconds] | type[Share]] = {"trials": Trials, "seconds": Seconds, "share": Share}
AUTO_TRIALS = 10  # time_weight="auto": from the first 10 done trials


@dataclass(frozen=True)
class Goal:
    """What to optimise.

    Parameters
    ----------
    metric
        Name of the metric; ``"value"`` is the number given to ``tell``.
    maximize
        Whether more is better.
    at_most, at_least
        Bounds on other metrics. A feasible trial beats every infeasible one; infeasible
        ones rank by their total violation relative to the bounds.
    time_weight
        b of Z = L + b*T; ``"auto"``: spread of L over spread of T of the first 10 done trials.
    until
        From there on Z = L and every trial is scored anew: `Trials`, `Seconds` or `Share`.
    stage
        The stage whose trials are scored.

    Raises
    ------
    OptionError
        A bound that is not a finite number, a negative or unknown time_weight.
    """

    metric: str = "value"
    maximize: bool = field(default=False, kw_only=True)
    at_most: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    at_least: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    time_weight: float | Literal["auto"] = field(default=0.0, kw_only=True)
    until: Until | None = field(default=None, kw_only=True)
    stage: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise OptionError(f"Goal(metric=...): expected the name of a metric, got {self.metric!r}")
        for word, bounds in (("at_most", self.at_most), ("at_least", self.at_least)):
            for name, bound in bounds.items():
                if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not math.isfinite(bound):
                    raise OptionError(f"Goal({word}={{{name!r}: {bound!r}}}): a bound is a finite number")
        if isinstance(self.time_weight, str):
            if self.time_weight != "auto":
                raise OptionError(f"Goal(time_weight={self.time_weight!r}): expected a number or 'auto'")
        elif not (math.isfinite(self.time_weight) and self.time_weight >= 0):
            raise OptionError(f"Goal(time_weight={self.time_weight!r}): expected a number >= 0 (score per second) or 'auto'")
        if self.until is not None and not isinstance(self.until, (Trials, Seconds, Share)):
            raise OptionError(f"Goal(until={self.until!r}): expected Trials(n), Seconds(s) or Share(f)")

    @property
    def bounded(self) -> tuple[str, ...]:
        """Names of the metrics that carry a bound."""
        return tuple(dict.fromkeys((*self.at_most, *self.at_least)))

    def metric_of(self, trial: Trial) -> float:
        """The metric of a trial as it was told; NaN where it has none."""
        return _metric(trial, self.metric)

    def violation(self, trial: Trial) -> float:
        """Total violation relative to the bounds; 0 where all hold, inf where a metric is missing."""
        total = 0.0
        for sign, bounds in ((1.0, self.at_most), (-1.0, self.at_least)):
            for name, bound in bounds.items():
                excess = sign * (_metric(trial, name) - bound)
                if math.isnan(excess):
                    return math.inf
                total += max(0.0, excess) / (abs(bound) or 1.0)
        return total

    def time_counts(self, trials: Sequence[Trial], budget: int | None) -> bool:
        """Whether Z still has its time term, given what is told."""
        if not self.time_weight:
            return False
        told = [t for t in trials if t.state is not State.PENDING]
        match self.until:
            case Trials(n):
                return len(told) < n
            case Seconds(s):
                return sum(t.seconds or 0.0 for t in told) < s
            case Share(f):
                if budget is None:
                    raise OptionError("Goal(until=Share(...)) is a share of max_trials: give the tuner max_trials")
                return len(told) < f * budget
        return True

    def scores(self, trials: Sequence[Trial], budget: int | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Score of each trial, shape (len(trials),): less is better, NaN where there is none.

        Parameters
        ----------
        trials
            All trials in the order of their ids; done ones of the goal's stage get a score.
        budget
            ``max_trials``, for ``until=Share(...)``.
        """
        scores = np.full(len(trials), np.nan)
        for i, trial in enumerate(trials):
            if trial.state is State.DONE and trial.stage == self.stage:
                scores[i] = -self.metric_of(trial) if self.maximize else self.metric_of(trial)
        if not self.time_counts(trials, budget):
            return scores
        seconds = np.array([np.nan if t.seconds is None else t.seconds for t in trials], dtype=float)
        timed = scores + self._weight(scores, seconds) * seconds
        return np.where(np.isnan(timed), scores, timed)

    def _weight(self, scores: np.ndarray[Any, Any], seconds: np.ndarray[Any, Any]) -> float:
        """The weight b; "auto" by the first done trials in the order of their ids."""
        if not isinstance(self.time_weight, str):
            return self.time_weight
        first = np.flatnonzero(np.isfinite(scores) & np.isfinite(seconds))[:AUTO_TRIALS]
        if len(first) < 2 or not np.std(seconds[first]) > 0:
            return 0.0
        return float(np.std(scores[first]) / np.std(seconds[first]))

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for the journal."""
        until = None if self.until is None else {type(self.until).__name__.lower(): next(iter(asdict(self.until).values()))}
        return {
            "metric": self.metric,
            "maximize": self.maximize,
            "at_most": dict(self.at_most),
            "at_least": dict(self.at_least),
            "time_weight": self.time_weight,
            "until": until,
            "stage": self.stage,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Goal:
        """From the JSON form (a study file or a journal); unknown keys are refused by name."""
        fields = dict(data)
        until = fields.pop("until", None)
        known = {"metric", "maximize", "at_most", "at_least", "time_weight", "stage"}
        if unknown := set(fields) - known:
            raise OptionError(f"goal: unknown keys {sorted(unknown)}; known are {sorted(known | {'until'})}")
        if until is not None:
            if not isinstance(until, Mapping) or len(until) != 1 or next(iter(until)) not in _UNTIL:
                raise OptionError(f"goal: until = {until!r}; expected one of {{trials = n}}, {{seconds = s}}, {{share = f}}")
            word, number = next(iter(until.items()))
            until = _UNTIL[word](number)
        return cls(**fields, until=until)


def _metric(trial: Trial, name: str) -> float:
    """A metric of a trial: a named one, or the value told."""
    if name in trial.metrics:
        return trial.metrics[name]
    return trial.value if name == "value" and trial.value is not None else math.nan
