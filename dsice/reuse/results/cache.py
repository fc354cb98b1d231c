"""Cache files of Kernel Tuner, of all versions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from dsice.errors import TableError
from dsice.reuse.results.results import CORRECT, TIME, Contents, Format, Row, as_number

ERRORS = {
    "InvalidConfig": "constraints",
    "CompilationFailedConfig": "compile",
    "RuntimeFailedConfig": "runtime",
    "ErrorConfig": "runtime",
}
"""What Kernel Tuner calls results that are none, and what T4 calls them."""
_FAILED = 1e20  # the time of failed configurations before there were words for them
_SPENT = ("compile_time", "verification_time", "benchmark_time")  # ms, what its budget counts
_NOT_MEASURED = ("times", "timestamp", "strategy_time", "framework_time", "__error__", *_SPENT)


def is_cache(content: Any) -> bool:
    """Whether this is the content of a cache file."""
    return isinstance(content, Mapping) and "cache" in content and "tune_params_keys" in content


def closed(text: str) -> str | None:
    """A cache file that its program left open, closed; None: it is no such file.

    While Kernel Tuner runs, and after it was killed, the last two braces are not there.
    """
    if '"tune_params_keys"' not in text or '"cache"' not in text:
        return None
    text = text.rstrip().removesuffix(",")
    for end in ("}\n}", "}"):
        try:
            json.loads(text + end)
        except ValueError:
            continue
        return text + end
    return None


def contents(content: Any, source: str) -> Contents:
    """The results in a cache file.

    Raises
    ------
    TableError
        It lacks what every cache file has.
    """
    names, entries = content["tune_params_keys"], content["cache"]
    if not isinstance(names, list) or not isinstance(entries, Mapping):
        raise TableError(
            f"{source}: tune_params_keys and cache of a cache file of Kernel Tuner are a list and "
            "an object, here they are not"
        )
    objectives = content.get("objective", TIME)
    objectives = [objectives] if isinstance(objectives, str) else list(objectives or [TIME])
    rows = []
    for key, entry in entries.items():
        if not isinstance(entry, Mapping) or not all(name in entry for name in names):
            raise TableError(
                f"{source}: the entry {key!r} of the cache has no values of {', '.join(names)}; "
                "delete it, or give a complete file"
            )
        rows.append(_row(entry, names, objectives[0]))
    device = content.get("device_name")
    return Contents(rows, names, objectives, device if isinstance(device, str) else "")


def _row(entry: Mapping[str, Any], names: list[str], objective: str) -> Row:
    params = {name: entry[name] for name in names}
    measured = {n: v for n, v in entry.items() if n not in params and n not in _NOT_MEASURED}
    measured.setdefault(objective, math.nan)  # of a failed one there is none since 1.5
    words = [entry.get("__error__"), *measured.values()]
    invalidity = next((ERRORS[w] for w in words if isinstance(w, str) and w in ERRORS), CORRECT)
    if as_number(measured[objective]) == _FAILED:
        invalidity = "runtime"
    spent = [as_number(entry[name]) for name in _SPENT if name in entry]
    return Row(params, measured, sum(spent) / 1000 if spent else math.nan, invalidity)


CACHE = Format("a cache file of Kernel Tuner", is_cache, contents)
