"""``fit`` against dense linear algebra on the whole grid, and what a user expects of a curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import make_smoothing_spline

from dsice.spline import SplineFit, fit, score_alphas
from tests.spline.oracles import Array, dense, restricted_likelihood


def line(seed: int, most: int = 40) -> tuple[int, Array, Array, Array]:
    """n, levels (with repeats, unsorted), values and weights of a random line."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, most))
    levels = np.r_[0, n // 2, n - 1, rng.integers(0, n, rng.integers(0, 9))]
    return (
        n,
        rng.permutation(levels),
        5.0 + rng.normal(size=len(levels)),
        rng.uniform(0.3, 3.0, len(levels)),
    )


@pytest.mark.parametrize("seed", range(25))
def test_curve_minimum_and_bands_are_those_of_the_full_system(seed: int) -> None:
    n, levels, values, weights = line(seed)
    for alpha in (0.2, 1.0, 8.0):
        curve, covariance = dense(levels, values, n, alpha**2, weights)
        found = fit(levels, values, n, alpha=alpha, weights=weights)
        np.testing.assert_allclose(found.curve(), curve, atol=1e-9)
        np.testing.assert_allclose([found.at(i) for i in range(n)], curve, atol=1e-9)
        assert found.minimum == pytest.approx(curve.min(), abs=1e-9)
        assert curve[found.argmin] == pytest.approx(curve.min(), abs=1e-9)
        assert found.at(found.argmin) == pytest.approx(found.minimum, abs=1e-12)
        leverages = np.diag(covariance)[list(found.levels)] * found.weights
        np.testing.assert_allclose(found.leverages, leverages, atol=1e-8)
        assert found.dof == pytest.approx(leverages.sum(), abs=1e-7)
        np.testing.assert_allclose(
            found.variance(np.arange(n)), found.sigma2 * np.diag(covariance), rtol=1e-6
        )
        assert found.variance(n - 1) == pytest.approx(found.sigma2 * covariance[-1, -1], rel=1e-6)
        np.testing.assert_allclose(
            found.residuals, np.array(found.values) - curve[list(found.levels)], atol=1e-9
        )


@pytest.mark.parametrize("seed", range(10))
def test_variance_is_that_of_a_pseudo_measurement(seed: int) -> None:
    """If a further measurement has weight 1 and leverage 1 - om, the variance is (1 - om) / om."""
    n, levels, values, weights = line(seed, 300)
    found = fit(levels, values, n, alpha=0.7, weights=weights)
    for x in set(range(0, n, 17)) - set(levels.tolist()):
        more = fit([*levels, x], [*values, 0.0], n, alpha=0.7, weights=[*weights, 1.0])
        om = 1.0 - more.leverages[more.levels.index(x)]
        assert found.variance(x) / found.sigma2 == pytest.approx((1.0 - om) / om, rel=1e-6)


def test_pseudo_measurement_holds_for_long_gaps_and_extreme_alpha() -> None:
    n, levels, values = (
        1_000_000,
        [0, 1, 40, 77_000, 500_000, 500_001, 999_990],
        [1.0, 2.0, 0.0, 4.0, 3.0, 1.0, 5.0],
    )
    for alpha in (1e-3, 0.5, 1e3, 1e6):
        found = fit(levels, values, n, alpha=alpha)
        for x in (2, 39, 1000, 300_000, 750_000, 999_999):
            more = fit([*levels, x], [*values, 0.0], n, alpha=alpha)
            om = more._residual_dof[more.levels.index(x)]  # 1 - leverage, before it loses digits
            assert found.variance(x) / found.sigma2 == pytest.approx((1.0 - om) / om, rel=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_leave_one_out_and_gcv(seed: int) -> None:
    n, _, _, _ = line(seed)
    rng = np.random.default_rng(seed)
    levels = np.sort(rng.choice(n, min(n, 8), replace=False)).tolist()
    values, weights = rng.normal(size=len(levels)), rng.uniform(0.5, 2.0, len(levels))
    found = fit(levels, values, n, alpha=0.6, weights=weights)
    if len(levels) < 4:
        return
    away = []
    for i, level in enumerate(levels):
        others = [j for j in range(len(levels)) if j != i]
        less = fit(
            [levels[j] for j in others], values[others], n, alpha=0.6, weights=weights[others]
        )
        away.append(values[i] - less.at(level))
    assert found.loo == pytest.approx(np.average(np.square(away), weights=weights), rel=1e-8)
    k = len(levels)
    rss = float(weights @ found.residuals**2)
    assert found.gcv == pytest.approx((rss / k) / (1.0 - found.dof / k) ** 2, rel=1e-8)


@pytest.mark.parametrize("repeats", [False, True])
def test_reml_is_the_restricted_likelihood_of_all_measurements(repeats: bool) -> None:
    """Compare differences between alphas (constants do not count); repeats count one by one."""
    rng = np.random.default_rng(7)
    levels = [0, 3, 4, 9, 10, 14, 19] + ([3, 9, 9] if repeats else [])
    values = rng.normal(size=len(levels))
    alphas = [0.05, 0.4, 1.0, 6.0]
    expected = [restricted_likelihood(levels, values, 20, alpha**2) for alpha in alphas]
    found = [fit(levels, values, 20, alpha=alpha).reml for alpha in alphas]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-7)


def test_reml_choice_is_the_lowest_score_plus_prior() -> None:
    rng = np.random.default_rng(8)
    for k in (6, 9, 20):
        levels = np.sort(rng.choice(64, k, replace=False))
        values = np.sin(levels / 9.0) + 0.3 * rng.normal(size=k)
        tenths = np.arange(-80, 81) / 10.0
        scores = score_alphas(levels, values, 64, 10.0 ** (tenths / 2)).reml + (tenths + 0.5) ** 2
        assert abs(2 * np.log10(fit(levels, values, 64).alpha) - tenths[scores.argmin()]) < 0.11


def test_few_knots_get_the_fixed_alpha() -> None:
    assert fit([0, 4, 9, 12, 15], [3.0, 1.0, 2.0, 4.0, 8.0], 16).alpha == 0.5
    assert fit([0, 4, 9, 12, 15], [3.0, 1.0, 2.0, 4.0, 8.0], 16, weights=[100.0] * 5).alpha == 5.0
    # on a straight line the residuals are rounding only
    assert fit(range(16), [0.1 * i for i in range(16)], 16).alpha == 0.5


def test_chosen_curve_does_not_depend_on_units() -> None:
    """Shifting and scaling the values, and scaling inverse variances, change nothing else."""
    rng = np.random.default_rng(9)
    levels, values = np.sort(rng.choice(50, 12, replace=False)), rng.normal(size=12)
    plain = fit(levels, values, 50)
    for scale, shift in [
        (1e6, -3e6),
        (1e-9, 0.0),
        (1e150, 0.0),
        (1e-150, 0.0),
        (3.0, 1e4),
        (1e305, 0.0),
        (1e-300, 0.0),
    ]:
        other = fit(levels, values * scale + shift, 50)
        assert (other.argmin, other.alpha) == (plain.argmin, plain.alpha)
        np.testing.assert_allclose((other.curve() - shift) / scale, plain.curve(), atol=1e-9)
    heavy = fit(levels, values, 50, weights=[1e8] * 12)
    assert heavy.alpha == pytest.approx(1e4 * plain.alpha)
    np.testing.assert_allclose(heavy.curve(), plain.curve(), atol=1e-9)


def test_mirrored_line_gives_the_mirrored_curve() -> None:
    rng = np.random.default_rng(10)
    levels, values = np.sort(rng.choice(50, 12, replace=False)), rng.normal(size=12)
    for spacing in (None, np.cumsum(rng.uniform(0.1, 3.0, 50))):
        there = fit(levels, values, 50, alpha=0.8, spacing=spacing)
        back = fit(
            49 - levels, values, 50, alpha=0.8, spacing=None if spacing is None else -spacing[::-1]
        )
        np.testing.assert_allclose(back.curve()[::-1], there.curve(), atol=1e-10)
        np.testing.assert_allclose(
            back.variance(range(50))[::-1], there.variance(range(50)), rtol=1e-8
        )


def test_repeats_are_weights() -> None:
    once = fit([2, 5, 8, 11], [1.0, 2.5, 0.0, 4.0], 12, alpha=0.9, weights=[1, 2, 1, 3])
    apart = fit([11, 5, 2, 8, 11, 5, 11], [4.5, 2.0, 1.0, 0.0, 3.0, 3.0, 4.5], 12, alpha=0.9)
    assert apart.levels == once.levels
    assert apart.values == once.values
    assert apart.weights == once.weights
    np.testing.assert_allclose(apart.curve(), once.curve(), atol=1e-12)
    unmeasured = fit(
        [2, 5, 8, 11, 3], [1.0, 2.5, 0.0, 4.0, 99.0], 12, alpha=0.9, weights=[1, 2, 1, 3, 0]
    )
    np.testing.assert_array_equal(unmeasured.curve(), once.curve())


def test_real_spacing_is_the_natural_cubic_smoothing_spline() -> None:
    rng = np.random.default_rng(11)
    places = np.sort(rng.uniform(0.0, 7.0, 30))
    unit = (places[-1] - places[0]) / 29
    levels, values = np.sort(rng.choice(30, 11, replace=False)), rng.normal(size=11)
    weights = rng.uniform(0.5, 2.0, 11)
    for alpha in (0.1, 1.0, 20.0):
        found = fit(levels, values, 30, alpha=alpha, weights=weights, spacing=places)
        scipys = make_smoothing_spline(places[levels], values, w=weights, lam=alpha**2 * unit**3)
        inside = places[levels[0] : levels[-1] + 1]
        curve = found.curve()
        np.testing.assert_allclose(curve[levels[0] : levels[-1] + 1], scipys(inside), atol=1e-9)
        assert found.minimum == pytest.approx(curve.min(), abs=1e-12)
        assert curve[found.argmin] == pytest.approx(curve.min(), abs=1e-12)
    alike = (
        fit(levels, values, 30, spacing=places),
        fit(levels, values, 30, spacing=1e6 * places - 4),
    )
    # the unit of the positions does not matter
    np.testing.assert_allclose(alike[0].curve(), alike[1].curve(), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "size", "first"), [("refined", 3 * 20 + 2, 2), ("ppopen-at", 3 * 20, 0)]
)
def test_published_grids(name: str, size: int, first: int) -> None:
    """The curve on all markers, and the level nearest to the lowest marker.

    The first marker after a level belongs to that level, the second to the next.
    """
    rng = np.random.default_rng(12)
    for _ in range(30):
        levels = np.sort(rng.choice(20, int(rng.integers(3, 10)), replace=False))
        values = rng.normal(size=len(levels))
        curve, _ = dense(first + 3 * levels, values, size, 0.01, np.ones(len(levels)))
        found = fit(levels, values, 20, alpha=0.1, spacing=name)
        np.testing.assert_allclose(found.markers(), curve, atol=1e-8)
        np.testing.assert_allclose(found.curve(), curve[first : first + 60 : 3], atol=1e-8)
        nearest = [min(max((marker - first + 1) // 3, 0), 19) for marker in range(size)]
        lowest = {nearest[marker] for marker in np.flatnonzero(curve <= curve.min() + 1e-9)}
        assert found.argmin in lowest
        assert found.minimum == found.at(found.argmin)


def test_uneven_weights_and_the_stiffest_curves_stay_finite() -> None:
    """Clusters of levels, weights a million apart, alpha up to 1e8.

    No digits are promised here, but the result is finite and sane.
    """
    rng = np.random.default_rng(16)
    for _ in range(150):
        n = 10 ** int(rng.integers(2, 7))
        levels = np.unique(np.add.outer(rng.integers(0, n - 3, 15), np.arange(3)))
        values, weights = rng.normal(size=len(levels)), 10.0 ** rng.uniform(-3, 3, len(levels))
        found = fit(levels, values, n, alpha=10.0 ** rng.uniform(4, 8), weights=weights)
        assert np.abs(found.at(levels)).max() < 10.0
        assert 1.0 < found.dof < len(levels) + 0.1
        assert np.isfinite(found.variance(levels)).all()


def test_ties_go_to_the_first_level() -> None:
    assert fit([1, 4], [2.0, 2.0], 6).argmin == 0
    assert fit([3], [2.0], 6).argmin == 0
    assert fit([0, 3, 6], [1.0, 2.0, 1.0], 7, alpha=1e-6).argmin == 0


def test_a_minimum_barely_below_its_neighbours_is_found() -> None:
    """Between knots that are equally low, where the search could give up too early."""
    rng = np.random.default_rng(15)
    inside = 0
    for _ in range(300):
        levels = np.sort(rng.choice(60, 6, replace=False))
        found = fit(levels, 0.01 * rng.normal(size=6), 60, alpha=10.0 ** rng.uniform(-3, 1))
        curve = found.curve()
        assert found.minimum == pytest.approx(curve.min(), abs=1e-15)
        assert found.argmin == curve.argmin()
        inside += found.argmin not in found.levels and levels[0] < found.argmin < levels[-1]
    assert inside > 30


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_lowest_level_is_found_without_looking_at_all(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    levels = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=12))
    values = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=len(levels), max_size=len(levels)))
    spacing = data.draw(st.sampled_from([None, "refined", np.geomspace(1.0, 1e3, n)]))
    alpha: Any = data.draw(st.sampled_from([1e-6, 0.1, 1.0, 1e3, 1e6, "reml"]))
    found = fit(levels, values, n, alpha=alpha, spacing=spacing)
    curve = found.curve()
    room = 1e-9 * (1.0 + np.abs(curve).max())
    assert found.minimum == pytest.approx(curve[found.argmin], abs=room)
    if not isinstance(spacing, str):  # on a refined grid the lowest marker decides
        assert found.minimum <= curve.min() + room
    assert np.isfinite(curve).all()
    assert not np.isnan(found.variance(range(n))).any()
    assert not np.isnan([found.gcv, found.loo, found.reml, found.sigma2, found.dof]).any()
    assert (found.leverages >= 0.0).all() and (found.leverages <= 1.0).all()


