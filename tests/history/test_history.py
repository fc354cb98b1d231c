"""History: scores, ranking, best and the frame."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import Goal, History, Space, State, Trial, Tuner
from dsice.strategies import Random
from tests.conftest import all_fields, bowl, fill, small


def trial(
    id: int,
    values: tuple[float, ...],
    *,
    point: int | None = None,
    repeat: int = 0,
    **metrics: float,
) -> Trial:
    mean = sum(values) / len(values)
    at = (id if point is None else point,)
    return Trial(
        id,
        0,
        {"x": at[0]},
        at,
        repeat=repeat,
        state=State.DONE,
        values=values,
        value=mean,
        metrics=metrics,
    )


def test_feasible_beats_infeasible_and_infeasible_ones_rank_by_violation() -> None:
    goal = Goal(at_most={"memory": 10.0})
    told = [(1.0, 30.0), (9.0, 10.0), (0.0, 12.0), (5.0, 1.0), (2.0, 12.0)]
    history = History(goal, trials=[trial(i, (v,), memory=m) for i, (v, m) in enumerate(told)])
    assert history.order().tolist() == [3, 1, 2, 4, 0]
    assert history.feasible().tolist() == [False, True, False, True, False]
    assert history.best == history[3]


def test_a_missing_bounded_metric_ranks_last() -> None:
    goal = Goal(at_most={"memory": 10.0})
    history = History(goal, trials=[trial(0, (0.0,)), trial(1, (5.0,), memory=99.0)])
    assert history.order().tolist() == [1, 0]


def test_equal_scores_rank_by_id() -> None:
    assert History(trials=[trial(i, (1.0,)) for i in range(5)]).order().tolist() == [0, 1, 2, 3, 4]


def test_best_is_by_the_mean_over_all_measurements_of_a_point() -> None:
    lucky = [
        trial(0, (1.0,), point=0),
        trial(1, (2.0,), point=1),
        trial(2, (5.0, 6.0), point=0, repeat=1),
    ]
    best = History(trials=lucky).best
    assert best is not None
    assert (best.id, best.value, best.values) == (1, 2.0, (2.0,))
    better = [
        trial(0, (3.0,), point=0),
        trial(1, (2.0,), point=1),
        trial(2, (0.0, 0.0), point=0, repeat=1),
    ]
    best = History(trials=better).best
    assert best is not None
    assert (best.id, best.value, best.values) == (0, 1.0, (3.0, 0.0, 0.0))


def test_best_of_the_largest_floats() -> None:
    huge = [
        trial(0, (1.7e308,), point=0),
        replace(trial(1, (1.0,), point=0, repeat=1), values=(1.7e308,), value=1.7e308),
    ]
    best = History(trials=huge).best
    assert best is not None and best.value == pytest.approx(1.7e308)


def test_best_shows_the_metric_of_todays_goal() -> None:
    best = History(
        Goal("acc", maximize=True), trials=[trial(0, (0.3,), acc=0.8), trial(1, (0.9,), acc=0.7)]
    ).best
    assert best is not None
    assert (best.id, best.value) == (0, 0.8)


def test_no_best_before_anything_is_done() -> None:
    failed = Trial(0, 0, {}, (0,), state=State.FAILED, values=(1.0,), value=1.0)
    assert History().best is None
    assert (
        History(trials=[failed, Trial(1, 0, {}, (1,), state=State.STOPPED, curve=((1, 0.0),))]).best
        is None
    )


def test_a_gap_or_another_measurement_under_a_known_id_is_refused() -> None:
    history = History(trials=[trial(0, (1.0,))])
    with pytest.raises(ValueError, match="gap"):
        history.write(trial(2, (1.0,)))
    with pytest.raises(ValueError, match="another measurement"):
        history.write(trial(0, (1.0,), point=7))


STATES = st.sampled_from(list(State))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            STATES, STATES, st.floats(-9, 9), st.integers(0, 3), st.booleans(), st.booleans()
        ),
        max_size=12,
    )
)
def test_what_write_keeps_up_to_date_equals_a_count_from_scratch(
    steps: list[tuple[State, State, float, int, bool, bool]],
) -> None:
    goal = Goal(at_most={"m": 0.0}, time_weight=0.5)
    history = History(goal)
    for id, (first, then, value, point, asked, staged) in enumerate(steps):
        t = replace(
            trial(id, (value,), point=point, repeat=id, m=value),
            state=first,
            stage=int(staged),
            round=id if asked else None,
        )
        history.write(t)
        _ = history.order()  # fills what must be forgotten by the next write
        history.write(replace(t, state=then, seconds=abs(value)))
    again = History(goal, trials=list(history))
    for name in ("scores", "violation", "order", "feasible", "failed", "points"):
        np.testing.assert_array_equal(getattr(history, name)(), getattr(again, name)())
    done = [t for t in history if t.state is State.DONE and t.stage == 0]

    def rank(t: Trial) -> tuple[float, float, int]:
        assert t.value is not None
        return (goal.violation(t), t.value + 0.5 * abs(t.value), t.id)

    assert history.order().tolist() == [t.id for t in sorted(done, key=rank)]
    assert history.pending() == [t for t in history if t.state is State.PENDING]
    assert history.taken() == {t.point for t in history if t.stage == 0}
    assert history.asked == sum(t.round is not None for t in history)


def test_frame_has_its_columns_in_order_also_when_empty() -> None:
    tuner = Tuner(small(), Random())
    end = ["seconds", "queued", "started", "ended", "stage", "repeat", "member", "parent", "error"]
    point = ["point.value", "point.n", "point.spread"]
    assert list(tuner.history.frame()) == [
        "id",
        "round",
        "state",
        "value",
        "score",
        "feasible",
        *point,
        *end,
    ]
    tuner.tell(
        tuner.ask()[0], 1.0, metrics={"loss": 2.0}, tags={"who": "me"}, times=(1.0, 2.0, 3.0)
    )
    lead, middle = ["id", "round", "state", "a", "b", "c"], ["value", "score", "feasible"]
    frame: Any = tuner.history.frame()
    assert list(frame) == [*lead, *middle, *point, "loss", *end, "note.phase", "tag.who"]
    assert frame.loc[0, ["value", "loss", "queued", "tag.who", "note.phase"]].tolist() == [
        1.0,
        2.0,
        1.0,
        "me",
        "random",
    ]


def test_frame_keeps_columns_apart_that_have_the_same_name() -> None:
    space: dict[str, Any] = {
        "value": [1, 2],
        "loss": [3, 4],
        "id": [5],
        "param.value": [7],
        "note.phase": ["p"],
    }
    tuner = Tuner(space, Random())
    tuner.tell(tuner.ask()[0], 0.5, metrics={"loss": 9.0, "score": 8.0})
    row = tuner.history.frame().iloc[0]
    assert (row["value"], row["param.id"], row["metric.loss"], row["metric.score"]) == (
        0.5,
        5,
        9.0,
        8.0,
    )
    assert row["param.param.value"] == 7 and row["param.value"] in (1, 2) and row["loss"] in (3, 4)
    assert row["note.phase"] == "p" and row["note.note.phase"] == "random"
    assert len(set(tuner.history.frame().columns)) == len(tuner.history.frame().columns)


def test_frame_of_a_conditional_space_keeps_the_parameters_together() -> None:
    tuner = fill(Tuner({"x": range(4)}, Random()), 4)
    rows = [
        replace(t, params=dict(t.params) | ({"rare": 1} if t.id == 3 else {}))
        for t in tuner.history
    ]
    frame = History(trials=rows).frame()
    assert list(frame)[:5] == ["id", "round", "state", "x", "rare"]
    assert frame["rare"].isna().tolist() == [True, True, True, False]


def test_the_scores_handed_out_do_not_change_later() -> None:
    tuner = Tuner(small(), Random())
    trials = tuner.ask(3)
    before = tuner.history.scores()
    for t in trials:
        tuner.tell(t, bowl(dict(t.params)))
    assert all(math.isnan(s) for s in before) and len(before) == 3


def test_tell_order_does_not_matter() -> None:
    def tuned(shuffle: bool) -> list[str]:
        tuner = Tuner(small(), Random(), seed=3)
        for _ in range(3):
            trials = tuner.ask(6)
            random.Random(0).shuffle(trials) if shuffle else None
            for t in trials:
                tuner.tell(t, bowl(dict(t.params)))
        return [all_fields(t) for t in tuner.history]

    assert tuned(True) == tuned(False)


def test_a_failed_list_of_values_is_no_repeated_measurement() -> None:
    history = History(
        trials=[trial(0, (1.0,)), replace(trial(1, (1.0, math.nan)), state=State.FAILED)]
    )
    assert not history.has_repeats
    assert History(trials=[trial(0, (1.0, 2.0))]).has_repeats


def test_a_history_followed_by_more_trials_leaves_the_first_as_it_was() -> None:
    history = History(trials=[trial(0, (3.0,)), trial(1, (2.0,))])
    longer = history.followed_by([trial(2, (1.0,)), trial(3, (0.0,), point=0, repeat=1)])
    assert (len(history), len(longer), history.best, longer.best and longer.best.id) == (
        2,
        4,
        history[1],
        2,
    )
    assert history.id_of(((2,), 0, 0, 0)) is None and longer.id_of(((2,), 0, 0, 0)) == 2
    assert (
        history.points().tolist() == [[0], [1]]
        and longer.taken() == {(0,), (1,), (2,)}
        and not history.has_repeats
    )


def test_the_old_names_of_properties_warn_and_work() -> None:
    history = History(trials=[trial(0, (1.0, 2.0))])
    with pytest.warns(DeprecationWarning, match=r"History.repeated\(\) is called .*has_repeats"):
        assert history.repeated() is True
    with pytest.warns(DeprecationWarning, match=r"History.time_counts\(\) is .*weighs_time"):
        assert history.time_counts() is False


def test_trials_given_by_hand_were_added_where_no_ask_brought_them() -> None:
    space = Space({"x": range(9)})
    with Tuner(space) as tuner:
        tuner.tell(tuner.ask(1)[0], 1.0)
        tuner.add({"x": 8}, 2.0)
        tuner.ask(1)
        assert tuner.history.added().tolist() == [False, True, False]
        again = History(trials=list(tuner.history))
    assert again.added().tolist() == [False, True, False]
    rounds = [trial.round for trial in again]
    same = History.of(space, [t.point for t in again], [1.0, 2.0, 3.0], rounds=rounds)
    assert same.added().tolist() == [False, True, False]
