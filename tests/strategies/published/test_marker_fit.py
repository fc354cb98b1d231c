"""The authors' row-by-row fit against `dsice.spline.fit` and a dense solution."""

from __future__ import annotations

import numpy as np
import pytest

from dsice.spline import fit
from dsice.strategies.published.marker_fit import MarkerFit, ranking


def measured(m: int, k: int, seed: int) -> list[tuple[int, float]]:
    rng = np.random.default_rng(seed)
    levels = rng.choice(m, size=min(k, m), replace=False).tolist()
    return [(level, float(rng.normal())) for level in [*levels, levels[0]]]  # one level twice


@pytest.mark.parametrize("buffer, spacing", [(2, "refined"), (0, "ppopen-at")])
@pytest.mark.parametrize("m, k", [(2, 2), (3, 3), (5, 4), (16, 6), (20, 20), (300, 9)])
def test_it_is_the_d_spline_of_the_refined_grid(m: int, k: int, buffer: int, spacing: str) -> None:
    data = measured(m, k, seed=m)
    curve = MarkerFit(m, buffer=buffer)
    for level, value in data:
        curve.add(level, value)
    other = fit(
        [level for level, _ in data], [value for _, value in data], m, alpha=0.1, spacing=spacing
    )
    scale = 1 + max(abs(value) for value in curve.levels())
    assert np.allclose(curve.levels(), other.at(range(m)), rtol=0, atol=1e-9 * scale)
    if buffer:
        assert curve.lowest() == other.argmin


def test_it_minimises_the_published_sum_on_all_markers() -> None:
    m, data, alpha = 6, measured(6, 4, seed=1), 0.3
    curve, n = MarkerFit(m, alpha), 3 * m + 2
    rows, right = [], []
    for level, value in data:
        curve.add(level, value)
        rows.append(np.eye(n)[2 + 3 * level])
        right.append(value)
    for i in range(n - 2):
        rows.append(alpha * (np.eye(n)[i] - 2 * np.eye(n)[i + 1] + np.eye(n)[i + 2]))
        right.append(0.0)
    assert np.allclose(
        curve.markers(), np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0], atol=1e-10
    )


def test_markers_belong_to_the_level_before_and_the_two_around_the_next() -> None:
    falling = MarkerFit(4)
    for level in range(4):
        falling.add(level, -float(level))
    assert falling.lowest() == 3  # the outer buffer marker is the lowest
    rising = MarkerFit(4)
    for level in range(4):
        rising.add(level, float(level))
    assert rising.lowest() == 0


def test_order_of_the_suggestions() -> None:
    markers = [0.0] * (3 * 9 + 2)
    known = {0: 1.0, 1: 3.0}
    #        level 2  3    4    5    6    7    8
    for level, value in zip(range(2, 9), [0.5, 0.2, 4.0, 5.0, 5.0, 2.0, 1.0], strict=True):
        markers[2 + 3 * level] = value
    # below 1 ascending: 3, 2; above 3 descending, the higher level first: 6, 5, 4;
    # the rest by curvature: 7 (4), 8 (2)
    assert ranking(markers, known, known, 9) == [3, 2, 6, 5, 4, 7, 8]


def test_nothing_but_failures_leaves_the_order_of_the_levels() -> None:
    assert ranking(MarkerFit(4).markers(), {}, {1: float("inf")}, 4) == [0, 2, 3]
    one = MarkerFit(4)
    one.add(2, 5.0)
    assert one.lowest() == 0  # one level says nothing about the slope
