"""The covariance of one axis against the plain inverse of its precision."""

from __future__ import annotations

import numpy as np
import pytest

from dsice.spline.evidence import AxisPrior
from tests.spline.grids import axis_covariance, exchangeable

LOG_LAMS = (-7.0, -3.0, 0.0, 3.0)


@pytest.mark.parametrize("m", [2, 3, 4, 17, 60])
@pytest.mark.parametrize("log_lam", LOG_LAMS)
def test_covariance_is_the_inverse_of_the_precision_centred_and_scaled(
    m: int, log_lam: float
) -> None:
    value, _ = AxisPrior(m, True).covariance(log_lam, np.arange(m))
    np.testing.assert_allclose(value, axis_covariance(m, np.exp(log_lam)), atol=1e-9)


def test_seven_hundred_levels() -> None:
    """700 levels, bending beside slope: the plain inverse itself is right to only about 1e-6."""
    value, slope = AxisPrior(700, True).covariance(-3.0, np.arange(700))
    np.testing.assert_allclose(value, axis_covariance(700, np.exp(-3.0)), atol=1e-5)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("m", [2, 3, 30, 700])
@pytest.mark.parametrize("ordered", [True, False])
def test_an_effect_sums_to_zero_and_has_mean_variance_one(m: int, ordered: bool) -> None:
    value, slope = AxisPrior(m, ordered).covariance(-2.0, np.arange(m))
    np.testing.assert_allclose(value.sum(axis=0), 0.0, atol=1e-9)
    assert np.diag(value).mean() == pytest.approx(1.0)
    assert np.diag(slope).mean() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(value, value.T, atol=1e-12)


@pytest.mark.parametrize("m", [2, 3, 25, 700])
@pytest.mark.parametrize("log_lam", LOG_LAMS)
def test_derivative_is_that_of_finite_differences(m: int, log_lam: float) -> None:
    prior, at, step = AxisPrior(m, True), np.unique(np.linspace(0, m, 9).astype(np.int64)), 1e-4
    above, below = (prior.covariance(log_lam + s, at)[0] for s in (step, -step))
    np.testing.assert_allclose(
        prior.covariance(log_lam, at)[1], (above - below) / (2 * step), atol=1e-6
    )


def test_more_smoothness_means_that_neighbours_agree_more() -> None:
    """And the ends of a stiff axis are opposites: what is left is a straight line."""
    rough, smooth = (AxisPrior(20, True).covariance(x, np.arange(20))[0] for x in (-8.0, 3.0))
    assert smooth[0, 1] / np.sqrt(smooth[0, 0] * smooth[1, 1]) > rough[0, 1] / np.sqrt(
        rough[0, 0] * rough[1, 1]
    )
    assert smooth[0, 19] / smooth[0, 0] < -0.95 < rough[0, 19] / rough[0, 0]


@pytest.mark.parametrize("m", [2, 3, 8])
def test_levels_without_an_order_are_all_alike(m: int) -> None:
    value, slope = AxisPrior(m, False).covariance(1.0, np.arange(m))
    np.testing.assert_allclose(value, exchangeable(m), atol=1e-12)
    assert not slope.any()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_single_level_has_no_effect(ordered: bool) -> None:
    value, slope = AxisPrior(1, ordered).covariance(-3.0, np.array([0, 0, 1]))
    assert not value.any() and not slope.any()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_parameter_that_does_not_exist_has_no_effect_and_changes_nothing_elsewhere(
    ordered: bool,
) -> None:
    prior = AxisPrior(5, ordered)
    plain, mixed = (prior.covariance(-3.0, np.array(at)) for at in ([0, 3, 3], [0, 5, 3, 5, 3]))
    for without, with_holes in zip(plain, mixed, strict=True):
        assert not with_holes[[1, 3]].any() and not with_holes[:, [1, 3]].any()
        np.testing.assert_array_equal(with_holes[np.ix_([0, 2, 4], [0, 2, 4])], without)


def test_levels_may_come_in_any_order_and_repeat() -> None:
    prior, at = AxisPrior(9, True), np.array([7, 0, 7, 3])
    np.testing.assert_allclose(
        prior.covariance(-1.0, at)[0],
        prior.covariance(-1.0, np.arange(9))[0][np.ix_(at, at)],
        atol=1e-12,
    )
