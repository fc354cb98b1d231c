"""The measurement that a shell command printed or wrote to a file.

The last line counts if it is a number, a list of numbers or an object of numbers with what the
goal needs. Else the whole output may be one JSON value, and then the last line counts that is an
object with all that the goal needs.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsice.journal.files import as_missing, open_regular
from dsice.launchers.standalone._call import INVALID, as_tag, invalid_reason
from dsice.launchers.terminal import plain

BLOCK = 64 * 1024  # bytes read at a time; outputs may have hundreds of megabytes
LONGEST_LINE = 4 * 1024 * 1024
MOST = 16 * 1024 * 1024  # bytes from the end of a file that are looked at
_SHOWN = 300  # characters of what was found in its place
NO_FILE = "something else than a file now, such as a link or a FIFO, which is not read"


class NoMeasurement(Exception):
    """The output holds no measurement; the message says what was found instead."""


@dataclass(frozen=True)
class Measured:
    """What a program measured.

    Attributes
    ----------
    value
        A plain number, or a list of repeats.
    metrics, tags
        Named numbers or lists of repeats, and what else it named.
    invalid
        Why its result is wrong; None: it does not say so.
    """

    value: float | list[float] | None = None
    metrics: Mapping[str, float | list[float]] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    invalid: str | None = None

    def has(self, needs: Sequence[str]) -> bool:
        """Whether it holds all metrics that the goal needs, that of the goal first."""
        named = set(self.metrics)
        if self.value is not None and needs:
            named.add(needs[0])
        return all(name in named or (i and name == "value") for i, name in enumerate(needs))


# ------------------------------------------------------------------ JSON
def as_json(path: Path, needs: Sequence[str]) -> Measured:
    """The measurement in a file that holds JSON; NoMeasurement where it holds none."""
    line = last_line(path)
    try:
        last = _line(line, path.name, needs)
    except NoMeasurement as problem:
        last, wrong = None, problem
    if last is not None and (last.has(needs) or last.invalid is not None):
        return last
    found = whole_file(path, needs) or last_object(path, needs)
    if found is not None:
        return found
    if last is not None:  # the tuner says which metric is missing
        return last
    raise wrong


def _line(line: str, place: str, needs: Sequence[str]) -> Measured:
    """The measurement in a line: a number, a list of numbers or an object of numbers.

    ``NaN``, ``Infinity`` and ``null`` (as NaN) are numbers here; the tuner decides what they mean.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise NoMeasurement(
            f"the last line of {place} is not JSON: {shown(line)}" if line else f"{place} is empty"
        ) from None
    if isinstance(found, dict) and INVALID not in needs and invalid_reason(found.get(INVALID)):
        return _object(found, ()) or Measured()
    if isinstance(found, dict) and found:
        return Measured(metrics=only_numbers(found, needs))
    if isinstance(found, list) and found:
        return Measured([number(v, f"entry {i} of the list") for i, v in enumerate(found)])
    if isinstance(found, (dict, list)):
        raise NoMeasurement(
            f"the last line of {place} is an empty "
            + ("object" if isinstance(found, dict) else "list")
        )
    return Measured(number(found, f"the last line of {place}"))


def whole_file(path: Path, needs: Sequence[str]) -> Measured | None:
    """The measurement, where the whole file is one object or list of several lines."""
    text, complete = plain_tail(path, LONGEST_LINE)
    stripped = text.removeprefix("\ufeff").strip()
    if not complete or not stripped.startswith(("{", "[")):
        return None
    try:
        found = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict):
        return _object(found, needs)
    if not found:
        return None
    whole = Measured([number(v, f"entry {i} of the list") for i, v in enumerate(found)])
    return whole if whole.has(needs) else None


def last_object(path: Path, needs: Sequence[str]) -> Measured | None:
    """The measurement in the last line that is an object with all that is needed."""
    for line in reversed(plain_tail(path, MOST)[0].split("\n")):
        stripped = line.strip().removeprefix("\ufeff")
        if stripped[:1] != "{" or stripped[-1:] != "}" or len(stripped) > LONGEST_LINE:
            continue
        # most lines of a long log need no parser; a name may be written with escapes
        if needs and not any(word in stripped for word in (needs[0], INVALID, "\\")):
            continue
        try:
            found = json.loads(stripped)
        except (ValueError, RecursionError):
            continue
        if (measured := _object(found, needs)) is not None:
            return measured
    return None


