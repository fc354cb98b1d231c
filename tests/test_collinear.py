"""The trend and the fits on lines: what they find on functions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from dsice.collinear import LINE_ALPHA, TREND_WEIGHT, Known, fit_trend, line_fit


def grid_points(shape: tuple[int, ...], n: int, seed: int = 0) -> np.ndarray:
    return np.stack([np.random.default_rng([seed, j]).integers(m, size=n) for j, m in enumerate(shape)], axis=1)


def test_the_trend_finds_the_effects_of_an_additive_function() -> None:
    shape = (9, 12, 4)
    points = grid_points(shape, 120)
    effects = [np.cos(np.arange(9) / 2), 0.02 * (np.arange(12) - 7.0) ** 2, np.array([0.0, 1.0, -1.0, 0.3])]
    values = sum(e[points[:, j]] for j, e in enumerate(effects))
    trend = fit_trend(points, values, shape, (True, True, False))
    everywhere = np.array(list(np.ndindex(shape)))
    truth = sum(e[everywhere[:, j]] for j, e in enumerate(effects))
    assert np.corrcoef(trend.at(everywhere), truth)[0, 1] > 0.99
    assert trend.sigma < 0.2 * values.std()


def test_an_unordered_axis_does_not_care_for_the_order_of_its_levels() -> None:
    points, names = grid_points((5, 6), 60), np.array([3, 0, 4, 1, 2])
    values = np.array([0.0, 5.0, 1.0, 4.0, 2.0])[points[:, 0]] + points[:, 1]
    renamed = np.stack([names[points[:, 0]], points[:, 1]], axis=1)
    plain, other = fit_trend(points, values, (5, 6), (False, True)), fit_trend(renamed, values, (5, 6), (False, True))
    assert np.allclose(plain.effects[0], other.effects[0][names])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_measurements_give_a_finite_trend(n: int) -> None:
    trend = fit_trend(grid_points((5, 5), n), np.arange(float(n)), (5, 5), (True, True))
    assert np.isfinite(trend.at(grid_points((5, 5), 25))).all() and trend.sigma > 0


def dense(values: np.ndarray, weights: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The d-spline by its definition: min sum w (y - f)^2 + alpha^2 |D f|^2."""
    d = np.diff(np.eye(len(values)), n=2, axis=0)
    inverse = np.linalg.inv(np.diag(weights) + alpha**2 * d.T @ d)
    return inverse @ (weights * values), np.sqrt(np.diag(inverse))


def test_a_line_fit_is_the_d_spline_that_returns_to_the_trend() -> None:
    points = [(i, 2) for i in range(7)]
    known = {(1, 2): Known(-1.0, 1), (4, 2): Known(2.0, 3), (5, 2): Known(0.0, 0)}
    values = np.array([0, -1.0, 0, 0, 2.0, 0, 0])
    weights = np.array([TREND_WEIGHT, 1, TREND_WEIGHT, TREND_WEIGHT, 3, TREND_WEIGHT, TREND_WEIGHT])
    mean, sd = line_fit(points, known)
    assert np.allclose(mean, dense(values, weights, LINE_ALPHA)[0], atol=1e-9)
    weights[5] = 1.0  # the pending point narrows, and has no say in the mean
    assert np.allclose(sd, dense(values, weights, LINE_ALPHA)[1], atol=1e-9)


def test_a_line_without_measurements_is_the_trend_and_wider_than_one_with() -> None:
    points = [(i,) for i in range(6)]
    mean, sd = line_fit(points, {})
    assert not mean.any()
    assert (line_fit(points, {(2,): Known(0.0, 0)})[1] <= sd).all()


@pytest.mark.parametrize("length", [1, 2])
def test_the_shortest_lines_have_fits_too(length: int) -> None:
    mean, sd = line_fit([(i,) for i in range(length)], {(0,): Known(1.0, 2)})
    assert mean[0] > 0.9 and np.isfinite(sd).all()
