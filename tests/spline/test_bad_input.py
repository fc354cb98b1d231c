"""What cannot be fitted is refused with a message that names the argument; nothing becomes NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dsice.errors import DsiceError, FitError
from dsice.spline import fit

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("levels", "values", "n", "options", "message"),
    [
        ([], [], 4, {}, "levels: expected at least one"),
        ([0, 1], [1.0], 4, {}, "values: expected one value per level"),
        ([0, 4], [1.0, 2.0], 4, {}, r"levels\[1\]: expected a level of the line, 0 to 3, got 4"),
        ([0, -1], [1.0, 2.0], 4, {}, r"levels\[1\]: expected a level of the line, 0 to 3, got -1"),
        ([0, 1.5], [1.0, 2.0], 4, {}, r"levels\[1\]: expected a whole number, got 1.5"),
        ([0, True], [1.0, 2.0], 4, {}, r"levels\[1\]: expected a whole number, got True"),
        ([0, None], [1.0, 2.0], 4, {}, r"levels\[1\]: expected a whole number, got None"),
        ("01", [1.0, 2.0], 4, {}, "levels: expected a sequence"),
        (3, [1.0], 4, {}, "levels: expected a sequence"),
        (np.array(3), [1.0], 4, {}, "levels: expected a sequence"),
        ([[0, 1]], [1.0], 4, {}, r"levels\[0\]: expected a whole number"),
        ([0, 1], [1.0, NAN], 4, {}, r"values\[1\]: expected a finite value, got nan; leave failed"),
        ([0, 1], [1.0, INF], 4, {}, r"values\[1\]: expected a finite value, got inf"),
        ([0, 1, 2], [INF, 1.0, -INF], 4, {}, r"values\[0\]: expected a finite value, got inf"),
        ([0, 1], [1.0, "2.0"], 4, {}, r"values\[1\]: expected a number, got '2.0'"),
        ([0, 1], [1.0, None], 4, {}, r"values\[1\]: expected a number, got None"),
        ([0, 1], [1.0, 1j], 4, {}, r"values\[1\]: expected a number"),
        ([0, 1], [1.0, 10**400], 4, {}, r"values\[1\]: expected a number"),
        ([0], [1.0], 0, {}, "n: expected the number of levels on the line, at least 1, got 0"),
        ([0], [1.0], 2.5, {}, "n: expected a whole number, got 2.5"),
        ([0], [1.0], "4", {}, "n: expected a whole number, got '4'"),
        (
            [0, 1],
            [1.0, 2.0],
            4,
            {"weights": [1.0, -1.0]},
            r"weights\[1\]: expected a count or an inverse variance",
        ),
        (
            [0, 1],
            [1.0, 2.0],
            4,
            {"weights": [1.0, NAN]},
            r"weights\[1\]: expected a count or an inverse variance",
        ),
        ([0, 1], [1.0, 2.0], 4, {"weights": [1.0]}, "weights: expected one weight per level"),
        ([0, 1], [1.0, 2.0], 4, {"weights": [0, 0]}, "weights: all are zero"),
        ([0, 1], [1.0, 2.0], 4, {"weights": [1e-4, 1e4]}, "weights: expected them within a factor"),
        ([0, 1], [1.0, 2.0], 4, {"alpha": -1.0}, 'alpha: expected "reml" or a number'),
        ([0, 1], [1.0, 2.0], 4, {"alpha": 0}, 'alpha: expected "reml" or a number'),
        ([0, 1], [1.0, 2.0], 4, {"alpha": NAN}, 'alpha: expected "reml" or a number'),
        ([0, 1], [1.0, 2.0], 4, {"alpha": "gcv"}, "alpha: expected .* got 'gcv'"),
        ([0, 1], [1.0, 2.0], 4, {"alpha": None}, "alpha: expected .* got None"),
        (
            [0, 1],
            [1.0, 2.0],
            4,
            {"spacing": "fine"},
            "spacing: expected one of .'ppopen-at', 'refined'. or 4 positions",
        ),
        (
            [0, 1],
            [1.0, 2.0],
            4,
            {"spacing": [0, 1, 2]},
            "spacing: expected one position for each of the 4 levels, got 3",
        ),
        (
            [0, 1],
            [1.0, 2.0],
            4,
            {"spacing": [0, 1, 1, 2]},
            "spacing: positions must be finite and strictly increasing",
        ),
        ([0, 1], [1.0, 2.0], 4, {"spacing": [0, 1, NAN, 2]}, "spacing: positions must be finite"),
        ([0, 1], [1.0, 2.0], 4, {"spacing": [0, 1e-12, 1, 2]}, "spacing: two positions are closer"),
        ([0, 1], [1.0, 2.0], 4, {"spacing": 3.0}, "spacing: expected 4 numbers"),
    ],
)
def test_refused(
    levels: object, values: object, n: object, options: dict[str, object], message: str
) -> None:
    with pytest.raises(FitError, match=message) as caught:
        fit(levels, values, n, **options)  # type: ignore[arg-type]
    assert isinstance(caught.value, DsiceError | ValueError)


@pytest.mark.parametrize("x", [-1, 4, 3.5, NAN, [0, 9], "a", None])
def test_no_curve_off_the_line(x: object) -> None:
    curve = fit([0, 2], [1.0, 2.0], 4)
    for look in (curve.at, curve.variance):
        with pytest.raises(FitError, match="x: expected levels 0 to 3"):
            look(x)  # type: ignore[call-overload]


def test_curve_into_an_unfit_array() -> None:
    curve = fit([0, 2], [1.0, 2.0], 4)
    for out in (np.empty(3), np.empty(4, np.float32), np.empty(8)[::2]):
        with pytest.raises(FitError, match="out: expected"):
            curve.curve(out)  # type: ignore[arg-type]


def test_accepted_in_many_shapes() -> None:
    plain = fit([0, 2, 3], [1.0, 2.0, 4.0], 5, alpha=0.5)
    for levels, values, n in [
        (np.array([0, 2, 3], np.int8), np.array([1.0, 2.0, 4.0], np.float32), np.int64(5)),
        ((3, 0, 2), (4, 1, 2), 5.0),
        (iter([0.0, 2.0, 3.0]), [np.float64(1.0), 2, 4.0], 5),
        ({0: 1.0, 2: 2.0, 3: 4.0}.keys(), {0: 1.0, 2: 2.0, 3: 4.0}.values(), 5),
    ]:
        other = fit(levels, values, n, alpha=np.float64(0.5))  # type: ignore[arg-type]
        np.testing.assert_array_equal(other.curve(), plain.curve())
        assert type(other.argmin) is int
        assert type(other.minimum) is float
    two: Any = np.int64(2)
    assert plain.at(two) == plain.at(2) == plain.at(2.0)
    assert plain.at([]).shape == (0,)
    assert plain.variance(np.array([[0, 1]])).shape == (1, 2)


@pytest.mark.parametrize(
    "values",
    [
        [0.1] * 7,
        [1e308] * 7,
        [0.1 * i for i in range(7)],
        [1e308, -1e308] + [0.0] * 5,
        [5e-324, 0, 0, 0, 0, 0, 0],
    ],
)
def test_constant_straight_and_extreme_values_give_finite_curves(values: list[float]) -> None:
    for alpha in ("reml", 1e-8, 1.0, 1e8):
        for weights in (None, [1e-50] * 7, [1e50] * 7):
            found = fit(range(7), values, 9, alpha=alpha, weights=weights)
            assert np.isfinite(found.curve()[:7]).all()
            assert not np.isnan(found.variance(range(9))).any()
            assert not np.isnan([found.alpha, found.gcv, found.loo, found.reml, found.dof]).any()
