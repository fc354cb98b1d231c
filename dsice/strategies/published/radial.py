"""The parallel DSICE of 2024 (P_2024B): all lines through the base at once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from math import inf, isfinite, isnan

from dsice.directions import line
from dsice.directions.ladder import Direction
from dsice.strategies.published.givens import MarkerFit, nearest, ranking
from dsice.strategies.published.line import MOST, STEADY
from dsice.strategies.published.neighbours import Point, centre, four, line_directions, thirds


def first_list(m: int) -> list[int]:
    """Levels suggested before the first fit, repetitions included: both ends, then thirds of thirds.

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

    Parameters
    ----------
    points
        The line from its low end.
    values
        What is measured so far; a level measured before is not suggested.
    alpha
        Smoothing of the d-spline.
    """

    def __init__(self, points: Sequence[Point], values: dict[Point, float], alpha: float) -> None:
        self.points, self.alpha, self.m = points, alpha, len(points)
        self._level = {point: level for level, point in enumerate(points)}
        self.values = {level: values[point] for level, point in enumerate(points) if point in values}
        self._four = [level for level in four(self.m) if level not in self.values]
        self._list = [level for level in first_list(self.m) if level not in self.values]
        self.fit: MarkerFit | None = None
        self._estimate, self._steady = -1, 0
        self.ended = False
        self.close()

    def jobs(self) -> Iterator[Point]:
        """Points to measure, in order."""
        if self.fit is None:
            if not self._list:
                self._list = list(range(self.m))
            return iter([self.points[level] for level in self._list])
        levels = ranking(self.fit.markers(), self._finite(), self.values, self.m)
        return iter([self.points[level] for level in levels])

    def tell(self, point: Point, value: float) -> None:
        """Take a value of a point on this line; inf for a failed one."""
        level = self._level[point]
        self.values[level] = value
        if self.fit is not None:
            if isfinite(value):
                self.fit.add(level, value)
                self._look()
            return
        for left in (self._four, self._list):
            if level in left:
                left.remove(level)

    def close(self) -> None:
        """End the line if its rules say so; called after a batch only."""
        if self.fit is None and not self._four:
            self._begin()
        done = self._steady >= STEADY or len(self.values) >= min(MOST, self.m)
        self.ended = self.fit is not None and done

    def best(self) -> tuple[float, Point]:
        """Best measured value, and where: the lowest of equal levels."""
        level = min(sorted(self.values), key=self.values.__getitem__)
        return self.values[level], self.points[level]

    def _finite(self) -> dict[int, float]:
        return {level: value for level, value in self.values.items() if isfinite(value)}

    def _begin(self) -> None:
        known = self._finite()
        self.fit = MarkerFit(self.m, self.alpha)
        for level in sorted(known):
            self.fit.add(level, known[level])
        self._look()

    def _look(self) -> None:
        assert self.fit is not None
        found = nearest(self.fit.markers(), self.m)
        self._steady = self._steady + 1 if found == self._estimate else 1
        self._estimate = found


class Radial:
    """P_2024B over points of integer levels, duplicates included (IPSJ 2021-HPC-178; SC24 poster).

    A round runs all (3^N - 1)/2 lines through the base; then the best point is the new base,
    until a round gains nothing. A batch is the first n of the job list, which is made anew after
    every batch.
    """

    def __init__(self, shape: Sequence[int], start: Point | None = None, *, alpha: float = 0.1) -> None:
        self.shape, self.alpha = tuple(shape), alpha
        self.base = centre(shape) if start is None else start
        self.values: dict[Point, float] = {}
        self._open(None)

    def _open(self, skip):
        self._base_new = self.base not in self.values
        self._round_best = (self.values.get(self.base, inf), self.base)
        self._lines = []
        for width in range(1, len(self.shape)+1):
            group=[]
            for direction in line_directions(len(self.shape), width):
                if direction == skip: continue
                pts=[tuple(p) for p in line(self.base,direction,self.shape).points.tolist()]
                l=RadialLine(pts,self.values,self.alpha)
                if not l.ended: group.append(l)
            self._lines.append(group)
        self._last=False; self._done=False
        self._waiting=Counter()

    def jobs(self):
        if self._base_new: yield self.base
        for group in self._lines:
            its=[l.jobs() for l in group]
            while its:
                nxt=[]
                for it in its:
                    p=next(it,None)
                    if p is not None:
                        nxt.append(it); yield p
                its=nxt

    def ask(self, n):
        if self._done: return []
        if self._last: b=[self.base]
        else: b=list(islice(self.jobs(),n))
        self._waiting=Counter(b); self._n=len(b)
        return b

    def tell(self, point, value):
        value = inf if isnan(value) else value
        if self._last: self._done=True; return
        if point==self.base:
            if self._base_new:
                self._base_new=False
                self._round_best=(value,point)
                self.values[point]=value
                for g in self._lines:
                    for l in g: l.tell(point,value)
        else:
            self.values[point]=value
            for g in self._lines:
                for l in g:
                    if point in l._level: l.tell(point,value)
        self._n-=1
        if self._n==0: self._end()

    def _end(self):
        for i,g in enumerate(self._lines):
            keep=[]
            for l in g:
                l.close()
                if l.ended:
                    b=l.best()
                    if b[0]<self._round_best[0]: self._round_best=b
                else: keep.append(l)
            self._lines[i]=keep
        while not any(self._lines):
            if self._round_best[1]==self.base:
                self._last=True; return
            old=self.base; self.base=self._round_best[1]
            d=tuple((a>b)-(a<b) for a,b in zip(self.base,old))
            f=next(x for x in d if x)
            self._open(tuple(f*x for x in d))
