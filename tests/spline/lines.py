"""Lines to test on: random ones, and arrangements of levels that are hard on the arithmetic."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsice.spline import SplineFit, fit


def arrangements(n: int, k: int, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """At most k levels of n: even, random, clusters far apart, packed at one end, ever farther."""

    def around(centres: NDArray[np.float64], size: int) -> NDArray[np.int64]:
        return np.unique(np.add.outer(centres.astype(int), np.arange(size)))

    found = {
        "random": np.sort(rng.choice(n, k, replace=False)),
        "even": np.unique(np.linspace(0, n - 1, k).astype(int)),
        "two clusters": np.r_[np.arange(k // 2), np.arange(n - (k - k // 2), n)],
        "one end": np.r_[np.arange(k - 1), n - 1],
        "ever farther": np.unique(np.geomspace(1, n, k).astype(int) - 1),
        "pairs": around(np.linspace(0, n - 2, max(k // 2, 2)), 2),
        "triples": around(np.linspace(0, n - 3, max(k // 3, 2)), 3),
    }
    return {name: np.unique(levels) for name, levels in found.items()}


class Batch(NamedTuple):
    """A ragged batch in packed form."""

    offsets: NDArray[np.int64]
    levels: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    sizes: NDArray[np.int64]

    def line(self, i: int, weighted: bool, **options: object) -> SplineFit:
        """Line i by ``fit``."""
        part = slice(self.offsets[i], self.offsets[i + 1])
        weights = self.weights[part] if weighted else None
        levels, values = self.levels[part], self.values[part]
        return fit(levels, values, int(self.sizes[i]), weights=weights, **options)  # type: ignore[arg-type]


def ragged(
    lines: int, rng: np.random.Generator, *, repeats: bool = False, fewest: int = 1
) -> Batch:
    """Random walks on lines of up to 64 levels with up to 16 measurements."""
    levels, values, counts, sizes = [], [], [], []
    for _ in range(lines):
        k = int(rng.integers(fewest, 17))
        n = int(rng.integers(k, 65))
        chosen = rng.choice(n, k, replace=repeats)
        levels.append(chosen if repeats else np.sort(chosen))
        values.append(np.cumsum(rng.normal(size=k)) + 3.0)
        counts.append(k)
        sizes.append(n)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    weights = rng.uniform(0.2, 4.0, offsets[-1])
    return Batch(offsets, np.concatenate(levels), np.concatenate(values), weights, np.array(sizes))
