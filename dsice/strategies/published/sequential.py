"""The sequential DSICE: S_2017 and S_2018, one measurement at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from dsice.directions.ladder import Direction
from dsice.strategies.published.ippe import IPPELine
from dsice.strategies.published.lattice import centre, neighbours, points_along
from dsice.strategies.published.search import Entry, Search
from dsice.typing import Point


class Sequential(Search):
    """S_2017 (``narrow=False``) and S_2018 (``narrow=True``) over points of integer levels.

    Measure the neighbours of the base in the directions that were not searched from it; the
    best of them fixes a line, even if it is worse than the base; search the line; go to its
    best point. S_2017 probes all 3^N - 1 neighbours (Mochizuki et al., iWAPT 2017); S_2018
    begins with those along one axis and adds an axis when nothing was gained (IPSJ 2018).
    """

    def __init__(
        self,
        shape: Sequence[int],
        start: Point | None = None,
        *,
        narrow: bool = True,
        alpha: float = 0.1,
    ) -> None:
        self.shape = tuple(shape)
        self.narrow = narrow
        self.alpha = alpha
        self.base = centre(shape) if start is None else start
        self.values: dict[Point, float] = {}
        self._run = self._search()
        self._next = next(self._run, None)

    def jobs(self) -> Iterator[Entry]:
        """The next point alone."""
        return iter(() if self._next is None else (self._next,))

    def _take(self, point: Point, value: float) -> None:
        self.values[point] = value
        self._next = next(self._run, None)

    # ------------------------------------------------------------------ the search, step by step
    def _search(self) -> Iterator[Entry]:
        """The whole search; each entry is measured before it goes on."""
        yield Entry(self.base, "start")
        widest = len(self.shape)
        width = 1 if self.narrow else widest
        searched = set[Direction]()
        moved = False
        while True:
            direction = yield from self._probe(width, searched, moved)
            if direction is None and moved:
                return
            best = None if direction is None else (yield from self._line(direction))
            moved = best is not None and self.values[best] < self.values[self.base]
            if moved and best is not None and direction is not None:
                self.base, searched = best, {direction}
            elif width == widest:
                return
            else:
                width += 1

    def _probe(
        self, width: int, searched: set[Direction], moved: bool
    ) -> Generator[Entry, None, Direction | None]:
        """Measure the neighbours in directions not yet searched from this base.

        Returns the direction of the best of them, which is sought among those measured before, then
        among the new ones. None: there is no neighbour left, or - right after a move - none that
        was not measured before.
        """
        before = len(self.values)
        best_old = best_new = None
        probed = set[Direction]()
        for w in range(1, width + 1):
            for point, direction in neighbours(self.base, self.shape, w):
                if direction in searched:
                    continue
                probed.add(direction)
                if point in self.values:
                    best_old = self._better(best_old, point, direction)
                else:
                    yield Entry(point, "probe", direction)
                    best_new = self._better(best_new, point, direction)
        searched |= probed
        if moved and len(self.values) == before:
            return None
        if best_old is None or (best_new is not None and best_new[0] < best_old[0]):
            best_old = best_new
        return None if best_old is None else best_old[1]

    def _better(
        self, best: tuple[float, Direction] | None, point: Point, direction: Direction
    ) -> tuple[float, Direction]:
        """The better of the best so far and a point."""
        value = self.values[point]
        return (value, direction) if best is None or value < best[0] else best

    def _line(self, direction: Direction) -> Generator[Entry, None, Point | None]:
        """Search the line through the base, border to border; its best measured point."""
        points = points_along(self.base, direction, self.shape)
        search = IPPELine(len(points), lambda level: self.values.get(points[level]), self.alpha)
        while levels := search.suggest():
            yield Entry(points[levels[0]], "line", direction)
            search.tell(levels[0], self.values[points[levels[0]]])
        best = search.best()
        return None if best is None else points[best]
