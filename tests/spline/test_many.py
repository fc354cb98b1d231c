"""``fit_many`` equals ``fit`` line by line, however the batch is packed or computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dsice.errors import FitError
from dsice.spline import fit_many, kernels, many, plain, smoothing
from tests.spline.lines import Batch, ragged


def agree(fits: Any, batch: Batch, weighted: bool, **options: object) -> None:
    """All outputs of every line equal ``fit`` to 1e-12 (ill-conditioned variances: to 1e-9)."""
    for i in range(len(batch.sizes)):
        one = batch.line(i, weighted, **options)
        size = max(1.0, np.abs(one.curve()).max())
        assert (fits.argmin[i], fits.dof[i]) == (one.argmin, pytest.approx(one.dof, abs=1e-9))
        assert fits.alpha[i] == pytest.approx(one.alpha, rel=1e-12)
        assert fits.minimum[i] == pytest.approx(one.minimum, abs=1e-12 * size)
        assert fits.sigma2[i] == pytest.approx(one.sigma2, rel=1e-9)
        np.testing.assert_allclose(fits.curve(i), one.curve(), atol=1e-12 * size, rtol=0)
        np.testing.assert_allclose(fits.variance(i), one.variance(np.arange(one.n)), rtol=1e-9)


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("spacing", [None, "refined"])
@pytest.mark.parametrize("alpha", ["reml", 0.1])
def test_bulk_equals_single_fits(
    repeats: bool, weighted: bool, spacing: str | None, alpha: float | str
) -> None:
    batch = ragged(130, np.random.default_rng(1), repeats=repeats)
    assert len(batch.levels) >= many.BULK_FROM
    options = {"alpha": alpha, "spacing": spacing}
    weights = batch.weights if weighted else None
    fits = fit_many(
        *batch[:3],
        batch.sizes,
        weights=weights,
        curves=True,
        variances=True,
        **options,  # type: ignore[arg-type]
    )
    agree(fits, batch, weighted, **options)


def test_small_batches_do_not_need_numba_and_agree_too() -> None:
    batch = ragged(20, np.random.default_rng(2), repeats=True)
    assert len(batch.levels) < many.BULK_FROM
    fits = fit_many(*batch[:3], batch.sizes, weights=batch.weights, curves=True, variances=True)
    agree(fits, batch, weighted=True)


def test_stiff_curves_agree() -> None:
    batch = ragged(130, np.random.default_rng(3))
    agree(
        fit_many(*batch[:3], batch.sizes, alpha=1e5, curves=True, variances=True),
        batch,
        weighted=False,
        alpha=1e5,
    )


def test_threads_change_nothing() -> None:
    batch = ragged(800, np.random.default_rng(4))
    there = fit_many(*batch[:3], batch.sizes, curves=True, variances=True)
    here = fit_many(*batch[:3], batch.sizes, curves=True, variances=True, parallel=False)
    for name in ("argmin", "minimum", "alpha", "sigma2", "dof", "curves", "variances"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


def test_extreme_values_in_some_lines() -> None:
    batch = ragged(130, np.random.default_rng(5), fewest=3)
    plainly = fit_many(*batch[:3], batch.sizes, curves=True, variances=True)
    factor = np.repeat(np.where(np.arange(130) % 3 == 0, 1e200, 1.0), np.diff(batch.offsets))
    found = fit_many(
        batch.offsets, batch.levels, batch.values * factor, batch.sizes, curves=True, variances=True
    )
    np.testing.assert_array_equal(found.argmin, plainly.argmin)
    np.testing.assert_allclose(found.curve(3), plainly.curve(3) * 1e200, rtol=1e-9)
    np.testing.assert_allclose(found.curve(4), plainly.curve(4))
    assert found.curves is not None and not np.isnan(found.curves).any()
    assert found.variances is not None and not np.isnan(found.variances).any()


def test_input_is_left_alone_and_may_be_read_only_strided_or_lists() -> None:
    batch = ragged(130, np.random.default_rng(6), repeats=True)
    first = fit_many(*batch[:3], batch.sizes)
    for array in batch:
        array.setflags(write=False)
    again = fit_many(*batch[:3], batch.sizes)
    strided = fit_many(
        np.repeat(batch.offsets, 2)[::2],
        np.repeat(batch.levels, 2)[::2],
        batch.values[::-1][::-1],
        batch.sizes,
    )
    offsets, levels, values = (array.tolist() for array in batch[:3])
    lists = fit_many(offsets, levels, values, batch.sizes.astype(np.int16))
    for other in (again, strided, lists):
        np.testing.assert_array_equal(other.minimum, first.minimum)


def test_packing_of_results() -> None:
    fits = fit_many([0, 2, 3], [0, 2, 1], [1.0, 3.0, 5.0], [3, 4], curves=True)
    assert len(fits) == 2
    assert fits.starts.tolist() == [0, 3, 7]
    np.testing.assert_allclose(fits.curve(0), [1.0, 2.0, 3.0])
    np.testing.assert_allclose(fits.curve(-1), [5.0] * 4)
    with pytest.raises(FitError, match="variances=True"):
        fits.variance(0)
    with pytest.raises(IndexError):
        fits.curve(2)
    nothing = fit_many([0], [], [], 8, curves=True)
    assert nothing.curves is not None and (len(nothing), nothing.curves.tolist()) == (0, [])


@pytest.mark.parametrize("bulk", [False, True])
def test_bad_lines_are_named(bulk: bool) -> None:
    batch = ragged(130 if bulk else 9, np.random.default_rng(7), fewest=3)
    at = int(batch.offsets[7])

    def changed(name: str, value: float) -> Batch:
        return batch._replace(
            **{name: np.where(np.arange(len(batch.levels)) == at, value, getattr(batch, name))}
        )

    for name, value, message in [
        ("levels", 99, "line 7: levels.0.: expected a level of the line"),
        ("levels", -1, "line 7: levels.0.: expected a level of the line"),
        ("values", np.nan, "line 7: values.0.: expected a finite value, got nan"),
        ("weights", -1.0, "line 7: weights.0.: expected a count"),
    ]:
        bad = changed(name, value)
        with pytest.raises(FitError, match=message):
            fit_many(*bad[:3], bad.sizes, weights=bad.weights)
    with pytest.raises(FitError, match="line 0: n: expected"):
        fit_many(*batch[:3], 0)


def test_batches_that_do_not_fit_together() -> None:
    wrong: list[tuple[Any, Any, Any, Any, str]] = [
        ([0, 2], [1], [1.0], 4, "offsets: expected them to run"),
        ([1, 2], [1, 2], [1.0, 2.0], 4, "offsets: expected them to run"),
        ([0, 0, 2], [1, 2], [1.0, 2.0], 4, "line 0 has none"),
        ([0, 2], [1, 2], [1.0], 4, "equal lengths"),
        ([0, 2], [1, 2], [1.0, 2.0], [4, 5], "n: expected one number"),
        ([0, 2], [1.5, 2], [1.0, 2.0], 4, "levels: expected whole numbers"),
        ([0, 2], [1, 2], ["a", "b"], 4, "values: expected numbers"),
    ]
    for offsets, levels, values, n, message in wrong:
        with pytest.raises(FitError, match=message):
            fit_many(offsets, levels, values, n)
    with pytest.raises(FitError, match="real positions"):
        fit_many([0, 1], [0], [1.0], 2, spacing=[0.0, 1.0])  # type: ignore[arg-type]
    with pytest.raises(FitError, match="alpha: expected"):
        fit_many([0, 1], [0], [1.0], 2, alpha="gcv")


def test_kernels_repeat_the_constants_of_the_plain_path() -> None:
    """They cannot import them: numba's cache would not notice a change."""
    assert (kernels.THIRD, kernels.SIXTH, kernels.REFINE_FROM) == (
        plain.THIRD,
        plain.SIXTH,
        plain.REFINE_FROM,
    )
    for name in ("REML_KNOTS", "DEFAULT_LAM", "PRIOR_MEAN", "STEPS_PER_DECADE", "MAX_RATIO"):
        assert getattr(kernels, name) == getattr(smoothing, name)
