"""What the published algorithms have in common: small state machines over integer points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf, isfinite
from typing import NamedTuple

from dsice.directions.ladder import Direction

Point = tuple[int, ...]


class Job(NamedTuple):
    """A point to measure, and why."""

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
    def jobs(self) -> Iterator[Job]:
        """The job list as it stands, lazily; nothing: the search has ended."""

    @abstractmethod
    def _take(self, point: Point, value: float) -> None:
        """Take one value."""

    def _close(self) -> None:
        """All of the batch are told."""
        self._waiting = 0

    def open(self, jobs: Iterable[Job]) -> list[Job]:
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
