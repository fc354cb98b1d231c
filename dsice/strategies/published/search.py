"""What the published algorithms have in common: small state machines over integer points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from dsice.directions.ladder import Direction
from dsice.history import History
from dsice.space import Space
from dsice.trial import Proposal, State
from dsice.typing import Point


class Entry(NamedTuple):
    """An entry of the job list: a point to measure, and why."""

    point: Point
    phase: str
    direction: Direction | None = None


class Search(ABC):
    """A published algorithm: ``ask(n)`` for a batch, ``tell`` every point of it, ask again.

    It knows the shape of the grid and the values told, and neither a Space nor a Tuner. A value
    that is not finite is a failed measurement: never the best, in no fit, and not asked again.

    Attributes
    ----------
    base
        The point that directions and lines start from.
    values
        What was told, by point; inf where the measurement failed.
    """

    base: Point
    values: dict[Point, float]
    _waiting: int = 0

    @abstractmethod
    def jobs(self) -> Iterator[Entry]:
        """The job list as it stands, lazily; nothing: the search has ended."""

    @abstractmethod
    def _take(self, point: Point, value: float) -> None:
        """Take one value."""

    def _close(self) -> None:
        """All of the batch are told."""
        self._waiting = 0

    def open(self, jobs: Iterable[Entry]) -> list[Entry]:
        """Take these first entries of the job list as the batch."""
        batch = list(jobs)
        self._waiting = len(batch)
        return batch

    def ask(self, n: int = 1) -> list[Point]:
        """The next batch: the first `n` of the job list; [] when the search has ended."""
        return [job.point for job in self.open(islice(self.jobs(), n))]

    def tell(self, point: Point, value: float) -> None:
        """Tell one point of the batch, in the order of the batch."""
        self._take(point, value if isfinite(value) else inf)
        self._waiting -= 1
        if self._waiting == 0:
            self._close()


class ReplayedSearch:
    """A search that is told what the history knows.

    - A point with inactive parameters is the point that has them at level 0.
    - A point that breaks a rule of the space is told as failed at once and costs nothing: such
      neighbours are no candidates, and lines go on behind holes.
    - A point that the search had before is answered from the history, and the batch is filled up
      with the next entries of the job list. One that was added or enqueued is answered when the
      search comes to it.
    - Trials without a score (failed, timed out, invalid, stopped, lost) and infeasible ones are
      told as failed.

    Parameters
    ----------
    search
        The algorithm.
    space
        The space; its grid is that of the algorithm.
    batch
        New points in a batch of the algorithm.
    """

    def __init__(self, search: Search, space: Space, batch: int) -> None:
        self._search = search
        self._space = space
        self._size = batch
        self._known: dict[Point, Point | None] = {}
        self._told: dict[Point, tuple[int, float]] = {}
        self._open: list[Entry] = []

    def holds(self, history: History) -> bool:
        """Whether the values told so far are still those of the history."""
        values = _Values(history)
        n = len(history)
        return all(id < n and values.of(id) == value for id, value in self._told.values())

    @property
    def ended(self) -> bool:
        """Whether the last `next` came to the end of the search, rather than had to wait."""
        return not self._open

    def next(self, n: int, history: History) -> list[Proposal]:
        """Up to `n` points that the open batch still lacks.

        Batches that are complete are told on the way.
        """
        values = _Values(history)
        while self._open or self._fill():
            points = [self._canonical(entry.point) for entry in self._open]
            ids = {p: history.id_of((p, 0, 0, 0)) for p in points if p is not None}
            told = {p: (id, values.of(id)) for p, id in ids.items() if id is not None}
            known = {p: (id, value) for p, (id, value) in told.items() if value is not None}
            if len(known) < len(ids):
                lacking = [entry for entry in self._open if self._lacks(entry, ids)]
                return self._proposals(lacking, n, history)
            self._told |= known
            batch, self._open = self._open, []
            for entry, point in zip(batch, points, strict=True):
                value = inf if point is None else self._told[point][1]
                self._search.tell(entry.point, value)
        return []

    def _fill(self) -> bool:
        """Open the next batch; False when the search has ended."""
        new = set[Point]()
        jobs = list[Entry]()
        for entry in self._search.jobs():
            jobs.append(entry)
            point = self._canonical(entry.point)
            if point is not None and point not in self._told:
                new.add(point)
                if len(new) == self._size:
                    break
        self._open = self._search.open(jobs)
        return bool(jobs)

    def _lacks(self, entry: Entry, ids: dict[Point, int | None]) -> bool:
        """Whether a valid point was neither asked nor added."""
        point = self._canonical(entry.point)
        return point is not None and ids[point] is None

    def _proposals(self, jobs: Sequence[Entry], n: int, history: History) -> list[Proposal]:
        """The first `n` points of these entries, each once."""
        found = dict[Point, Proposal]()
        base = self._canonical(self._search.base)
        centre = None if base is None else history.id_of((base, 0, 0, 0))
        for entry in jobs:
            point = self._canonical(entry.point)
            if point is not None and point not in found and len(found) < n:
                found[point] = Proposal(point, _note(entry, centre))
        return list(found.values())

    def _canonical(self, point: Point) -> Point | None:
        """The valid point of the space that this grid point is, None if there is none."""
        if point not in self._known:
            plain: Point = tuple(self._space.collapse(np.array([point]))[0].tolist())
            self._known[point] = plain if self._space.is_valid(plain) else None
        return self._known[point]


class _Values:
    """What a search is told of each trial."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._scores = history.scores()
        self._feasible = history.feasible() & history.allowed()

    def of(self, id: int) -> float | None:
        """Score of a trial, inf if it has none or is infeasible, None while it is pending."""
        if self._history[id].state is State.PENDING:
            return None
        score = float(self._scores[id])
        return score if isfinite(score) and self._feasible[id] else inf


def _note(entry: Entry, centre: int | None) -> dict[str, object]:
    """Note of a proposal: why it is measured, and on which line through which trial."""
    note: dict[str, object] = {"phase": entry.phase}
    if entry.direction is not None:
        note["width"] = sum(map(abs, entry.direction))
        note["direction"] = list(entry.direction)
        if centre is not None:
            note["centre"] = centre
    return note
