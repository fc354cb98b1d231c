"""What the figure `progress` shows: the value of each trial in turn, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.plots.given import Given, values_of
from dsice.trial import State, Trial
from dsice.typing import Bools, Floats, Ints

_GROUPS: Final = 12
"""Number of bands of a search that asked for single trials."""
_FEW: Final = 3.0
"""Rounds of fewer trials than this, on average, are not drawn as bands."""
_MOST: Final = 60
"""Rounds that are drawn as bands, at most."""
_UNKNOWN: Final = (State.PENDING, State.WITHDRAWN)
_FAILED: Final = (State.FAILED, State.TIMED_OUT, State.INVALID, State.LOST)


@dataclass(frozen=True)
class Transition:
    """Trials in the order of their ids.

    Attributes
    ----------
    ids, values, feasible
        Of the trials that have a score, each of shape (scored,); values in units of the metric.
    failed, stopped
        Ids of the trials that ended without a score, by themselves or early on purpose.
    others
        Ids and values of trials of other stages than the goal's, float of shape (others, 2).
    best
        Value of the best point as it was known after each scored trial, shape (scored,). It may
        become worse, when a point that led is measured again.
    final
        The best point in the end, with all its measurements: the one that a tuner recommends.
    bands
        First id, and one past the last, of each round or group.
    bands_are_rounds
        Whether the bands are rounds, rather than groups of about equal size.
    band_best
        Positions in `ids` of the best trial of each band.
    initial
        The initial value; None where there was no start, or it has no value.
    n_better, n_ended
        How many trials are better than it, and how many of the goal's stage have ended.
    """

    ids: Ints
    values: Floats
    feasible: Bools
    failed: Ints
    stopped: Ints
    others: Floats
    best: Floats
    final: Trial
    bands: list[tuple[int, int]]
    bands_are_rounds: bool
    band_best: list[int]
    initial: float | None
    n_better: int
    n_ended: int


def transition(seen: Given, start: float | None = None) -> Transition:
    """Collect what the figure shows of a history with a value.

    Parameters
    ----------
    start
        The initial value, where it was not measured in the search.
    """
    history, goal = seen.history, seen.history.goal
    order = history.order()
    order = order[history.allowed()[order]]
    ids = np.sort(order)
    trials = list(history)
    rank = np.empty(len(ids))  # 0 for the best
    rank[np.searchsorted(ids, order)] = np.arange(len(ids))
    leaders = history.leaders()
    if not leaders:
        raise OptionError("progress: all trials with a value break a rule that was learnt later")
    changes = np.searchsorted([id for id, _ in leaders], ids, side="right") - 1
    bands, are_rounds = _bands_of(trials)
    members = [np.flatnonzero((ids >= low) & (ids < high)) for low, high in bands]
    initial, better = _compared(seen, ids, start)
    return Transition(
        ids=ids,
        values=values_of(history, ids),
        feasible=history.feasible()[ids],
        failed=_ids(trials, *_FAILED),
        stopped=_ids(trials, State.STOPPED),
        others=_of_other_stages(history),
        best=np.array([leader.value for _, leader in leaders], dtype=float)[changes],
        final=seen.best or leaders[-1][1],
        bands=bands,
        bands_are_rounds=are_rounds,
        band_best=[int(band[np.argmin(rank[band])]) for band in members if len(band)],
        initial=initial,
        n_better=int(np.sum(better)),
        n_ended=sum(t.state not in _UNKNOWN and t.stage == goal.stage for t in trials),
    )


def _compared(seen: Given, ids: Ints, start: float | None) -> tuple[float | None, Bools]:
    """The initial value, and which scored trials are better than it."""
    history = seen.history
    feasible = history.feasible()[ids]
    if start is not None:
        values = values_of(history, ids)
        above = values > start if history.goal.maximize else values < start
        return float(start), feasible & above
    first = seen.start
    scores = history.point_scores()
    if first is None or not math.isfinite(scores[first.id]):
        return None, np.zeros(len(ids), dtype=bool)
    own = history.at(first.point, member=first.member) or first
    beyond, violation = history.violation()[ids], history.violation()[first.id]
    ahead = (beyond == violation) & (scores[ids] < scores[first.id])
    return own.value, (beyond < violation) | ahead


def _ids(trials: Sequence[Trial], *states: State) -> Ints:
    return np.array([t.id for t in trials if t.state in states], dtype=np.int64)


def _of_other_stages(history: History) -> Floats:
    """Ids and values of the done trials of other stages."""
    done = np.flatnonzero(history.in_state(State.DONE) & ~history.of_stage())
    found = [(id, history.goal.metric_of(history[id])) for id in done.tolist()]
    values = np.array(found, dtype=float).reshape(-1, 2)
    return np.asarray(values[np.isfinite(values[:, 1])])


def _bands_of(trials: Sequence[Trial]) -> tuple[list[tuple[int, int]], bool]:
    """First id, and one past the last, of each band, and whether the bands are rounds.

    Where rounds are single trials, or very many, bands are groups of about equal size.
    """
    rounds = [[t.id for t in members] for _, members in groupby(trials, key=lambda t: t.round)]
    if len(rounds) <= _MOST and len(trials) >= _FEW * len(rounds):
        return [(ids[0], ids[-1] + 1) for ids in rounds], True
    edges = np.linspace(0, len(trials), min(_GROUPS, len(trials)) + 1).astype(int)
    return list(pairwise(np.unique(edges).tolist())), False
