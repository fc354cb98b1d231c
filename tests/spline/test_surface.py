"""The n-dimensional d-spline against dense matrices, scikit-learn and the d-spline on one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice.directions import directions, line
from dsice.errors import FitError
from dsice.spline import fit, kernels
from dsice.spline.evidence import (
    JITTER,
    CovarianceTables,
    Hyperparameters,
    representative,
)
from dsice.spline.surface import (
    MAX_FIT_POINTS,
    MAX_POSTERIOR_POINTS,
    Surface,
    fit_surface,
)
from tests.spline.grids import (
    Array,
    Ints,
    axis_covariance,
    factors_of,
    grid,
    posterior,
    product,
    some,
)

SHAPE, ORDERED = (7, 5, 4), (True, True, False)
FIXED = Hyperparameters(np.array([0.8, 1.5, 0.4]), 0.1, 0.02, 0.0)


def measured(n: int = 30, seed: int = 0) -> tuple[Ints, Array]:
    """Points, some of them without the second parameter, and values."""
    points = some(SHAPE, n, seed)
    points[::5, 1] = SHAPE[1]
    points = np.unique(points, axis=0)
    return points, np.random.default_rng(seed).normal(size=len(points))


def everywhere() -> Ints:
    """All points, and all without the second parameter."""
    return grid((SHAPE[0], SHAPE[1] + 1, SHAPE[2]))


def twin(points: Ints, values: Array, counts: Array, wanted: Ints) -> tuple[Array, Array]:
    """Mean and variance from dense matrices."""
    factors = factors_of(SHAPE, ORDERED, FIXED.lam)

    def covariance(a: Ints, b: Ints) -> Array:
        return product(factors, FIXED.theta, a, b)

    own = np.diag(covariance(wanted, wanted))
    noise = FIXED.noise_variance / counts + JITTER
    return posterior(covariance(points, points), noise, covariance(wanted, points), own, values)


def surface(n: int = 30, seed: int = 0, **options: object) -> Surface:
    return fit_surface(*measured(n, seed), SHAPE, ORDERED, hyperparameters=FIXED, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 2, 30])
def test_mean_and_variance_are_those_of_dense_matrices(n: int) -> None:
    points, values = measured(n)
    mean, variance = twin(points, values, np.ones(len(values)), everywhere())
    found = surface(n).predict(everywhere())
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.variance, variance, atol=1e-9)
    np.testing.assert_allclose(surface(n).mean(everywhere()), mean, atol=1e-9)


def test_mean_and_variance_are_those_of_scikit_learn() -> None:
    """Its Gaussian process over point numbers has our covariance of the whole grid as kernel."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Kernel

    table = product(factors_of(SHAPE, ORDERED, FIXED.lam), FIXED.theta, everywhere(), everywhere())

    class Table(Kernel):  # type: ignore[misc]
        def __init__(self) -> None:
            """No parameters, and scikit-learn wants to read so here."""

        def __call__(self, X: Array, Y: Array | None = None, eval_gradient: bool = False) -> Array:
            return np.asarray(
                table[np.ix_(X[:, 0].astype(int), (X if Y is None else Y)[:, 0].astype(int))]
            )

        def diag(self, X: Array) -> Array:
            return np.diag(table)[X[:, 0].astype(int)]

        def is_stationary(self) -> bool:
            return False

    points, values = measured()
    number = {tuple(p): i for i, p in enumerate(everywhere().tolist())}
    places = np.array([[number[tuple(p)]] for p in points.tolist()], dtype=float)
    process = GaussianProcessRegressor(
        Table(), alpha=FIXED.noise_variance + JITTER, optimizer=None
    ).fit(places, values)
    mean, sd = process.predict(np.arange(float(len(table)))[:, None], return_std=True)
    found = surface().predict(everywhere())
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.variance, sd**2, atol=1e-9)


def test_means_along_lines_are_the_means_at_their_points() -> None:
    """Lines along one, two and three axes, of one point and more, and none."""
    model = surface()
    lows, steps, lengths, points = [], [], [], []
    for direction in [(0, 0, 0), *(d for w in (1, 2, 3) for d in directions(3, w))]:
        for through in ((2, 3, 1), (0, 0, 0), (6, 4, 0)):
            whole = line(through, direction, SHAPE).points
            for part in (whole, whole[1:], whole[::2]):
                if len(part):
                    lows.append(part[0])
                    steps.append(part[1] - part[0] if len(part) > 1 else np.array(direction))
                    lengths.append(len(part))
                    points.append(part)
    found = model.line_means(np.array(lows), np.array(steps), np.array(lengths))
    wanted = np.concatenate(points)
    np.testing.assert_allclose(found, model.predict(wanted).mean, atol=1e-10)
    np.testing.assert_allclose(model.mean(wanted), found, atol=1e-10)
    nothing = np.empty((0, 3), dtype=np.int64)
    assert model.line_means(nothing, nothing, np.empty(0, dtype=np.int64)).shape == (0,)


