"""Values of axes as text: on command lines, in tables, under figures.

The values themselves are never changed: what a computation left of a round number, such as
0.30000000000000004, is only written as 0.3. What is shown in error messages and what is stored has
all digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

CLOSE: Final = 1e-12
"""A text may be off by this, relative."""
_TYPED: Final = 15
"""So many digits survive a float; more are not typed, but computed."""
_FEWEST: Final = 4


def as_text(value: object) -> str:
    """Return a value as one word of a command: floats without noise, lists and dicts as JSON."""
    if isinstance(value, float):
        return repr(_short(value))
    if isinstance(value, (tuple, list, Mapping)):
        return json.dumps(_short_parts(value), separators=(",", ":"), ensure_ascii=False)
    return str(value)


def labels(values: Sequence[object]) -> list[str]:
    """Texts of the values of an axis for a figure: floats with 4 digits, or as many as differ."""
    floats = {value for value in values if isinstance(value, float)}
    digits = _FEWEST
    while digits < _TYPED and len({f"{value:.{digits}g}" for value in floats}) < len(floats):
        digits += 1
    return [f"{v:.{digits}g}" if isinstance(v, float) else as_text(v) for v in values]


def _short(value: float) -> float:
    """The float of fewest digits that is within `CLOSE`, where a value has more than are typed."""
    value = float(value)
    if float(f"{value:.{_TYPED}g}") == value:
        return value
    for digits in range(1, _TYPED + 1):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= CLOSE * abs(value):
            return short
    return value


def _short_parts(value: Any) -> Any:
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, (tuple, list)):
        return [_short_parts(part) for part in value]
    if isinstance(value, Mapping):
        return {name: _short_parts(part) for name, part in value.items()}
    return value
