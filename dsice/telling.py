"""From what was told to a finished trial: every check of a told value stands here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dsice.errors import TellError
from dsice.history import History
from dsice.records import mean
from dsice.trial import State, Times, Trial


def told(
    trial: Trial,
    history: History,
    value: object = None,
    metrics: Mapping[str, object] | None = None,
    seconds: object = None,
    error: str | None = None,
    state: State | str | None = None,
    tags: Mapping[str, Any] | None = None,
    times: Sequence[float | None] | None = None,
    where: Mapping[str, Any] | None = None,
) -> Trial:
    """The trial as it will be recorded.

    Raises
    ------
    TellError
        Something told cannot be taken; the message says what and what to do.
    """
    who, goal = f"trial {trial.id}", history.goal
    end = _state(who, state, error)
    named = {str(name): numbers(f"{who}: metric {name!r}", v) for name, v in (metrics or {}).items()}
    values = numbers(f"{who}: value", value) if value is not None else named.get(goal.metric, ())
    if value is not None and goal.metric != "value":
        named.setdefault(goal.metric, values)
    means = {name: float(mean(v) or 0.0) for name, v in named.items()}
    if end is State.DONE:
        if not values:
            raise TellError(_nothing(who, goal.metric, named))
        if missing := [m for m in goal.bounded if m not in means]:
            raise TellError(f"{who}: the goal bounds {missing}, which were not told; tell them in metrics={{...}}, or tell error='...' for a failed trial")
        if seconds is None and history.goal.time_counts(history, history.budget):
            raise TellError(f"{who}: the goal weighs time (time_weight={goal.time_weight}), so tell seconds=... (the run time) too")
        wrong = [f"{n} is {v}" for n, v in {"value": mean(values), **{m: means[m] for m in goal.bounded}}.items() if v is not None and not math.isfinite(v)]
        if wrong:
            end, error = State.FAILED, " and ".join(wrong) + ", not a finite number"
    return replace(
        trial,
        state=end,
        values=values,
        value=mean(values),
        metrics=means,
        seconds=None if seconds is None else _seconds(who, seconds),
        times=_times(who, times),
        error=error if error is None else str(error),
        tags=_json(who, "tags", tags),
        where=_json(who, "where", where),
    )


def _nothing(who: str, metric: str, named: Mapping[str, object]) -> str:
    if metric == "value":
        return f"{who}: no value told; tell a number (a mapping of metrics goes into metrics=..., with Goal(metric=NAME)), or error='...' for a failed trial"
    return f"{who}: the goal's metric {metric!r} was not told (metrics told: {sorted(named) or 'none'}); tell it, or error='...' for a failed trial"


def _state(who: str, state: State | str | None, error: str | None) -> State:
    if state is None:
        return State.DONE if error is None else State.FAILED
    try:
        end = State(state)
    except ValueError:
        end = State.PENDING
    if end is State.PENDING or (end is State.DONE and error is not None):
        raise TellError(f"{who}: state={str(state)!r} with error={error!r}; expected one of {[str(s) for s in State if s is not State.PENDING]}, done without an error")
    return end


def numbers(what: str, value: object) -> tuple[float, ...]:
    """One number, or a list of repeats."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)) and not hasattr(value, "__float__"):
        repeats = tuple(number(what, v) for v in value)
        if not repeats:
            raise TellError(f"{what}: an empty list; tell a number or a list of numbers, or error='...' for a failed trial")
        return repeats
    return (number(what, value),)


def number(what: str, value: object) -> float:
    """A float from any kind of real number; NaN and infinity pass."""
    if isinstance(value, (str, bytes, bool, complex, Mapping)) or value is None:
        hint = "; a mapping goes into metrics=..." if isinstance(value, Mapping) else ""
        raise TellError(f"{what}: expected a number or a list of numbers, got {value!r} ({type(value).__name__}){hint}; nothing was recorded")
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond the floats
        return math.inf
    except (TypeError, ValueError) as error:
        raise TellError(f"{what}: expected a number or a list of numbers, got {type(value).__name__} ({error}); nothing was recorded") from error


def whole(what: str, value: object) -> int:
    """A whole number >= 0."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise TellError(f"{what}: expected a whole number >= 0, got {value!r}")
    return int(value)


def _seconds(who: str, seconds: object) -> float:
    value = number(f"{who}: seconds", seconds)
    if not (math.isfinite(value) and value >= 0):
        raise TellError(f"{who}: seconds={seconds!r}; expected a finite number >= 0")
    return value


def _times(who: str, times: Sequence[float | None] | None) -> Times:
    if times is None:
        return (None, None, None)
    if len(times) != 3:
        raise TellError(f"{who}: times={times!r}; expected three Unix times (queued, started, ended), None where unknown")
    queued, started, ended = (None if t is None else number(f"{who}: times", t) for t in times)
    return (queued, started, ended)


def _json(who: str, what: str, mapping: Mapping[str, Any] | None) -> dict[str, Any]:
    """A plain copy of a mapping that JSON can hold."""
    if not mapping:
        return {}
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(mapping), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TellError(f"{who}: {what}={mapping!r} cannot be written as JSON ({error}); use strings, numbers, lists and dicts") from error
    return plain