def test_means_along_lines_where_levels_share_nodes_or_do_not_exist() -> None:
    """An axis of 5000 levels has 1024 nodes; the level after the last one is "not here"."""
    rng = np.random.default_rng(0)
    shape, ordered = (5000, 4), (True, False)
    points = np.stack([rng.integers(0, 5000, 30), rng.integers(0, 5, 30)], axis=1)
    model = fit_surface(points, rng.normal(size=30), shape, ordered)
    for level in (0, 3, 4):
        wanted = np.stack([np.arange(5000), np.full(5000, level)], axis=1)
        found = model.line_means(wanted[:1], np.array([[1, 0]]), np.array([5000]))
        np.testing.assert_allclose(found, model.predict(wanted).mean, atol=1e-9)


def test_rows_of_projected_give_the_posterior_covariance() -> None:
    """Prior covariance less the product of two rows equals a Schur complement."""
    points, _ = measured()
    factors, wanted = factors_of(SHAPE, ORDERED, FIXED.lam), everywhere()[::9]
    own, cross = (product(factors, FIXED.theta, wanted, b) for b in (wanted, points))
    inner = product(factors, FIXED.theta, points, points) + (
        FIXED.noise_variance + JITTER
    ) * np.eye(len(points))
    rows = surface().predict(wanted).projected
    np.testing.assert_allclose(
        own - rows @ rows.T, own - cross @ np.linalg.solve(inner, cross.T), atol=1e-9
    )


def test_counts_are_repeated_measurements() -> None:
    """One point with the mean of c measurements and count c equals c rows of the dense system."""
    points, _ = measured()
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 5, len(points))
    repeats = np.repeat(np.arange(len(points)), counts)
    raw = rng.normal(size=len(repeats))
    means = np.bincount(repeats, weights=raw) / counts
    found = fit_surface(
        points, means, SHAPE, ORDERED, counts=counts.astype(float), hyperparameters=FIXED
    ).predict(everywhere())
    factors = factors_of(SHAPE, ORDERED, FIXED.lam)
    cross = product(factors, FIXED.theta, everywhere(), points[repeats])
    own = np.diag(product(factors, FIXED.theta, everywhere(), everywhere()))
    inner = product(factors, FIXED.theta, points[repeats], points[repeats])
    mean, variance = posterior(inner, np.full(len(raw), FIXED.noise_variance), cross, own, raw)
    # the jitter is added once per point, not once per row
    np.testing.assert_allclose(found.mean, mean, atol=1e-5)
    np.testing.assert_allclose(found.variance, variance, atol=1e-6)


@pytest.mark.parametrize(
    "n, k, alpha", [(8, 4, 0.3), (16, 7, 1.0), (40, 12, 5.0), (40, 40, 0.1), (64, 9, 0.05)]
)
def test_on_one_axis_it_is_the_d_spline(n: int, k: int, alpha: float) -> None:
    """K is the pseudo-inverse of lam D2'D2; the straight line is free; each noise variance is 1."""
    rng = np.random.default_rng(n + k)
    levels = np.sort(rng.permutation(n)[:k])
    values, counts = rng.normal(size=k), rng.integers(1, 4, k).astype(float)
    bends = np.diff(np.eye(n), 2, axis=0)
    inverse: Array = np.linalg.pinv(alpha**2 * bends.T @ bends, rcond=1e-12, hermitian=True)
    tables = CovarianceTables.of([inverse])
    line = np.c_[np.ones(n), np.arange(n) - (n - 1) / 2]
    model = Surface(tables, levels[:, None], values, 1.0 / counts, basis=line[levels])
    found = model.predict(np.arange(n)[:, None], basis=line)
    spline = fit(levels, values, n, alpha=alpha, weights=counts)
    np.testing.assert_allclose(found.mean, spline.curve(), atol=1e-8)
    np.testing.assert_allclose(
        found.variance, spline.variance(np.arange(n)) / spline.sigma2, rtol=1e-8, atol=1e-8
    )


def test_unpenalised_functions_are_wanted_at_prediction_too() -> None:
    tables = CovarianceTables.of([axis_covariance(6, 0.1)])
    model = Surface(
        tables, np.array([[0], [2], [5]]), np.zeros(3), np.ones(3), basis=np.ones((3, 1))
    )
    with pytest.raises(FitError, match="basis"):
        model.predict(np.array([[1]]))


def test_a_smooth_function_of_four_axes_is_predicted() -> None:
    shape = (9, 9, 9, 9)
    points = some(shape, 300)
    x = points / 8.0
    values = (x[:, 0] - 0.4) ** 2 + np.sin(3 * x[:, 1]) * x[:, 2]
    values = (values - values.mean()) / values.std()
    model = fit_surface(points[:120], values[:120], shape, (True,) * 4)
    found = model.predict(points[120:])
    assert np.corrcoef(found.mean, values[120:])[0, 1] > 0.98
    sds = np.abs(found.mean - values[120:]) / np.sqrt(model.scale * found.variance)
    # the bands are neither too narrow nor too wide
    assert np.mean(sds < 2.0) > 0.9 and np.median(sds) > 0.03


