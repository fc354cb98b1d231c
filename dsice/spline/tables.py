"""Covariance tables: one square table per axis, whose product over the axes is the covariance.

An entry of a table is a level of its axis or, on very long axes, a node that several levels share;
the last entry stands for "this parameter does not exist here".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsice.typing import Floats, Ints

MAX_NODES = 1024
"""An axis with more levels is modelled on this many nodes."""
MAX_ENTRIES = 2_000_000
"""Entries of all covariance tables together; beyond, long axes get fewer nodes."""


@dataclass(frozen=True, eq=False)
class CovarianceTables:
    """Covariance factors of all axes, packed for the kernels.

    Axis j has a square table of sizes[j] rows in `values`, from starts[j] on.
    """

    values: Floats
    starts: Ints
    sizes: Ints

    @classmethod
    def of(cls, factors: Sequence[Floats]) -> CovarianceTables:
        """Pack one square table per axis."""
        sizes = np.array([len(factor) for factor in factors], dtype=np.int64)
        starts = np.zeros(len(factors), dtype=np.int64)
        np.cumsum(sizes[:-1] ** 2, out=starts[1:])
        return cls(np.concatenate([factor.ravel() for factor in factors]), starts, sizes)

    def covariance(self, a: Ints, b: Ints) -> Floats:
        """Covariance, shape (k, n), between points a (k, axes) and b (n, axes) as table entries."""
        from dsice.spline import kernels

        out = np.empty((len(a), len(b)))
        kernels.grid_covariance(a, b, self.values, self.starts, self.sizes, out)
        return out


def table_codes(shape: Sequence[int]) -> list[Ints]:
    """Entry of the table for each level and for "does not exist here".

    The levels of very long axes share entries.
    """
    max_nodes = MAX_NODES
    while sum(min(m, max_nodes) ** 2 for m in shape) > MAX_ENTRIES and max_nodes > 2:
        max_nodes = max_nodes * 3 // 4
    codes = []
    for m in shape:
        size = min(m, max_nodes)
        nodes = np.rint(np.arange(m) * ((size - 1) / max(m - 1, 1))).astype(np.int64)
        codes.append(np.append(nodes, size))
    return codes


def table_entries(points: Ints, codes: Sequence[Ints]) -> Ints:
    """Levels of points, shape (k, axes), as entries of the tables."""
    return np.ascontiguousarray(
        np.stack([code[points[:, j]] for j, code in enumerate(codes)], axis=1)
    )
