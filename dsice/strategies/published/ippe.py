"""IPPE: the d-spline search of one parameter, as the authors' library runs it and as published.

IPPE is incremental performance parameter estimation. `IPPELine` is its rule for a line, which the
algorithms for several parameters use too; see docs/published.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite

from dsice.strategies.published.lattice import four
from dsice.strategies.published.marker_fit import MarkerFit, ranking
from dsice.strategies.published.search import Entry, Search
from dsice.typing import Point

MAX_POINTS = 30  # measured on one line
STEADY = 3  # times that the estimated best is the same


class IPPELine:
    """Where to measure next on a line (Tanaka, Katagiri, Yuba, PARA 2006; Tanaka et al. 2014).

    Four initial levels; then the unmeasured level that the d-spline ranks first, until the
    estimated best has been the same three times, 30 points are measured, or all are.

    Parameters
    ----------
    m
        Levels of the line.
    known
        Value at a level if it was measured, whatever line it was measured for; else None.
    alpha
        Smoothing of the d-spline.
    """

    def __init__(self, m: int, known: Callable[[int], float | None], alpha: float = 0.1) -> None:
        self.m = m
        self.alpha = alpha
        values = ((level, known(level)) for level in range(m))
        self.values = {level: value for level, value in values if value is not None}
        self.fit: MarkerFit | None = None
        self.estimate = -1
        self.steady = 0
        self._first = [level for level in dict.fromkeys(four(m)) if level not in self.values]
        self._begin_fit()

    def suggest(self) -> list[int]:
        """Levels to measure, the most wanted first; [] when the line has ended."""
        if self._first:
            return self._first
        if self.steady >= STEADY or len(self.values) >= min(MAX_POINTS, self.m):
            return []
        markers = None if self.fit is None else self.fit.markers()
        return ranking(markers, self._finite(), self.values, self.m)

    def tell(self, level: int, value: float) -> None:
        """Take the value of a level; inf for a failed measurement."""
        self.values[level] = value
        if level in self._first:
            self._first.remove(level)
            self._begin_fit()
        elif self.fit is None:
            self._begin_fit()
        elif isfinite(value):
            self.fit.add(level, value)
            self._update_estimate(self.fit)

    def best(self) -> int | None:
        """Level of the best measured value, the lowest of equal ones; None if there is none."""
        known = self._finite()
        return min(sorted(known), key=known.__getitem__) if known else None

    def _finite(self) -> dict[int, float]:
        """The values of measurements that worked."""
        return {level: value for level, value in self.values.items() if isfinite(value)}

    def _begin_fit(self) -> None:
        """Begin the fit once the four levels are measured, the data from the low end up."""
        known = self._finite()
        if self._first or not known:
            return
        self.fit = MarkerFit(self.m, self.alpha)
        for level in sorted(known):
            self.fit.add(level, known[level])
        self._update_estimate(self.fit)

    def _update_estimate(self, fit: MarkerFit) -> None:
        """Take the estimated best of the fit, and count how often it was the same."""
        found = fit.lowest()
        self.steady = self.steady + 1 if found == self.estimate else 1
        self.estimate = found


class OneLine(Search):
    """IPPE of the authors' library: one line, no start (Tanaka, Katagiri, Yuba, PARA 2006).

    Its result is the best measured point.
    """

    def __init__(self, shape: Sequence[int], *, alpha: float = 0.1) -> None:
        self.base = (shape[0] // 2,)
        self.values = {}
        self._line = IPPELine(shape[0], lambda level: None, alpha)

    def jobs(self) -> Iterator[Entry]:
        """The next point alone."""
        return (Entry((level,), "line", (1,)) for level in self._line.suggest()[:1])

    def _take(self, point: Point, value: float) -> None:
        self.values[point] = value
        self._line.tell(point[0], value)


class Original(Search):
    """IPPE of ppOpen-AT (Tanaka, Otsuka, Fujii, Katagiri, Imamura, Scientific Programming 2014).

    Levels 1, (2 + m)/3, (1 + 2m)/3 and m, counted from 1; then the estimated best if it is
    unmeasured, else the largest second difference at the spacing of the levels; until the
    estimated best is the same three times running. Its result is the *estimated* best.

    Attributes
    ----------
    estimate
        Level where the curve is lowest, None before the first fit.
    """

    def __init__(self, shape: Sequence[int], *, alpha: float = 0.1) -> None:
        self.m = shape[0]
        self.alpha = alpha
        self.base = (shape[0] // 2,)
        self.values = {}
        self.estimate: int | None = None
        self._first = list(dict.fromkeys(self._initial()))
        self._fit = MarkerFit(self.m, alpha, buffer=0)
        self._steady = 0

    def _initial(self) -> list[int]:
        """The levels that the line is begun with."""
        m = self.m
        return [0, (2 + m) // 3 - 1, (1 + 2 * m) // 3 - 1, m - 1]

    def jobs(self) -> Iterator[Entry]:
        """The next point alone."""
        level = self._first[0] if self._first else self._next()
        return iter(() if level is None else (Entry((level,), "line", (1,)),))

    def _next(self) -> int | None:
        """The level after the initial ones; None when the line has ended."""
        left = [level for level in range(self.m) if (level,) not in self.values]
        if self._steady >= STEADY or not left:
            return None
        if self.estimate is None:
            return left[0]
        if self.estimate in left:
            return self.estimate
        f = self._fit.levels()
        inner = [level for level in left if 0 < level < self.m - 1]
        return max(inner, key=lambda i: abs(f[i - 1] - 2 * f[i] + f[i + 1]), default=None)

    def _take(self, point: Point, value: float) -> None:
        self.values[point] = value
        if isfinite(value):
            self._fit.add(point[0], value)
        self._first = [level for level in self._first if level != point[0]]
        finite = any(map(isfinite, self.values.values()))
        if self._first or not finite:
            return
        f = self._fit.levels()
        # A failed level is no best.
        usable = [level for level in range(self.m) if isfinite(self.values.get((level,), 0.0))]
        found = min(usable, key=f.__getitem__)
        self._steady = self._steady + 1 if found == self.estimate else 1
        self.estimate = found
