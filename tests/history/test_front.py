"""The trade-off front beside a plain double loop, and the paths of lineages."""

from __future__ import annotations

import numpy as np
import pytest

from dsice import Goal, Tuner
from dsice.errors import OptionError
from dsice.strategies import Grid


def measured(goal: Goal, seed: int = 0) -> Tuner:
    rng = np.random.default_rng(seed)
    tuner = Tuner({"x": range(40)}, Grid(), goal=goal)
    for t in tuner.ask(40):
        tuner.tell(t, error="x") if t.id % 9 == 8 else tuner.tell(
            t,
            float(rng.integers(0, 12)),
            metrics={"m": float(rng.integers(0, 12))},
            seconds=float(rng.integers(1, 9)),
        )
    return tuner


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "goal",
    [Goal(), Goal(maximize=True), Goal(at_least={"m": 3.0}), Goal(at_most={"m": 6.0})],
    ids=repr,
)
def test_the_front_is_that_of_a_double_loop(goal: Goal, seed: int) -> None:
    history = measured(goal, seed).history
    sign_a, sign_b = -1 if goal.maximize else 1, -1 if goal.at_least else 1
    told = [
        (sign_a * (t.value or 0.0), sign_b * t.metrics["m"], t.id)
        for t in history
        if t.state == "done"
    ]
    expected = sorted(
        p
        for p in told
        if not any(o[0] <= p[0] and o[1] <= p[1] and (o[:2] != p[:2] or o[2] < p[2]) for o in told)
    )
    found = history.front("value", "m")
    assert found["id"].tolist() == [id for _, _, id in expected]
    assert found["feasible"].tolist() == [bool(history.feasible()[id]) for _, _, id in expected]
    assert found["x"].tolist() == found["id"].tolist()


def test_a_front_needs_two_metrics_that_are_there() -> None:
    history = measured(Goal()).history
    with pytest.raises(OptionError, match="two different"):
        history.front("m", "m")
    with pytest.raises(OptionError, match="carries both; they carry m, seconds, value"):
        history.front("m", "memory")
    assert list(history.front("seconds", "m").columns) == ["id", "seconds", "m", "feasible", "x"]
