"""Learning curves of running trials, which grow step by step.

A `Trial` never changes, so its curve would be copied for each step: 50,000 steps would take
minutes. The history keeps the curves of running trials here, and a trial gets its curve, as a
tuple, when somebody looks at it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class NewSteps(NamedTuple):
    """Steps of a running trial, to be appended to its learning curve in this order."""

    id: int
    points: tuple[tuple[int, float], ...]


class GrowingCurve:
    """A learning curve that steps are appended to: (step, value), the steps ascending.

    Parameters
    ----------
    points
        The curve so far.

    Attributes
    ----------
    grown
        Whether it has grown since this was last set to False.
    """

    def __init__(self, points: Iterable[tuple[int, float]] = ()) -> None:
        self._points = list(points)
        self.grown = False

    def append(self, step: int, value: float) -> None:
        """Add a step.

        One that is not beyond the last comes from a trial that was started again: what was told
        from there on belonged to the earlier attempt, and goes.
        """
        points = self._points
        while points and points[-1][0] >= step:
            points.pop()
        points.append((step, value))
        self.grown = True

    def has(self, step: int, value: float) -> bool:
        """Whether this value was told at this step; NaN is NaN."""
        points = self._points
        low, high = 0, len(points)
        if points and points[-1][0] < step:  # nearly always
            return False
        while low < high:
            middle = (low + high) // 2
            if points[middle][0] < step:
                low = middle + 1
            else:
                high = middle
        if low == len(points) or points[low][0] != step:
            return False
        known = points[low][1]
        return known == value or (math.isnan(known) and math.isnan(value))

    def ends_at(self, step: int) -> bool:
        """Whether this is its last step."""
        return bool(self._points) and self._points[-1][0] == step

    def points(self) -> tuple[tuple[int, float], ...]:
        """The curve as it is now."""
        return tuple(self._points)

    def copy(self) -> GrowingCurve:
        """Return a curve with the same points that grows on its own."""
        copied = GrowingCurve(self._points)
        copied.grown = self.grown
        return copied