def test_thousands_of_points_are_thinned_and_the_best_stay() -> None:
    shape = (20, 20, 20)
    points = some(shape, 3000)
    values = ((points - 7.0) ** 2).sum(axis=1)
    values = (values - values.mean()) / values.std()
    model = fit_surface(points, values, shape, (True,) * 3)
    assert len(model.points) == MAX_POSTERIOR_POINTS >= MAX_FIT_POINTS
    kept = set(map(tuple, model.points.tolist()))
    best = points[np.argsort(values, kind="stable")[: MAX_POSTERIOR_POINTS // 2]]
    assert all(tuple(p) in kept for p in best.tolist())
    assert np.corrcoef(model.mean(points), values)[0, 1] > 0.95  # what was left out is predicted


def test_representative_keeps_the_better_half_and_an_even_choice_of_the_rest() -> None:
    values = np.random.default_rng(0).permutation(1000).astype(float)
    places = representative(values, 100)
    ranks = np.sort(values[places])
    assert (np.diff(places) > 0).all() and len(places) == 100
    np.testing.assert_array_equal(ranks[:50], np.arange(50))
    assert ranks[-1] == 999 and np.diff(ranks[50:]).max() - np.diff(ranks[50:]).min() <= 1
    np.testing.assert_array_equal(representative(values[:30], 30), np.arange(30))


def test_representative_of_equal_values_takes_no_place_twice() -> None:
    for most in (7, 100, 999):
        assert len(set(representative(np.zeros(1000), most).tolist())) == most


def test_very_long_axes_share_nodes_and_still_show_their_shape() -> None:
    shape = (90_000, 50_000, 700)
    points = np.random.default_rng(0).integers(0, shape, size=(150, 3))
    x = points / np.array(shape)
    values = (x[:, 0] - 0.4) ** 2 + (x[:, 2] - 0.7) ** 2
    model = fit_surface(points, (values - values.mean()) / values.std(), shape, (True,) * 3)
    probes = np.array(
        [[round(a * 89_999), 25_000, round(b * 699)] for a in (0, 0.4, 1) for b in (0, 0.7, 1)]
    )
    assert int(np.argmin(model.mean(probes))) == 4 and model.tables.values.size < 3_000_000


@pytest.mark.parametrize("shape", [(1,), (1, 6, 1), (2, 2)])
def test_axes_of_one_and_two_levels(shape: tuple[int, ...]) -> None:
    points = grid(shape)
    found = fit_surface(points, np.arange(float(len(points))), shape, (True,) * len(shape)).predict(
        points
    )
    assert np.isfinite(found.mean).all() and (found.variance > 0).all()


@pytest.mark.parametrize(
    "points, values, counts",
    [
        (np.empty((0, 3), dtype=int), [], None),
        ([[0, 0, 0]], [np.nan], None),
        ([[0, 0, 0]], [np.inf], None),
        ([[0, 0]], [1.0], None),
        ([[0, 0, 0]], [1.0, 2.0], None),
        ([[0, 0, 0]], [1.0], [1.0, 2.0]),
    ],
)
def test_what_cannot_be_fitted_is_refused(points: object, values: object, counts: object) -> None:
    with pytest.raises(FitError, match=r"values|points"):
        fit_surface(points, np.array(values), SHAPE, ORDERED, counts=counts)  # type: ignore[arg-type]


def test_integers_of_any_kind_and_read_only_arrays_are_taken_with_one_signature_per_kernel() -> (
    None
):
    points, values = measured()
    plain = surface().predict(everywhere())
    kinds: list[Any] = [np.int32, np.uint8, np.int64]
    for kind in kinds:
        odd = np.asfortranarray(points.astype(kind))
        odd.setflags(write=False)
        wanted = np.asfortranarray(everywhere().astype(kind))
        wanted.setflags(write=False)
        model = fit_surface(
            odd, values.astype(np.float32).astype(float), SHAPE, ORDERED, hyperparameters=FIXED
        )
        np.testing.assert_allclose(model.mean(wanted), plain.mean, atol=1e-5)
        fit_surface(odd, values, SHAPE, ORDERED)
        model.covariance(wanted, wanted[:1])
    for name in ("grid_covariance", "grid_gradient", "grid_line_means"):
        assert len(getattr(getattr(kernels, name), "signatures", [0])) == 1, name


def test_switched_off_the_kernels_say_the_same() -> None:
    program = """
import sys, numpy as np
from tests.spline.test_surface import everywhere, measured, surface, SHAPE, ORDERED
from dsice.spline.surface import fit_hyperparameters
model, wanted = surface(), everywhere()
scores = model.predict(wanted)
fitted = fit_hyperparameters(*measured(), SHAPE, ORDERED)
logs = np.log([*fitted.theta, fitted.lam, fitted.noise_variance])
np.savetxt(sys.stdout, np.r_[model.mean(wanted), scores.variance, logs])
"""
    root = Path(__file__).parents[2]
    found = []
    for off in ("0", "1"):
        environment = os.environ | {"NUMBA_DISABLE_JIT": off, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.append(np.array(done.stdout.split(), dtype=float))
    np.testing.assert_allclose(found[0][:-5], found[1][:-5], atol=1e-10)
    # the same maximum up to rounding
    np.testing.assert_allclose(found[0][-5:], found[1][-5:], atol=1e-3)
