"""One search: rounds of a fixed batch, the points looked up in the table.

A round asks until its batch is full of points that were never measured. A point asked again is
answered at once and costs nothing. For the places left, the peer is asked up to `again` more times;
then the round goes on with the points it has.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import Protocol

from benchmarks.quality.tables import Point, Problem


class Peer(Protocol):
    """An optimiser under test: points are levels, values are minimised, NaN is a failed point."""

    def ask(self, n: int) -> list[Point]:
        """Up to `n` points; it may repeat itself."""

    def tell(self, points: list[Point], values: list[float]) -> None:
        """Take the values of different points that it asked."""


@dataclass(frozen=True)
class Round:
    """The state after a round.

    Parameters
    ----------
    measured
        Different points measured so far.
    best
        Lowest value so far; inf before the first.
    repeated
        Points asked in this round that were measured or asked before.
    cpu_s
        Processor seconds inside ask and tell in this round, all threads.
    """

    measured: int
    best: float
    repeated: int
    cpu_s: float


class _Clock:
    """Adds up the processor time spent inside the block."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.process_time()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += time.process_time() - self._start


def search(peer: Peer, problem: Problem, *, batch: int, rounds: int, again: int) -> list[Round]:
    """Let `peer` search the table; one entry per round, even where it asked nothing more."""
    values, best, course = dict[Point, float](), inf, list[Round]()
    for _ in range(rounds):
        clock = _Clock()
        new, repeated = _fill(peer, values, batch, again, clock)
        measured = [float(problem.values[point]) for point in new]
        with clock:
            peer.tell(new, measured)
        values.update(zip(new, measured, strict=True))
        best = min([best, *(value for value in measured if value < inf)])  # NaN < inf is False
        course.append(Round(len(values), best, repeated, clock.seconds))
    return course


def _fill(
    peer: Peer, values: dict[Point, float], batch: int, again: int, clock: _Clock
) -> tuple[list[Point], int]:
    """New points for one round, and how many of those asked were not new."""
    new, asked_for = dict[Point, None](), 0
    for _ in range(1 + again):
        with clock:
            asked = peer.ask(batch - len(new))
        asked_for += len(asked)
        new.update(dict.fromkeys(point for point in asked if point not in values))
        known = list(dict.fromkeys(point for point in asked if point in values))
        if known:
            with clock:
                peer.tell(known, [values[point] for point in known])
        if len(new) >= batch or not asked:
            break
    return list(new), asked_for - len(new)
