"""The goal: which metric is optimised, under which bounds, and what run time costs.

Where a point was measured several times, ``of`` says which number counts: the mean, the median or
the minimum of all its measurements.

The score is what every strategy minimises: Z = L + b*T while run time counts, then Z = L, where L
is the metric with the sign that makes less better, T the run time in seconds and b its weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np

from dsice.checks import bounds_of, choice, flag, is_number, is_whole, number, whole, wrong
from dsice.errors import OptionError
from dsice.space.summary import SummarisedOptions
from dsice.trial import Of, State, Trial, mean, median
from dsice.typing import Array, Floats


@dataclass(frozen=True)
class Trials:
    """Until that many trials are told; added ones count too.

    >>> Goal(time_weight=0.1, until=Trials(40)).until
    Trials(n=40)
    """

    n: int

    def __post_init__(self) -> None:
        if not is_whole(self.n) or self.n < 0:
            raise wrong("Trials", "n", self.n, "a whole number of trials >= 0")
        object.__setattr__(self, "n", int(self.n))


@dataclass(frozen=True)
class Seconds:
    """Until the told run times add up to that many seconds (never the clock).

    >>> Goal(time_weight=0.1, until=Seconds(3600)).until
    Seconds(s=3600.0)
    """

    s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "s", number("Seconds", "s", self.s, "a number of seconds >= 0"))


@dataclass(frozen=True)
class Share:
    """Until that share of the budget ``max_trials`` is told; added trials do not count.

    It is a share of the budget in force: with a larger ``max_trials`` on resume the end moves on,
    and run time may count again.

    >>> Goal(time_weight="auto", until=Share(0.5)).until
    Share(f=0.5)
    """

    f: float

    def __post_init__(self) -> None:
        if not is_number(self.f) or not 0 <= self.f <= 1:
            raise wrong("Share", "f", self.f, "a share of max_trials, 0 to 1")
        object.__setattr__(self, "f", float(self.f))


Until = Trials | Seconds | Share
_UNTIL: dict[str, type[Until]] = {"trials": Trials, "seconds": Seconds, "share": Share}
AUTO_TRIALS = 10
"""How many done trials, from the first, ``time_weight="auto"`` is computed from."""


@dataclass(frozen=True, repr=False)
class Goal(SummarisedOptions):
    """What to optimise.

    Parameters
    ----------
    metric
        Name of the metric; ``"value"`` is the number given to ``tell``.
    maximize
        Whether more is better.
    at_most, at_least
        Bounds on other metrics. A feasible trial beats every infeasible one; infeasible ones rank
        by their total violation relative to the bounds.
    time_weight
        b of Z = L + b*T; ``"auto"``: standard deviation of L over that of T, of the first 10 done
        trials.
    until
        How long run time counts: `Trials`, `Seconds` or `Share`. From there on Z = L, and every
        trial is scored anew.
    stage
        The stage whose trials are scored; in a study file with a population by default the last.
    of
        What counts where a point was measured several times, inside a trial or in several:
        ``"mean"``, ``"median"`` or ``"min"`` (the smallest value, also under `maximize`) of all
        its values. Other metrics count with their means.

    Raises
    ------
    OptionError
        A wrong bound or time_weight, bounds that no value keeps, `until` without a weight, `of`.

    >>> Goal("accuracy", maximize=True, at_most={"memory": 16}).bounded
    ('memory',)
    """

    metric: str = "value"
    maximize: bool = field(default=False, kw_only=True)
    at_most: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    at_least: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    time_weight: float | Literal["auto"] = field(default=0.0, kw_only=True)
    until: Until | None = field(default=None, kw_only=True)
    stage: int = field(default=0, kw_only=True)
    of: Of = field(default="mean", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise wrong("Goal", "metric", self.metric, "the name of a metric")
        flag("Goal", "maximize", self.maximize, "True (more is better) or False")
        object.__setattr__(self, "at_most", bounds_of("Goal", "at_most", self.at_most))
        object.__setattr__(self, "at_least", bounds_of("Goal", "at_least", self.at_least))
        for name in self.at_least.keys() & self.at_most.keys():
            if self.at_least[name] > self.at_most[name]:
                raise OptionError(
                    f"Goal: no {name!r} is at least {self.at_least[name]:g} and at most "
                    f"{self.at_most[name]:g}; are at_least and at_most the wrong way round?"
                )
        if self.time_weight != "auto":
            expected = "a number >= 0 (score per second) or 'auto'"
            weight = number("Goal", "time_weight", self.time_weight, expected)
            object.__setattr__(self, "time_weight", weight)
        if self.until is not None and not isinstance(self.until, (Trials, Seconds, Share)):
            raise wrong("Goal", "until", self.until, "Trials(n), Seconds(s) or Share(f)")
        if self.until is not None and not self.time_weight:
            raise OptionError(
                f"Goal(until={self.until!r}): run time does not count; give time_weight=... too"
            )
        object.__setattr__(self, "stage", whole("Goal", "stage", self.stage))
        choice("Goal", "of", self.of, get_args(Of))

    @property
    def bounded(self) -> tuple[str, ...]:
        """Names of the metrics that have a bound."""
        return tuple(dict.fromkeys((*self.at_most, *self.at_least)))

    def metric_of(self, trial: Trial) -> float:
        """The goal's metric of a trial: what `of` makes of its values; NaN where it has none."""
        if self.of == "mean":
            return self.named(trial, self.metric)
        return self.aggregate(trial.measured(self.metric))

    def told(self, trial: Trial, name: str) -> float:
        """A metric of a trial, the goal's own as `metric_of` has it; NaN where it has none."""
        return self.metric_of(trial) if name == self.metric else self.named(trial, name)

    def aggregate(self, values: Sequence[float], weights: Sequence[int] | None = None) -> float:
        """The number that counts of several values of the metric; NaN where there are none.

        Parameters
        ----------
        weights
            How often each counts in a mean.
        """
        if not values:
            return math.nan
        if self.of == "min":
            return min(values)
        found = median(values) if self.of == "median" else mean(values, weights)
        return math.nan if found is None else found

    def information(self, counts: Array) -> Floats:
        """How many single measurements tell as much as the aggregate of each count of values.

        The noise variance of the aggregate is that of one measurement divided by this number: n for
        the mean; 2/pi of it for the median, which of one or two values is their mean; 1 for the
        minimum, whose noise does not average out.
        """
        n = np.asarray(counts, dtype=float)
        return np.ones(n.shape) if self.of == "min" else np.where(n > 2, n / self.noise_of_many, n)

    @property
    def noise_of_many(self) -> float:
        """Variance of the aggregate of many values in units of that of their mean; of a minimum 1.

        It is that of normal noise.
        """
        return math.pi / 2 if self.of == "median" else 1.0

    @staticmethod
    def named(trial: Trial, name: str) -> float:
        """A metric of a trial as it was told; NaN where it has none.

        Parameters
        ----------
        name
            Name of the metric; ``"value"`` is the plain number.
        """
        return _named(trial.value, trial.metrics, name)

    def describe(self, best: Trial) -> str:
        """The value of a best trial with how it came about, such as "3.99 (median of 5, sd 0.21)".

        Parameters
        ----------
        best
            As `History.best` gives it, or a confirmed one.
        """
        value = "no value" if best.value is None else f"{best.value:.6g}"
        about = []
        if len(best.values) > 1:
            about.append(f"{self.of} of {len(best.values)}, sd {best.spread:.3g}")
        if best.stage > self.stage:
            about.append("confirmed")
        return f"{value} ({', '.join(about)})" if about else value

    def violation(self, trial: Trial) -> float:
        """Total violation of the bounds, each relative to its bound.

        0 where all hold; infinite where a metric is missing or no finite number.
        """
        metrics = trial.metrics
        if self.of != "mean" and self.metric in self.bounded:
            metrics = {**metrics, self.metric: self.metric_of(trial)}
        return self.violation_of(trial.value, metrics)

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

    def not_finite(self, value: float | None, metrics: Mapping[str, float]) -> str:
        """Say which numbers that this goal needs are NaN or infinite; empty if none is."""
        needed = {self.metric: value}
        needed |= {name: metrics.get(name) for name in self.bounded if name != self.metric}
        wrong = [
            f"{name} is {v}" for name, v in needed.items() if v is not None and not math.isfinite(v)
        ]
        return " and ".join(wrong) + ", not a finite number" if wrong else ""

    def loss(self, trial: Trial) -> float:
        """Loss L of a trial: less is better.

        NaN for a trial that has none: not done, of another stage, or without a finite metric.
        """
        return math.nan if trial.stage != self.stage else self.loss_in_any_stage(trial)

    def loss_in_any_stage(self, trial: Trial) -> float:
        """`loss` of a trial, whatever its stage."""
        told = self.metric_of(trial) if trial.state is State.DONE else math.nan
        return self.signed(told) if math.isfinite(told) else math.nan

    def signed(self, told: float) -> float:
        """The metric with the sign that makes less better."""
        return -told if self.maximize else told

    def losses(
        self,
        done: np.ndarray[Any, np.dtype[np.bool_]],
        values: Sequence[float],
        metrics: Sequence[Mapping[str, float]],
        repeats: Mapping[int, Sequence[float]],
    ) -> Floats:
        """`loss` of many trials at once.

        Parameters
        ----------
        done
            Which trials are done and of the goal's stage, shape (trials,).
        values
            Their values, NaN where there is none.
        metrics
            Their other named numbers.
        repeats
            All measurements of the goal's metric where there are several, by the place of a trial.

        Returns
        -------
        Floats
            L, shape (trials,); NaN for a trial that has none.
        """
        if self.metric == "value":
            pairs = zip(metrics, values, strict=True)
            found = [named.get("value", value) for named, value in pairs]
        else:
            found = [named.get(self.metric, math.nan) for named in metrics]
        if self.of != "mean":
            for place, several in repeats.items():
                found[place] = self.aggregate(several)
        told = np.array(found, dtype=float)
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
        """Z = L + b*T of all trials, by id, while time counts; NaN where L or T is missing."""
        with np.errstate(over="ignore"):
            scores = losses + self._weight(losses, seconds) * seconds
        return np.where(np.isfinite(scores), scores, np.nan)

    def _weight(self, losses: Floats, seconds: Floats) -> float:
        """The weight b; "auto" from the first done trials in the order of their ids."""
        if not isinstance(self.time_weight, str):
            return float(self.time_weight)
        first = np.flatnonzero(np.isfinite(losses) & np.isfinite(seconds))[:AUTO_TRIALS]
        if len(first) < 2:
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float
            of_loss = float(np.std(losses[first]))
            of_time = float(np.std(seconds[first]))
        if of_time > 0 and math.isfinite(of_loss) and math.isfinite(of_time):
            return of_loss / of_time
        return 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON form, for the journal; `of`, which 0.1.0 does not know, only where it is no mean."""
        data: dict[str, Any] = {key: getattr(self, key) for key in goal_keys()}
        if self.of == "mean":
            del data["of"]
        data["at_most"] = dict(self.at_most)
        data["at_least"] = dict(self.at_least)
        match self.until:
            case Trials(end) | Seconds(end) | Share(end):
                data["until"] = {type(self.until).__name__.lower(): end}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, stored: bool = True) -> Goal:
        """Make a goal of its JSON form, from a journal or, where not `stored`, a study file.

        An unknown key, or a value that it cannot have, is an OptionError.
        """
        options = dict(data)
        known = goal_keys()
        if unknown := set(options) - set(known):
            raise OptionError(f"goal: unknown keys {sorted(unknown)}; known are {sorted(known)}")
        until = options.get("until")
        if until is not None:
            if not isinstance(until, Mapping) or len(until) != 1 or not until.keys() <= set(_UNTIL):
                raise OptionError(
                    f"goal: until = {until!r}; expected one of {{trials = n}}, {{seconds = s}}, "
                    "{share = f}"
                )
            ((word, end),) = until.items()
            options["until"] = _UNTIL[word](end)
        if stored and not options.get("time_weight"):
            options["until"] = None  # 0.1.0 took it, and it does nothing
        return cls(**options)


def goal_keys() -> tuple[str, ...]:
    """Names of the options of a goal, in a journal as in a study file."""
    return tuple(option.name for option in fields(Goal))


def _named(value: float | None, metrics: Mapping[str, float], name: str) -> float:
    if name in metrics:
        return metrics[name]
    return value if name == "value" and value is not None else math.nan
