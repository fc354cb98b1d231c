"""Measured points: the trials of one point together, and the best points first.

A point that was measured several times, inside a trial or in several trials of one stage and
member, counts with what the goal makes of all its values at once: their mean, median or minimum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dsice.goal import Goal
from dsice.trial import Trial, mean
from dsice.typing import Array, Floats, Point

if TYPE_CHECKING:
    from dsice.history.store import TrialStore


class Measured(NamedTuple):
    """What trials are worth; arrays with one entry per trial.

    Attributes
    ----------
    counts
        Number of values told, shape (trials,).
    scores, violation
        As in `History`, shape (trials,).
    losses
        Scores without run time, shape (trials,).
    """

    counts: Array
    scores: Floats
    violation: Floats
    losses: Floats


def by_point(ids: Array, points: Array, members: Array) -> list[list[int]]:
    """Ids of the trials of each point and member, both in the order in which they come.

    Parameters
    ----------
    ids
        The trials.
    points, members
        Levels and member of all trials, shapes (trials, axes) and (trials,).
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    places = zip(points[ids].tolist(), members[ids].tolist(), strict=True)
    for id, (point, member) in zip(ids.tolist(), places, strict=True):
        groups.setdefault((*point, member), []).append(id)
    return list(groups.values())


def score_of(goal: Goal, measured: Measured, trials: Sequence[Trial]) -> float:
    """Score of the point of these trials, which all have a score; less is better.

    Run time, where it counts, counts with its mean.
    """
    ids = [trial.id for trial in trials]
    weights = [n or 1 for n in measured.counts[ids].tolist()]
    scores: list[float] = measured.scores[ids].tolist()
    if len(ids) == 1:
        return scores[0]
    if goal.of == "mean":
        return mean(scores, weights) or 0.0
    times = [z - loss for z, loss in zip(scores, measured.losses[ids].tolist(), strict=True)]
    return goal.signed(goal.aggregate(_all_values(goal, trials))) + (mean(times, weights) or 0.0)


def pooled(goal: Goal, trials: Sequence[Trial]) -> Trial:
    """The first trial of a point, with the measurements of all of them.

    Parameters
    ----------
    trials
        All scored trials of the point, in the order of their ids.

    Returns
    -------
    Trial
        Its values are all measurements of the goal's metric, its value what the goal makes of them,
        and so is the metric among its metrics; other metrics and the run time are means.
    """
    first = trials[0]
    values = _all_values(goal, trials)
    value = _value_of(goal, trials, values)
    metrics = dict(first.metrics)
    repeats = dict(first.repeats)
    seconds = first.seconds
    if len(trials) > 1:
        names = dict.fromkeys(name for trial in trials for name in trial.metrics)
        each = {name: tuple(_told(trials, name)) for name in names}
        metrics = {name: mean(told) or 0.0 for name, told in each.items()}
        repeats = {name: told for name, told in each.items() if len(told) > 1}
        seconds = mean([t.seconds for t in trials if t.seconds is not None])
    if goal.metric in metrics and value is not None:
        metrics[goal.metric] = value
    return replace(
        first, values=values, value=value, metrics=metrics, repeats=repeats, seconds=seconds
    )


def about(goal: Goal, trials: Sequence[Trial], scores: Sequence[float]) -> dict[int, Trial]:
    """By the id of a trial, the measurements of all trials of its point, stage and member.

    Parameters
    ----------
    trials, scores
        All trials of a history, by id.
    """
    groups: dict[tuple[Point, int, int], list[Trial]] = {}
    for trial, score in zip(trials, scores, strict=True):
        of_goal = trial.stage == goal.stage
        if not math.isnan(score if of_goal else goal.loss_in_any_stage(trial)):
            groups.setdefault((trial.point, trial.stage, trial.member), []).append(trial)
    found: dict[int, Trial] = {}
    for group in groups.values():
        point = pooled(goal, group)
        found.update((trial.id, point) for trial in group)
    return found


def start_trial(history: TrialStore, own: Point | None) -> Trial | None:
    """The first trial of the user's own setting in the goal's stage; None where there is none.

    Parameters
    ----------
    own
        Levels of the setting; None: where they are unknown, the trial whose note says so.
    """
    for trial in history:
        if trial.stage != history.goal.stage:
            continue
        if trial.point == own if own is not None else trial.note.get("phase") == "start":
            return trial
    return None


def _value_of(goal: Goal, trials: Sequence[Trial], values: Sequence[float]) -> float | None:
    """What the goal makes of all values of these trials."""
    if not values:
        return None
    if goal.of != "mean":
        return goal.aggregate(values)
    told = [goal.metric_of(trial) for trial in trials]
    if len(trials) == 1:
        return told[0]
    # the mean of a trial weighs as many values as were told in it, also where only it is recorded
    return mean(told, [len(t.repeats.get(goal.metric, t.values)) or 1 for t in trials])


def _told(trials: Iterable[Trial], name: str) -> Iterable[float]:
    """All measurements of a metric in trials that may lack it."""
    return (v for trial in trials if name in trial.metrics for v in trial.measured(name))


def _all_values(goal: Goal, trials: Iterable[Trial]) -> tuple[float, ...]:
    """All measurements of the goal's metric."""
    return tuple(v for trial in trials for v in trial.measured(goal.metric))
