"""Which lines may follow which: ids without gaps, each asked or added once, told once (once more after lost).

A file written by one coordinator always fits. What does not comes from damage, from an
editor, or from two coordinators on a file system that gave the lock to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
