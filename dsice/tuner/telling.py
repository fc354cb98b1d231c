"""From what a caller tells to a finished trial, with every check of it."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from dsice.checks import shown
from dsice.errors import DsiceWarning, TellError, UnknownTrialError
from dsice.history import History
from dsice.journal.format import decode_float, encode_mapping
from dsice.trial import State, Times, Trial, mean

_OR_ERROR = "or error='...' for a failed trial"
_LARGEST = 2**63 - 1
_TOLD = ("id", "value", "metrics", "seconds", "error", "state", "tags", "times", "where")
NO_REASON = "no reason given"
"""What stands for an error without text."""
MOST_REPEATS = 100_000
"""Values in one trial: an endless iterator is a mistake, and a journal's line stays readable."""


@dataclass(frozen=True)
class Report:
    """What a caller tells about a trial, unchecked; the fields are arguments of `Tuner.tell`."""

    value: object = None
    metrics: Mapping[str, object] | None = None
    seconds: object = None
    error: object = None
    state: State | str | None = None
    tags: Mapping[str, Any] | None = None
    times: Sequence[float | None] | None = None
    where: Mapping[str, Any] | None = None

    def finish(self, trial: Trial, history: History) -> Trial:
        """The trial as it will be recorded, ended as this report says.

        Raises
        ------
        TellError
            Something told cannot be taken; the message says what and what to do.
        """
        who = f"trial {trial.id}"
        error = None if self.error is None else _reason(self.error)
        end = _state(who, self.state, error)
        own = history.goal.metric
        values, named = _measured(who, self.value, self.metrics, own)
        metrics = {name: float(mean(v) or 0.0) for name, v in named.items()}
        own_first = sorted(named, key=lambda name: name != own)  # as a journal gives them back
        seconds = None if self.seconds is None else _seconds(who, self.seconds)
        if end is State.DONE:
            _complete(who, history, values, metrics, seconds)
            wrong = history.goal.not_finite(mean(values), metrics)
            if wrong:
                end = State.FAILED
                error = wrong
        return replace(
            trial,
            state=end,
            values=values,
            value=mean(values),
            metrics=metrics,
            seconds=seconds,
            times=_times(who, self.times),
            error=error,
            tags=encode_mapping(who, "tags", self.tags),
            where=encode_mapping(who, "where", self.where),
            repeats={name: named[name] for name in own_first if len(named[name]) > 1},
        )

    def warn(self, done: Trial) -> None:
        """Warn that numbers could not be used.

        It is called after the trial is recorded, in case warnings are errors.
        """
        if done.state is State.FAILED and self.error is None and done.error:
            warnings.warn(
                f"trial {done.id}: {done.error}; it is recorded as failed",
                DsiceWarning,
                stacklevel=3,
            )