def _object(found: Mapping[str, Any], needs: Sequence[str]) -> Measured | None:
    """The measurement in an object; None: it has not all that is needed.

    Raises
    ------
    NoMeasurement
        It has, and something of it is no number.
    """
    metrics: dict[str, float | list[float]] = {}
    tags: dict[str, Any] = {}
    for name, value in found.items():
        try:
            metrics[name] = numbers(value, f"metric {name!r}")
        except NoMeasurement:
            tags[name] = as_tag(value)
    if INVALID not in needs and (reason := invalid_reason(found.get(INVALID))):
        tags.pop(INVALID, None)
        return Measured(metrics=metrics, tags=tags, invalid=reason)
    asked = [name for i, name in enumerate(needs) if i == 0 or name != "value"]
    if not all(name in found for name in asked) or not (needs or metrics):
        return None
    for name in asked:
        if name not in metrics:
            numbers(found[name], f"metric {name!r}")
    return Measured(metrics=metrics, tags=tags)


def only_numbers(found: Mapping[str, Any], needs: Sequence[str]) -> dict[str, float | list[float]]:
    """The numbers of an object that holds nothing else.

    Since 0.1.0, true and false are 1 and 0 here, but for the metric of the goal.
    """
    metrics: dict[str, float | list[float]] = {}
    for name, value in found.items():
        if isinstance(value, bool) and not (needs and name == needs[0]):
            metrics[name] = float(value)
        else:
            metrics[name] = number(value, f"metric {name!r}")
    return metrics


def numbers(value: Any, what: str) -> float | list[float]:
    """A number, or a list of repeats."""
    if not isinstance(value, list):
        return number(value, what)
    if not value:
        raise NoMeasurement(f"{what} is an empty list")
    return [number(part, f"{what}, entry {i}") for i, part in enumerate(value)]


def number(value: Any, what: str) -> float:
    """A number of JSON; null is NaN."""
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NoMeasurement(f"{what} is {shown(json.dumps(value), quoted=False)}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise NoMeasurement(f"{what} is an integer too large for a float") from None


def returned(record: Mapping[str, Any], needs: Sequence[str]) -> Measured:
    """What a function returned, from the record that `standalone._call` made of it.

    Raises
    ------
    NoMeasurement
        Something that should be a number is none.
    """
    named, value = record.get("metrics"), record.get("value")
    tags, invalid = record.get("tags"), record.get("invalid")
    got = Measured(
        tags=tags if isinstance(tags, dict) else {},
        invalid=invalid if isinstance(invalid, str) else None,
    )
    if isinstance(named, dict):
        flags = {name: v for name, v in named.items() if isinstance(v, bool)}
        metrics = {n: numbers(v, f"metric {n!r}") for n, v in named.items() if n not in flags}
        return replace(got, metrics=metrics | only_numbers(flags, needs))
    if isinstance(value, list):
        entries = [number(v, f"entry {i} of the list") for i, v in enumerate(value)]
        return replace(got, value=entries)
    return got if value is None else replace(got, value=number(value, "the value"))


# ------------------------------------------------------------------ files
def tail(path: Path, size: int = BLOCK) -> str:
    """Last `size` bytes of a text file; empty if there is none, or something that is no file."""
    return _end(path, size).decode("utf-8", errors="replace")


def _end(path: Path, size: int) -> bytes:
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError as error:
        as_missing(error)
        return b""


def plain_tail(path: Path, size: int = BLOCK) -> tuple[str, bool]:
    """Last `size` bytes without what only a terminal understands, and whether that is all.

    A progress bar becomes lines.
    """
    end = _end(path, size)
    return plain(end), len(end) < size


def last_line(path: Path) -> str:
    """Last line that is not blank; empty if there is none."""
    size = BLOCK
    while True:
        text = tail(path, size)
        lines = text.rstrip().splitlines()
        whole = len(text.encode("utf-8", errors="replace")) < size
        if len(lines) > 1 or whole or size >= LONGEST_LINE:
            return lines[-1].strip() if lines else ""
        size *= 4


# ------------------------------------------------------------------ messages
def is_no_file(path: Path) -> bool:
    """Whether something is there that is no regular file."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def shown(text: str, *, quoted: bool = True) -> str:
    """What was printed, short and without what only a terminal understands, for a message."""
    text = plain(text.encode(errors="replace"))
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 2 :]}"
    return repr(short) if quoted else short
