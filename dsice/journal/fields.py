"""What the fields of a line must be; a line with another is bad.

A trial is made when it is looked at, which must not fail: all of its fields are checked here, in
the one pass over the lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dsice.checks import shown
from dsice.journal.format import decode_float
from dsice.trial import State, mean
from dsice.typing import Record

NEW = (0, 0, 0)
"""Stage, repeat and member of most trials."""
NOTHING: Mapping[str, float] = {}
"""Stands for a mapping that is not there."""
_NO_TIMES = [None] * 3
_FLOATS = {float}


def key_of(asked: Record) -> tuple[int, int, int]:
    """Stage, repeat and member of an asked trial, all of its fields checked."""
    for name in ("note", "overrides"):
        if type(asked.get(name, NOTHING)) is not dict:
            raise TypeError(f"{name} is {shown(asked[name])}")
    as_int64(asked, "parent", None)
    if len(asked) == 3 and "note" in asked:
        return NEW
    return (as_int64(asked, "stage", 0), as_int64(asked, "repeat", 0), as_int64(asked, "member", 0))


def check_rest(told: Record) -> None:
    """Raise TypeError for a field of the wrong kind among those that no column holds."""
    if (error := told.get("error")) is not None and type(error) is not str:
        raise TypeError(f"error is {shown(error)}")
    for name in ("tags", "where"):
        if type(told.get(name, NOTHING)) is not dict:
            raise TypeError(f"{name} is {shown(told[name])}")
    times = told.get("times", _NO_TIMES)
    if type(times) is not list or len(times) != 3:
        raise TypeError(f"times is {shown(times)}, not three numbers")
    for moment in times:
        if moment is not None:
            as_float("times", moment)


def as_float(name: str, value: object) -> float:
    """A number that is not written as text."""
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"{name} is {shown(value)}, no number")
    return float(value)


def floats(metrics: Mapping[str, Any]) -> Mapping[str, float]:
    """Named numbers; the same mapping where all are plain."""
    if type(metrics) is not dict:
        raise TypeError(f"metrics is {shown(metrics)}")
    if set(map(type, metrics.values())) <= _FLOATS:
        return metrics
    return {name: decode_float(value) for name, value in metrics.items()}


def mean_of(values: list[Any]) -> float:
    """The mean of values as they stand in a line, NaN where there are none."""
    if type(values) not in (list, tuple):
        raise TypeError(f"values is {shown(values)}")
    found = mean(tuple(map(decode_float, values)))
    return math.nan if found is None else found


def as_whole(record: Record, name: str, default: int | None) -> Any:
    """A whole number, the default where it is missing."""
    value = record.get(name, default)
    if type(value) is not int and value is not default:
        raise TypeError(f"{name} is {shown(value)}, not a whole number")
    return value


def as_int64(record: Record, name: str, default: int | None) -> Any:
    """A whole number that arrays hold; the default where it is missing."""
    value = as_whole(record, name, default)
    if value is not None and not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} is {shown(value)}, out of range")
    return value


STATES: dict[str, State] = {str(s): s for s in State if s is not State.WITHDRAWN}
"""What a tell or add line may say of a trial."""


def told_state(text: object) -> State:
    """The state of a tell or add line; ValueError for one that no trial ends in."""
    if text not in STATES:
        raise ValueError(f"no trial ends as {shown(text)}")
    return STATES[str(text)]


def forbidden_ids(header: Record, count: int) -> frozenset[int]:
    """Ids of the trials that break a rule which the last `extend` brought, of `count` trials."""
    found = _last_extension(header).get("forbidden")
    ids = found if isinstance(found, list) else ()
    return frozenset(id for id in ids if type(id) is int and 0 <= id < count)


def _last_extension(header: Record) -> Record:
    """What the header says of the last `extend`; empty: there was none."""
    extended = header.get("extended")
    last = extended[-1] if isinstance(extended, list) and extended else None
    return last if isinstance(last, dict) else {}
