"""A history as a DataFrame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import OptionError
from dsice.goal import Goal
from dsice.trial import State, Trial
from dsice.typing import Array

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    import pandas as pd

    from dsice.history.history import History

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


def measured(history: History, a: str, b: str) -> tuple[list[int], Array]:
    """Done trials of the goal's stage that carry both metrics as finite numbers.

    Returns
    -------
    ids, values
        Their ids, and what was told, float of shape (trials, 2).

    Raises
    ------
    OptionError
        `a` and `b` are the same, or no trial carries both.
    """
    if a == b:
        raise OptionError(f"front({a!r}, {b!r}): expected two different metrics")
    done = [
        history[i]
        for i in np.flatnonzero(history.in_state(State.DONE) & history.of_stage()).tolist()
    ]
    told = {t.id: (_metric(t, a), _metric(t, b)) for t in done}
    good = {id: pair for id, pair in told.items() if all(map(math.isfinite, pair))}
    if not good:
        carried = (
            sorted({name for t in done for name in t.metrics} | {"value", "seconds"})
            if done
            else ["nothing yet"]
        )
        raise OptionError(
            f"front({a!r}, {b!r}): none of the {len(done)} done trials carries both; they carry {', '.join(carried)}"
        )
    return list(good), np.array(list(good.values()), dtype=float)


def less_is_better(goal: Goal, name: str) -> bool:
    """On which side of a metric the better values lie."""
    if name == goal.metric:
        return not goal.maximize
    return name not in goal.at_least or name in goal.at_most


def undominated(points: Array) -> Array:
    """Rows to which no other is at least as good in both columns (less is better), sorted by the first; shape (front,).

    Of equal rows the first is there.
    """
    order = np.lexsort((np.arange(len(points)), points[:, 1], points[:, 0]))
    second = points[order, 1]
    before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    return np.asarray(order[second < before])


def front_frame(history: History, a: str, b: str) -> pd.DataFrame:
    """What `History.front` returns."""
    import pandas as pd

    ids, values = measured(history, a, b)
    signs = np.array([1.0 if less_is_better(history.goal, name) else -1.0 for name in (a, b)])
    feasible, rows = history.feasible(), list[dict[str, object]]()
    for place in undominated(values * signs).tolist():
        trial = history[ids[place]]
        row: dict[str, object] = {
            "id": trial.id,
            a: values[place, 0],
            b: values[place, 1],
            "feasible": bool(feasible[trial.id]),
        }
        row.update(
            (f"param.{name}" if name in ("id", a, b, "feasible") else name, v)
            for name, v in trial.params.items()
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _metric(trial: Trial, name: str) -> float:
    if name == "seconds" and name not in trial.metrics:
        return math.nan if trial.seconds is None else trial.seconds
    return Goal.named(trial, name)
