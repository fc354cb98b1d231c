"""The search of the last ask, which the next one goes on with where nothing else has changed.

Launchers often ask for one point at a time, as many times as slots are free. What a search does
first - model, exploration, candidates - follows from told trials, the space and the options alone,
so the next ask goes on where the last one ended. A search made anew gives the same points.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.strategies.dsice.search import Search
from dsice.trial import Identity, Proposal, State

_KEPT: list[Kept] = []
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class Situation:
    """What the next proposals follow from.

    Attributes
    ----------
    space
        The grid.
    told
        Digest of told trials, the seed and the options.
    pending
        Identities of the trials being measured, by id.
    """

    space: Space
    told: bytes
    pending: dict[int, Identity]

    @classmethod
    def of(
        cls, space: Space, history: History, stream: Stream, options: Sequence[object]
    ) -> Situation:
        """The situation of an ask."""
        pending = {trial.id: trial.identity for trial in history.pending()}
        told = np.flatnonzero(~history.in_state(State.PENDING))
        goal = history.goal
        seed = stream(len(told), 1).integers(2**63, size=2).tolist()
        digest = hashlib.sha256(repr((options, goal, seed)).encode())
        kept = [history.points(), history.keys(), history.states(), history.counts()]
        kept += [history.scores(), history.violation()]
        columns = [told, *(column[told] for column in kept)]
        if goal.of != "mean":
            columns.append(history.point_scores()[told])
        if goal.bounded:
            columns.append(history.distances(np.sort(history.order())))
        for column in columns:
            digest.update(np.ascontiguousarray(column).tobytes())
        return cls(space, digest.digest(), pending)

    def after(self, id: int, proposals: Sequence[Proposal]) -> Situation:
        """The same when proposals were asked, the first of them with this id."""
        asked = {id + i: proposal.identity for i, proposal in enumerate(proposals)}
        return Situation(self.space, self.told, self.pending | asked)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Situation):
            return NotImplemented
        known = self.told == other.told and self.pending == other.pending
        return known and self.space == other.space

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Kept:
    """A search, and the situation in which it goes on.

    Attributes
    ----------
    situation
        When it may be used.
    search
        None: the search has converged.
    """

    situation: Situation
    search: Search | None


def take(situation: Situation) -> Kept | None:
    """The kept search if it belongs to this situation; it is not kept any more."""
    with _LOCK:
        found = _KEPT.pop() if _KEPT else None
    if found is not None and found.situation == situation:
        return found
    return None


def keep(situation: Situation, search: Search | None) -> None:
    """Keep a search for this situation, in the place of any other."""
    with _LOCK:
        _KEPT[:] = [Kept(situation, search)]
