"""Analysis of variance of the n-dimensional d-spline, in closed form.

The results are main effects with their bands and Sobol indices. The covariance of the surface is
scale * prod_j (1 + theta_j K_j), method.md, eq. (4), with K_j centred over the levels of axis j
(`evidence`), so that the functional decomposition over the grid, all levels alike, follows from the
product: the main effect of axis j at level l has the covariance theta_j K_j(l, x_j) with a
measurement at x, since all other factors average to 1, and its posterior mean is that row times the
coefficients of the surface. The interaction of j and k has theta_j K_j theta_k K_k. The mean square
of the surface over the grid is

    a' [prod_j G_j] a,    G_j(x, x') = mean over l of F_j(l, x_j) F_j(l, x'_j)
    F_j = 1 + theta_j K_j

with a the coefficients; without axis j in the product it is that of the surface averaged over axis
j.

A parameter that does not exist at a point has F = 1 there. Which parameters exist follows from few
axes, the deciding ones; all combinations of their levels, the cells, are enumerated, and the other
axes are averaged over as above.

References
----------
Gu, Smoothing Spline ANOVA Models, 2013 (the decomposition).
Durrande, Ginsbourger, Roustant and Carraro, J. Multivariate Analysis 115, 2013 (Sobol indices of
such a kernel). Sobol, Math. Comput. Simul. 55, 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dsice.spline.evidence import CovarianceTables
from dsice.spline.surface import Surface
from dsice.typing import Floats, Ints

Bools = NDArray[np.bool_]
TINY = 1e-14  # variance of a flat surface, relative to its mean square


@dataclass(frozen=True, eq=False)
class SobolIndices:
    """Sobol indices: shares of the variance of the surface over the grid.

    Attributes
    ----------
    variance
        Variance of the surface, in the units of its values squared.
    first, total
        Share of each axis alone, and with all its interactions; shape (axes,).
    pairs
        Share of each interaction of two axes, shape (axes, axes), symmetric, zero on the diagonal.
    """

    variance: float
    first: Floats
    total: Floats
    pairs: Floats

    @property
    def higher(self) -> float:
        """Share left to interactions of three and more axes."""
        return (
            max(0.0, 1.0 - float(self.first.sum()) - float(self.pairs.sum()) / 2.0)
            if self.variance
            else 0.0
        )


class Anova:
    """Decomposition of a surface over its whole grid, including points that rules forbid.

    Parameters
    ----------
    surface
        Without unpenalised functions.
    shape
        Levels of each axis.
    deciding
        Axes whose levels say which parameters exist.
    cells
        All combinations of the levels of the deciding axes, in lexicographic order: int of shape
        (k, axes), with level ``shape[j]`` where parameter j does not exist. What else is in the
        other columns does not matter.

    Notes
    -----
    Axes with more levels than the surface has nodes are averaged over the nodes.
    """

    def __init__(
        self,
        surface: Surface,
        shape: Sequence[int],
        *,
        deciding: Sequence[int] = (),
        cells: Ints | None = None,
    ) -> None:
        self._surface, self._shape, self._deciding = surface, tuple(shape), tuple(deciding)
        cells = np.zeros((1, len(shape)), dtype=np.int64) if cells is None else cells
        self._grid = tuple(self._shape[j] for j in self._deciding)
        self._levels = np.stack(np.unravel_index(np.arange(len(cells)), self._grid or (1,)))
        self._exists: Bools = cells < np.array(self._shape)
        t = surface.tables
        self._factors = [
            t.values[s : s + m * m].reshape(m, m) for s, m in zip(t.starts, t.sizes, strict=True)
        ]
        fixed = self._tables(self._factors, self._deciding)
        entries = surface.entries(cells)
        # the factors of the deciding axes, shape (cells, measured)
        self._rows = fixed.covariance(entries, surface.points)
        self._prior = fixed.covariance(entries, entries)
        self._squares = [
            factor[:-1].T @ factor[:-1] / max(len(factor) - 1, 1) for factor in self._factors
        ]

    def overall(self) -> float:
        """Mean of the surface over the grid."""
        return float(self._rows.mean(axis=0) @ self._surface.coefficients)

    def main_effect(self, axis: int) -> tuple[Floats, Floats]:
        """Main effect of an axis and its posterior variance relative to the scale: (levels,) each.

        That is the mean over the part of the grid where the parameter exists and has that level,
        less the mean over the whole part where it exists. NaN where there is no such part.
        """
        exists = self._exists[:, axis].astype(float)
        if axis not in self._deciding:
            if not exists.any():
                return np.full(self._shape[axis], np.nan), np.full(self._shape[axis], np.nan)
            weights = exists / exists.sum()
            curves = self._axis_covariance(axis)
            own = np.diag(self._factors[axis])[:-1] - 1.0
            mean, variance = self._surface.linear_functional(
                curves * (weights @ self._rows), own * (weights @ self._prior @ weights)
            )
            nodes = self._nodes(axis)
            return mean[nodes], variance[nodes]
        at = (self._level(axis) == np.arange(self._shape[axis])[:, None]) * exists
        count = at.sum(axis=1, keepdims=True)
        sums = at / np.where(count, count, np.nan) - exists / max(exists.sum(), 1.0)
        return self._surface.linear_functional(
            sums @ self._rows, np.einsum("ij,jk,ik->i", sums, self._prior, sums)
        )

    def sobol_indices(self) -> SobolIndices:
        """Sobol indices of the posterior mean.

        A parameter that does not exist at a point makes no difference there.
        """
        d, overall = len(self._shape), self.overall()
        square = self._mean_square(None)
        variance = square - overall**2
        if variance <= TINY * max(square, 1e-300):
            return SobolIndices(0.0, np.zeros(d), np.zeros(d), np.zeros((d, d)))
        first = np.array([np.mean(self._component(j) ** 2) for j in range(d)])
        total = np.array([square - self._mean_square(j) for j in range(d)])
        pairs = np.zeros((d, d))
        for j in range(d):
            for k in range(j):
                pairs[j, k] = pairs[k, j] = self._interaction(j, k)
        return SobolIndices(
            variance, first / variance, np.maximum(total, 0.0) / variance, pairs / variance
        )

    @staticmethod
    def _tables(factors: Sequence[Floats], axes: Sequence[int]) -> CovarianceTables:
        """CovarianceTables with these factors on `axes` and 1 on all others."""
        return CovarianceTables.of(
            [factor if j in axes else np.ones_like(factor) for j, factor in enumerate(factors)]
        )

    def _nodes(self, axis: int) -> Ints:
        """Entry of the table for each level of an axis."""
        points = np.zeros((self._shape[axis], len(self._shape)), dtype=np.int64)
        points[:, axis] = np.arange(self._shape[axis])
        return self._surface.entries(points)[:, axis]

    def _level(self, axis: int) -> Ints:
        """Level of a deciding axis in each cell."""
        return np.asarray(self._levels[self._deciding.index(axis)], dtype=np.int64)

    def _axis_covariance(self, axis: int) -> Floats:
        """theta_j K_j between nodes of an axis and measured points, shape (nodes, measured)."""
        return np.asarray((self._factors[axis][:-1] - 1.0)[:, self._surface.points[:, axis]])

    def _level_effects(self, axis: int, rows: Floats) -> Floats:
        """Mean of rows at each level of a deciding axis less the mean of all rows.

        Rows have shape (cells, measured), the result (levels, measured).
        """
        at = self._level(axis) == np.arange(self._shape[axis])[:, None]
        return np.asarray(at @ rows / at.sum(axis=1, keepdims=True) - rows.mean(axis=0))

    def _component(self, axis: int) -> Floats:
        """Main effect over the whole grid, including where the parameter does not exist."""
        a = self._surface.coefficients
        if axis in self._deciding:
            return np.asarray(self._level_effects(axis, self._rows) @ a)
        return np.asarray(
            self._axis_covariance(axis) @ (a * (self._rows * self._exists[:, [axis]]).mean(axis=0))
        )

    def _interaction(self, j: int, k: int) -> float:
        """Variance of the interaction of two axes over the whole grid."""
        a = self._surface.coefficients
        if j in self._deciding and k in self._deciding:
            own = (self._deciding.index(j), self._deciding.index(k))
            cells = (self._rows @ a).reshape(self._grid)
            both = cells.mean(axis=tuple(i for i in range(cells.ndim) if i not in own))
            both = both - both.mean(axis=0) - both.mean(axis=1, keepdims=True) + both.mean()
            return float(np.mean(both**2))
        j, k = (j, k) if j in self._deciding else (k, j)  # k decides nothing
        if j in self._deciding:
            left = self._level_effects(j, self._rows * self._exists[:, [k]]) * a
        else:
            left = self._axis_covariance(j) * (
                a * (self._rows * (self._exists[:, [j]] & self._exists[:, [k]])).mean(axis=0)
            )
        return float(np.mean((left @ self._axis_covariance(k).T) ** 2))

    def _mean_square(self, averaged: int | None) -> float:
        """Mean over the grid of the square of the surface, after averaging it over one axis."""
        groups, width = np.arange(len(self._rows)), 1
        if averaged in self._deciding:
            place, width = self._deciding.index(averaged), self._shape[averaged]
            others = np.delete(self._levels, place, axis=0)
            rest = np.delete(self._grid, place)
            groups = (
                np.ravel_multi_index(tuple(others), tuple(rest))
                if len(rest)
                else np.zeros_like(groups)
            )
        free = [j for j in range(len(self._shape)) if j not in self._deciding and j != averaged]
        patterns, which = np.unique(self._exists[:, free], axis=0, return_inverse=True)
        parts = []
        for p in range(len(patterns)):
            part = np.zeros((int(groups.max()) + 1, self._rows.shape[1]))
            np.add.at(part, groups[which.ravel() == p], self._rows[which.ravel() == p] / width)
            parts.append(part * self._surface.coefficients)
        return sum(
            self._cross(
                parts[p],
                parts[q],
                [j for i, j in enumerate(free) if patterns[p][i] and patterns[q][i]],
            )
            for p, q in product(range(len(patterns)), repeat=2)
        ) / len(parts[0])

    def _cross(self, left: Floats, right: Floats, axes: Sequence[int]) -> float:
        """Sum over rows of left' [prod of G_j over the axes] right."""
        used = left.any(axis=1) & right.any(axis=1)
        if not used.any():
            return 0.0
        points = self._surface.points
        inner = self._tables(self._squares, axes).covariance(points, points)
        return float(np.einsum("ij,ij->", left[used] @ inner, right[used]))
