"""All trials of a report as columns, a list or a text of digits for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dsice.goal import Goal
from dsice.history import History
from dsice.report.encode import number, numbers, places, text, value
from dsice.space import Space
from dsice.space.values import labels
from dsice.trial import Trial

MOST_VALUES: Final = 300
"""Levels of an axis that the page has in any case; of a longer one those of trials, and some."""
MOST_METRICS: Final = 20
"""Metrics that the page has, in the order in which they were first told."""


def columns(history: History, space: Space) -> dict[str, Any]:
    """Columns of all trials, those that hold nothing left out."""
    trials = list(history)
    found: dict[str, Any] = {"count": len(trials)}
    found |= _words("states", "state", [str(t.state) for t in trials])
    phases = [t.note.get("phase") for t in trials]
    found |= _words("phases", "phase", [None if p is None else text(p, 80) for p in phases])
    found["rounds"] = _rounds(trials)
    found["value"] = numbers(_value(history.goal, t) for t in trials)
    if history.weighs_time:
        found["score"] = numbers(history.scores().tolist())
    if history.goal.bounded:
        found["feasible"] = places(history.feasible().astype(int).tolist())
    if history.has_repeats:
        found["n"] = places(history.counts().tolist())
    found["seconds"] = numbers((t.seconds for t in trials), 6)
    for name in ("stage", "repeat", "member"):
        column = [getattr(t, name) for t in trials]
        if any(column):
            found[name] = places(column)
    if any(t.parent is not None for t in trials):
        found["parent"] = [t.parent for t in trials]
    found |= _times(trials)
    found["metrics"] = _metrics(trials, history.goal)
    found["levels"] = _levels(trials, history, space)
    found["overrides"] = _overrides(trials)
    return {name: column for name, column in found.items() if column is not None}


def axes(history: History, space: Space) -> list[dict[str, Any]]:
    """Every parameter with its values; of a long axis those of trials and an even choice."""
    found = []
    for j, (name, axis) in enumerate(space.axes.items()):
        shown = _shown_levels(history, j, len(axis))
        given = [axis.values[level] for level in shown]
        entry: dict[str, Any] = {
            "name": text(name, 200),
            "ordered": axis.ordered,
            "numeric": axis.numeric,
            "n": len(axis),
            "values": [value(v) for v in given],
            "labels": [text(label, 200) for label in labels(given)],
        }
        if len(shown) < len(axis):
            entry["at"] = shown
        found.append(entry)
    return found


def _shown_levels(history: History, axis: int, n: int) -> list[int]:
    """The levels of an axis that the page knows, ascending."""
    if n <= MOST_VALUES:
        return list(range(n))
    even = np.linspace(0, n - 1, MOST_VALUES).astype(np.int64)
    used = history.points()[:, axis] if len(history) else even
    return [int(level) for level in np.union1d(even, used)]


def _levels(trials: Sequence[Trial], history: History, space: Space) -> list[Any]:
    """For each parameter the place of each trial among the values that the page has."""
    found = []
    for j, name in enumerate(space.names):
        place = {level: i for i, level in enumerate(_shown_levels(history, j, space.shape[j]))}
        found.append(places([place[t.point[j]] if name in t.params else None for t in trials]))
    return found


def _value(goal: Goal, trial: Trial) -> float:
    """The goal's metric of a trial, NaN where it has none."""
    return goal.metric_of(trial) if trial.values or trial.metrics else math.nan


def _words(names: str, name: str, column: Sequence[str | None]) -> dict[str, Any]:
    """A column of words: the words, and the place of each trial's among them."""
    words = list(dict.fromkeys(word for word in column if word is not None))
    if not words:
        return {}
    place = {word: i for i, word in enumerate(words)}
    return {names: words, name: places([None if w is None else place[w] for w in column])}


def _rounds(trials: Sequence[Trial]) -> list[list[int | None]]:
    """The id of the first trial of each round, and the round; None for trials never asked."""
    found: list[list[int | None]] = []
    for trial in trials:
        if not found or found[-1][1] != trial.round:
            found.append([trial.id, trial.round])
    return found


def _times(trials: Sequence[Trial]) -> dict[str, Any]:
    """Waits, starts and ends in seconds since the first start, and the workers."""
    starts = [t.times[1] for t in trials if t.times[1] is not None]
    if not starts:
        return {}
    zero = min(starts)
    found: dict[str, Any] = {"zero": number(zero, 13)}
    for name, i in (("start", 1), ("end", 2)):
        moments = [t.times[i] for t in trials]
        found[name] = [None if m is None else round(m - zero, 2) for m in moments]
    workers = [t.where.get("worker") for t in trials]
    return found | _words(
        "workers", "worker", [None if w is None else text(w, 100) for w in workers]
    )


def _metrics(trials: Sequence[Trial], goal: Goal) -> list[dict[str, Any]]:
    """The other named numbers, with the direction in which each is better and its bounds."""
    names = dict.fromkeys(name for t in trials for name in t.metrics)
    names.pop(goal.metric, None)
    if goal.metric != "value" and any(t.values and not t.metrics for t in trials):
        names.pop("value", None)
    found = []
    for name in [*names][:MOST_METRICS]:
        entry: dict[str, Any] = {"name": text(name, 200)}
        entry["values"] = numbers((t.metrics.get(name) for t in trials), 7)
        if name in goal.at_most:
            entry["at_most"] = goal.at_most[name]
        if name in goal.at_least:
            entry["at_least"] = goal.at_least[name]
        if entry["values"]:
            found.append(entry)
    return found


def _overrides(trials: Sequence[Trial]) -> dict[str, list[Any]] | None:
    """Values of parameters that left the grid: [id, value] of each, by the parameter's name."""
    found: dict[str, list[Any]] = {}
    for trial in trials:
        for name, given in trial.overrides.items():
            found.setdefault(text(name, 200), []).append([trial.id, value(given)])
    return found or None
