"""Which line of a journal may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsice.journal.format import Kind
from dsice.trial import State


class LineSequence:
    """The lines of a journal after its header, taken in one by one.

    Attributes
    ----------
    states
        State of each trial so far, by id.
    """

    def __init__(self) -> None:
        self.states: list[str] = []

    @property
    def next_id(self) -> int:
        """The id that the next asked or added trial must have."""
        return len(self.states)

    def accept(self, line: Mapping[str, Any]) -> str:
        """Take a line in, unless it does not fit those before it.

        Returns
        -------
        str
            What is wrong with the line, which is then left out; empty if it fits.
        """
        kind = line["kind"]
        if kind == Kind.TELL:  # most lines are tells
            id = line.get("id")
            state = line.get("state")
            if (
                type(id) is int
                and type(state) is str
                and 0 <= id < len(self.states)
                and self.states[id] in _MAY_BE_TOLD
            ):
                self.states[id] = state
                return ""
            return self._wrong_tell(id, state)
        return self._accept_other(kind, line)

    def _accept_other(self, kind: str, line: Mapping[str, Any]) -> str:
        match kind:
            case Kind.ASK if type(line.get("trials")) is list:
                return self._accept_trials(line["trials"], str(State.PENDING))
            case Kind.STEP if _is_step(line):
                return self._wrong_step(line["id"])
            case Kind.ADD if type(new := line.get("trial")) is dict and _has_text(new, "state"):
                return self._accept_trials([new], new["state"])
            case Kind.ENQUEUE if _are_levels(line.get("point")):
                return ""
            case Kind.PREPARED | Kind.END if _has_types(line, _FIELDS[kind]):
                return ""
            case Kind.AGAIN if type(line.get("id")) is int:
                return self._unknown(line["id"])
            case Kind.REUSE if _is_source(line):
                return ""
            case Kind.WITHDRAW if type(line.get("id")) is int and _has_text(line, "reason"):
                return self._wrong_withdraw(line["id"])
            case Kind.RETRY if type(line.get("id")) is int:
                return self._wrong_retry(line["id"])
            case Kind.HEADER:
                return "a second header"
        if kind in _WITH_FIELDS:
            return f"this {kind} line lacks a field, or has a wrong one"
        return ""  # options, decisions, and kinds of a newer dsice

    def _accept_trials(self, trials: list[Any], state: str) -> str:
        for expected, trial in enumerate(trials, self.next_id):
            if type(trial) is not dict or type(id := trial.get("id")) is not int:
                return "a trial without a whole id and point"
            if not _are_levels(trial.get("point")):
                return "a trial without a whole id and point"
            if id != expected:
                return f"trial {id} comes where trial {expected} is expected"
        self.states.extend(state for _ in trials)
        return ""

    def _wrong_tell(self, id: object, state: object) -> str:
        if type(id) is not int or type(state) is not str:
            return "this tell line lacks a field, or has a wrong one"
        return self._unknown(id) or f"trial {id} was told before"

    def _wrong_step(self, id: int) -> str:
        if problem := self._unknown(id):
            return problem
        if self.states[id] != State.PENDING:
            return f"a step of trial {id}, which was told before"
        return ""

    def _wrong_withdraw(self, id: int) -> str:
        if problem := self._unknown(id):
            return problem
        if self.states[id] in (State.PENDING, State.WITHDRAWN):
            return f"trial {id}, which is {self.states[id]}, cannot be withdrawn"
        self.states[id] = str(State.WITHDRAWN)
        return ""

    def _wrong_retry(self, id: int) -> str:
        if problem := self._unknown(id):
            return problem
        if self.states[id] in (State.PENDING, State.DONE):
            return f"trial {id}, which is {self.states[id]}, cannot be tried again"
        self.states[id] = str(State.PENDING)
        return ""

    def _unknown(self, id: int) -> str:
        return "" if 0 <= id < self.next_id else f"trial {id} was never asked"


_MAY_BE_TOLD = (str(State.PENDING), str(State.LOST))
_WITH_FIELDS = (
    *(Kind.ASK, Kind.ADD, Kind.STEP, Kind.ENQUEUE, Kind.PREPARED, Kind.AGAIN),
    Kind.REUSE,
    *(Kind.WITHDRAW, Kind.RETRY, Kind.END),
)
_FIELDS: Mapping[str, Mapping[str, type]] = {
    Kind.PREPARED: {"name": str, "directory": str},
    Kind.END: {"reason": str, "figures": dict},
}
_INTS = {int}  # True and False are none
_NONE = type(None)


def _has_types(line: Mapping[str, Any], types: Mapping[str, type]) -> bool:
    return all(type(line.get(name)) is wanted for name, wanted in types.items())


def _has_text(fields: Mapping[str, Any], name: str) -> bool:
    return type(fields.get(name)) is str


def _are_levels(point: object) -> bool:
    if type(point) is not list:
        return False
    return not point or (set(map(type, point)) == _INTS and min(point) >= 0)


def _is_source(line: Mapping[str, Any]) -> bool:
    lists = [line.get(name) for name in ("params", "values", "states", "scores")]
    return (
        all(_has_text(line, name) for name in ("name", "sha256", "metric"))
        and type(line.get("maximize")) is bool
        and all(type(column) is list and len(column) == len(lists[0] or ()) for column in lists)
        and all(type(params) is dict for params in line["params"])
        and all(type(state) is str for state in line["states"])
        and all(type(value) in (int, float, _NONE) for value in line["values"])
        and all(type(score) in (int, float) for score in line["scores"])
    )


def _is_step(line: Mapping[str, Any]) -> bool:
    value = line.get("value", ...)
    return (
        type(line.get("id")) is int
        and type(line.get("step")) is int
        and (value is None or type(value) in (int, float, str))
    )
