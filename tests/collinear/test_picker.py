"""The choice of points one after the other, against the posterior with these points pending."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dsice.collinear.picker import Picker
from dsice.spline.evidence import Hyperparameters
from dsice.spline.surface import Surface, fit_surface

Point = tuple[int, ...]
SHAPE = (7, 5, 4)
FIXED = Hyperparameters(np.array([0.8, 1.5, 0.4]), 0.1, 0.02, 0.0)


def model(coming: Sequence[Point] = (), counts: np.ndarray | None = None) -> Surface:
    """Through 25 points, and through `coming`: their variance knows no values."""
    rng = np.random.default_rng(4)
    points = rng.permutation(np.array(list(np.ndindex(SHAPE))))[:25]
    count = np.ones(25) if counts is None else counts
    return fit_surface(
        np.concatenate([points, np.array(list(coming), dtype=np.int64).reshape(-1, 3)]),
        np.append(rng.normal(size=25), np.zeros(len(coming))),
        SHAPE,
        (True, True, False),
        counts=np.append(count, np.ones(len(coming))),
        hyperparameters=FIXED,
    )


def picker_of(surface: Surface) -> Picker:
    return Picker(surface, CANDIDATES, surface.predict(CANDIDATES))


CANDIDATES = np.random.default_rng(1).permutation(np.array(list(np.ndindex(SHAPE))))[:60]


@pytest.mark.parametrize("counts", [None, np.arange(25) % 3 + 2.0], ids=["once", "repeats"])
@pytest.mark.parametrize("pending", [[], [(6, 4, 3)], [(6, 4, 3), (0, 1, 2), (3, 3, 0)]], ids=len)
def test_what_is_taken_or_pending_narrows_as_if_it_were_measured(
    pending: list[Point], counts: np.ndarray | None
) -> None:
    """Also where the others were measured several times, and after more choices than expected."""
    surface = model(counts=counts)
    picker = picker_of(surface)
    picker.take(5)  # forgotten when it begins anew
    picker.restart(np.array(pending, dtype=np.int64).reshape(-1, 3))
    taken = list(pending)
    for turn in range(70):
        if turn < 4 or turn > 67:
            variance = model(taken, counts).predict(CANDIDATES).variance
            np.testing.assert_allclose(
                picker.sd, np.sqrt(surface.scale * variance), rtol=1e-5, atol=1e-9
            )
            np.testing.assert_array_equal(picker.mean, surface.predict(CANDIDATES).mean)
        chosen = picker.best((0.5, 1.0, 2.0, 3.0)[turn % 4], np.zeros(len(CANDIDATES), dtype=bool))
        if tuple(CANDIDATES[chosen].tolist()) not in taken or turn > 3:
            taken.append(tuple(CANDIDATES[chosen].tolist()))
            picker.take(chosen)


def test_the_best_is_the_lowest_that_is_not_blocked() -> None:
    surface = model()
    picker, scores = picker_of(surface), surface.predict(CANDIDATES)
    for beta in (0.0, 1.0, 3.0):
        merit = scores.mean - beta * np.sqrt(surface.scale * scores.variance)
        blocked = merit < np.sort(merit)[4]
        assert merit[picker.best(beta, blocked)] == pytest.approx(merit[~blocked].min(), abs=1e-8)
        assert not blocked[picker.best(beta, blocked)]
    assert picker.best(1.0, np.ones(len(CANDIDATES), dtype=bool)) == -1


def test_a_narrowed_point_gives_way_to_another() -> None:
    """A batch stays diverse: after a few choices the same place is no longer the most promising."""
    picker = picker_of(model())
    nothing = np.zeros(len(CANDIDATES), dtype=bool)
    seen = []
    for _ in range(8):
        seen.append(tuple(CANDIDATES[picker.best(3.0, nothing)].tolist()))
        picker.take(picker.best(3.0, nothing))
    assert len(set(seen)) >= 7
