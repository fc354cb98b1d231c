"""Journal lines <-> trials: what an ask, a tell, a step and an added trial look like on disk.

========  ==========================================================================
kind      fields (those at their default are left out)
========  ==========================================================================
header    format, dsice, space, strategy, goal, seed, max_trials, created
ask       at, round, trials: [{id, point, note, stage, repeat, member, parent, overrides}]
tell      at, id, point, stage, repeat, member, state, values, metrics, seconds, times,
          error, tags, where; the point and its like again, so that a told trial
          survives the loss of its ask line
add       at, trial: as in ask, and the fields of a tell
step      id, step, value
decision  at, id, step, value, by, stop, inputs: what a stopper decided at that step, and what
          from; nothing else follows from it
enqueue   point
prepared  name, directory
again     at, id, error: its run was lost, and it was started again
options   what changed of strategy, goal, seed, max_trials, stopper
========  ==========================================================================

Unknown kinds and fields are left alone, so that an older dsice reads a newer journal of
the same format.  NaN is written as null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dsice.history import History
from dsice.space import Space
from dsice.trial import State, Trial, mean
from dsice.typing import Curve, Point, Record


def trial_record(trial: Trial) -> Record:
    """The asked part of a trial."""
    record = _identity_record(trial)
    if trial.note:
        record["note"] = dict(trial.note)
    if trial.parent is not None:
        record["parent"] = trial.parent
    if trial.overrides:
        record["overrides"] = dict(trial.overrides)
    return record


def tell_record(trial: Trial) -> Record:
    """The told part of a trial."""
    record = _identity_record(trial) | {"state": str(trial.state)}
    if trial.values:
        record["values"] = [out(v) for v in trial.values]
    if trial.metrics:
        record["metrics"] = {k: out(v) for k, v in trial.metrics.items()}
    if trial.seconds is not None:
        record["seconds"] = trial.seconds
    if any(t is not None for t in trial.times):
        record["times"] = list(trial.times)
    if trial.error is not None:
        record["error"] = trial.error
    for name in ("tags", "where"):
        if value := getattr(trial, name):
            record[name] = dict(value)
    return record


def _identity_record(trial: Trial) -> Record:
    record: Record = {"id": trial.id, "point": list(trial.point)}
    return record | {
        name: getattr(trial, name) for name in ("stage", "repeat", "member") if getattr(trial, name)
    }


def trial_from(record: Mapping[str, Any], space: Space, round: int | None) -> Trial:
    """A pending trial from the asked part."""
    point = tuple(int(level) for level in record["point"])
    overrides = record.get("overrides", {})
    return Trial(
        id=int(record["id"]),
        round=round,
        params=space.params(point) | overrides,
        point=point,
        stage=record.get("stage", 0),
        repeat=record.get("repeat", 0),
        member=record.get("member", 0),
        parent=record.get("parent"),
        overrides=overrides,
        note=record.get("note", {}),
    )


def told(trial: Trial, record: Mapping[str, Any]) -> Trial:
    """The trial with the told part of a record."""
    values = tuple(number(v) for v in record.get("values", ()))
    queued, started, ended = record.get("times", (None, None, None))
    return Trial(  # in the order of the fields: twice as fast as by name, and a journal may hold 100 000
        trial.id,
        trial.round,
        trial.params,
        trial.point,
        trial.stage,
        trial.repeat,
        trial.member,
        trial.parent,
        trial.overrides,
        trial.note,
        State(record["state"]),
        values,
        mean(values),
        {k: number(v) for k, v in record["metrics"].items()} if "metrics" in record else {},
        record.get("seconds"),
        (queued, started, ended),
        trial.curve,
        record.get("error"),
        record.get("tags", {}),
        record.get("where", {}),
    )


def extended(curve: Curve, step: int, value: float) -> tuple[tuple[int, float], ...]:
    """A learning curve with one more point.

    A step that is there already, or lies before the last one, comes from a trial that was
    started again: what was told from there on belonged to the earlier attempt.
    """
    return (*(point for point in curve if point[0] < step), (step, value))


def apply(record: Mapping[str, Any], history: History, space: Space, queue: list[Point]) -> None:
    """Write what a journal line says into the history and the queue of enqueued points.

    Raises
    ------
    KeyError, TypeError, ValueError, SpaceError
        The line does not fit the lines before it, or the space.
    """
    match record["kind"]:
        case "ask":
            for asked in record["trials"]:
                trial = trial_from(asked, space, record.get("round"))
                history.write(trial)
                unqueue(queue, trial)
        case "tell":
            trial = history[record["id"]]
            if tuple(record.get("point", trial.point)) != trial.point:
                raise ValueError(
                    f"trial {trial.id} was asked at {list(trial.point)}, not at {record['point']}"
                )
            history.write(told(trial, record))
        case "add":
            trial = trial_from(record["trial"], space, None)
            history.write(told(trial, record["trial"]))
            unqueue(queue, trial)
        case "step":
            trial = history[record["id"]]
            history.write(
                replace(trial, curve=extended(trial.curve, record["step"], number(record["value"])))
            )
        case "enqueue":
            queue.append(tuple(record["point"]))


def unqueue(queue: list[Point], trial: Trial) -> None:
    """A point that was asked or added need not be asked any more."""
    if trial.identity == (trial.point, 0, 0, 0) and trial.point in queue:
        queue.remove(trial.point)


def out(value: float) -> float | str | None:
    """JSON has no NaN and no infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def number(value: float | str | None) -> float:
    """A number of a journal line: null is NaN, and infinity is a string."""
    if type(value) is float:
        return value
    if isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return math.nan if value is None else float(value)


