"""The parallel DSICE of 2024 (P_2024B): all lines through the base at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from math import inf, isfinite

from dsice.directions.ladder import Direction
from dsice.strategies.published.ippe import MAX_POINTS, STEADY
from dsice.strategies.published.lattice import (
    along,
    centre,
    four,
    lines_through,
    points_along,
    signs,
    thirds,
)
from dsice.strategies.published.marker_fit import MarkerFit, ranking
from dsice.strategies.published.search import Entry, Search
from dsice.typing import Point


def first_list(m: int) -> list[int]:
    """Levels suggested before the first fit, repetitions included.

    They are both ends, then thirds, thirds of thirds and so on.

    A segment of length 2 appends level 1 of the *line*, not the segment's middle: a slip of the
    authors' library that makes it ask level 1 many times. It is kept.

    Examples
    --------
    >>> first_list(12)
    [0, 11, 3, 7, 1, 2, 4, 5, 8, 9, 1, 1]
    """
    suggested, segments = [0, m - 1], deque([(0, m - 1)])
    while segments:
        left, right = segments.popleft()
        if right - left == 2:
            suggested.append(1)
        elif right - left > 2:
            one, two = thirds(left, right)
            suggested += [one, two]
            segments += [(left, one), (one, two), (two, right)]
    return suggested


class RadialLine:
    """One line of a round: the four-point phase, then the fit phase.

    In the first, its list is `first_list` without the levels measured before; a result removes
    one occurrence; an emptied list becomes all levels. After the batch in which the four points
    are told, the fit begins with every point measured on the line, from the low end up. Later
    values are updates of their own. The line ends, after a batch only, when the estimated best
    was the same three times, or 30 points are measured, or all.

    Parameters
    ----------
    points
        The line from its low end.
    values
        What was measured before, by point.
    alpha
        Smoothing of the d-spline.
    """

    def __init__(self, points: Sequence[Point], values: dict[Point, float], alpha: float) -> None:
        self.points = points
        self.alpha = alpha
        self.m = len(points)
        self.values = {
            level: values[point] for level, point in enumerate(points) if point in values
        }
        self._four = [level for level in four(self.m) if level not in self.values]
        self._list = [level for level in first_list(self.m) if level not in self.values]
        self._fit: MarkerFit | None = None
        self._estimate = -1
        self._steady = 0
        self.ended = False
        self.close()

    def jobs(self) -> Iterator[Point]:
        """Points to measure, in order."""
        if self._fit is None:
            self._list = self._list or list(range(self.m))
            yield from [self.points[level] for level in self._list]
        else:
            for level in ranking(self._fit.markers(), self._finite(), self.values, self.m):
                yield self.points[level]

    def tell(self, level: int, value: float) -> None:
        """Take a value; inf for a failed one."""
        self.values[level] = value
        if self._fit is None:
            for left in (self._four, self._list):
                if level in left:
                    left.remove(level)
        elif isfinite(value):
            self._fit.add(level, value)
            self._update_estimate(self._fit)

    def tell_base(self, level: int, value: float) -> None:
        """Take the value of a base that was unmeasured.

        It is told once, however often the four points name it.
        """
        self.tell(level, value)
        self._four = [other for other in self._four if other != level]

    def strike(self, point: Point) -> None:
        """Take one occurrence of a point off the list without a value."""
        level = self.points.index(point)
        if level in self._list:
            self._list.remove(level)

    def close(self) -> None:
        """Begin the fit if the four points are told; end the line if its rules say so.

        This is called after a batch.
        """
        if self._fit is None and not self._four:
            self._begin()
        done = self._steady >= STEADY or len(self.values) >= min(MAX_POINTS, self.m)
        self.ended = self._fit is not None and done

    def best(self) -> tuple[float, Point]:
        """Best measured value, and where: the lowest of equal levels."""
        level = min(sorted(self.values), key=self.values.__getitem__)
        return self.values[level], self.points[level]

    def _finite(self) -> dict[int, float]:
        return {level: value for level, value in self.values.items() if isfinite(value)}

    def _begin(self) -> None:
        """Begin the fit, the data from the low end up."""
        self._fit = MarkerFit(self.m, self.alpha)
        known = self._finite()
        for level in sorted(known):
            self._fit.add(level, known[level])
        self._update_estimate(self._fit)

    def _update_estimate(self, fit: MarkerFit) -> None:
        """Take the estimated best of the fit, and count how often it was the same."""
        found = fit.lowest()
        self._steady = self._steady + 1 if found == self._estimate else 1
        self._estimate = found


class Rung:
    """The lines of one width in a round: those that are running, and those not built yet.

    Parameters
    ----------
    unopened
        The lines with their directions, built as they are taken.
    """

    def __init__(self, unopened: Iterator[tuple[Direction, RadialLine]]) -> None:
        self.running: dict[Direction, RadialLine] = {}
        self._unopened = unopened

    def jobs(self) -> Iterator[Entry]:
        """The first entry of every line, then the second, and so on.

        A line is built when the first pass comes to it.
        """
        left = deque[tuple[Direction, Iterator[Point]]]()
        for direction, line in self._lines():
            jobs = line.jobs()
            yield Entry(next(jobs), "line", direction)
            left.append((direction, jobs))
        while left:
            direction, jobs = left.popleft()
            point = next(jobs, None)
            if point is not None:
                yield Entry(point, "line", direction)
                left.append((direction, jobs))

    def close(self) -> Iterator[RadialLine]:
        """After a batch: the lines that ended, in their order."""
        for direction, line in list(self.running.items()):
            line.close()
            if line.ended:
                del self.running[direction]
                yield line

    def _lines(self) -> Iterator[tuple[Direction, RadialLine]]:
        yield from list(self.running.items())
        for direction, line in self._unopened:
            # One that has ended when it is built is closed at once, its best not considered.
            if not line.ended:
                self.running[direction] = line
                yield direction, line


class Radial(Search):
    """P_2024B, duplicates included.

    A round runs all (3^N - 1)/2 lines through the base, narrow ones first; then the best point is
    the new base, and the line that joins it to the old one is left out; until a round gains
    nothing. A batch is the first n of the job list, which is made anew after every batch. At the
    end the base is measured once more. Lines are built when the job list comes to them (Fujika et
    al., IPSJ 2021-HPC-178 No. 16; SC24 poster; the authors' library 1.0.1).

    Parameters
    ----------
    shape
        Levels of each axis.
    start
        The first base, the middle by default.
    alpha
        Smoothing of the d-spline.
    unstick
        By the library's rules a line of 2 or 3 levels can wait for its base to be told again, which
        is ignored: whole batches then hold nothing but the base, for ever (on 4^8 from job 760 on).
        True: such a batch takes the base off the lists, so that the search goes on.
    """

    def __init__(
        self,
        shape: Sequence[int],
        start: Point | None = None,
        *,
        alpha: float = 0.1,
        unstick: bool = False,
    ) -> None:
        self.shape = tuple(shape)
        self.alpha = alpha
        self._unstick = unstick
        self.base = centre(shape) if start is None else start
        self.values: dict[Point, float] = {}
        self._last = self._over = False
        self._batch = self._ignored = 0
        self._begin(None)

    def jobs(self) -> Iterator[Entry]:
        """The base while it is unmeasured, then the lines width by width."""
        if self._over:
            return
        if self._base_new or self._last:
            yield Entry(self.base, "last" if self._last else "start")
        if not self._last:
            for rung in self._rungs:
                yield from rung.jobs()

    def _begin(self, joining: Direction | None) -> None:
        """Open the round of this base."""
        self._base_new = self.base not in self.values
        self._told = list[float]()
        self._best = (self.values.get(self.base, inf), self.base)
        widths = range(1, len(self.shape) + 1)
        self._rungs = [Rung(self._open(self.base, width, joining)) for width in widths]

    def _open(
        self, base: Point, width: int, joining: Direction | None
    ) -> Iterator[tuple[Direction, RadialLine]]:
        """Lines of one width through the base, but for the one that joins it to the base before."""
        for direction in lines_through(base, self.shape, width):
            if direction == joining:
                continue
            points = points_along(base, direction, self.shape)
            # Then a line learns of the base by being told, early or late.
            new = self._base_new or self._told
            before = {
                p: self.values[p] for p in points if p in self.values and not (new and p == base)
            }
            line = RadialLine(points, before, self.alpha)
            for value in self._told:
                line.tell_base(points.index(base), value)
            yield direction, line

    def _take(self, point: Point, value: float) -> None:
        if self._last:
            self._over = True
        elif point != self.base:
            self.values[point] = value
            direction = along(signs(point, self.base))
            line = self._rungs[sum(map(abs, direction)) - 1].running[direction]
            line.tell(line.points.index(point), value)
        elif self._base_new:
            self.values[point], self._best = value, (value, point)
            self._told.append(value)
            for rung in self._rungs:
                for line in rung.running.values():
                    line.tell_base(line.points.index(point), value)
        else:
            self._ignored += 1

    def open(self, jobs: Iterable[Entry]) -> list[Entry]:
        """Take the batch."""
        batch, self._ignored = super().open(jobs), 0
        self._batch = len(batch)
        return batch

    def _close(self) -> None:
        # Repeats in its first batch are told, too.
        self._base_new = self._base_new and self.base not in self.values
        # Nothing was learnt, and the next batch would be the same.
        if self._unstick and self._ignored == self._batch:
            for line in (line for rung in self._rungs for line in rung.running.values()):
                line.strike(self.base)
        for rung in self._rungs:
            for line in rung.close():
                self._best = min(self._best, line.best(), key=lambda found: found[0])
        while not self._last and next(self.jobs(), None) is None:
            old, self.base = self.base, self._best[1]
            self._last = self.base == old
            if not self._last:
                self._begin(along(signs(self.base, old)))
