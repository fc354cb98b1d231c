"""What is wanted: which metric, under which bounds, and what time costs.

The score is what every strategy minimises: Z = L + b*T while time counts, then Z = L
(L the metric with the sign that makes less better, T the run time in seconds, b the weight).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

import numpy as np

from dsice.errors import OptionError
from dsice.trial import State, Trial
from dsice.typing import Floats


@dataclass(frozen=True)
class Trials:
    """Until that many trials are told, added ones too."""

    n: int

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 0:
            raise OptionError(f"Trials({self.n!r}): expected a whole number of trials >= 0")


@dataclass(frozen=True)
class Seconds:
    """Until the told run times add up to that many seconds (never the clock)."""

    s: float

    def __post_init__(self) -> None:
        if not _is_number(self.s) or self.s < 0:
            raise OptionError(f"Seconds({self.s!r}): expected a number of seconds >= 0")
        object.__setattr__(self, "s", float(self.s))


@dataclass(frozen=True)
class Share:
    """Until that share of the budget is told: of ``max_trials``, so added trials do not count.

    It is the budget in force: with a larger ``max_trials`` on resume the end moves on, and run time may count again.
    """

    f: float

    def __post_init__(self) -> None:
        if not _is_number(self.f) or not 0 <= self.f <= 1:
            raise OptionError(f"Share({self.f!r}): expected a share of max_trials, 0 to 1")
        object.__setattr__(self, "f", float(self.f))


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond the floats
        return False


Until = Trials | Seconds | Share
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
        A bound that is not a finite number, bounds that no value keeps, a negative or unknown time_weight.
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
            raise OptionError(f"Goal(metric={self.metric!r}): expected the name of a metric")
        if not isinstance(self.maximize, bool):
            raise OptionError(
                f"Goal(maximize={self.maximize!r}): expected True (more is better) or False"
            )
        object.__setattr__(self, "at_most", _bounds("at_most", self.at_most))
        object.__setattr__(self, "at_least", _bounds("at_least", self.at_least))
        for name in self.at_least.keys() & self.at_most.keys():
            if self.at_least[name] > self.at_most[name]:
                raise OptionError(
                    f"Goal: no {name!r} is at least {self.at_least[name]:g} and at most {self.at_most[name]:g}; are at_least "
                    "and at_most the wrong way round?"
                )
        if self.time_weight != "auto":
            if not _is_number(self.time_weight) or float(self.time_weight) < 0:
                raise OptionError(
                    f"Goal(time_weight={self.time_weight!r}): expected a number >= 0 (score per second) or 'auto'"
                )
            object.__setattr__(self, "time_weight", float(self.time_weight))
        if self.until is not None and not isinstance(self.until, (Trials, Seconds, Share)):
            raise OptionError(
                f"Goal(until={self.until!r}): expected Trials(n), Seconds(s) or Share(f)"
            )
        if isinstance(self.stage, bool) or not isinstance(self.stage, int) or self.stage < 0:
            raise OptionError(f"Goal(stage={self.stage!r}): expected a whole number >= 0")

    @property
    def bounded(self) -> tuple[str, ...]:
        """Names of the metrics that carry a bound."""
        return tuple(dict.fromkeys((*self.at_most, *self.at_least)))

    def metric_of(self, trial: Trial) -> float:
        """The goal's metric of a trial as it was told; NaN where it has none."""
        return self.named(trial, self.metric)

    @staticmethod
    def named(trial: Trial, name: str) -> float:
        """A metric of a trial as it was told, ``"value"`` for the plain number; NaN where it has none."""
        return _named(trial.value, trial.metrics, name)

    def violation(self, trial: Trial) -> float:
        """Total violation relative to the bounds; 0 where all hold, inf where a metric is missing or no finite number."""
        return self.violation_of(trial.value, trial.metrics)

    def violation_of(self, value: float | None, metrics: Mapping[str, float]) -> float:
        """`violation` of a trial with that value and these metrics."""
        total = 0.0
        for sign, bounds in ((1.0, self.at_most), (-1.0, self.at_least)):
            for name, bound in bounds.items():
                told = _named(value, metrics, name)
                if not math.isfinite(told):
                    return math.inf
                total += max(0.0, sign * (told - bound)) / (abs(bound) or 1.0)
        return total

    def loss(self, trial: Trial) -> float:
        """L of a trial: less is better, NaN for one that has none (not done, of another stage, no finite metric)."""
        return self.loss_of(trial.state, trial.stage, trial.value, trial.metrics)

    def loss_of(
        self, state: State, stage: int, value: float | None, metrics: Mapping[str, float]
    ) -> float:
        """`loss` of a trial in that state and stage, with that value and these metrics."""
        if state is not State.DONE or stage != self.stage:
            return math.nan
        told = _named(value, metrics, self.metric)
        if not math.isfinite(told):
            return math.nan
        return -told if self.maximize else told

    def losses(
        self,
        done: np.ndarray[Any, np.dtype[np.bool_]],
        values: Sequence[float],
        metrics: Sequence[Mapping[str, float]],
    ) -> Floats:
        """`loss` of many trials at once, all of them of this stage where they are done; NaN stands for no value."""
        if self.metric == "value":
            told = np.array(
                [named.get("value", value) for named, value in zip(metrics, values, strict=True)],
                dtype=float,
            )
        else:
            told = np.array([named.get(self.metric, math.nan) for named in metrics], dtype=float)
        return np.where(done & np.isfinite(told), -told if self.maximize else told, np.nan)

    def time_counts(
        self, told: int, told_of_asked: int, seconds: float, budget: int | None
    ) -> bool:
        """Whether Z still has its time term.

        Parameters
        ----------
        told, told_of_asked
            How many trials are told, and how many of them were asked (not added).
        seconds
            Sum of their run times.
        budget
            ``max_trials``.
        """
        if not self.time_weight:
            return False
        match self.until:
            case Trials(n):
                return told < n
            case Seconds(s):
                return seconds < s
            case Share(f):
                if budget is None:
                    raise OptionError(
                        "Goal(until=Share(...)) is a share of max_trials: give the tuner max_trials"
                    )
                return told_of_asked < f * budget
        return True

    def weigh(self, losses: Floats, seconds: Floats) -> Floats:
        """Z = L + b*T while time counts, shape of `losses`; NaN where either is missing.

        Parameters
        ----------
        losses, seconds
            L and T of all trials in the order of their ids, NaN where there is none.
        """
        with np.errstate(over="ignore"):
            scores = losses + self._weight(losses, seconds) * seconds
        return np.where(np.isfinite(scores), scores, np.nan)

    def _weight(self, losses: Floats, seconds: Floats) -> float:
        """The weight b; "auto" by the first done trials in the order of their ids."""
        if not isinstance(self.time_weight, str):
            return float(self.time_weight)
        first = np.flatnonzero(np.isfinite(losses) & np.isfinite(seconds))[:AUTO_TRIALS]
        if len(first) < 2:
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float
            spread = float(np.std(losses[first])), float(np.std(seconds[first]))
        return spread[0] / spread[1] if spread[1] > 0 and all(map(math.isfinite, spread)) else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for the journal."""
        until: dict[str, float] | None = None
        match self.until:
            case Trials(number) | Seconds(number) | Share(number):
                until = {type(self.until).__name__.lower(): number}
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
            raise OptionError(
                f"goal: unknown keys {sorted(unknown)}; known are {sorted(known | {'until'})}"
            )
        if until is not None:
            kinds = {"trials": Trials, "seconds": Seconds, "share": Share}
            if not isinstance(until, Mapping) or len(until) != 1 or next(iter(until)) not in kinds:
                raise OptionError(
                    f"goal: until = {until!r}; expected one of {{trials = n}}, {{seconds = s}}, {{share = f}}"
                )
            word, number = next(iter(until.items()))
            until = kinds[word](number)
        return cls(**fields, until=until)


def _named(value: float | None, metrics: Mapping[str, float], name: str) -> float:
    if name in metrics:
        return metrics[name]
    return value if name == "value" and value is not None else math.nan


def _bounds(word: str, bounds: object) -> Mapping[str, float]:
    """A copy of its own, the bounds as plain floats."""
    if not isinstance(bounds, Mapping):
        raise OptionError(
            f"Goal({word}={bounds!r}): expected a mapping of metrics to bounds, such as {{'memory': 8.0}}"
        )
    for name, bound in bounds.items():
        if not isinstance(name, str) or not _is_number(bound):
            raise OptionError(
                f"Goal({word}={{{name!r}: {bound!r}}}): expected the name of a metric and a finite number"
            )
    return {name: float(bound) for name, bound in bounds.items()}
