"""A history as a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dsice.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

_FIXED = {
    "lead": ("id", "round", "state"),
    "middle": ("value", "score", "feasible"),
    "end": (
        "seconds",
        "queued",
        "started",
        "ended",
        "stage",
        "repeat",
        "member",
        "parent",
        "error",
    ),
}


def frame(trials: list[Trial], scores: list[float], feasible: list[bool]) -> pd.DataFrame:
    """One row for each trial; the columns are those of `History.frame`."""
    import pandas as pd

    groups = _columns(trials, scores, feasible)
    names = {
        group: dict.fromkeys(name for cell in cells for name in cell)
        for group, cells in groups.items()
    }
    names |= {group: dict.fromkeys(fixed) for group, fixed in _FIXED.items()}
    labels = _labels(names)
    order = [
        labels[group, name]
        for group in ("lead", "param", "middle", "metric", "end", "note", "tag")
        for name in names[group]
    ]
    rows: list[dict[str, Any]] = [{} for _ in trials]
    for group, cells in groups.items():
        for row, cell in zip(rows, cells, strict=True):
            row.update((labels[group, name], value) for name, value in cell.items())
    return pd.DataFrame(rows, columns=order)


def _columns(
    trials: list[Trial], scores: list[float], feasible: list[bool]
) -> dict[str, list[dict[str, Any]]]:
    """The cells by group of columns, one mapping for each trial."""
    ids = range(len(trials))
    return {
        "lead": [{"id": t.id, "round": t.round, "state": str(t.state)} for t in trials],
        "middle": [
            {"value": trials[i].value, "score": scores[i], "feasible": feasible[i]} for i in ids
        ],
        "end": [_end(t) for t in trials],
        "param": [dict(t.params) for t in trials],
        "metric": [dict(t.metrics) for t in trials],
        "note": [dict(t.note) for t in trials],
        "tag": [dict(t.tags) for t in trials],
    }


def _end(t: Trial) -> dict[str, Any]:
    queued, started, ended = t.times
    times = {"seconds": t.seconds, "queued": queued, "started": started, "ended": ended}
    return {
        **times,
        "stage": t.stage,
        "repeat": t.repeat,
        "member": t.member,
        "parent": t.parent,
        "error": t.error,
    }


def _labels(names: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], str]:
    """Column of each (group, name): the bare name where it is free, else with the group before it."""
    used: set[str] = set()
    labels = {}
    for group in ("lead", "middle", "end", "param", "metric", "note", "tag"):
        for name in names[group]:
            label = f"{group}.{name}" if group in ("note", "tag") else name
            while label in used:
                label = f"{group}.{label}"
            used.add(label)
            labels[group, name] = label
    return labels