def told_arguments(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Tuner.tell` in a line; in lines of dsice null is NaN."""
    told = {name: record[name] for name in _TOLD if record.get(name) is not None}
    if "values" in record:
        told["value"] = [decode_float(value) for value in record["values"]]
    if "kind" in record and "metrics" in told:
        told["metrics"] = {name: decode_float(v) for name, v in told["metrics"].items()}
        for name, several in record.get("repeats", {}).items():
            told["metrics"][name] = [decode_float(value) for value in several]
    if told.get("state") == State.DONE:
        del told["state"]  # it follows from the rest
    return told


def preparation_directory(name: object, path: object) -> str:
    """The directory of a preparation, as text.

    Raises
    ------
    TellError
        The name is empty, or one of the two is no text.
    """
    if not isinstance(name, str) or not name:
        raise TellError(
            f"prepared({name!r}, ...): the name must be a string that is not empty; nothing was "
            "recorded"
        )
    place = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(place, str) or not place:
        raise TellError(
            f"prepared({name!r}, {path!r}): expected the path of a directory; nothing was recorded"
        )
    return place


def known_trial(trial: object, history: History) -> Trial:
    """The trial of this history that a trial or an id refers to; errors as in `known_id`."""
    return history[known_id(trial, history)]


def known_id(trial: object, history: History) -> int:
    """The id of the trial of this history that a trial or an id refers to.

    Raises
    ------
    UnknownTrialError
        There is none, or it is another measurement.
    """
    id = trial.id if isinstance(trial, Trial) else trial
    count = len(history)
    if (
        isinstance(id, (bool, np.bool_))
        or not isinstance(id, (int, np.integer))
        or not 0 <= id < count
    ):
        ids = f"this tuner knows the ids 0 to {count - 1}" if count else "nothing was asked yet"
        raise UnknownTrialError(f"no trial {shown(id)}: {ids}; give a trial from ask, or its id")
    if isinstance(trial, Trial) and history.id_of(trial.identity) != id:
        own = history[int(id)]
        if trial.identity != own.identity:
            raise UnknownTrialError(
                f"trial {id} of this tuner is at {dict(own.params)}, not at {dict(trial.params)}: "
                "it comes from another tuner"
            )
    return int(id)


def require_untold(trial: Trial) -> None:
    """Raise TellError for a trial that has its final value."""
    if trial.state is State.WITHDRAWN:
        raise TellError(
            f"trial {trial.id} was withdrawn ({trial.error}); nothing was recorded. "
            f"retry({trial.id}), or `dsice retry`, lets it be measured and told once more"
        )
    if trial.state not in (State.PENDING, State.LOST):
        raise TellError(
            f"trial {trial.id} was told already ({trial.state}, value {trial.value}), and a told "
            "value is final; nothing was recorded. Record another measurement of this point with "
            "add()"
        )


def require_pending(id: int, history: History, *, in_hand: bool = False) -> None:
    """Raise TellError for a trial that has ended.

    Parameters
    ----------
    in_hand
        Whether its end was told and could not be written yet.
    """
    if in_hand or not history.is_pending(id):
        state = "its result could not be written yet" if in_hand else history[id].state
        raise TellError(
            f"trial {id} was told already ({state}): a finished trial has no further steps"
        )


def _measured(
    who: str, value: object, metrics: object, metric: str
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:
    """The measurements of the goal's metric, and those of every named one."""
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TellError(
            f"{who}: metrics={shown(metrics)}; expected a mapping of names to numbers, such as "
            "{'loss': 0.3}"
        )
    named: dict[str, tuple[float, ...]] = {}
    for name, number_or_repeats in (metrics or {}).items():
        text = _name(who, name)
        named[text] = numbers(f"{who}: metric {text!r}", number_or_repeats)
    if value is None:
        values = named.get(metric, ())
    else:
        values = numbers(f"{who}: value", value)
        several = named.setdefault(metric, values)
        other = mean(several)
        if other != mean(values) and not math.isnan(mean(values) or 0.0):
            raise TellError(
                f"{who}: value={shown(value)} and metrics[{metric!r}]={other} are both the goal's "
                "metric and differ; tell one of them"
            )
        values = named[metric] = max(values, several, key=len)
    if metric == "value":
        named.pop("value", None)  # the trial's own value says it
    return values, named


def _complete(
    who: str,
    history: History,
    values: tuple[float, ...],
    metrics: Mapping[str, float],
    seconds: float | None,
) -> None:
    """Raise TellError for a done trial that lacks something its goal needs."""
    goal = history.goal
    if not values and goal.metric == "value":
        hint = "a mapping of metrics goes into metrics=..., with Goal(metric=NAME)"
        raise TellError(f"{who}: no value told; tell a number ({hint}), {_OR_ERROR}")
    if not values:
        told = f"metrics told: {', '.join(sorted(metrics)) or 'none'}"
        raise TellError(
            f"{who}: the goal's metric {goal.metric!r} was not told ({told}); tell it, {_OR_ERROR}"
        )
    missing = [name for name in goal.bounded if name not in metrics and name != "value"]
    if missing:
        names = ", ".join(map(repr, missing))
        raise TellError(
            f"{who}: the goal has a bound on {names}, not told; add it to metrics={{...}}, "
            f"{_OR_ERROR}"
        )
    if seconds is None and history.weighs_time:
        raise TellError(
            f"{who}: the goal weighs run time (time_weight={goal.time_weight!r}), which was not "
            f"told; add seconds=..., {_OR_ERROR}"
        )


def _name(who: str, name: object) -> str:
    try:
        return str(name)
    except Exception as error:
        raise TellError(
            f"{who}: a name in metrics, {shown(name)}, cannot be written as text; use a string"
        ) from error


def _reason(error: object) -> str:
    try:
        if isinstance(error, BaseException):
            return f"{type(error).__name__}: {error}"
        return str(error) or NO_REASON
    except Exception:  # a message that cannot be written: the trial failed all the same
        return shown(error)


def _state(who: str, state: State | str | None, error: str | None) -> State:
    if state is None:
        return State.DONE if error is None else State.FAILED
    told = ", ".join(s for s in State if s not in (State.PENDING, State.WITHDRAWN))
    try:
        end = State(state)
    except Exception:  # not among them, or an object of somebody's own raises when it is compared
        end = State.PENDING
    if end in (State.PENDING, State.WITHDRAWN):
        hint = "; withdraw() takes back what was told" if end is State.WITHDRAWN else ""
        raise TellError(f"{who}: state={shown(state)}; expected one of {told}{hint}")
    if end is State.DONE and error is not None:
        raise TellError(f"{who}: state='done' with error={shown(error)}; leave out one of them")
    return end


def numbers(what: str, value: object) -> tuple[float, ...]:
    """One number, or a list of repeats: also arrays and tensors of at most one dimension.

    Raises
    ------
    TellError
        Nothing that could be read as real numbers, or an empty list.
    """
    value = _unboxed(what, value)
    if (
        isinstance(value, Iterable)
        and not isinstance(value, (str, bytes, Mapping))
        and not hasattr(value, "__float__")
    ):
        repeats = tuple(number(what, v) for v in _items(what, value))
        if not repeats:
            raise TellError(
                f"{what} is an empty list; tell a number or a list of numbers, {_OR_ERROR}"
            )
        return repeats
    return (number(what, value),)


def _items(what: str, values: Iterable[object]) -> list[object]:
    try:
        items = list(islice(values, MOST_REPEATS + 1))
    except Exception as error:
        raise TellError(
            f"{what}: {type(values).__name__} cannot be read to its end ({error}); "
            "nothing was recorded"
        ) from error
    if len(items) > MOST_REPEATS:
        raise TellError(
            f"{what} has more than {MOST_REPEATS} entries; tell their mean instead, nothing was "
            "recorded"
        )
    return items


def number(what: str, value: object) -> float:
    """A float from any kind of real number; NaN and infinity pass.

    Raises
    ------
    TellError
        Not a real number.
    """
    kind = type(value).__name__
    value = _unboxed(what, value)
    if isinstance(value, (str, bytes, bool, complex, Mapping)) or value is None:
        hint = "; a mapping goes into metrics=..." if isinstance(value, Mapping) else ""
        raise TellError(
            f"{what}: expected a number or a list of numbers, got {shown(value)} ({kind}){hint}; "
            "nothing was recorded"
        )
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond the floats
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    except Exception as error:  # whatever another library's __float__ may raise
        raise TellError(
            f"{what}: expected a number or a list of numbers, got {kind} ({error}); nothing was "
            "recorded"
        ) from error


def _unboxed(what: str, value: object) -> object:
    """Arrays, tensors and their scalars as Python numbers or lists of them.

    It takes those of numpy, torch, jax and pandas.
    """
    if not hasattr(value, "tolist") or not hasattr(value, "dtype"):
        return value
    try:
        return value.tolist()
    except Exception as error:
        raise TellError(
            f"{what}: {type(value).__name__} cannot be read as numbers ({error}); nothing was "
            "recorded"
        ) from error


def whole(what: str, value: object) -> int:
    """A whole number of at least 0."""
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, (int, np.integer))
        or not 0 <= value <= _LARGEST
    ):
        raise TellError(f"{what}: expected a whole number >= 0, got {shown(value)}")
    return int(value)


def _seconds(who: str, seconds: object) -> float:
    value = number(f"{who}: seconds", seconds)
    if not (math.isfinite(value) and value >= 0):
        raise TellError(f"{who}: seconds={shown(seconds)}; expected a finite number >= 0")
    return value


def _times(who: str, times: object) -> Times:
    if times is None:
        return (None, None, None)
    items = _items(f"{who}: times", times) if isinstance(times, Sequence) else []
    told = [None if t is None else number(f"{who}: times", t) for t in items]
    if len(told) != 3 or any(t is not None and not math.isfinite(t) for t in told):
        raise TellError(
            f"{who}: times={shown(times)}; expected three Unix times (queued, started, ended), "
            "None where unknown"
        )
    return (told[0], told[1], told[2])
