"""Values that are no numbers, or nearly none: said, recorded, and never in the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Goal, State, Tuner, effects, importance, run
from dsice.launchers.base import Job, Result
from dsice.strategies import DSICE
from tests.conftest import bowl, holes, state
from tests.running.test_run import InMemory

ODD: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    None,
    "0.5",
    "nan",
    1 + 2j,
    [],
    {},
    [1.0, math.nan],
    np.float32("nan"),
    b"1",
    True,
]


def odd(job: Job) -> Result:
    """Every second trial gives something odd; the others a bowl."""
    value = ODD[job.id // 2 % len(ODD)] if job.id % 2 else bowl(dict(job.params))
    return Result(job.id, "done", value=value, seconds=1.0)


def test_a_program_that_returns_odd_things_is_tuned_by_its_good_values(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    tuner = Tuner(holes(), DSICE(tolerance=None), journal=path, max_trials=60)
    run(tuner, InMemory(odd, slots=6), progress=False)
    history = tuner.history
    good = {t.id for t in history if t.id % 2 == 0}
    assert {t.id for t in history if t.state is State.DONE} == good == set(history.order().tolist())
    for t in history:
        if t.id % 2:
            assert t.state is State.FAILED and t.error, t
    assert tuner.best is not None and tuner.best.value == min(
        bowl(dict(t.params)) for t in history if t.id in good
    )
    assert (
        np.isfinite(effects(tuner)["effect"]).all()
        and np.isfinite(importance(tuner)["share"]).all()
    )
    tuner.close()
    assert state(Tuner.read(path)) == state(tuner)


def test_the_model_sees_an_odd_value_as_it_sees_a_failed_trial() -> None:
    """Proposals are those of the same study in which the odd trials were told as failed."""
    asked = []
    for tell_odd in (True, False):
        tuner = Tuner(holes(), DSICE(tolerance=None), max_trials=40, seed=2)
        while trials := tuner.ask(8):
            for t in trials:
                if t.id % 3 == 1 and tell_odd:
                    with pytest.warns(match="recorded as failed"):
                        tuner.tell(t, [math.nan, math.inf, -math.inf][t.id % 7 % 3])
                elif t.id % 3 == 1:
                    tuner.tell(t, error="odd")
                else:
                    tuner.tell(t, bowl(dict(t.params)))
        asked.append([t.point for t in tuner.history])
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    "goal", [Goal(), Goal(maximize=True), Goal(at_most={"m": 1.0})], ids=["min", "max", "bound"]
)
def test_values_near_the_largest_float_are_ranked_and_break_nothing(goal: Goal) -> None:
    tuner = Tuner(holes(), DSICE(), goal=goal, max_trials=70)
    huge = [1e308, -1e308, 1.7e308, 5e-324, -1.7e308]
    while trials := tuner.ask(7):
        for t in trials:
            value = huge[t.id // 3 % 5] if t.id % 3 == 0 else bowl(dict(t.params))
            tuner.tell(t, value, metrics={"m": huge[t.id % 5]} if goal.bounded else None)
    assert len(tuner.history.order()) == len(tuner.history)
    values = [t.value for t in tuner.history if t.value is not None and not goal.violation(t)]
    assert tuner.best is not None and tuner.best.value == (
        max(values) if goal.maximize else min(values)
    )
    if not goal.bounded:
        assert (
            np.isfinite(effects(tuner)["effect"]).all()
            and np.isfinite(importance(tuner)["share"]).all()
        )


def test_a_metric_that_a_bound_needs_and_a_program_does_not_give_is_named(tmp_path: Path) -> None:
    goal = Goal("loss", at_most={"memory": 2.0})

    def answer(job: Job) -> Result:
        given: dict[str, Any] = [
            {"loss": 1.0},
            {"memory": 1.0},
            {"loss": 1.0, "memory": math.nan},
            {"loss": 1.0, "memory": 1.0},
        ][job.id % 4]
        return Result(job.id, "done", metrics=given)

    tuner = run(Tuner({"x": range(8)}, goal=goal), InMemory(answer), progress=False)
    assert [str(t.state) for t in tuner.history] == ["failed", "failed", "failed", "done"] * 2
    for t, needed in zip(tuner.history, ["'memory'", "'loss'", "memory is nan", ""], strict=False):
        assert needed in (t.error or "")
    assert tuner.history[0].metrics == {"loss": 1.0}  # what it measured is kept
