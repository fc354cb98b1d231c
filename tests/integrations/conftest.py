"""Measured kernels as the files of other tuners, written here without the readers' help."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

LEVELS: dict[str, list[Any]] = {
    "block_size_x": [128, 32, 64, 256],  # in no order, as users write them
    "tile": [1, 2, 4],
    "method": ["direct", "shared"],
    "constant": [7],
}


def measured() -> list[tuple[dict[str, Any], float | None]]:
    """Configurations and their times in ms; None: it failed when it ran."""
    found: list[tuple[dict[str, Any], float | None]] = []
    for values in itertools.product(*LEVELS.values()):
        p = dict(zip(LEVELS, values, strict=True))
        if p["block_size_x"] * p["tile"] > 512:  # what a restriction excludes
            continue
        time = 1.0 + abs(p["block_size_x"] - 64) / 64 + (p["tile"] - 2) ** 2
        time += 0.5 * (p["method"] == "direct")
        fails = p["tile"] == 4 and p["method"] == "shared"
        found.append((p, None if fails else time))
    return found


def key(params: dict[str, Any]) -> str:
    return ",".join(map(str, params.values()))


def cache(*, old: bool = False, device: str = "some GPU") -> dict[str, Any]:
    """The content of a cache file of Kernel Tuner, as before 1.0 or as of 1.5."""
    entries: dict[str, Any] = {}
    for params, time in measured():
        entry = {**params, "compile_time": 100.0, "verification_time": 0, "benchmark_time": 50.0}
        entry |= {"strategy_time": 0, "framework_time": 1.0, "timestamp": "2024-01-01 00:00:00"}
        if time is not None:
            entry |= {"time": time, "times": [time, time], "GFLOP/s": 10 / time}
        elif old:
            entry["time"] = "RuntimeFailedConfig"
        else:
            entry["__error__"] = "RuntimeFailedConfig"
        entries[key(params)] = entry
    head: dict[str, Any] = {"device_name": device, "kernel_name": "k", "problem_size": [64]}
    head |= {"tune_params_keys": list(LEVELS), "tune_params": LEVELS}
    if not old:
        head["objective"] = ["time"]
    return {**head, "cache": entries}


def cache_text(content: dict[str, Any]) -> str:
    """As Kernel Tuner writes it: a line for each entry, then the braces that it looks for."""
    head = json.dumps({**content, "cache": {}}, indent="")[:-3]
    lines = [json.dumps({name: entry})[1:-1] for name, entry in content["cache"].items()]
    return head + "".join(f"\n{line}," for line in lines)[:-1] + "}\n}"


@pytest.fixture
def cache_file(tmp_path: Path) -> Path:
    path = tmp_path / "cache.json"
    path.write_text(cache_text(cache()))
    return path