def test_few_measurements() -> None:
    one = fit([2], [7.0], 5)
    np.testing.assert_array_equal(one.curve(), [7.0] * 5)
    assert np.isinf(one.variance(range(5))).all()
    two = fit([1, 3], [1.0, 2.0], 5)
    np.testing.assert_allclose(two.curve(), [0.5, 1.0, 1.5, 2.0, 2.5])
    assert (two.argmin, two.dof, two.gcv, two.loo, two.reml) == (0, 2.0, np.inf, np.inf, np.inf)
    noisy = fit([1, 3, 3], [1.0, 1.5, 2.5], 5, alpha=1.0)
    assert noisy.sigma2 == pytest.approx(0.5)
    assert noisy.variance(3) == pytest.approx(0.25)
    assert fit([0], [3.0], 1).argmin == 0
    assert fit([1, 0], [3.0, 4.0], 2).argmin == 1


def test_smoothness_runs_from_interpolation_to_the_regression_line() -> None:
    rng = np.random.default_rng(13)
    levels, values = np.arange(0, 40, 4), rng.normal(size=10)
    assert fit(levels, values, 40, alpha=1e-8).dof == pytest.approx(10.0)
    np.testing.assert_allclose(fit(levels, values, 40, alpha=1e-8).curve()[::4], values, atol=1e-12)
    stiff = fit(levels, values, 40, alpha=1e8)
    np.testing.assert_allclose(
        stiff.curve(), np.polyval(np.polyfit(levels, values, 1), np.arange(40)), atol=1e-8
    )
    dofs = [fit(levels, values, 40, alpha=10.0**i).dof for i in range(-4, 5)]
    assert dofs == sorted(dofs, reverse=True)


