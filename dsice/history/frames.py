"""DataFrames of trials: all of them, and the Pareto front of two metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import OptionError
from dsice.goal import Goal
from dsice.trial import Trial
from dsice.typing import Array

if TYPE_CHECKING:
    import pandas as pd

_EXACT = 2**53  # up to here every whole number is a float
_FIXED = {
    "lead": ("id", "round", "state"),
    "middle": ("value", "score", "feasible", "point.value", "point.n", "point.spread"),
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


def frame(
    trials: list[Trial],
    scores: list[float],
    feasible: list[bool],
    about: Mapping[int, Trial],
) -> pd.DataFrame:
    """One row for each trial; the columns are those of `History.frame`.

    Parameters
    ----------
    about
        The point of each scored trial, by id, with all its measurements.
    """
    import pandas as pd

    groups = _columns(trials, scores, feasible, about)
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
    found = pd.DataFrame(rows, columns=order)
    for name in names["param"]:
        cells = [t.params.get(name, math.nan) for t in trials]
        if not all(map(_is_kept, cells)):
            found[labels["param", name]] = pd.Series(cells, dtype=object, index=found.index)
    return found


def _is_kept(value: object) -> bool:
    """Whether pandas keeps a value in a column that has numbers, and cells without any."""
    return value is not None and (not isinstance(value, int) or abs(value) <= _EXACT)


def _columns(
    trials: list[Trial], scores: list[float], feasible: list[bool], about: Mapping[int, Trial]
) -> dict[str, list[dict[str, Any]]]:
    """Cells by group of columns, one mapping for each trial."""
    ids = range(len(trials))
    return {
        "lead": [{"id": t.id, "round": t.round, "state": str(t.state)} for t in trials],
        "middle": [
            {"value": trials[i].value, "score": scores[i], "feasible": feasible[i]}
            | _about(about.get(i))
            for i in ids
        ],
        "end": [_end(t) for t in trials],
        "param": [dict(t.params) for t in trials],
        "metric": [dict(t.metrics) for t in trials],
        "note": [dict(t.note) for t in trials],
        "tag": [dict(t.tags) for t in trials],
    }


def _about(point: Trial | None) -> dict[str, Any]:
    if point is None:
        return {"point.n": 0}
    return {
        "point.value": point.value,
        "point.n": len(point.values),
        "point.spread": math.nan if point.spread is None else point.spread,
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
    """Label of each (group, name): the name where it is free, else with the group before it."""
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


def front(
    trials: Sequence[Trial], values: Array, goal: Goal, metrics: tuple[str, str], feasible: Array
) -> pd.DataFrame:
    """What `History.front` returns.

    Parameters
    ----------
    trials, values
        From `carrying`: trials with both metrics, and the metrics, shape (trials, 2).
    goal
        Says on which side of a metric the better values lie.
    metrics
        The names of both.
    feasible
        Which trials keep every bound, by id, bool.
    """
    import pandas as pd

    signs = np.array([1.0 if less_is_better(goal, name) else -1.0 for name in metrics])
    rows: list[dict[str, object]] = []
    for place in undominated(values * signs).tolist():
        trial = trials[place]
        row: dict[str, object] = {"id": trial.id}
        row.update(zip(metrics, values[place], strict=True))
        row["feasible"] = bool(feasible[trial.id])
        taken = tuple(row)
        for name, value in trial.params.items():
            row[f"param.{name}" if name in taken else name] = value
        rows.append(row)
    return pd.DataFrame(rows)


def carrying(trials: Sequence[Trial], a: str, b: str) -> tuple[list[Trial], Array]:
    """The trials that carry both metrics as finite numbers.

    Returns
    -------
    trials, values
        They, and what was told, float of shape (trials, 2).

    Raises
    ------
    OptionError
        `a` and `b` are the same, or no trial carries both.
    """
    if a == b:
        raise OptionError(f"front({a!r}, {b!r}): expected two different metrics")
    found: list[Trial] = []
    values: list[tuple[float, float]] = []
    for trial in trials:
        pair = (metric_or_seconds(trial, a), metric_or_seconds(trial, b))
        if all(map(math.isfinite, pair)):
            found.append(trial)
            values.append(pair)
    if not found:
        carried = ["nothing yet"]
        if trials:
            named = {name for trial in trials for name in trial.metrics}
            carried = sorted(named | {"value", "seconds"})
        raise OptionError(
            f"front({a!r}, {b!r}): none of the {len(trials)} done trials carries both; "
            f"they carry {', '.join(carried)}"
        )
    return found, np.array(values, dtype=float)


def less_is_better(goal: Goal, name: str) -> bool:
    """Whether the better values of a metric are the smaller ones."""
    if name == goal.metric:
        return not goal.maximize
    return name not in goal.at_least or name in goal.at_most


def undominated(points: Array) -> Array:
    """Rows to which no other row is at least as good in both columns, where less is better.

    Parameters
    ----------
    points
        Float of shape (rows, 2).

    Returns
    -------
    Array
        Their positions, sorted by the first column, int of shape (front,). Of equal rows the
        first is there.
    """
    order = np.lexsort((np.arange(len(points)), points[:, 1], points[:, 0]))
    second = points[order, 1]
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    return np.asarray(order[second < best_before])


def metric_or_seconds(trial: Trial, name: str) -> float:
    """A metric of a trial, or its run time under the name "seconds"; NaN where it has none."""
    if name == "seconds" and name not in trial.metrics:
        return math.nan if trial.seconds is None else trial.seconds
    return Goal.named(trial, name)
