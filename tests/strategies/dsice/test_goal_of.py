"""What the model of a search takes from points that were measured several times."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from dsice import Goal, Tuner
from dsice.strategies import DSICE, Random
from dsice.strategies.dsice.model import Measurements, surface_through
from dsice.strategies.dsice.replicates import Replicates
from tests.conftest import small


def told(of: str) -> Tuner:
    """Five values at 20 points, one at each other; the outliers would lead with the minimum."""
    tuner = Tuner(small(), Random(), goal=Goal(of=of))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for trial in tuner.ask(30):
        value = float(sum(trial.point)) + 10.0
        values = value + rng.exponential(size=5 if trial.id < 20 else 1)
        if trial.id == 3:
            values[0] = 0.0
        tuner.tell(trial, values.tolist())
    return tuner


@pytest.mark.parametrize(("of", "five"), [("mean", 5.0), ("median", 10 / math.pi), ("min", 1.0)])
def test_the_noise_of_a_point_is_that_of_what_the_goal_makes_of_its_values(
    of: str, five: float
) -> None:
    tuner = told(of)
    data = Measurements.of(tuner.history)
    expected = np.where(data.ids < 20, five, 1.0)
    assert data.counts.tolist() == pytest.approx(expected.tolist())
    surface = surface_through(tuner.space, data, data.values, None, normal=True)
    assert surface.hyperparameters is not None
    single = surface.hyperparameters.noise_variance
    noise = surface.noise_variance - surface.hyperparameters.nugget - 1e-8
    np.testing.assert_allclose(noise, single / expected, rtol=1e-6)


@pytest.mark.parametrize("of", ["mean", "median", "min"])
def test_points_are_ranked_by_what_the_goal_makes_of_all_their_values(of: str) -> None:
    tuner = told(of)
    for trial in list(tuner.history)[:6]:  # more values of some points, in trials of their own
        tuner.add(trial.params, [11.0, 12.0, 13.0 + trial.id])
    data = Measurements.of(tuner.history)
    plain: Callable[[list[float]], float] = getattr(np, of)
    values: dict[tuple[int, ...], list[float]] = {}
    for t in tuner.history:
        values.setdefault(t.point, []).extend(t.values)
    known = [float(plain(values[tuple(point)])) for point in data.points.tolist()]
    np.testing.assert_allclose(data.scores, known)
    if of != "mean":  # of the mean each trial has a place of its own
        assert np.argsort(data.values).tolist() == np.argsort(known).tolist()
    assert data.dof.sum() == (0.0 if of == "min" else 6.0)
    assert bool(data.squares.sum() > 0.0) is (of != "min")


def test_one_more_value_narrows_a_median_by_less() -> None:
    narrowed = {}
    for of in ("mean", "median"):
        history = told(of).history
        data = Measurements.of(history)
        surface = surface_through(small(), data, data.values, None, normal=True)
        again = Replicates.of(surface, data, history)
        single = surface.hyperparameters
        assert single is not None
        narrowed[of] = again.noise / single.noise_variance
    assert narrowed == {"mean": 1.0, "median": pytest.approx(math.pi / 2)}


def test_the_user_s_own_setting_is_known_of_strategies_that_have_one() -> None:
    space = small()
    mine = {"a": 4, "b": 0.5, "c": 2}
    assert DSICE(start=[mine, {"a": 1, "b": 0.0, "c": 0}]).own_setting(space) == (2, 1, 2)
    assert DSICE().own_setting(space) is None and Random().own_setting(space) is None
