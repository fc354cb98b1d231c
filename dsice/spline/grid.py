"""Where the levels of a line lie: unit distance, a published refined grid, or real positions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from dsice.errors import FitError


class Grid(NamedTuple):
    """Level i lies at position ``before + step * i`` (or ``positions[i]``) of a grid 0, 1, .., last.

    ``discrete`` is 1.0 when every grid position carries a second difference, 0.0 for the natural cubic spline
    over real positions.
    """

    step: int
    before: int
    after: int
    discrete: float
    positions: tuple[float, ...] | None = None

    def last(self, n: int) -> float:
        """Position of the last marker of a line of n levels."""
        if self.positions is not None:
            return self.positions[-1]
        return float(self.before + self.step * (n - 1) + self.after)

    def level(self, position: float, n: int) -> int:
        """The level nearest to a marker; on the refined grids marker 3i + 1 belongs to i and 3i + 2 to i + 1."""
        nearest = (round(position) - self.before + self.step // 2) // self.step
        return min(max(nearest, 0), n - 1)


UNIT = Grid(1, 0, 0, 1.0)

CONVENTIONS = {
    "refined": Grid(3, 2, 2, 1.0),
    "ppopen-at": Grid(3, 0, 2, 1.0),
}
"""Published grids by name.

``refined``: the authors' library DSICE 1.0.1, two markers between neighbouring levels and two beyond each end
(3 n + 2 markers; level i at marker 2 + 3 i). ``ppopen-at``: the original IPPE of ppOpen-AT, 3 n markers, level i
(from 1) at marker 3 i - 2. On both, alpha weighs second differences over a third of a level, so that
``alpha**2`` acts like ``alpha**2 / 27`` on the unit grid.
"""


def make_grid(spacing: str | Iterable[float] | None, n: int) -> Grid:
    """The grid for a public ``spacing``; real positions are counted in units of their mean distance."""
    if spacing is None:
        return UNIT
    if isinstance(spacing, str):
        if spacing not in CONVENTIONS:
            raise FitError(
                f"spacing: expected one of {sorted(CONVENTIONS)} or {n} positions, got {spacing!r}"
            )
        return CONVENTIONS[spacing]
    try:
        raw = [float(p) for p in spacing]
    except (TypeError, ValueError):
        raise FitError(
            f"spacing: expected {n} numbers, one position per level, got {spacing!r}"
        ) from None
    if len(raw) != n:
        raise FitError(f"spacing: expected one position for each of the {n} levels, got {len(raw)}")
    for i in range(n):
        if not math.isfinite(raw[i]) or (i and raw[i] <= raw[i - 1]):
            raise FitError(
                f"spacing: positions must be finite and strictly increasing, but position {i} is {raw[i]}"
            )
    unit = (raw[-1] - raw[0]) / (n - 1) if n > 1 else 1.0
    if not (0.0 < unit < math.inf):
        raise FitError(
            "spacing: the positions span too small or too large a range for floating point"
        )
    places = tuple((p - raw[0]) / unit for p in raw)
    if any(places[i + 1] - places[i] < 1e-9 for i in range(n - 1)):
        raise FitError(
            "spacing: two positions are closer than 1e-9 of the mean distance; merge those levels"
        )
    return Grid(1, 0, 0, 0.0, places)
