"""Goal: the score and the feasibility of what was told."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest

from dsice import Goal, History, Seconds, Share, State, Trial, Trials
from dsice.errors import OptionError


def trial(
    id: int = 0, value: float | None = 1.0, seconds: float | None = None, **metrics: float
) -> Trial:
    values = () if value is None else (value,)
    return Trial(
        id,
        0,
        {},
        (id,),
        state=State.DONE,
        values=values,
        value=value,
        metrics=metrics,
        seconds=seconds,
    )


def scores(goal: Goal, trials: list[Trial], budget: int | None = None) -> list[float]:
    return History(goal, budget=budget, trials=trials).scores().tolist()


def test_the_score_is_the_metric_with_the_sign_that_makes_less_better() -> None:
    assert Goal().loss(trial(value=3.0)) == 3.0
    assert Goal("acc", maximize=True).loss(trial(value=3.0, acc=0.9)) == -0.9


def test_no_score_without_a_done_trial_of_the_stage_that_has_the_metric() -> None:
    states = [s for s in State if s is not State.DONE]
    assert all(math.isnan(Goal().loss(replace(trial(), state=s))) for s in states)
    assert math.isnan(Goal().loss(replace(trial(), stage=1)))
    assert Goal(stage=1).loss(replace(trial(), stage=1)) == 1.0
    assert math.isnan(Goal("acc").loss(trial(loss=1.0)))
    # told before it became the goal's metric
    assert math.isnan(Goal("acc").loss(trial(acc=math.inf)))


def test_violation_is_relative_to_the_bounds_and_adds_up() -> None:
    goal = Goal(at_most={"memory": 8.0, "zero": 0.0}, at_least={"acc": 0.5})
    assert goal.violation(trial(memory=8.0, zero=0.0, acc=0.5)) == 0.0
    assert goal.violation(trial(memory=10.0, zero=0.0, acc=0.4)) == pytest.approx(0.25 + 0.2)
    # no relative excess over zero: absolute
    assert goal.violation(trial(memory=1.0, zero=3.0, acc=0.9)) == 3.0
    assert Goal(at_most={"x": -2.0}).violation(trial(x=-1.0)) == 0.5


@pytest.mark.parametrize(
    "told", [{}, {"memory": math.nan}, {"memory": math.inf}, {"memory": -math.inf}]
)
def test_a_missing_or_infinite_bounded_metric_is_never_feasible(told: dict[str, Any]) -> None:
    assert Goal(at_most={"memory": 8.0}).violation(trial(**told)) == math.inf
    assert Goal(at_least={"memory": 8.0}).violation(trial(**told)) == math.inf


def test_time_counts_by_its_weight() -> None:
    trials = [trial(0, 1.0, 10.0), trial(1, 2.0, 5.0)]
    assert scores(Goal(time_weight=0.5), trials) == [6.0, 4.5]
    assert scores(Goal(maximize=True, time_weight=0.5), trials) == [4.0, 0.5]


def test_a_trial_without_seconds_has_no_score_while_time_counts() -> None:
    trials = [trial(0, 1.0, None), trial(1, 2.0, 5.0)]
    assert np.isnan(scores(Goal(time_weight=0.5), trials)[0])
    assert scores(Goal(time_weight=0.5, until=Trials(2)), trials) == [1.0, 2.0]


def test_auto_weight_is_the_ratio_of_spreads_of_the_first_ten_done_trials() -> None:
    rng = np.random.default_rng(0)
    values, seconds = rng.random(15), rng.random(15) * 100
    trials = [
        trial(i, v, s)
        for i, (v, s) in enumerate(zip(values.tolist(), seconds.tolist(), strict=True))
    ]
    weight = np.std(values[:10]) / np.std(seconds[:10])
    assert scores(Goal(time_weight="auto"), trials) == pytest.approx(
        (values + weight * seconds).tolist()
    )
    assert scores(Goal(time_weight="auto"), trials[:1]) == [values[0]]
    same = [trial(i, float(i), 3.0) for i in range(5)]
    # no spread of T: time says nothing
    assert scores(Goal(time_weight="auto"), same) == [0, 1, 2, 3, 4]


def test_auto_weight_survives_the_largest_floats() -> None:
    trials = [trial(0, 1e308, 1.0), trial(1, -1e308, 2.0), trial(2, 1.0, 1e308)]
    assert all(map(math.isfinite, scores(Goal(time_weight="auto"), trials)))
    assert np.isnan(scores(Goal(time_weight=10.0), trials)[2])  # 1e309 overflows


def test_until_turns_time_off_for_every_trial_at_once() -> None:
    trials = [trial(i, float(i), 10.0) for i in range(4)]
    timed, plain = [10.0, 11.0, 12.0], [0.0, 1.0, 2.0]
    for until, budget in ((Trials(4), None), (Seconds(35.0), None), (Share(0.4), 10)):
        goal = Goal(time_weight=1.0, until=until)
        assert scores(goal, trials[:3], budget) == timed
        assert scores(goal, trials, budget) == [*plain, 3.0]


def test_a_share_counts_asked_trials_only_and_pending_ones_never() -> None:
    goal = Goal(time_weight=1.0, until=Share(0.5))
    added = [replace(trial(i, 1.0, 1.0), round=None) for i in range(5)]
    assert History(goal, budget=4, trials=added).weighs_time
    pending = [Trial(i, 0, {}, (i,)) for i in range(5)]
    assert History(goal, budget=4, trials=pending).weighs_time
    told = [trial(i, 1.0, 1.0) for i in range(2)]
    assert not History(goal, budget=4, trials=told).weighs_time


def test_a_share_without_a_budget_is_refused() -> None:
    with pytest.raises(OptionError, match="max_trials"):
        scores(Goal(time_weight=1.0, until=Share(0.5)), [trial(seconds=1.0)])


WRONG: list[dict[str, Any]] = [
    {"metric": ""}, {"metric": 3},
    {"at_most": {"m": math.nan}}, {"at_most": {"m": True}}, {"at_least": {"m": "8"}},
    {"at_least": {"m": 10**400}}, {"at_most": [("m", 1)]}, {"at_most": None}, {"at_most": {1: 1.0}},
    {"time_weight": -1.0}, {"time_weight": "fast"}, {"time_weight": None},
    {"time_weight": math.inf}, {"time_weight": True}, {"until": 30},
    {"stage": -1}, {"stage": 1.0}, {"maximize": "yes"},
]  # fmt: skip


def test_bounds_that_no_value_keeps_are_refused_and_a_range_is_not() -> None:
    with pytest.raises(OptionError, match=r"no 'm' is at least 3 and at most 1; .*wrong way round"):
        Goal(at_most={"m": 1.0, "n": 2.0}, at_least={"m": 3.0})
    assert Goal(at_most={"m": 3.0}, at_least={"m": 3.0}).bounded == ("m",)


@pytest.mark.parametrize("options", WRONG, ids=repr)
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(options))}.*expected"):
        Goal(**{"metric": "value"} | options)


@pytest.mark.parametrize(
    ("until", "option"),
    [
        (Trials, -1),
        (Trials, 2.5),
        (Seconds, -1),
        (Seconds, math.nan),
        (Share, 1.5),
        (Share, "0.5"),
        (Share, True),
    ],
)
def test_wrong_until_is_refused(until: Any, option: Any) -> None:
    with pytest.raises(OptionError, match="expected"):
        until(option)


NUMBERS: dict[str, Any] = {"m": np.float32(0.5), "n": np.int64(3)}


@pytest.mark.parametrize(
    "goal",
    [
        Goal(),
        Goal("acc", maximize=True, at_most=NUMBERS, at_least={"k": cast(Any, Fraction(1, 2))}),
        Goal(time_weight="auto", until=Trials(3), stage=1),
        Goal(time_weight=np.float64(0.1), until=Seconds(cast(Any, np.float32(2)))),
        Goal(time_weight=2.0, until=Share(0.5)),
    ],
)
def test_json_there_and_back(goal: Goal) -> None:
    assert Goal.from_dict(json.loads(json.dumps(goal.to_dict()))) == goal
    assert pickle.loads(pickle.dumps(goal)) == goal  # noqa: S301


def test_until_needs_a_weight_but_a_journal_that_has_none_opens() -> None:
    for make in (
        lambda: Goal(until=Trials(3)),
        lambda: Goal.from_dict({"until": {"trials": 3}}, stored=False),
    ):
        with pytest.raises(OptionError, match="give time_weight="):
            make()
    assert Goal.from_dict({"until": {"trials": 3}, "time_weight": 0.0}) == Goal()


@pytest.mark.parametrize(
    "record",
    [
        {"metrik": "x"},
        {"until": {"hours": 3}},
        {"until": "noon"},
        {"until": {"trials": 1, "share": 1}},
    ],
)
def test_an_unknown_word_in_a_stored_goal_is_named(record: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"metrik|hours|noon|share"):
        Goal.from_dict(record)


def test_bounds_do_not_change_behind_the_goals_back() -> None:
    bounds = {"m": 1.0}
    goal = Goal(at_most=bounds)
    bounds["m"] = 99.0
    assert goal.at_most == {"m": 1.0}
