"""The choice of points one after the other, against the posterior with these points pending."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dsice.collinear.lines import open_lines
from dsice.collinear.picker import Picker
from dsice.directions.lines import PackedLines
from dsice.spline.evidence import Hyperparameters
from dsice.spline.surface import Surface, fit_surface

Point = tuple[int, ...]
SHAPE = (7, 5, 4)
FIXED = Hyperparameters(np.array([0.8, 1.5, 0.4]), 0.1, 0.02, 0.0)


def model(pending: Sequence[Point] = (), counts: np.ndarray | None = None) -> Surface:
    rng = np.random.default_rng(4)
    points = rng.permutation(np.array(list(np.ndindex(SHAPE))))[:25]
    return fit_surface(
        points,
        rng.normal(size=25),
        SHAPE,
        (True, True, False),
        counts=counts,
        pending=np.array(list(pending), dtype=np.int64).reshape(-1, 3),
        hyperparameters=FIXED,
    )


def candidates() -> PackedLines:
    return open_lines([(2, 3, 1), (5, 1, 2)], SHAPE, range(3), 2, 10**6, np.random.default_rng(0))


@pytest.mark.parametrize("counts", [None, np.arange(25) % 3 + 2.0], ids=["once", "repeats"])
def test_taking_a_point_is_the_posterior_with_that_point_to_come(counts: np.ndarray | None) -> None:
    """Also beside one that is pending already, and where the others were measured several times."""
    taken: list[Point] = [(6, 4, 3)]
    lines, surface = candidates(), model(taken, counts)
    picker = Picker(
        surface, lines.points, surface.predict_lines(lines.offsets, lines.points), max_picks=6
    )
    for beta in (0.5, 1.0, 2.0, 3.0, 0.5, 1.0):
        chosen = picker.best(beta, np.zeros(len(lines.points), dtype=bool))
        taken.append(tuple(lines.points[chosen].tolist()))
        picker.take(chosen)
        again = model(taken, counts)
        scores = again.predict(lines.points)
        np.testing.assert_allclose(picker.sd, np.sqrt(again.scale * scores.variance), atol=1e-9)
        np.testing.assert_allclose(picker.mean, scores.mean, atol=1e-9)


def test_the_best_is_the_lowest_that_is_not_blocked() -> None:
    lines, surface = candidates(), model()
    picker = Picker(
        surface, lines.points, surface.predict_lines(lines.offsets, lines.points), max_picks=1
    )
    scores = surface.predict(lines.points)
    for beta in (0.0, 1.0, 3.0):
        merit = scores.mean - beta * np.sqrt(surface.scale * scores.variance)
        blocked = merit < np.sort(merit)[4]
        assert merit[picker.best(beta, blocked)] == pytest.approx(merit[~blocked].min(), abs=1e-8)
        assert not blocked[picker.best(beta, blocked)]
    assert picker.best(1.0, np.ones(len(lines.points), dtype=bool)) == -1


def test_a_narrowed_point_gives_way_to_another() -> None:
    """A batch stays diverse: after a few choices the same place is no longer the most promising."""
    lines, surface = candidates(), model()
    picker = Picker(
        surface, lines.points, surface.predict_lines(lines.offsets, lines.points), max_picks=8
    )
    nothing = np.zeros(len(lines.points), dtype=bool)
    seen = []
    for _ in range(8):
        seen.append(tuple(lines.points[picker.best(3.0, nothing)].tolist()))
        picker.take(picker.best(3.0, nothing))
    assert len(set(seen)) >= 7
