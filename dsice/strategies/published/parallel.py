"""The parallel DSICE of 2021-22: directional and one-dimensional search together.

It is known from a poster and from abstracts only. They state: directional and one-dimensional
search are performed together, so that the probes of the next width and the first points of all
candidate lines go out in one batch; directions start narrow and are added sequentially, from 1 to
n axes. On a 5^5 grid 35 days became 2.4; on 15x16x16x16, 4905 hours became 182 with 545 jobs, 40
to 50 at once. The order of the job list, two points of the chosen line in a batch, going on over
several bases after a batch, the move to the best point measured for any purpose, and the width
that is kept after a move, as in S_2018, are our reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from math import inf

from dsice.directions.ladder import Direction
from dsice.strategies.published.ippe import IPPELine
from dsice.strategies.published.lattice import (
    along,
    centre,
    four,
    lines_through,
    neighbours,
    points_along,
    signs,
)
from dsice.strategies.published.search import Entry, Search
from dsice.typing import Point

# Points of the chosen line in a batch: with the first fit they make up the three equal estimates
# that end it.
AHEAD = 2


class Parallel(Search):
    """S_2018 with everything that it may want next measured in the same batch.

    The search is that of S_2018: the best +-1 neighbour fixes a line, the width of the directions
    grows by one axis when nothing is gained. The job list, each point once, is

    1. the base, while it is unmeasured;
    2. the next two points of the chosen line, or what is missing of its first four;
    3. for the current width, then the next, then the later ones: the +-1 probes, then the first
       points of the lines that they could choose, the first of each line before the second of any;
    4. the other points of the chosen line.

    After a batch the search goes as far as the measured values let it. Unlike S_2018 it moves to
    the best point that was measured, whatever it was measured for.
    """

    def __init__(
        self, shape: Sequence[int], start: Point | None = None, *, alpha: float = 0.1
    ) -> None:
        self.shape = tuple(shape)
        self.alpha = alpha
        self.width = 1
        self.base = centre(shape) if start is None else start
        self.values: dict[Point, float] = {}
        self._searched = set[Direction]()
        self._points: list[Point] = []
        self._line: IPPELine | None = None
        self._direction: Direction | None = None
        self._over = False

    def jobs(self) -> Iterator[Entry]:
        """What may be wanted next, each unmeasured point once."""
        if self._over:
            return
        seen = set[Point]()
        later = range(self.width, len(self.shape) + 1)
        for job in chain(self._needed(), *map(self._ahead, later), self._rest()):
            if job.point not in self.values and job.point not in seen:
                seen.add(job.point)
                yield job

    # ------------------------------------------------------------------ the job list
    def _needed(self) -> Iterator[Entry]:
        """The base, and what the chosen line wants first."""
        yield Entry(self.base, "start")
        if self._line is not None:
            levels = self._line.suggest()
            first = AHEAD if self._line.fit is not None else len(levels)
            yield from (
                Entry(self._points[level], "line", self._direction) for level in levels[:first]
            )

    def _ahead(self, width: int) -> Iterator[Entry]:
        """Probes of one width, then the first points of the lines through them."""
        for point, direction in neighbours(self.base, self.shape, width):
            if direction not in self._searched:
                yield Entry(point, "probe", direction)
        for turn in range(4):
            for direction in lines_through(self.base, self.shape, width):
                if direction not in self._searched:
                    points = points_along(self.base, direction, self.shape)
                    yield Entry(points[four(len(points))[turn]], "ahead", direction)

    def _rest(self) -> Iterator[Entry]:
        """The other points of the chosen line."""
        if self._line is not None:
            yield from (
                Entry(self._points[level], "line", self._direction)
                for level in self._line.suggest()[AHEAD:]
            )

    # ------------------------------------------------------------------ the search
    def _take(self, point: Point, value: float) -> None:
        self.values[point] = value
        if self._line is not None and point in self._points:
            self._line.tell(self._points.index(point), value)

    def _close(self) -> None:
        """Go on as far as what is measured decides."""
        while not self._over and self.base in self.values:
            if self._line is not None:
                if self._line.suggest():
                    return
                self._end_line()
            elif any(point not in self.values for point, _ in self._probes()):
                return
            else:
                self._choose()

    def _probes(self) -> Iterator[tuple[Point, Direction]]:
        """Neighbours up to the current width in directions not searched from this base."""
        for width in range(1, self.width + 1):
            for point, direction in neighbours(self.base, self.shape, width):
                if direction not in self._searched:
                    yield point, direction

    def _choose(self) -> None:
        """All probes are measured: the best of them fixes the line."""
        probes = list(self._probes())
        if not probes:
            self._end_line()
            return
        _, direction = min(probes, key=lambda probe: self.values[probe[0]])
        self._searched |= {probed for _, probed in probes}
        points = points_along(self.base, direction, self.shape)
        self._direction = direction
        self._points = points
        self._line = IPPELine(len(points), lambda level: self.values.get(points[level]), self.alpha)

    def _end_line(self) -> None:
        """Move to the best measured point, or widen, or stop."""
        best = min(self.values, key=self.values.__getitem__)
        step = signs(best, self.base)
        if self.values[best] < self.values.get(self.base, inf):
            joining = along(step) if best in self._points else None
            self.base, self._searched = best, set() if joining is None else {joining}
        elif self.width == len(self.shape):
            self._over = True
        else:
            self.width += 1
        self._line = None
        self._points = []
        self._direction = None