def test_curve_of_very_many_levels_is_compiled_and_the_same() -> None:
    found = fit([0, 30, 70_000, 119_999], [1.0, 0.0, 2.0, 5.0], 120_000, alpha=100.0)
    np.testing.assert_allclose(found.curve(), found.at(np.arange(120_000)), rtol=1e-12)
    out = np.empty(120_000)
    assert found.curve(out) is out


def test_scores_of_many_alphas() -> None:
    rng = np.random.default_rng(14)
    levels, values, weights = (
        np.sort(rng.choice(64, 30, replace=False)),
        rng.normal(size=30),
        rng.uniform(0.5, 2.0, 30),
    )
    alphas = np.geomspace(1e-3, 1e3, 80)
    bulk = score_alphas(levels, values, 64, alphas, weights=weights)
    for name, packed in bulk._asdict().items():
        one_by_one = [
            getattr(fit(levels, values, 64, alpha=float(a), weights=weights), name) for a in alphas
        ]
        np.testing.assert_allclose(packed, one_by_one, rtol=1e-8)
    few = score_alphas([3, 3, 5], [1.0, 2.0, 3.0], 9, [0.1])
    assert np.isinf(few.gcv).all()


def test_repr_says_what_matters() -> None:
    assert repr(fit([0, 3], [1.0, 2.0], 4)) == "SplineFit(k=2, n=4, alpha=0.5, argmin=0, minimum=1)"
    assert isinstance(fit([0], [1], 1), SplineFit)
