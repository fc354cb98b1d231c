"""One line, one measurement at a time: the search of IPPE and of the sequential DSICE."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from dsice.strategies.published.givens import MarkerFit, ranking
from dsice.strategies.published.neighbours import four

MOST = 30  # points measured on one line
STEADY = 3  # times that the estimated best is the same


class LineSearch:
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
        self.m, self.alpha = m, alpha
        values = ((level, known(level)) for level in range(m))
        self.values: dict[int, float] = {
            level: value for level, value in values if value is not None
        }
        self.fit: MarkerFit | None = None
        self.estimate, self.steady = -1, 0
        self._first = [level for level in dict.fromkeys(four(m)) if level not in self.values]
        self._ready()

    def suggest(self) -> list[int]:
        """Levels to measure, the most wanted first; [] when the line has ended."""
        if self._first:
            return self._first
        if self.steady >= STEADY or len(self.values) >= min(MOST, self.m):
            return []
        markers = None if self.fit is None else self.fit.markers()
        return ranking(markers, self._finite(), self.values, self.m)

    def tell(self, level: int, value: float) -> None:
        """Take the value of a level; inf for a failed measurement."""
        self.values[level] = value
        if level in self._first:
            self._first.remove(level)
            self._ready()
        elif self.fit is None:
            self._ready()
        elif isfinite(value):
            self.fit.add(level, value)
            self._look(self.fit)

    def best(self) -> int | None:
        """Level of the best measured value, the lowest of equal ones; None if there is none."""
        known = self._finite()
        return min(sorted(known), key=known.__getitem__) if known else None

    def _finite(self) -> dict[int, float]:
        return {level: value for level, value in self.values.items() if isfinite(value)}

    def _ready(self) -> None:
        """Begin the fit once the four levels are measured, the data from the low end up."""
        known = self._finite()
        if self._first or not known:
            return
        self.fit = MarkerFit(self.m, self.alpha)
        for level in sorted(known):
            self.fit.add(level, known[level])
        self._look(self.fit)

    def _look(self, fit: MarkerFit) -> None:
        found = fit.lowest()
        self.steady = self.steady + 1 if found == self.estimate else 1
        self.estimate = found
