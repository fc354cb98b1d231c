"""What the fields of a trial may hold in a journal line.

A line that can be read may still be wrong, after an editor or a damaged disk: it is named when the journal is opened,
not by an error of another kind when somebody looks at the trial. Fields that are unknown here are a newer dsice's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dsice.errors import shown
from dsice.trial import State

_STATES = frozenset(map(str, State))


def problem(record: Mapping[str, Any]) -> str:
    """The first field that holds what it cannot hold, "" if there is none."""
    for name, value in record.items():
        fits = _FITS.get(name)
        if fits is not None and not fits(value):
            return f"its field {name!r} cannot be {shown(value)}"
    return ""


def _is_number(value: object) -> bool:
    """A finite one: NaN is null, and the infinities are strings."""
    kind = type(value)
    return kind is float or (kind is int and abs(value) < 1 << 1000)  # type: ignore[arg-type]  # else no float holds it


def _is_measured(value: object) -> bool:
    return value is None or _is_number(value) or value in ("inf", "-inf")


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_mapping(value: object) -> bool:
    return type(value) is dict


_FITS: dict[str, Callable[[Any], bool]] = {
    "point": lambda value: type(value) is list,
    "step": _is_whole,
    "value": _is_measured,
    "round": lambda value: value is None or _is_whole(value),
    "note": _is_mapping,
    "overrides": _is_mapping,
    "stage": _is_whole,
    "repeat": _is_whole,
    "member": _is_whole,
    "parent": lambda value: value is None or _is_whole(value),
    "state": lambda value: type(value) is str and value in _STATES,
    "values": lambda value: type(value) is list and all(map(_is_measured, value)),
    "metrics": lambda value: type(value) is dict and all(map(_is_measured, value.values())),
    "seconds": lambda value: value is None or _is_number(value),
    "times": lambda value: type(value) is list and len(value) == 3 and all(t is None or _is_number(t) for t in value),
    "error": lambda value: value is None or type(value) is str,
    "tags": _is_mapping,
    "where": _is_mapping,
}
