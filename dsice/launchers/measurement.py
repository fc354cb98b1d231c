"""The measurement that a shell command printed or wrote to a file.

The last line counts if it is a number, a list of numbers or an object of numbers with what the
goal needs. Else the whole output may be one JSON value, and then the last line counts that is an
object with all that the goal needs.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dsice.journal.files import as_missing, open_regular
from dsice.launchers.output import STDOUT, Output
from dsice.launchers.standalone._call import INVALID, as_tag, invalid_reason
from dsice.launchers.terminal import plain

BLOCK = 64 * 1024  # bytes read at a time; outputs may have hundreds of megabytes
LONGEST_LINE = 4 * 1024 * 1024
_MOST = 16 * 1024 * 1024  # bytes from the end of a file that are looked at
_SHOWN = 300  # characters of what was found in its place
NO_FILE = "something else than a file now, such as a link or a FIFO, which is not read"
_EXPECTED = (
    "expected a JSON line of metrics as the last line of {place}: "
    "an object of numbers, a number, or a list of repeats"
)
_FORTRAN = re.compile(r"([-+]?[\d.]+)[dD]([-+]?\d+)")


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


def measured(directory: Path, output: Output, needs: Sequence[str] = ()) -> Measured:
    """The measurement in a trial's directory.

    Parameters
    ----------
    needs
        The metrics that the goal needs, its own first; empty: unknown.

    Raises
    ------
    NoMeasurement
        There is none; the message says what was found.
    """
    place = output.result or STDOUT
    path = directory / place
    if is_no_file(path):
        raise NoMeasurement(f"{path} is {NO_FILE}")
    if output.result is not None and not path.exists():
        raise NoMeasurement(
            f"no measurement: the command left no file {output.result} in its directory "
            "$DSICE_DIR; let it write there"
        )
    try:
        return _by_patterns(path, output, needs) if output.patterns else _as_json(path, needs)
    except NoMeasurement as problem:
        expected = _EXPECTED.format(place=place)
        hint = _hint(directory, path, output, needs)
        raise NoMeasurement(f"no measurement: {problem}; {expected}{hint}") from None


# ------------------------------------------------------------------ JSON
def _as_json(path: Path, needs: Sequence[str]) -> Measured:
    line = last_line(path)
    try:
        last = _line(line, path.name, needs)
    except NoMeasurement as problem:
        last, wrong = None, problem
    if last is not None and (last.has(needs) or last.invalid is not None):
        return last
    found = _whole(path, needs) or _last_object(path, needs)
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
            f"the last line of {place} is not JSON: {_shown(line)}" if line else f"{place} is empty"
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


def _whole(path: Path, needs: Sequence[str]) -> Measured | None:
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


def _last_object(path: Path, needs: Sequence[str]) -> Measured | None:
    """The measurement in the last line that is an object with all that is needed."""
    for line in reversed(plain_tail(path, _MOST)[0].split("\n")):
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
        raise NoMeasurement(f"{what} is {_shown(json.dumps(value), quoted=False)}, not a number")
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


# ------------------------------------------------------------------ patterns
def _by_patterns(path: Path, output: Output, needs: Sequence[str]) -> Measured:
    """The last match of each pattern; what has none and is needed is read as JSON."""
    found = _matches(path, output.patterns, needs)
    lacking = [name for name in needs if name in output.patterns and name not in found]
    if lacking or not (found or needs):
        name = next(iter(lacking or output.patterns))
        raise NoMeasurement(
            f"the pattern {output.patterns[name].pattern!r} of the metric {name!r} matches "
            f"nothing in {(output.result or STDOUT)}, whose last line is {_shown(last_line(path))}"
        )
    rest = [name for name in needs if name not in found]
    if not rest:
        return Measured(metrics=found)
    # only the metric of the goal may be a plain number
    is_goal = rest[0] == needs[0]
    other = _as_json(path, rest) if is_goal else _whole(path, rest) or _last_object(path, rest)
    if other is None:
        raise NoMeasurement(
            f"the goal needs {', '.join(map(repr, rest))} as well, which no pattern is for and no "
            f"object in {(output.result or STDOUT)} has"
        )
    return Measured(other.value, {**other.metrics, **found}, other.tags, other.invalid)


def _matches(
    path: Path, patterns: Mapping[str, re.Pattern[str]], needs: Sequence[str]
) -> dict[str, float | list[float]]:
    """The number in the last match of each pattern; from the end, in ever larger parts."""
    found: dict[str, float | list[float]] = {}
    size = BLOCK
    while True:
        text, complete = plain_tail(path, size)
        if not complete:
            text = text.partition("\n")[2]
        for name, pattern in patterns.items():
            last = None if name in found else deque(pattern.finditer(text), maxlen=1)
            if last:
                found[name] = _captured(last[0][1], name)
        if complete or size >= _MOST or all(name in found for name in patterns):
            return {name: found[name] for name in patterns if name in found}
        size *= 4


def _captured(text: str | None, name: str) -> float:
    given = (text or "").strip()
    try:
        if "_" in given:
            raise ValueError
        return float(_FORTRAN.sub(r"\1e\2", given))
    except ValueError:
        raise NoMeasurement(
            f"the pattern of the metric {name!r} found {_shown(given)}, which is no number"
        ) from None


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


def _shown(text: str, *, quoted: bool = True) -> str:
    text = plain(text.encode(errors="replace"))
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 2 :]}"
    return repr(short) if quoted else short


def _hint(directory: Path, path: Path, output: Output, needs: Sequence[str]) -> str:
    """What to do about it, where what the program gave looks like something well known."""
    last = last_line(path)
    if re.match(r"\{\s*'", last):
        return ". This line is Python and not JSON: print(json.dumps(...)) writes JSON"
    if last in ("}", "]"):
        return ". JSON of several lines counts where nothing else is printed; print it on one line"
    metric = needs[0] if needs else ""
    for name in ((output.result or STDOUT), "stderr") if metric else ():
        text, _ = plain_tail(directory / name)
        said = rf"({re.escape(metric)}['\"]?\s*[:=]?\s*)[-+]?\d"
        if match := re.search(said, text, re.IGNORECASE):
            if output.patterns and name == "stderr":
                return ". It is in stderr: add 2>&1 to the command"
            known = match[1].rstrip()
            advice = (
                f"[metrics] {metric} = '{known} *([-+0-9.eE]+)' in the study file, or metrics= "
            )
            return f". {name} has {_shown(match[0])}...: {advice}of the launcher reads such a line"
    return ""
