"""Results in the T4 format, which Kernel Tuner, KTT and others write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dsice.errors import TableError
from dsice.reuse.results.cache import ERRORS
from dsice.reuse.results.results import (
    CORRECT,
    TIME,
    Contents,
    Format,
    Row,
    as_number,
    milliseconds,
)

DURATION = "TotalDuration"
"""What KTT calls the run time of a kernel."""


def is_t4(content: Any) -> bool:
    """Whether this is the content of a T4 file."""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("results"), list)
        and ("schema_version" in content or "metadata" in content)
    )


def contents(content: Any, source: str) -> Contents:
    """The results of a T4 file.

    Raises
    ------
    TableError
        A result is none.
    """
    unit = (content.get("metadata") or {}).get("timeunit")
    rows = []
    objectives: list[str] = []
    for number, result in enumerate(content["results"]):
        if not isinstance(result, Mapping) or not isinstance(result.get("configuration"), Mapping):
            raise TableError(
                f"{source}: result {number} has no configuration; delete it, or give a complete "
                "file"
            )
        named = [TIME if name == DURATION else name for name in result.get("objectives") or ()]
        objectives = objectives or named
        rows.append(_row(result, unit, objectives or [TIME]))
    return Contents(rows, objectives=objectives or [TIME])


def _row(result: Mapping[str, Any], unit: Any, objectives: list[str]) -> Row:
    measured: dict[str, Any] = {}
    units: dict[str, Any] = {}
    words: list[Any] = []
    for one in result.get("measurements") or ():
        name = TIME if one.get("name") == DURATION else str(one.get("name"))
        value = one.get("value")
        words.append(value)
        units[name] = one.get("unit")
        measured[name] = as_number(value) * milliseconds(units[name])
    measured.setdefault(objectives[0], math.nan)
    invalidity = str(result.get("invalidity", CORRECT))
    if invalidity == CORRECT:
        invalidity = next((ERRORS[w] for w in words if isinstance(w, str) and w in ERRORS), CORRECT)
    times = result.get("times") or {}
    scale = milliseconds(unit if unit is not None else units.get(objectives[0]))
    return Row(dict(result["configuration"]), measured, _seconds(times) * scale, invalidity)


def _seconds(times: Mapping[str, Any]) -> float:
    """What measuring took, in thousands of the unit of the file."""
    runs = times.get("runtimes") or ()
    parts = {
        "compilation": times.get("compilation", times.get("compilation_time")),
        "validation": times.get("validation"),
        # older files have the single runs instead
        "benchmark": times.get("benchmark", sum(filter(math.isfinite, map(as_number, runs)))),
    }
    known = [number for number in map(as_number, parts.values()) if math.isfinite(number)]
    return sum(known) / 1000 if any(known) else math.nan


T4 = Format("results in the T4 format", is_t4, contents)
