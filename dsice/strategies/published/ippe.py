"""IPPE: the d-spline search of one parameter."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan

from dsice.strategies.published.line import LineSearch
from dsice.strategies.published.neighbours import Point


class OneLine:
    """IPPE of the authors' library: one line, no start (Tanaka, Katagiri, Yuba, PARA 2006)."""

    def __init__(self, shape: Sequence[int], *, alpha: float = 0.1) -> None:
        self._line = LineSearch(shape[0], lambda level: None, alpha)

    def ask(self, n: int = 1) -> list[Point]:
        """The next point; [] when the search has ended."""
        level = self._line.next()
        return [] if level is None or n < 1 else [(level,)]

    def tell(self, point: Point, value: float) -> None:
        """Take the value of the point that was asked; NaN or inf: it failed."""
        self._line.tell(point[0], inf if isnan(value) else value)
