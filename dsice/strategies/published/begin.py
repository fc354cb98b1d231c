"""Where a published algorithm begins: the middle of the grid, the user's point, or a Latin hypercube."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.strategies.published.neighbours import centre
from dsice.strategies.published.search import Job, Point, Search

LATIN = 22  # key of the stream that draws the Latin hypercube
NEAREST = 23  # key of the stream that looks for a valid start where the space is too large to list
DRAWS = 1000


def middle(space: Space, stream: Stream) -> Point:
    """The middle of the grid; where a rule forbids it, the valid point nearest to it (of equals the lowest levels)."""
    wanted = centre(space.shape)
    plain: Point = tuple(space.collapse(np.array([wanted]))[0].tolist())
    if space.is_valid(plain):
        return plain
    points = (
        space.points()
        if space.enumerable
        else np.array(sorted(space.sample(stream(NEAREST), DRAWS)))
    )
    nearest = points[np.abs(points - np.array(wanted)).sum(axis=1).argmin()]
    return tuple(nearest.tolist())


def latin(space: Space, n: int, stream: Stream) -> list[Point]:
    """A Latin hypercube of `n` points: each axis is cut into `n` equal parts, and each part is used once."""
    rng = stream(LATIN)
    columns = [(rng.permutation(n) + rng.uniform(size=n)) / n * m for m in space.shape]
    return list(dict.fromkeys(map(tuple, np.array(columns).T.astype(np.int64).tolist())))


class Designed(Search):
    """Several starting points; the search goes on from the best of them, and from the first if all fail."""

    def __init__(self, points: Sequence[Point], make: Callable[[Point], Search]) -> None:
        self._make, self._left = make, list(points)
        self.base, self.values = points[0], dict[Point, float]()
        self._search: Search | None = None

    def jobs(self) -> Iterator[Job]:
        """The starting points, then the search's list."""
        return (
            (Job(point, "start") for point in self._left)
            if self._search is None
            else self._search.jobs()
        )

    def open(self, jobs: Iterable[Job]) -> list[Job]:
        """Take the batch."""
        batch = super().open(jobs)
        if self._search is not None:
            self._search.open(batch)
        return batch

    def _take(self, point: Point, value: float) -> None:
        self.values[point] = value
        if self._search is not None:
            self._search.tell(point, value)
            self.base = self._search.base
        else:
            self._left.remove(point)

    def _close(self) -> None:
        if self._search is None and not self._left:
            self.base = min(self.values, key=self.values.__getitem__)
            self._search = self._make(self.base)