def with_curve(trial: Trial, steps: Iterable[tuple[int, float]]) -> Trial:
    """The trial after all its steps, in the order told."""
    curve: list[tuple[int, float]] = []
    for step, value in steps:
        if curve and step <= curve[-1][0]:
            curve = list(extended(tuple(curve), step, value))
        else:
            curve.append((step, value))
    return replace(trial, curve=tuple(curve))


KINDS = (
    "header",
    "ask",
    "tell",
    "add",
    "step",
    "decision",
    "enqueue",
    "prepared",
    "again",
    "options",
)


class Ledger:
    """Follows the lines of a journal after the header."""

    def __init__(self) -> None:
        self.states: list[str] = []

    @property
    def next(self) -> int:
        """The id that the next asked or added trial must have."""
        return len(self.states)

    def problem(self, record: Mapping[str, Any]) -> str:
        """Take a line in; what is wrong with it (then it is left out), "" if it fits."""
        kind = record["kind"]
        if kind == "tell":  # most lines are tells
            id, state = record.get("id"), record.get("state")
            if (
                type(id) is int
                and type(state) is str
                and 0 <= id < len(self.states)
                and self.states[id] in _OPEN
            ):
                self.states[id] = state
                return ""
            return self._wrong_tell(id, state)
        match kind:
            case "ask" if type(record.get("trials")) is list:
                return self._new(record["trials"], "pending")
            case "step" if _is_step(record):
                return self._running(record["id"])
            case "add" if (
                type(trial := record.get("trial")) is dict and type(trial.get("state")) is str
            ):
                return self._new([trial], trial["state"])
            case "enqueue" if type(point := record.get("point")) is list and _are_levels(point):
                return ""
            case "prepared" if (
                type(record.get("name")) is str and type(record.get("directory")) is str
            ):
                return ""
            case "again" if type(record.get("id")) is int:
                return self._unknown(record["id"])
            case "ask" | "add" | "step" | "enqueue" | "prepared" | "again":
                return f"this {kind} line lacks a field, or has a wrong one"
            case "header":
                return "a second header"
        return ""  # options, and kinds of a newer dsice

    def _new(self, trials: list[Any], state: str) -> str:
        for expected, trial in enumerate(trials, self.next):
            if type(trial) is not dict or type(id := trial.get("id")) is not int:
                return "a trial without a whole id and point"
            if type(point := trial.get("point")) is not list or not _are_levels(point):
                return "a trial without a whole id and point"
            if id != expected:
                return f"trial {id} comes where trial {expected} is expected"
        self.states.extend(state for _ in trials)
        return ""

    def _wrong_tell(self, id: object, state: object) -> str:
        if type(id) is not int or type(state) is not str:
            return "this tell line lacks a field, or has a wrong one"
        return self._unknown(id) or f"trial {id} was told before"

    def _running(self, id: int) -> str:
        problem = self._unknown(id)
        return problem or (
            "" if self.states[id] == "pending" else f"a step of trial {id}, which was told before"
        )

    def _unknown(self, id: int) -> str:
        return "" if 0 <= id < self.next else f"trial {id} was never asked"


_OPEN = ("pending", "lost")  # may be told
_INTS = {int}  # a bool is none


def _are_levels(point: list[Any]) -> bool:
    return not point or (set(map(type, point)) == _INTS and min(point) >= 0)


def _is_step(record: Mapping[str, Any]) -> bool:
    value = record.get("value", ...)
    return (
        type(record.get("id")) is int
        and type(record.get("step")) is int
        and (value is None or type(value) in (int, float, str))
    )
