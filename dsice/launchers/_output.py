"""Read what a trial's program left behind: its measurement, its last words, its learning curve."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from dsice.launchers.base import Step
from dsice.worker import STEPS

_BLOCK = 64 * 1024  # bytes read at a time; outputs may have hundreds of megabytes
_LONGEST_LINE = 4 * 1024 * 1024
_LAST_LINES = 10
_CONTROL = re.compile(
    r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]"
)  # colours, NULs: noise in a message and a journal
_LAST_CHARACTERS = 2000


class NoMeasurement(Exception):
    """The output holds no measurement; the message says what was found instead."""


def tail(path: Path, size: int = _BLOCK) -> str:
    """Last `size` bytes of a text file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size).decode("utf-8", errors="replace")
    except OSError:
        return ""


def last_line(path: Path) -> str:
    """Last line that is not blank; empty if there is none."""
    size = _BLOCK
    while True:
        text = tail(path, size)
        lines = text.rstrip().splitlines()
        whole = len(text.encode("utf-8", errors="replace")) < size
        if len(lines) > 1 or whole or size >= _LONGEST_LINE:
            return lines[-1].strip() if lines else ""
        size *= 4


def last_words(directory: Path) -> str:
    """Last lines of stderr and stdout, for an error message."""
    parts = []
    for name in ("stderr", "stdout"):
        lines = tail(directory / name, 4 * _LAST_CHARACTERS).rstrip().splitlines()[-_LAST_LINES:]
        if lines:
            shown = "\n".join(_CONTROL.sub("", line) for line in lines)[-_LAST_CHARACTERS:]
            parts.append(f"last lines of {name}:\n{shown}")
    return "\n".join(parts) if parts else "it printed nothing"


def measurement(line: str) -> tuple[float | list[float] | None, dict[str, float]]:
    """Value and metrics in a line of JSON: a number, a list of numbers (repeats) or an object of named numbers.

    ``NaN``, ``Infinity`` and ``null`` (as NaN) are numbers here; what becomes of them is the tuner's affair.

    Raises
    ------
    NoMeasurement
        If the line is something else.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise NoMeasurement(
            "the last line of stdout is not JSON" if line else "stdout is empty"
        ) from None
    if isinstance(found, dict) and found:
        return None, {name: _number(value, f"metric {name!r}") for name, value in found.items()}
    if isinstance(found, list) and found:
        return [_number(value, f"entry {i} of the list") for i, value in enumerate(found)], {}
    if isinstance(found, (dict, list)):
        raise NoMeasurement(
            "the last line of stdout is an empty "
            + ("object" if isinstance(found, dict) else "list")
        )
    return _number(found, "the last line of stdout"), {}


def _number(value: Any, what: str) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, (int, float)):
        raise NoMeasurement(f"{what} is {json.dumps(value)[:80]}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise NoMeasurement(f"{what} is an integer too large for a float") from None


class Curve:
    """Learning curve of a running trial, read as its file grows."""

    def __init__(self, id: int, directory: Path) -> None:
        self._id = id
        self._path = directory / STEPS
        self._read = 0

    def news(self) -> list[Step]:
        """Steps written since the last call; a line that is not finished waits for its end."""
        try:
            if self._path.stat().st_size <= self._read:
                return []
            with self._path.open("rb") as file:
                file.seek(self._read)
                new, newline, _ = file.read(_LONGEST_LINE).rpartition(b"\n")
        except OSError:
            return []
        self._read += len(new) + len(newline)
        return [step for line in new.splitlines() if (step := self._parse(line))]

    def _parse(self, line: bytes) -> Step | None:
        try:
            found = json.loads(line)
            return Step(self._id, int(found["step"]), float(found["value"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            return None  # torn by a kill, or not ours: one point of a curve, no result
