"""Tables of measured kernels as cache files of Kernel Tuner, which its simulation mode reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Levels = dict[str, list[Any]]


def read_table(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """A table (.csv, .csv.gz or .parquet) and its parameters: the columns left of ``objective``."""
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return frame, list(frame.columns[: list(frame.columns).index("objective")])


def cache_of(frame: pd.DataFrame, names: list[str], device: str) -> dict[str, Any]:
    """A table as the content of a cache file of Kernel Tuner 1.5.

    Rows without a finite ``objective`` have failed when they ran. All of the column ``seconds``
    counts as the time of the benchmark.
    """
    levels: Levels = {name: np.unique(frame[name]).tolist() for name in names}
    cache = {}
    seconds = frame["seconds"] if "seconds" in frame else pd.Series(0.0, index=frame.index)
    for row, value, spent in zip(
        frame[names].itertuples(index=False, name=None), frame["objective"], seconds, strict=True
    ):
        plain = [getattr(cell, "item", lambda cell=cell: cell)() for cell in row]
        entry: dict[str, Any] = dict(zip(names, plain, strict=True))
        if np.isfinite(value):
            entry |= {"time": float(value), "times": [float(value)]}
        else:
            entry |= {"__error__": "RuntimeFailedConfig"}
        entry |= {"compile_time": 0.0, "verification_time": 0, "framework_time": 0.0}
        entry |= {"benchmark_time": 1000.0 * (float(spent) if np.isfinite(spent) else 0.0)}
        entry |= {"strategy_time": 0.0, "timestamp": "2025-01-01 00:00:00+00:00"}
        cache[",".join(map(str, plain))] = entry
    return {
        "device_name": device,
        "kernel_name": "kernel",
        "problem_size": [1],
        "tune_params_keys": names,
        "tune_params": levels,
        "objective": ["time"],
        "cache": cache,
    }


def write_cache(path: Path, content: dict[str, Any]) -> None:
    """Write a cache file as Kernel Tuner does: closed by the two braces it looks for."""
    entries = ",\n".join(json.dumps({key: e})[1:-1] for key, e in content["cache"].items())
    head = json.dumps({**content, "cache": {}}, indent="")[:-3]
    path.write_text(f"{head}\n{entries}" + "}\n}")
