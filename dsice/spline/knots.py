"""Knots (distinct measured levels, sorted and merged) and the grids on which levels lie."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dsice.errors import FitError
from dsice.spline.plain import FloatList

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Knots(NamedTuple):
    """Measurements merged per level; ``value = (mean + y) * unit``.

    Attributes
    ----------
    levels
        The k distinct levels, increasing.
    y, w
        Scaled and centred mean value, and sum of the weights, at each level.
    mean, unit
        Centre and scale of the values.
    n_measured
        Number of measurements.
    within
        Weighted sum of squares of repeats around their means, in units of y.
    weight
        Mean weight of one measurement as it was given.
    unweighted
        Whether every w is known to be 1.
    """

    levels: list[int]
    y: FloatList
    w: FloatList
    mean: float
    unit: float
    n_measured: int
    within: float
    weight: float
    unweighted: bool


def read_knots(levels: Any, values: Any, n: int, weights: ArrayLike | None) -> Knots:
    """Check and merge; see :func:`dsice.spline.fit` for what is accepted."""
    ts: list[int] = levels if type(levels) is list else _as_list(levels, "levels")
    ys: FloatList = values if type(values) is list else _as_list(values, "values")
    k = len(ts)
    if k != len(ys):
        raise FitError(f"values: expected one value per level, got {len(ys)} values for {k} levels")
    if type(n) is not int:
        n = _whole(n, "n")
    if weights is None and k and _strictly_increasing(ts, n):
        try:
            total = sum(ys)
        except (TypeError, OverflowError):
            total = math.nan  # the slow path finds and names the culprit
        # plain numbers, finite and of ordinary size: nothing else to do
        if type(total) is float and isfinite(total):
            mean = total / k
            y = [v - mean for v in ys]
            top = max(y)
            if 1e-100 < top < 1e100 or top == 0.0:
                return Knots(ts, y, [1.0] * k, mean, 1.0, k, 0.0, 1.0, True)
    return merge_line(ts, ys, n, weights)


def merge_line(levels: list[int], values: FloatList, n: int, weights: ArrayLike | None) -> Knots:
    """Check every entry, then sort, merge and scale."""
    return _merge(*_checked(levels, values, n, weights))


def _strictly_increasing(ts: list[int], n: int) -> bool:
    """Whether the levels are plain ints on the line, strictly increasing."""
    last = -1
    for t in ts:
        if type(t) is not int or t <= last:
            return False
        last = t
    return last < n


def _as_list(data: ArrayLike, name: str) -> list[Any]:  # the elements are checked by the callers
    listed: object = data.tolist() if isinstance(data, np.ndarray) else data
    if type(listed) is list:
        return listed
    if isinstance(listed, str | bytes) or not isinstance(listed, Iterable):
        raise FitError(f"{name}: expected a sequence of numbers, got {data!r}")
    return list(listed)


def _whole(value: object, name: str) -> int:
    try:
        if isinstance(value, float) and value.is_integer():  # np.float64 too
            return int(value)
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # the TypeError is the check
    except TypeError:
        raise FitError(f"{name}: expected a whole number, got {value!r}") from None


def _number(value: object, name: str) -> float:
    if isinstance(value, str | bytes | bool | np.bool_):
        raise FitError(f"{name}: expected a number, got {value!r}")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise FitError(f"{name}: expected a number, got {value!r}") from None


def _checked(
    ts: list[int], ys: FloatList, n: int, weights: ArrayLike | None
) -> tuple[list[int], FloatList, FloatList]:
    """Every entry checked, measurements of weight zero left out."""
    if n < 1:
        raise FitError(f"n: expected the number of levels on the line, at least 1, got {n}")
    if not ts:
        raise FitError(
            "levels: expected at least one measured level, got none; "
            "a curve through nothing is undefined"
        )
    ws = [1.0] * len(ts) if weights is None else _as_list(weights, "weights")
    if len(ws) != len(ts):
        raise FitError(
            f"weights: expected one weight per level, got {len(ws)} weights for {len(ts)} levels"
        )
    levels, values, kept = [], [], []
    for i, (t, y, w) in enumerate(zip(ts, ys, ws, strict=True)):
        level, value, weight = _checked_entry(i, t, y, w, n)
        if weight > 0.0:
            levels.append(level)
            values.append(value)
            kept.append(weight)
    if not levels:
        raise FitError(
            "weights: all are zero, so nothing was measured; give at least one a positive weight"
        )
    _check_range(kept)
    return levels, values, kept


def _checked_entry(i: int, t: object, y: object, w: object, n: int) -> tuple[int, float, float]:
    """Level, value and weight of measurement i."""
    level = _whole(t, f"levels[{i}]")
    value = _number(y, f"values[{i}]")
    weight = _number(w, f"weights[{i}]")
    if not 0 <= level < n:
        raise FitError(f"levels[{i}]: expected a level of the line, 0 to {n - 1}, got {level}")
    if not math.isfinite(value):
        raise FitError(
            f"values[{i}]: expected a finite value, got {value}; leave failed measurements out"
        )
    if not 0.0 <= weight < math.inf:
        raise FitError(
            f"weights[{i}]: expected a count or an inverse variance, 0 or more, got {weight}"
        )
    return level, value, weight


def _check_range(kept: FloatList) -> None:
    """Refuse positive weights that are extreme, or too far from each other."""
    if not 1e-50 <= min(kept) <= max(kept) <= 1e50:
        raise FitError(
            f"weights: expected 0 or 1e-50 to 1e50, got {min(kept)} to {max(kept)}; "
            "only their ratios matter to REML"
        )
    if max(kept) > 1e6 * min(kept):
        raise FitError(
            "weights: expected them within a factor of 1e6 of each other, "
            f"got {min(kept)} to {max(kept)}"
        )


def _merge(levels: list[int], values: FloatList, weights: FloatList) -> Knots:
    """Sort, merge repeats into weighted means, and scale values whose squares would overflow."""
    unit = _unit(values)
    groups: dict[int, list[tuple[float, float]]] = {}
    for t, v, w in zip(levels, values, weights, strict=True):
        groups.setdefault(t, []).append((v / unit, w))
    order = sorted(groups)
    summed = [math.fsum(w for _, w in groups[t]) for t in order]
    means = [_mean(groups[t], total) for t, total in zip(order, summed, strict=True)]
    within = math.fsum(
        w * (v - mean) ** 2 for t, mean in zip(order, means, strict=True) for v, w in groups[t]
    )
    mean = sum(means) / len(means)
    return Knots(
        order,
        [v - mean for v in means],
        summed,
        mean,
        unit,
        len(levels),
        within,
        sum(weights) / len(weights),
        False,
    )


def _mean(group: list[tuple[float, float]], total: float) -> float:
    if len(group) == 1:
        return group[0][0]  # exactly the value given
    return math.fsum(v * w for v, w in group) / total


def _unit(values: FloatList) -> float:
    """A power of two that brings the spread of extreme values near 1; 1.0 for all ordinary ones."""
    half = max(values) / 2.0 - min(values) / 2.0
    if half == 0.0 or 1e-100 < half < 1e100:
        return 1.0 if max(values) < 1e290 and min(values) > -1e290 else 2.0**100  # room for sums
    return math.ldexp(1.0, min(max(math.frexp(half)[1], -1000), 1020))


class MarkerGrid(NamedTuple):
    """A grid of positions 0, 1, .., last: level i at ``before + step * i`` or ``positions[i]``.

    ``discrete`` is 1.0 when every grid position carries a second difference, 0.0 for the natural
    cubic spline over real positions.
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

    def position(self, level: int) -> float:
        """Position of a level."""
        if self.positions is not None:
            return self.positions[level]
        return float(self.before + self.step * level)

    def knot_positions(self, levels: list[int]) -> FloatList:
        """Positions of levels."""
        if self is UNIT_GRID:
            return list(map(float, levels))
        return [self.position(level) for level in levels]

    def level(self, position: float, n: int) -> int:
        """The level nearest to a marker.

        On the refined grids marker 3 i + 1 belongs to level i and marker 3 i + 2 to level i + 1.
        """
        nearest = (round(position) - self.before + self.step // 2) // self.step
        return min(max(nearest, 0), n - 1)


UNIT_GRID = MarkerGrid(1, 0, 0, 1.0)

CONVENTIONS = {
    "refined": MarkerGrid(3, 2, 2, 1.0),
    "ppopen-at": MarkerGrid(3, 0, 2, 1.0),
}
"""Published grids by name.

``refined``: the authors' library DSICE 1.0.1, two markers between neighbouring levels and two
beyond each end (3 n + 2 markers; level i at marker 2 + 3 i). ``ppopen-at``: the original IPPE of
ppOpen-AT, 3 n markers, level i (from 1) at marker 3 i - 2. On both, alpha weighs second differences
over a third of a level, so that ``alpha**2`` acts like ``alpha**2 / 27`` on the unit grid.
"""


def make_grid(spacing: str | Iterable[float] | None, n: int) -> MarkerGrid:
    """The grid of a public ``spacing``; real positions are in units of their mean distance."""
    if spacing is None:
        return UNIT_GRID
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
                "spacing: positions must be finite and strictly increasing, "
                f"but position {i} is {raw[i]}"
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
    return MarkerGrid(1, 0, 0, 0.0, places)
