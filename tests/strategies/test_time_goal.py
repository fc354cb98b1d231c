"""Every strategy searches by Z = L + b*T while time counts, and by L after the switch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dsice import Goal, History, Seconds, Share, State, Trial, Trials, Tuner, run
from dsice.errors import DsiceWarning, OptionError, TellError
from dsice.goal import Until
from dsice.launchers import Table
from dsice.strategies import DSICE, Grid, Population, Random, Strategy
from tests.conftest import bowl, holes
from tests.strategies.test_contract import EVERY

B = 4.0


@pytest.fixture(params=sorted(EVERY))
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return EVERY[request.param]


def loss(trial: Trial) -> float:
    return bowl(dict(trial.params))


def seconds(trial: Trial) -> float:
    """Long where the loss is low, so that Z and L disagree."""
    return 30.0 / (1.0 + loss(trial)) + trial.id % 3


def goal(strategy: Strategy, until: Until | None = None, weight: Any = B) -> Goal:
    return Goal(time_weight=weight, until=until, stage=strategy.last_stage or 0)


def timed(strategy: Strategy, until: Until | None, told: int, **options: Any) -> Tuner:
    """A search of which so many trials, or a few more, are told loss and seconds."""
    tuner = Tuner(holes(), strategy, goal=goal(strategy, until), seed=4, **options)
    while len(tuner.history) < told and (trials := tuner.ask(6)):
        for trial in trials:
            tuner.tell(trial, loss(trial), seconds=seconds(trial))
    return tuner


def proposed(tuner: Tuner, strategy: Strategy, history: History) -> list[tuple[Any, ...]]:
    return [
        (p.point, p.stage, p.member, p.parent)
        for p in strategy.ask(6, tuner.space, history, tuner._stream)
    ]


def by_loss_alone(tuner: Tuner) -> History:
    return History(Goal(stage=tuner.history.goal.stage), trials=list(tuner.history))


def test_while_time_counts_the_search_is_that_of_a_plain_goal_told_z(strategy: Strategy) -> None:
    with_time = timed(strategy, None, 36)
    plain = Tuner(holes(), strategy, goal=Goal(stage=strategy.last_stage or 0), seed=4)
    while len(plain.history) < 36 and (trials := plain.ask(6)):
        for trial in trials:
            plain.tell(trial, loss(trial) + B * seconds(trial))
    assert [t.identity for t in with_time.history] == [t.identity for t in plain.history]
    assert [t.overrides for t in with_time.history] == [t.overrides for t in plain.history]


@pytest.mark.parametrize("until", [Trials(12), Seconds(20.0), Share(0.125)], ids=repr)
def test_from_the_switch_on_the_search_is_that_of_the_loss_alone(
    strategy: Strategy, until: Until
) -> None:
    tuner = timed(strategy, until, 13, max_trials=96)
    assert not tuner.history.weighs_time
    assert proposed(tuner, strategy, tuner.history) == proposed(
        tuner, strategy, by_loss_alone(tuner)
    )


def test_time_changes_what_is_searched() -> None:
    """Else the two tests above show nothing."""
    for strategy in (DSICE(tolerance=None), Population(members=6, stages=4)):
        tuner = timed(strategy, None, 18)
        assert proposed(tuner, strategy, tuner.history) != proposed(
            tuner, strategy, by_loss_alone(tuner)
        )
    grid = timed(Grid(), None, 18)
    assert proposed(grid, Grid(), grid.history) == proposed(grid, Grid(), by_loss_alone(grid))


def test_at_the_switch_the_best_is_chosen_anew_by_loss() -> None:
    tuner = Tuner({"x": range(9)}, Grid(), goal=Goal(time_weight=1.0, until=Trials(3)))
    for trial, value, time in zip(tuner.ask(3), (5.0, 1.0, 4.0), (0.5, 9.0, 3.0), strict=True):
        assert tuner.history.weighs_time
        tuner.tell(trial, value, seconds=time)
        if trial.id == 1:
            assert tuner.best is not None and tuner.best.id == 0  # 5.5 beats 10
    assert tuner.best is not None and (tuner.best.id, tuner.best.value) == (1, 1.0)
    assert tuner.history.scores().tolist() == [5.0, 1.0, 4.0]
    tuner.tell(tuner.ask()[0], 3.0)  # seconds are not needed any more


def test_a_journal_goes_on_with_the_same_points_before_and_after_the_switch(
    strategy: Strategy, tmp_path: Path
) -> None:
    whole = [t.identity for t in timed(strategy, Trials(20), 36).history]
    path = tmp_path / "j.jsonl"
    timed(strategy, Trials(20), 12, journal=path).close()
    timed(strategy, Trials(20), 24, journal=path).close()
    with timed(strategy, Trials(20), 36, journal=path) as tuner:
        assert [t.identity for t in tuner.history] == whole


def test_what_lacks_its_seconds_while_time_counts_is_refused_and_nothing_is_lost() -> None:
    tuner = Tuner({"x": range(9)}, Grid(), goal=Goal(time_weight="auto", until=Trials(2)))
    trial = tuner.ask()[0]
    for wrong in (None, -1.0, math.nan, math.inf):
        with pytest.raises(TellError, match="seconds"):
            tuner.tell(trial, 1.0, seconds=wrong)
    with pytest.raises(TellError, match=r"weighs run time .*add seconds="):
        tuner.add({"x": 5}, 1.0)
    assert tuner.pending == [trial] and len(tuner.history) == 1
    tuner.tell(trial, error="out of memory")  # a failed trial has no Z
    assert tuner.add({"x": 5}, 1.0, seconds=2.0).state is State.DONE


@pytest.mark.parametrize("weight", [-0.1, -1, math.nan, "fast"])
def test_a_weight_that_is_none_is_refused_wherever_it_comes_from(weight: Any) -> None:
    message = r"time_weight=.*expected a number >= 0 .* or 'auto'"
    with pytest.raises(OptionError, match=message):
        Goal(time_weight=weight)
    with pytest.raises(OptionError, match=message):
        Goal.from_dict({"metric": "loss", "time_weight": weight})


def test_a_table_without_seconds_fails_its_trials_by_name_where_time_counts() -> None:
    table = Table(
        pd.DataFrame({"x": range(6), "loss": [float(x) for x in range(6)]}), objective="loss"
    )
    with pytest.warns(DsiceWarning, match="none of the 6 trials has a value"):
        tuner = run(
            Tuner(table.space, Random(), goal=Goal("loss", time_weight=1.0)), table, progress=False
        )
    assert all("add seconds=" in str(trial.error) for trial in tuner.history)
