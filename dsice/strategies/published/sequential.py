"""The sequential DSICE: S_2017 and S_2018, one measurement at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from math import inf, isnan

from dsice.directions import line
from dsice.directions.ladder import Direction
from dsice.strategies.published.line import LineSearch
from dsice.strategies.published.neighbours import Point, centre, neighbours


class Sequential:
    """S_2017 (``narrow=False``) and S_2018 (``narrow=True``) over points of integer levels.

    Measure the neighbours of the base in the directions that were not searched from it; the
    best of them fixes a line, even if it is worse than the base; search the line; go to its
    best point. S_2017 probes all 3^N - 1 neighbours (Mochizuki et al., iWAPT 2017); S_2018
    begins with those along one axis and adds an axis when nothing was gained (IPSJ 2018).
    """

    def __init__(self, shape: Sequence[int], start: Point | None = None, *, narrow: bool = True, alpha: float = 0.1) -> None:
        self.shape, self.narrow, self.alpha = tuple(shape), narrow, alpha
        self.base = centre(shape) if start is None else start
        self.values: dict[Point, float] = {}
        self._run = self._search()
        self._want = next(self._run, None)

    def ask(self, n: int = 1) -> list[Point]:
        """The next point; [] when the search has ended."""
        return [] if self._want is None or n < 1 else [self._want]

    def tell(self, point: Point, value: float) -> None:
        """Take the value of the point that was asked; NaN or inf: it failed."""
        self.values[point] = inf if isnan(value) else value
        self._want = next(self._run, None)

    # ------------------------------------------------------------------ the search, step by step
    def _search(self) -> Iterator[Point]:
        yield self.base
        widest = len(self.shape)
        width = 1 if self.narrow else widest
        searched, moved = set[Direction](), False
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

    def _probe(self, width: int, searched: set[Direction], moved: bool) -> Generator[Point, None, Direction | None]:
        """Measure the neighbours in directions not yet searched from this base; the direction of the best.

        The best is sought among those measured before, then among the new ones. None: there is
        no neighbour left, or - right after a move - none that was not measured before.
        """
        before, best_old, best_new = len(self.values), None, None
        probed = set[Direction]()
        for w in range(1, width + 1):
            for point, direction in neighbours(self.base, self.shape, w):
                if direction in searched:
                    continue
                probed.add(direction)
                if point in self.values:
                    best_old = self._better(best_old, point, direction)
                else:
                    yield point
                    best_new = self._better(best_new, point, direction)
        searched |= probed
        if moved and len(self.values) == before:
            return None
        if best_old is None or (best_new is not None and best_new[0] < best_old[0]):
            best_old = best_new
        return None if best_old is None else best_old[1]

    def _better(self, best: tuple[float, Direction] | None, point: Point, direction: Direction) -> tuple[float, Direction]:
        value = self.values[point]
        return (value, direction) if best is None or value < best[0] else best

    def _line(self, direction: Direction) -> Generator[Point, None, Point | None]:
        """Search the line through the base, border to border; its best measured point."""
        points: list[Point] = [tuple(point) for point in line(self.base, direction, self.shape).points.tolist()]
        search = LineSearch(len(points), lambda level: self.values.get(points[level]), self.alpha)
        while (level := search.next()) is not None:
            yield points[level]
            search.tell(level, self.values[points[level]])
        best = search.best()
        return None if best is None else points[best]
