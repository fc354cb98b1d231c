"""The trade-off of two metrics over a history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dsice.errors import OptionError
from dsice.goal import Goal
from dsice.history.columns import Array
from dsice.trial import State, Trial

if TYPE_CHECKING:
    import pandas as pd

    from dsice.history.history import History


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
