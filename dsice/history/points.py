"""Measured points: the trials of one point together, and the best points first.

A point that was measured several times counts with the mean of its measurements, each trial
weighted by the number of values told in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dsice.trial import mean
from dsice.typing import Array, Floats, Ints


class Measured(NamedTuple):
    """What the order of measured points follows from; arrays with one entry per trial.

    Attributes
    ----------
    order
        Ids of the trials that have a score, best first, shape (scored,).
    points
        Levels, shape (trials, axes).
    members
        Member of the population, shape (trials,).
    counts
        Number of values told, shape (trials,).
    scores, violation
        As in `History`, shape (trials,).
    """

    order: Ints
    points: Array
    members: Array
    counts: Array
    scores: Floats
    violation: Floats


def best_points(measured: Measured, *, repeated: bool) -> list[list[int]]:
    """Ids of the trials of each measured point and member, the best point first.

    Parameters
    ----------
    measured
        Numbers of all trials.
    repeated
        Whether any point was measured in several trials; else the order of trials is that of
        points.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    order = measured.order
    places = np.column_stack([measured.points[order], measured.members[order]])
    for id, place in zip(order.tolist(), places.tolist(), strict=True):
        groups.setdefault(tuple(place), []).append(id)
    found = list(groups.values())
    if repeated:
        found.sort(key=lambda ids: _rank(measured, ids))
    return found


def _rank(measured: Measured, ids: list[int]) -> tuple[float | None, float | None, int]:
    """Mean violation, mean score and id of a point: less is better."""
    weights = [n or 1 for n in measured.counts[ids].tolist()]
    violation = mean(measured.violation[ids].tolist(), weights)
    score = mean(measured.scores[ids].tolist(), weights)
    return (violation, score, ids[0])
