"""The promise of 1e-10 against 60 digits, where plain elimination on the grid loses everything."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from dsice.spline import fit, fit_many, kernels
from tests.spline.lines import arrangements
from tests.spline.oracles import error, exact_grid, exact_knots

compiled = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
ALPHAS = [1e-6, 1e-3, 0.5, 30.0, 1e4, 1e6]
MANY = 65_536 if compiled else 2_000  # levels that a kernel writes


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("n", "k"), [(16, 8), (64, 30)])
def test_curve_is_that_of_the_full_system_to_60_digits(n: int, k: int, alpha: float) -> None:
    rng = np.random.default_rng([n, k])
    for levels in arrangements(n, k, rng).values():
        values = 5.0 + rng.normal(size=len(levels))
        exact = exact_grid(levels, values, n, alpha**2)
        inside = slice(levels[0], levels[-1] + 1)
        assert error(fit(levels, values, n, alpha=alpha).curve()[inside], exact[inside]) < 1e-10
        out = np.empty(n)
        kernels.fit_one(levels, values, n, alpha**2, out)
        assert error(out[inside], exact[inside]) < 1e-10


def test_oracles_agree() -> None:
    rng = np.random.default_rng(1)
    levels = np.sort(rng.choice(400, 9, replace=False))
    values = rng.normal(size=9)
    at = range(levels[0], levels[-1] + 1)
    for lam in (1e-12, 0.25, 1e12):
        grid = exact_grid(levels, values, 400, lam)
        assert (
            max(
                abs(a - grid[i])
                for a, i in zip(exact_knots(levels, values, lam, at), at, strict=True)
            )
            < 1e-40
        )


@pytest.mark.parametrize("n", [1024, 65_536, 1_000_000])
@pytest.mark.parametrize("k", [4, 8, 30])
def test_long_gaps_and_extreme_alpha(n: int, k: int) -> None:
    rng = np.random.default_rng([n, k])
    for levels in arrangements(n, k, rng).values():
        values = rng.normal(size=len(levels))
        at = np.unique(np.r_[levels, rng.integers(levels[0], levels[-1] + 1, 12)])
        for alpha in ALPHAS:
            exact = exact_knots(levels, values, alpha**2, at)
            assert error(fit(levels, values, n, alpha=alpha).at(at), exact) < 1e-10


def test_kernel_on_a_million_levels() -> None:
    rng = np.random.default_rng(3)
    n = 1_000_000 if compiled else 20_000
    out = np.empty(n)
    for levels in arrangements(n, 30, rng).values():
        values = rng.normal(size=len(levels))
        at = np.unique(np.r_[levels, rng.integers(levels[0], levels[-1] + 1, 12)])
        for alpha in (1e-6, 0.5, 1e6):
            kernels.fit_one(levels, values, n, alpha**2, out)
            assert error(out[at], exact_knots(levels, values, alpha**2, at)) < 1e-10


@pytest.mark.long
def test_batch_is_as_accurate() -> None:
    rng = np.random.default_rng(4)
    n = MANY
    lines = [levels for _ in range(12) for levels in arrangements(n, 30, rng).values()]
    values = [rng.normal(size=len(levels)) for levels in lines]
    offsets = np.concatenate([[0], np.cumsum([len(levels) for levels in lines])])
    fits = fit_many(
        offsets, np.concatenate(lines), np.concatenate(values), n, alpha=1e6, curves=True
    )
    for i in range(0, len(lines), 5):
        at = np.unique(np.r_[lines[i], rng.integers(lines[i][0], lines[i][-1] + 1, 12)])
        assert error(fits.curve(i)[at], exact_knots(lines[i], values[i], 1e12, at)) < 1e-10


def test_dense_data_with_extreme_alpha() -> None:
    """The weak corner of the unrefined knot form: 1e-7 if all levels are measured, alpha 1e6."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=300)
    exact = exact_grid(range(300), values, 300, 1e12)
    assert error(fit(range(300), values, 300, alpha=1e6).curve(), exact) < 1e-10
