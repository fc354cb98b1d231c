"""Output of KTT, the Kernel Tuning Toolkit, which it writes as JSON or as XML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dsice.errors import TableError
from dsice.reuse.results.results import (
    CORRECT,
    TIME,
    Contents,
    Format,
    Row,
    as_number,
    milliseconds,
)

_STATUS = {
    "Ok": CORRECT,
    "ComputationFailed": "runtime",
    "ValidationFailed": "correctness",
    "CompilationFailed": "compile",
    "DeviceLimitsExceeded": "runtime",
}
"""What KTT says became of a configuration, and what T4 calls that."""
_OTHERS = ("PowerUsage", "EnergyConsumption")


def is_ktt(content: Any) -> bool:
    """Whether this is the content of an output of KTT."""
    return isinstance(content, Mapping) and "Results" in content and "Metadata" in content


def contents(content: Any, source: str) -> Contents:
    """The results of an output of KTT; the total duration of a kernel is its ``time``.

    Raises
    ------
    TableError
        A result is none.
    """
    metadata = content["Metadata"]
    scale = milliseconds(metadata.get("TimeUnit", "Milliseconds"))
    rows = []
    for number, result in enumerate(content["Results"]):
        try:
            params = {pair["Name"]: pair["Value"] for pair in result["Configuration"]}
            rows.append(_row(params, result, scale))
        except (KeyError, TypeError, AttributeError) as error:
            raise TableError(
                f"{source}: result {number} is none of KTT's ({error!r}); delete it, or give a "
                "complete file"
            ) from error
    return Contents(rows, device=str(metadata.get("Device", "")))


def _row(params: dict[str, Any], result: Mapping[str, Any], scale: float) -> Row:
    measured: dict[str, Any] = {TIME: as_number(result["TotalDuration"]) * scale}
    computed = result.get("ComputationResults") or []
    if len(computed) == 1:  # of several kernels, the numbers of each are not those of all
        measured |= {name: computed[0][name] for name in _OTHERS if name in computed[0]}
        counters = (computed[0].get("ProfilingData") or {}).get("Counters") or []
        measured |= {counter["Name"]: counter["Value"] for counter in counters}
    spent = measured[TIME] + as_number(result.get("TotalOverhead", math.nan)) * scale
    return Row(params, measured, spent / 1000, _STATUS.get(result["Status"], "runtime"))


KTT = Format("an output of KTT", is_ktt, contents)
