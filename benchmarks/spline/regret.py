"""Which alpha finds the minimum: mean regret of the fitted minimum on 18 cells of synthetic lines.

A cell is a line of n = 16 or 64 levels, noise of 0, 0.05 or 0.2 (the function's range is 1) and
k = 6, 8 or 12 measured levels: the four initial ones of the published line search and k - 4 random
others. The regret is the true value at the level where the fitted curve is lowest, minus the true
minimum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsice.spline import fit_many

Array = NDArray[np.float64]

CELLS = [(n, noise, k) for n in (16, 64) for noise in (0.0, 0.05, 0.2) for k in (6, 8, 12)]
PER_CELL = 1200


def truth(kind: int, n: int, rng: np.random.Generator) -> Array:
    """One function on n levels, range 1: waves, a power with a kink, or a well; a third each."""
    x = np.arange(n) / (n - 1)
    if kind == 0:
        waves = [
            rng.normal() * j**-1.5 * np.cos(np.pi * j * x + rng.uniform(0, 2 * np.pi))
            for j in range(1, 6)
        ]
        y = np.sum(waves, axis=0)
    elif kind == 1:
        y = np.abs(x - rng.uniform(0.1, 0.9)) ** rng.uniform(0.8, 2.5)
    else:
        y = np.log(0.02 + (x - rng.uniform(0.1, 0.9)) ** 2)
    return np.asarray((y - y.min()) / (y.max() - y.min()))


def initial(n: int) -> list[int]:
    """The four levels with which the published line search begins."""
    third = (n - 1) // 3
    return [0, third, third + (n - 1 - third) // 2, n - 1]


def cell(n: int, noise: float, k: int, seed: int) -> tuple[Array, Array, Array]:
    """True values (PER_CELL, n), and levels and measured values (PER_CELL, k)."""
    rng = np.random.default_rng([seed, n, int(100 * noise), k])
    first = initial(n)
    others = np.setdiff1d(np.arange(n), first)
    true = np.array([truth(i % 3, n, rng) for i in range(PER_CELL)])
    levels = np.array(
        [np.sort(np.r_[first, rng.choice(others, k - 4, replace=False)]) for _ in range(PER_CELL)]
    )
    values = np.take_along_axis(true, levels, 1) + noise * rng.normal(size=levels.shape)
    return true, levels, values


METHODS: dict[str, dict[str, object]] = {
    "reml": {"alpha": "reml"},
    "fixed 1": {"alpha": 1.0},
    "fixed 0.5": {"alpha": 0.5},
    "authors' 0.1": {"alpha": 0.1, "spacing": "refined"},
}


def regrets(seed: int = 0) -> dict[str, Array]:
    """Mean regret in each cell by each way to choose alpha."""
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for n, noise, k in CELLS:
        true, levels, values = cell(n, noise, k, seed)
        offsets = np.arange(PER_CELL + 1) * k
        for name, options in METHODS.items():
            fits = fit_many(
                offsets,
                levels.ravel(),
                values.ravel(),
                n,
                **options,  # type: ignore[arg-type]
            )
            found[name].append(float(true[np.arange(PER_CELL), fits.argmin].mean()))
    return {name: np.array(v) for name, v in found.items()}


def main() -> None:
    """Print the table."""
    found = regrets()
    print("   n noise  k " + " ".join(f"{name:>13}" for name in METHODS))
    for i, (n, noise, k) in enumerate(CELLS):
        print(
            f"{n:4d} {noise:5.2f} {k:2d} " + " ".join(f"{found[name][i]:13.4f}" for name in METHODS)
        )
    print("     mean     " + " ".join(f"{found[name].mean():13.4f}" for name in METHODS))
    ratio = found["reml"].mean() / found["authors' 0.1"].mean()
    print(f"reml against the authors' fixed alpha: {ratio:.3f} (bar: at most 0.75)")


if __name__ == "__main__":
    main()
