"""The authors' d-spline on a line: row by row Givens rotations on the refined grid.

`dsice.spline.fit` finds the same minimum faster and, far from data, more accurately. This
form is kept for one reason: where two levels have exactly the same curvature, the published
algorithms take the one that the *rounding* of their solver favours. The order of the
operations below is theirs, as far as their traces tell: with the diagonal written as the
length of the rotated column, or the back substitution from near to far, 3 or more of the 68
known sequential traces come out otherwise; as it stands, none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import sqrt

BUFFER = 2  # markers outside either end of the line, in the authors' library


class MarkerFit:
    """Minimiser of ||y - E f||^2 + alpha^2 ||D f||^2 over the markers of one line.

    Two markers stand between neighbouring levels and two more outside either end: marker
    2 + 3 i is level i, 3 m + 2 markers in all (the authors' library, 1.0.1).

    Parameters
    ----------
    m
        Levels of the line.
    alpha
        Smoothing, > 0.
    buffer
        Markers below level 0. With 0 the grid is that of the original IPPE (ppOpen-AT): 3 m
        markers, level i at 3 i.

    Examples
    --------
    >>> curve = MarkerFit(5)
    >>> for level, value in [(0, 4.0), (4, 1.0), (1, 2.0), (2, 0.5)]:
    ...     curve.add(level, value)
    >>> curve.lowest()
    3
    """

    def __init__(self, m: int, alpha: float = 0.1, buffer: int = BUFFER) -> None:
        self.m = m
        self.buffer = buffer
        self._seen = set[int]()
        markers = 3 * m + buffer
        # One second difference each; the last two rows of the triangle wait for data.
        rows = markers - 2
        self._r0 = [alpha] * rows + [0.0, 0.0]
        self._r1 = [-2.0 * alpha] * rows + [0.0, 0.0]
        self._r2 = [alpha] * rows + [0.0, 0.0]
        self._b = [0.0] * markers

    def add(self, level: int, value: float) -> None:
        """Rotate one measurement into the triangle; a repeated one is a row of its own."""
        self._seen.add(level)
        r0, r1, r2, b = self._r0, self._r1, self._r2, self._b
        x0, x1, y = 1.0, 0.0, value
        for p in range(self.buffer + 3 * level, len(b)):
            if x0 == 0.0 and x1 == 0.0:
                return
            length = sqrt(r0[p] * r0[p] + x0 * x0)
            if length == 0.0:
                x0, x1 = x1, 0.0
                continue
            c, s = r0[p] / length, x0 / length
            old1, old2, old = r1[p], r2[p], b[p]
            r0[p], r1[p], r2[p], b[p] = (
                c * r0[p] + s * x0,
                c * old1 + s * x1,
                c * old2,
                c * old + s * y,
            )
            x0, x1, y = c * x1 - s * old1, -s * old2, c * y - s * old

    def markers(self) -> list[float]:
        """The curve at all markers, by back substitution.

        One measured level leaves its slope open: all 0 then.
        """
        f = [0.0] * (len(self._b) + 2)
        if len(self._seen) > 1:
            for i in range(len(self._b) - 1, -1, -1):
                known = (
                    self._b[i] - self._r2[i] * f[i + 2] - self._r1[i] * f[i + 1]
                )  # far one first
                f[i] = known / self._r0[i]
        return f[:-2]

    def levels(self) -> list[float]:
        """The curve at the m levels."""
        return self.markers()[self.buffer :: 3][: self.m]

    def lowest(self) -> int:
        """Level nearest to the lowest marker; of equal markers the first.

        The marker after a level is its own, the next one belongs to the level above, buffers to the
        ends.
        """
        markers = self.markers()
        low = min(range(len(markers)), key=markers.__getitem__)
        return min(max((low - self.buffer + 1) // 3, 0), self.m - 1)


def ranking(
    markers: list[float] | None, known: Mapping[int, float], skip: Collection[int], m: int
) -> list[int]:
    """Unmeasured levels, the most promising first.

    Fit strictly below the best measured value, ascending; then fit strictly above the worst,
    descending; then the rest by the curve's second difference, descending. Of equal fits above
    and equal curvatures the higher level comes first.

    Parameters
    ----------
    markers
        The fit, see `MarkerFit`; None while nothing but failures is known: then every level,
        ascending.
    known
        Measured values by level.
    skip
        Levels that are not to be asked: the measured ones, and failed ones.
    """
    if markers is None or not known:
        return [level for level in range(m) if level not in skip]
    low, high = min(known.values()), max(known.values())
    below, above, rest = [], [], []
    for level in range(m):
        if level in skip:
            continue
        p = BUFFER + 3 * level
        if markers[p] < low:
            below.append((markers[p], level))
        elif markers[p] > high:
            above.append((markers[p], level))
        else:
            rest.append((abs(markers[p - 1] - 2 * markers[p] + markers[p + 1]), level))
    ordered = sorted(below) + sorted(above, reverse=True) + sorted(rest, reverse=True)
    return [level for _, level in ordered]
