"""The marginal likelihood against dense linear algebra; its maximum on known functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import check_grad

from dsice.spline.evidence import (
    LOG_BOUNDS,
    AxisPrior,
    CovarianceTables,
    _Evidence,
    maximise_evidence,
)
from tests.spline.grids import Array, factors_of, penalised, product, some

SHAPE, ORDERED = (6, 9, 4), (True, True, False)
PRIORS = [AxisPrior(m, ordered) for m, ordered in zip(SHAPE, ORDERED, strict=True)]
PLACES = [[-0.5, -0.5, -0.5, -3.0, -4.0], [1.5, -4.0, 0.3, 1.0, -8.0], [-2.0, 2.0, -6.0, -7.0, 0.5]]


def measured(n: int = 25, absent: bool = True) -> tuple[Array, Array, Array]:
    """Points of which some lack the second parameter, values and counts."""
    rng = np.random.default_rng(n)
    points = some(SHAPE, n)
    if absent:
        points[::6, 1] = SHAPE[1]
        points = np.unique(points, axis=0)
    return points, rng.normal(size=len(points)), rng.integers(1, 4, len(points)).astype(float)


def at_points(
    f: Callable[..., Any], shape: tuple[int, ...], n: int, noise: float = 0.0, seed: int = 0
) -> tuple[Array, Array]:
    """n points of a grid and standardised values of f on axes of length 1, plus noise."""
    points = some(shape, n, seed)
    values = np.asarray(f(*(points / (np.array(shape) - 1)).T), dtype=float)
    values = (values - values.mean()) / values.std()
    return points, values + noise * np.random.default_rng(seed).normal(size=len(points))


@pytest.mark.parametrize("p", PLACES)
@pytest.mark.parametrize("n", [1, 2, 25])
def test_value_is_that_of_dense_matrices(p: list[float], n: int) -> None:
    points, values, counts = measured(n)
    found, _ = _Evidence(points, values, counts, PRIORS)(np.array(p))
    assert found == pytest.approx(
        penalised(points, values, counts, SHAPE, ORDERED, np.array(p)), rel=1e-8, abs=1e-8
    )


@pytest.mark.parametrize("p", PLACES)
def test_gradient_is_that_of_finite_differences(p: list[float]) -> None:
    points, values, counts = measured()
    evidence = _Evidence(points, values, counts, PRIORS)
    error = check_grad(
        lambda q: evidence(q)[0],  # type: ignore[misc]
        lambda q: evidence(q)[1],  # type: ignore[misc]
        np.array(p),
        epsilon=1e-6,
    )
    assert error < 1e-3 * max(1.0, float(np.linalg.norm(evidence(np.array(p))[1])))
    for k in range(len(p)):  # central differences, one parameter after the other
        step = np.zeros(len(p))
        step[k] = 1e-5
        slope = (evidence(p + step)[0] - evidence(p - step)[0]) / 2e-5
        assert evidence(np.array(p))[1][k] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_gradient_holds_where_a_factor_of_the_covariance_is_zero() -> None:
    """theta = 1/2, three unordered levels: 1 + theta K is 0 between two; no division by it."""
    points, values = (
        np.array([[0, 0], [1, 3], [2, 3], [0, 5], [1, 1]]),
        np.array([0.3, -1.0, 0.5, 1.2, -0.4]),
    )
    evidence = _Evidence(points, values, np.ones(5), [AxisPrior(3, False), AxisPrior(6, True)])
    p = np.array([np.log(2.0), 0.2, -3.0, -2.0])
    factor = 1.0 + 2.0 * AxisPrior(3, False).covariance(0.0, np.array([0, 1]))[0]
    assert factor[0, 1] == pytest.approx(0.0)
    gradient = evidence(p)[1]
    for k in range(4):
        step = 1e-5 * np.eye(4)[k]
        assert gradient[k] == pytest.approx(
            (evidence(p + step)[0] - evidence(p - step)[0]) / 2e-5, rel=1e-4, abs=1e-5
        )


def test_the_maximum_is_one() -> None:
    """No step in a parameter gains more than the convergence tolerance, and the bounds hold."""
    points, values = at_points(
        lambda x, y, z: np.sin(5 * x) + y * y + 0.3 * (z > 0.5), SHAPE, 60, noise=0.1
    )
    fitted = maximise_evidence(points, values, np.ones(60), PRIORS)
    p = np.log([*fitted.theta, fitted.lam, fitted.noise_variance])
    there = penalised(points, values, np.ones(60), SHAPE, ORDERED, p)
    assert fitted.evidence == pytest.approx(-there, abs=1e-6)
    for k in range(5):
        for step in (-0.3, 0.3):
            low, high = (LOG_BOUNDS[0], LOG_BOUNDS[0], LOG_BOUNDS[0], LOG_BOUNDS[1], LOG_BOUNDS[2])[
                k
            ]
            q = p.copy()
            q[k] = np.clip(q[k] + step, low, high)
            assert penalised(points, values, np.ones(60), SHAPE, ORDERED, q) > there - 0.01


def test_smooth_functions_are_told_from_rough_ones() -> None:
    def smooth(x: Array, y: Array) -> Array:
        return (x - 0.3) ** 2 + 0.5 * np.sin(3 * y)

    def rough(x: Array, y: Array) -> Array:
        return np.sin(40 * x) + np.cos(37 * y)

    priors = [AxisPrior(20, True), AxisPrior(20, True)]
    lams = [
        maximise_evidence(*at_points(f, (20, 20), 100), np.ones(100), priors).lam
        for f in (smooth, rough)
    ]
    assert lams[0] > 5 * lams[1]


def test_axes_that_do_not_matter_get_small_weights() -> None:
    shape = (8, 8, 8, 8)
    points, values = at_points(
        lambda x, y, z, u: (x - 0.4) ** 2 + np.abs(z - 0.7), shape, 120, noise=0.05
    )
    theta = maximise_evidence(
        points, values, np.ones(120), [AxisPrior(m, True) for m in shape]
    ).theta
    assert min(theta[0], theta[2]) > 10 * max(theta[1], theta[3])


def test_an_unordered_axis_that_matters_is_found() -> None:
    points = some((6, 5, 7), 90)
    effect = np.array([0.0, 2.0, -1.0, 0.5, -1.5])[points[:, 1]]
    priors = [AxisPrior(6, True), AxisPrior(5, False), AxisPrior(7, False)]
    theta = maximise_evidence(points, effect / effect.std(), np.ones(90), priors).theta
    assert theta[1] > 10 * max(theta[0], theta[2])


def noise_sd(points: np.ndarray, values: np.ndarray, counts: np.ndarray) -> float:
    """Standard deviation of one measurement: noise times the profiled scale, in units of values."""
    fitted = maximise_evidence(points, values, counts, [AxisPrior(15, True), AxisPrior(15, True)])
    factors = factors_of((15, 15), (True, True), fitted.lam)
    covariance = product(factors, fitted.theta, points, points) + np.diag(
        fitted.noise_variance / counts
    )
    return float(
        np.sqrt(
            fitted.noise_variance * (values @ np.linalg.solve(covariance, values) / len(values))
        )
    )


@pytest.mark.parametrize("sd", [0.1, 0.5])
def test_the_noise_is_found(sd: float) -> None:
    points, values = at_points(lambda x, y: np.sin(4 * x) + (y - 0.5) ** 2, (15, 15), 150, noise=sd)
    assert noise_sd(points, values, np.ones(150)) == pytest.approx(sd, rel=0.3)


def test_counts_say_how_exact_the_values_are() -> None:
    """The same errors, of single measurements or of means of 25 with 5 times the uncertainty."""
    points, values = at_points(
        lambda x, y: np.sin(4 * x) + (y - 0.5) ** 2, (15, 15), 150, noise=0.3
    )
    assert noise_sd(points, values, np.full(150, 25.0)) == pytest.approx(5 * 0.3, rel=0.3)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_values_that_are_all_alike_do_not_fail(n: int) -> None:
    fitted = maximise_evidence(some(SHAPE, n), np.zeros(n), np.ones(n), PRIORS)
    assert np.isfinite([*fitted.theta, fitted.lam, fitted.noise_variance, fitted.evidence]).all()


def test_a_fixed_smoothness_stays() -> None:
    points, values = at_points(lambda x, y, z: x + y + z, SHAPE, 40)
    assert maximise_evidence(
        points, values, np.ones(40), PRIORS, log_lam=-1.25
    ).lam == pytest.approx(np.exp(-1.25))


def test_tables_hold_the_product_of_the_factors() -> None:
    factors = factors_of(SHAPE, ORDERED, 0.1)
    theta = np.array([0.5, 2.0, 1.0])
    tables = CovarianceTables.of([1.0 + t * k for t, k in zip(theta, factors, strict=True)])
    a, b = some(SHAPE, 12), some(SHAPE, 7, seed=1)
    b[2, 1], b[4, 0] = SHAPE[1], SHAPE[0]  # "does not exist here"
    np.testing.assert_allclose(tables.covariance(a, b), product(factors, theta, a, b), rtol=1e-12)


def test_repeats_tell_noise_from_roughness() -> None:
    """Ragged values are noise if repeats scatter as much, a rough function if repeats agree."""
    points = np.array(list(np.ndindex(12, 12)))[::2]
    values = np.random.default_rng(1).normal(size=72)
    counts, priors = np.full(72, 3.0), [AxisPrior(12, True), AxisPrior(12, True)]
    noisy, rough = (
        maximise_evidence(points, values, counts, priors, within=(72 * 6 * s, 144))
        for s in (1.0, 1e-4)
    )
    assert noisy.noise_variance / 3 > 5 * noisy.nugget
    assert rough.noise_variance / 3 < 0.01 * (rough.nugget + rough.theta.max())


def test_gradient_with_repeats() -> None:
    points, values = some((7, 5), 25), np.random.default_rng(2).normal(size=25)
    counts: Array = np.arange(25) % 3 + 1.0
    problem = _Evidence(
        points, values, counts, [AxisPrior(7, True), AxisPrior(5, True)], (14.0, 24)
    )
    p = np.array([-0.3, -1.2, -2.5, -1.1, -2.0])
    steps = 1e-6 * np.eye(5)
    numeric = [(problem(p + step)[0] - problem(p - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(problem(p)[1], numeric, rtol=1e-5, atol=1e-6)
