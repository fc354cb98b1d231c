"""Which lines may follow which: ids without gaps, each asked or added once, told once (once more after lost).

A file written by one coordinator always fits. What does not comes from damage, from an
editor, or from two coordinators on a file system that gave the lock to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsice.journal import fields

KINDS = ("header", "ask", "tell", "add", "step", "enqueue", "options")


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
        if record["kind"] in ("ask", "tell", "step") and (odd := fields.problem(record)):
            return odd
        match record:
            case {"kind": "ask", "trials": [*trials]}:
                return self._new(trials, "pending")
            case {"kind": "add", "trial": {"state": str(state)} as trial}:
                return self._new([trial], state)
            case {"kind": "tell", "id": int(id), "state": str(state)}:
                return self._told(id, state)
            case {"kind": "step", "id": int(id), "step": int(), "value": int() | float() | str() | None}:
                return self._running(id)
            case {"kind": "enqueue", "point": [*point]} if all(map(_is_level, point)):
                return ""
            case {"kind": "ask" | "add" | "tell" | "step" | "enqueue" as kind}:
                return f"this {kind} line lacks a field, or has a wrong one"
            case {"kind": "header"}:
                return "a second header"
        return ""  # options, and kinds of a newer dsice

    def _new(self, trials: list[Any], state: str) -> str:
        for expected, trial in enumerate(trials, self.next):
            match trial:
                case {"id": int(id), "point": [*point]} if all(map(_is_level, point)):
                    if id != expected:
                        return f"trial {id} comes where trial {expected} is expected"
                    if odd := fields.problem(trial):
                        return odd
                case _:
                    return "a trial without a whole id and point"
        self.states.extend(state for _ in trials)
        return ""

    def _told(self, id: int, state: str) -> str:
        problem = self._unknown(id)
        if not problem and self.states[id] not in ("pending", "lost"):
            problem = f"trial {id} was told before"
        if not problem:
            self.states[id] = state
        return problem

    def _running(self, id: int) -> str:
        problem = self._unknown(id)
        return problem or ("" if self.states[id] == "pending" else f"a step of trial {id}, which was told before")

    def _unknown(self, id: int) -> str:
        return "" if 0 <= id < self.next else f"trial {id} was never asked"


def _is_level(level: object) -> bool:
    return isinstance(level, int) and not isinstance(level, bool) and level >= 0
