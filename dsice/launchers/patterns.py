"""Metrics that a program prints in its own way, found by the user's regular expressions."""

from __future__ import annotations

import re
import signal
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dsice.launchers.measurement import (
    BLOCK,
    MOST,
    Measured,
    NoMeasurement,
    as_json,
    last_line,
    last_object,
    plain_tail,
    shown,
    whole_file,
)
from dsice.launchers.output import STDOUT, Output, Search

_PATIENCE = 10.0  # seconds of computing for all patterns of one trial
_FORTRAN = re.compile(r"([-+]?[\d.]+)[dD]([-+]?\d+)")


def by_patterns(path: Path, output: Output, needs: Sequence[str]) -> Measured:
    """The last matches of each pattern; what has none and is needed is read as JSON.

    Parameters
    ----------
    needs
        The metrics that the goal needs, its own first; empty: unknown.

    Raises
    ------
    NoMeasurement
        There is none; the message says what was found.
    """
    with _limited():
        texts = _matches(path, output.patterns)
    found = {}
    for name, several in texts.items():
        if name in needs:
            _check_number(path.name, name, output.patterns[name], len(several))
        values = [_captured(text, name) for text in several]
        found[name] = values if output.patterns[name].last > 1 else values[0]
    lacking = [name for name in needs if name in output.patterns and name not in found]
    if lacking or not (found or needs):
        name = next(iter(lacking or output.patterns))
        raise NoMeasurement(
            f"the pattern {output.patterns[name].pattern.pattern!r} of the metric {name!r} matches "
            f"nothing in {(output.result or STDOUT)}, whose last line is {shown(last_line(path))}"
        )
    rest = [name for name in needs if name not in found]
    if not rest:
        return Measured(metrics=found)
    # only the metric of the goal may be a plain number
    is_goal = rest[0] == needs[0]
    other = as_json(path, rest) if is_goal else whole_file(path, rest) or last_object(path, rest)
    if other is None:
        raise NoMeasurement(
            f"the goal needs {', '.join(map(repr, rest))} as well, which no pattern is for and no "
            f"object in {(output.result or STDOUT)} has"
        )
    return Measured(other.value, {**other.metrics, **found}, other.tags, other.invalid)


def _check_number(place: str, name: str, search: Search, number: int) -> None:
    if number < search.last:
        raise NoMeasurement(
            f"the pattern {search.pattern.pattern!r} of the metric {name!r} matches {number} times "
            f"in {place}, and last = {search.last} of them are wanted"
        )


def _matches(path: Path, searches: Mapping[str, Search]) -> dict[str, list[str | None]]:
    """What the last matches of each pattern hold; from the end, in ever larger parts."""
    found: dict[str, list[str | None]] = {}
    size = BLOCK
    while True:
        text, complete = plain_tail(path, size)
        if not complete:
            text = text.partition("\n")[2]
        for name, search in searches.items():
            if len(found.get(name, ())) < search.last:
                last = deque(search.pattern.finditer(text), maxlen=search.last)
                found[name] = [match[1] for match in last]
        enough = all(len(found[name]) >= search.last for name, search in searches.items())
        if complete or size >= MOST or enough:
            return {name: texts for name, texts in found.items() if texts}
        size *= 4


def _captured(text: str | None, name: str) -> float:
    given = (text or "").strip()
    try:
        if "_" in given:
            raise ValueError
        return float(_FORTRAN.sub(r"\1e\2", given))
    except ValueError:
        raise NoMeasurement(
            f"the pattern of the metric {name!r} found {shown(given)}, which is no number"
        ) from None


@contextmanager
def _limited() -> Iterator[None]:
    """End what is inside after `_PATIENCE`: a pattern may need longer than the universe has been.

    Python looks for signals while it matches, in the main thread; elsewhere there is no limit, nor
    where somebody else uses this timer.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGVTALRM) is not signal.SIG_DFL:
        yield
        return
    inside = True

    def end(_number: int, _frame: FrameType | None) -> None:
        if inside:
            raise NoMeasurement(
                f"the patterns of [metrics] take more than {_PATIENCE:g} seconds on what was "
                "printed; leave out what repeats within a repetition, and .* at the beginning"
            )

    signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE)
    try:
        yield
        inside = False
    finally:
        inside = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
