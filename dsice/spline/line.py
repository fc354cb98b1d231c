"""Fit a d-spline to the measurements on one line: :func:`fit` and its result :class:`SplineFit`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from dsice.errors import FitError
from dsice.spline.knots import UNIT_GRID, Knots, MarkerGrid, make_grid, read_knots
from dsice.spline.plain import FloatList, Row, factor, lowest, lowest_of_positions, solve
from dsice.spline.quick import EXACT_LEVELS, LineKernel, listed, run, switch
from dsice.spline.smoothing import (
    MAX_ALPHA,
    MIN_ALPHA,
    inverse_band,
    lam_of,
    quadratic_form,
    reml,
    residual_dof,
    variances,
)
from dsice.spline.values import value_at, values_at
from dsice.typing import Floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BULK_LEVELS = 100_000
"""Levels from which numba is worth loading to write a curve."""


def fit(
    levels: ArrayLike,
    values: ArrayLike,
    n: int,
    *,
    alpha: float | str = "reml",
    weights: ArrayLike | None = None,
    spacing: str | Iterable[float] | None = None,
) -> SplineFit:
    """Fit a d-spline to measurements on a line of n levels.

    The curve f minimises ``sum w (value - f[level])^2 + alpha^2 sum (f[i-1] - 2 f[i] + f[i+1])^2``
    over all n levels (Tanaka, Katagiri, Yuba, PARA 2006). The cost depends on the number k of
    measured levels, not on n.

    Parameters
    ----------
    levels : sequence of int, shape (N,)
        Measured levels, 0 to n - 1, in any order; a level may occur several times (its values are
        averaged).
    values : sequence of float, shape (N,)
        Measured values, finite.
    n : int
        Number of levels on the line.
    alpha : float or "reml"
        Smoothness, 1e-8 to 1e8, weighed against the weights as they are; or "reml": restricted
        maximum likelihood with a weak prior (log10 alpha^2 ~ N(-0.5, 1) per mean weight) from 6
        measured levels on, 0.5 below.
    weights : sequence of float, shape (N,), optional
        Counts or inverse variances: 0, or within a factor of 1e6 of each other. A measurement of
        weight 0 is left out; repeats add up.
    spacing : sequence of n floats, "refined", "ppopen-at" or None
        None: levels at unit distance. n rising numbers: real positions, fitted by the natural cubic
        smoothing spline; alpha then counts in units of the mean distance, so that the unit of the
        positions does not matter. A name: the refined grid of a published program, see
        :data:`dsice.spline.knots.CONVENTIONS`.

    Raises
    ------
    FitError
        Nothing measured, levels off the line, NaN or infinite values, negative weights, a bad alpha
        or spacing.

    Examples
    --------
    >>> curve = fit([0, 3, 5, 8, 15], [4.0, 1.2, 1.0, 2.9, 20.0], 16, alpha=0.1)
    >>> curve.argmin
    4
    >>> round(curve.at(7), 2)
    1.89
    """
    knots = read_knots(levels, values, n, weights)
    return SplineFit(
        knots, int(n), UNIT_GRID if spacing is None else make_grid(spacing, int(n)), alpha
    )


class SplineFit:
    """A d-spline with k knots (distinct measured levels) on a line of n levels; see :func:`fit`.

    Attributes
    ----------
    n : int
        Levels on the line.
    levels : tuple of int, shape (k,)
        The knots, rising.
    values, weights : tuple of float, shape (k,)
        Mean of the values and sum of the weights at each knot.
    alpha : float
        The alpha used.
    argmin : int
        Level where the curve over all n levels is lowest, measured or not; of equal ones the first.
        On a published refined grid: the level nearest to the lowest marker.
    minimum : float
        The curve there.

    Examples
    --------
    >>> from dsice.spline import fit
    >>> curve = fit([0, 4, 8], [3.0, 1.0, 2.0], n=9)
    >>> curve.argmin, round(curve.minimum, 2)
    (4, 1.03)
    """

    def __init__(self, knots: Knots, n: int, grid: MarkerGrid, alpha: float | str) -> None:
        self.n = n
        self._knots, self._grid = knots, grid
        kernel, k = None, len(knots.y)
        if k > 2 and knots.unweighted and grid is UNIT_GRID and n <= EXACT_LEVELS:
            kernel = switch.kernel or switch.count(k)
        low = self._solve(alpha) if kernel is None else self._solve_compiled(kernel, alpha)
        self.minimum = (knots.mean + low) * knots.unit

    def _solve(self, alpha: float | str) -> float:
        """Set everything in plain Python; returns the curve where it is lowest, less the mean."""
        knots, grid = self._knots, self._grid
        x = grid.knot_positions(knots.levels)
        if type(alpha) is float and MIN_ALPHA <= alpha <= MAX_ALPHA:
            self.alpha, lam = alpha, alpha * alpha
        else:
            lam = lam_of(alpha, knots, grid, x)
            self.alpha = math.sqrt(lam)
        self._lam = lam
        if knots.unweighted:
            g = [lam] * len(x)
            stiffest = lam
        else:
            g = [lam / w for w in knots.w]
            stiffest = max(g)
        f, m = solve(x, knots.y, g, grid.discrete, stiffest)
        self._solution = x, f, m, g
        if grid is UNIT_GRID:
            place, low = lowest(x, f, m, 1.0, self.n - 1.0)
            self.argmin = int(place)
        else:
            self.argmin, low = self._lowest_level()
        return low

    def _solve_compiled(self, kernel: LineKernel, alpha: float | str) -> float:
        """As `_solve`, for three knots or more of weight 1 on the unit grid."""
        self.argmin, low, self._lam, self._arrays = run(kernel, self._knots, alpha, self.n)
        self.alpha = math.sqrt(self._lam)
        return low

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(self._knots.levels)

    @property
    def values(self) -> tuple[float, ...]:
        return tuple((self._knots.mean + v) * self._knots.unit for v in self._knots.y)

    @property
    def weights(self) -> tuple[float, ...]:
        return tuple(self._knots.w)

    def __repr__(self) -> str:
        where = f"argmin={self.argmin}, minimum={self.minimum:.6g}"
        return f"SplineFit(k={len(self.levels)}, n={self.n}, alpha={self.alpha:.4g}, {where})"

    def _repr_html_(self) -> str:
        from dsice.spline.picture import picture

        return picture(self)

    @overload
    def at(self, x: float) -> float: ...
    @overload
    def at(self, x: Sequence[float] | NDArray[np.generic]) -> Floats: ...
    def at(self, x: ArrayLike) -> float | Floats:
        """The curve at level(s) x, 0 to n - 1; fractional x lie on the cubic between two levels."""
        if isinstance(x, int) and 0 <= x < self.n:
            return self._value_at(self._grid.position(x))
        where = self._positions(x)
        y = self._values(where)
        return y if where.ndim else float(y)

    def curve(self, out: Floats | None = None) -> Floats:
        """The curve at all n levels, shape (n,); into out (C-contiguous float64) if given.

        From 100 000 levels on compiled code writes them at memory bandwidth (not over real
        positions).
        """
        if out is None:
            out = np.empty(self.n)
        elif (
            out.shape != (self.n,)
            or out.dtype != np.float64
            or not out.flags.c_contiguous
            or not out.flags.writeable
        ):
            raise FitError(
                f"out: expected a writeable C-contiguous float64 array of shape ({self.n},), "
                f"got {out.dtype} {out.shape}"
            )
        if self.n <= 64:  # faster than the overhead of numpy
            out[:] = [self._value_at(self._grid.position(level)) for level in range(self.n)]
            return out
        if self.n < BULK_LEVELS or self._grid.positions is not None:
            out[:] = self.at(np.arange(self.n))
            return out
        from dsice.spline import kernels

        grid, knots = self._grid, self._knots
        shape = (float(grid.before), float(grid.step), float(grid.after))
        x, f, m = map(np.array, self._solution[:3])
        kernels.write_curve(len(x), x, f, m, knots.mean, shape, out, 0, self.n, self.n)
        if knots.unit != 1.0:
            out *= knots.unit
        return out

    def markers(self) -> Floats:
        """The curve on its own grid: the markers of a published refined grid, else the n levels."""
        if self._grid.positions is not None or self._grid.step == 1:
            return self.curve()
        where = np.arange(self._grid.last(self.n) + 1.0)
        return self._values(where)

    @overload
    def variance(self, x: float) -> float: ...
    @overload
    def variance(self, x: Sequence[float] | NDArray[np.generic]) -> Floats: ...
    def variance(self, x: ArrayLike) -> float | Floats:
        """Posterior variance of the curve at level(s) x: method.md, eq. (17).

        A new measurement there varies by sigma2 / weight more.

        Infinite where nothing is known: without a spare measurement to estimate the noise from (N
        <= 2), and off the only knot.
        """
        where = self._positions(x)
        if not math.isfinite(self.sigma2):
            v = np.full(where.shape, math.inf)
        elif len(self.levels) == 1:
            v = np.where(where == self._solution[0][0], self.sigma2 / self._knots.w[0], math.inf)
        else:
            xs, ws = np.array(self._solution[0]), np.array(self._knots.w)
            v = variances(np.atleast_1d(where), xs, ws, self._lam, self._grid.discrete, self._band)
            with np.errstate(over="ignore"):  # of extreme values: infinite, not an error
                v = self.sigma2 * v
        return v.reshape(where.shape) if where.ndim else float(v.ravel()[0])

    @cached_property
    def residuals(self) -> Floats:
        """Mean value minus curve at each knot, shape (k,)."""
        return np.array([e * self._knots.unit for e in self._knot_residuals])

    @cached_property
    def _knot_residuals(self) -> FloatList:
        return [y - f for y, f in zip(self._knots.y, self._solution[1], strict=True)]

    @cached_property
    def leverages(self) -> Floats:
        """Change of the curve by a unit change of the value at each knot, shape (k,), 0 to 1."""
        return 1.0 - self._residual_dof

    @property
    def dof(self) -> float:
        """Effective degrees of freedom of the curve: the sum of the leverages.

        From 2 for a straight line to k for interpolation.
        """
        return len(self.levels) - float(self._residual_dof.sum())

    @cached_property
    def sigma2(self) -> float:
        """Estimated noise variance of a measurement of weight 1: method.md, eq. (16).

        Infinite without residual degrees of freedom.
        """
        count, k = self._knots.n_measured, len(self.levels)
        if count <= min(k, 2):
            return math.inf
        q = quadratic_form(self._rows)
        return (
            (self._lam * q + self._knots.within)
            / (count - min(k, 2))
            * self._knots.unit
            * self._knots.unit
        )

    @property
    def gcv(self) -> float:
        """Generalised cross-validation score over all N measurements.

        Infinite where the curve interpolates all of them.
        """
        residual_dof = self._knots.n_measured - len(self.levels) + float(self._residual_dof.sum())
        if len(self.levels) < 3 or residual_dof <= 0.0:
            return math.inf
        rss = (
            sum(w * e * e for w, e in zip(self._knots.w, self._knot_residuals, strict=True))
            + self._knots.within
        )
        return (
            self._knots.n_measured
            * rss
            / (residual_dof * residual_dof)
            * self._knots.unit
            * self._knots.unit
        )

    @property
    def loo(self) -> float:
        """Leave-one-out score; infinite below 3 knots.

        Weighted mean square of the value at each knot less the curve fitted without it.
        """
        if len(self.levels) < 3 or not self._residual_dof.all():
            return math.inf
        w = np.array(self._knots.w)
        square = float(w @ (np.array(self._knot_residuals) / self._residual_dof) ** 2 / w.sum())
        return square * self._knots.unit * self._knots.unit

    @property
    def reml(self) -> float:
        """-2 log restricted likelihood of alpha up to a constant: method.md, eq. (14).

        Lower is better; infinite below 3 knots and on a straight line.
        """
        if not self._rows:
            return math.inf
        count = self._knots.n_measured
        return reml(self._rows, self._lam, count, self._knots.within) + 2 * (count - 2) * math.log(
            self._knots.unit
        )

    @cached_property
    def _solution(self) -> tuple[FloatList, FloatList, FloatList, FloatList]:
        """x, f, m and g at the knots, as in `plain`; made here of the arrays of a compiled fit."""
        x, f, m = map(listed, self._arrays)
        return x, f, m, [self._lam] * len(x)

    @cached_property
    def _rows(self) -> list[Row]:
        x, _, _, g = self._solution
        return factor(x, self._knots.y, g, self._grid.discrete) if len(x) > 2 else []

    @cached_property
    def _band(self) -> list[FloatList] | None:
        return inverse_band(self._rows) if self._rows else None

    @cached_property
    def _residual_dof(self) -> Floats:
        """Residual degrees of freedom of each knot, 1 - leverage, shape (k,)."""
        if self._band is None:
            return np.zeros(len(self.levels))
        return np.array(residual_dof(self._band, self._solution[0], self._solution[3]))

    def _positions(self, x: ArrayLike) -> Floats:
        try:
            where = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            raise FitError(f"x: expected levels 0 to {self.n - 1}, got {x!r}") from None
        if where.size and not (where.min() >= 0.0 and where.max() <= self.n - 1.0):
            raise FitError(f"x: expected levels 0 to {self.n - 1}, got {x!r}")
        grid = self._grid
        if grid.positions is not None:
            return np.asarray(np.interp(where, np.arange(self.n), grid.positions))
        return where if grid is UNIT_GRID else grid.before + grid.step * where

    def _value_at(self, place: float) -> float:
        x, f, m, _ = self._solution
        y = value_at(x, f, m, self._grid.discrete, place)
        return (self._knots.mean + y) * self._knots.unit

    def _values(self, where: Floats) -> Floats:
        """The curve at grid positions; infinite where extreme values overflow."""
        x, f, m = map(np.array, self._solution[:3])
        with np.errstate(over="ignore"):
            y = values_at(x, f, m, self._grid.discrete, where)
            values: Floats = (self._knots.mean + y) * self._knots.unit
        return values

    def _lowest_level(self) -> tuple[int, float]:
        grid = self._grid
        x, f, m, _ = self._solution
        if grid.positions is not None:
            return lowest_of_positions(grid.positions, x, f, m)
        place, _ = lowest(x, f, m, grid.discrete, grid.last(self.n))
        level = grid.level(place, self.n)
        return level, self._value_at(
            self._grid.position(level)
        ) / self._knots.unit - self._knots.mean
