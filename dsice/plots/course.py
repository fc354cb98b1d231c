"""What the transition figure shows of a history, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from dsice.errors import OptionError
from dsice.history import History
from dsice.trial import State, Trial

GROUPS = 12  # bands of a search that asked for single trials
SMALL = 3.0  # trials a round below which rounds are no bands


@dataclass(frozen=True)
class Course:
    """Trials in the order of their ids.

    Attributes
    ----------
    ids, values, feasible
        Of the trials that have a score, each of shape (scored,); the values in the units of the metric.
    failed
        Ids of the trials without one.
    best
        Best value up to each scored trial, shape (scored,).
    bands
        (first id, one past the last) of every round.
    champions
        Positions in `ids` of the best of each band.
    start
        The initial value.
    better, told
        How many trials are better than it, and how many of the goal's stage have ended.
    rounds
        Whether the bands are rounds, rather than groups of about equal size.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float64]
    feasible: NDArray[np.bool_]
    failed: NDArray[np.int64]
    best: NDArray[np.float64]
    bands: list[tuple[int, int]]
    champions: list[int]
    start: float
    better: int
    told: int
    rounds: bool


def course(history: History, start: float | None = None) -> Course:
    """Collect what the figure shows.

    Raises
    ------
    OptionError
        No trial has a value yet.
    """
    ids = np.sort(history.order())
    if not len(ids):
        raise OptionError("the history has no trial with a value yet, so there is nothing to draw")
    goal, trials = history.goal, list(history)
    place = np.empty(len(ids))
    place[np.searchsorted(ids, history.order())] = np.arange(len(ids))  # 0: the best
    values = np.array([goal.metric_of(trials[i]) for i in ids])
    leaders = np.maximum.accumulate(
        np.where(place == np.minimum.accumulate(place), np.arange(len(ids)), 0)
    )
    bands, rounds = _bands(trials)
    initial = _initial(trials, ids) if start is None else None
    first = (
        float(values[np.searchsorted(ids, initial)]) if initial is not None else float(start or 0.0)
    )
    feasible = history.feasible()[ids]
    better = (
        (place < place[np.searchsorted(ids, initial)])
        if initial is not None
        else feasible & _beats(values, first, goal.maximize)
    )
    in_band = [np.flatnonzero((ids >= lo) & (ids < hi)) for lo, hi in bands]
    return Course(
        ids=ids,
        values=values,
        feasible=feasible,
        failed=np.array([t.id for t in trials if t.state in _VALUELESS], dtype=np.int64),
        best=values[leaders],
        bands=bands,
        champions=[int(members[np.argmin(place[members])]) for members in in_band if len(members)],
        start=first,
        better=int(np.sum(better)),
        told=sum(t.state is not State.PENDING and t.stage == goal.stage for t in trials),
        rounds=rounds,
    )


_VALUELESS = (State.FAILED, State.TIMED_OUT, State.INVALID, State.STOPPED, State.LOST)


def _beats(values: NDArray[np.float64], start: float, maximize: bool) -> NDArray[np.bool_]:
    return values > start if maximize else values < start


def _initial(trials: Sequence[Trial], ids: NDArray[np.int64]) -> int:
    """The trial of the user's own setting, else the first one with a value."""
    scored = set(ids.tolist())
    return next(
        (t.id for t in trials if t.note.get("phase") == "start" and t.id in scored), int(ids[0])
    )


def _bands(trials: Sequence[Trial]) -> tuple[list[tuple[int, int]], bool]:
    """First id and one past the last of each round; of about equal groups where the rounds are single trials."""
    rounds = [[t.id for t in members] for _, members in groupby(trials, key=lambda t: t.round)]
    if len(trials) >= SMALL * len(rounds):
        return [(ids[0], ids[-1] + 1) for ids in rounds], True
    edges = np.unique(
        np.linspace(0, len(trials), min(GROUPS, len(trials)) + 1).astype(int)
    ).tolist()
    return list(pairwise(edges)), False
