"""A history from columns equals one that was told trial by trial, and refuses what that refuses."""

from __future__ import annotations

import math
import random
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import DsiceWarning, Goal, History, Space, State, Trial, Trials, Tuner
from dsice.errors import SpaceError, TellError
from dsice.history import TrialColumns
from dsice.strategies import DSICE, Population, Random, Strategy, stream
from tests.conftest import all_fields, bowl, conditional, fill, holes, small

SPACES = {"small": small, "holes": holes, "conditional": conditional}
ENDS = ("done", "failed", "timed_out", "invalid", "lost", "stopped", "pending")


def told_by_one(
    space: Space, goal: Goal, rows: list[dict[str, Any]], budget: int | None = None
) -> History:
    """The same trials, asked and told one after the other by a tuner."""
    tuner = Tuner(space, Random(), goal=goal, max_trials=budget)
    for row in rows:
        tuner.enqueue(space.params(row["point"]))
        (trial,) = tuner.ask(1)
        for step, value in row["curve"]:
            tuner.step(trial, step, value)
        if row["state"] == "pending":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)
            tuner.tell(
                trial,
                row["value"],
                metrics=row["metrics"],
                seconds=row["seconds"],
                state=row["state"],
            )
    return tuner.history


def as_columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = sorted({name for row in rows for name in row["metrics"]})
    return {
        "values": [row["value"] for row in rows],
        "states": [row["state"] for row in rows],
        "seconds": [row["seconds"] for row in rows],
        "metrics": {name: [row["metrics"].get(name) for row in rows] for name in names},
        "rounds": range(len(rows)),
        "notes": [{"phase": "enqueued"}] * len(rows),
        "curves": [row["curve"] for row in rows],
    }


def drawn_rows(space: Space, metric: str, seed: int, n: int) -> list[dict[str, Any]]:
    """Trials of all kinds at distinct points; NaN and infinity where they may be told."""
    rng = random.Random(seed)
    points = space.sample(np.random.default_rng(seed), n)
    rows = []
    for point in points:
        state = rng.choice(["done", "done", "done", *ENDS])
        value: Any = bowl(space.params(point)) * rng.choice([1.0, 2.5])
        value = rng.choice([value, value, round(value), [value, value + 1.0]])
        metrics: Any = {"memory": rng.choice([rng.uniform(0, 9), [1.0, rng.uniform(0, 9)]])}
        seconds: Any = rng.uniform(1, 5)
        if state == "done" and rng.random() < 0.2:
            value = rng.choice([math.nan, math.inf])
        if state != "done":
            value = rng.choice([None, value])
            metrics = rng.choice([{}, metrics])
            seconds = rng.choice([None, seconds])
        if state == "pending":
            value, metrics, seconds = None, {}, None
        elif metric != "value" and value is not None and rng.random() < 0.5:
            metrics = metrics | {metric: value}
            value = rng.choice([None, value]) if value == value else None
        curve = [(1, 0.5), (2, 0.25)][: rng.choice([0, 0, 2])]
        rows.append(
            {
                "point": point,
                "state": state,
                "value": value,
                "metrics": metrics,
                "seconds": seconds,
                "curve": curve,
            }
        )
    return rows


GOALS = {
    "value": Goal(),
    "named": Goal("loss", maximize=True),
    "bounds": Goal(at_most={"memory": 4.0}),
    "time": Goal("loss", time_weight="auto"),
    "median": Goal("loss", of="median"),
    "lowest": Goal(of="min", at_most={"memory": 4.0, "value": 90.0}),
    "time for a while": Goal(time_weight=0.5, until=Trials(12)),
    "least": Goal(of="min"),
    "bounded least": Goal("loss", of="min", at_most={"loss": 8.0}),
}


def ordered(trial: Trial) -> Trial:
    """The trial with its metrics in the order of their names."""
    repeats = dict(sorted(trial.repeats.items()))
    return replace(trial, metrics=dict(sorted(trial.metrics.items())), repeats=repeats)


def seen(history: History) -> Any:
    """All that a history says, comparable where there is NaN."""
    arrays = [
        getattr(history, name)().tolist()
        for name in ("points", "scores", "violation", "feasible", "order", "failed", "losses")
    ]
    return repr(
        (
            [all_fields(ordered(trial)) for trial in history],
            arrays,
            history.seconds().tolist(),
            [all_fields(ordered(trial)) for trial in history.leading(3)],
            history.best and history.best.id,
            list(map(all_fields, history.pending())),
            sorted(history.taken()),
            (history.asked, history.rounds, history.has_repeats, history.weighs_time),
            history.unreported(),
        )
    )


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("kind", SPACES)
def test_columns_give_the_history_that_telling_one_by_one_gives(kind: str, name: str) -> None:
    goal, space = GOALS[name], SPACES[kind]()
    for seed in range(4):
        rows = drawn_rows(space, goal.metric, seed, 14)
        twin = told_by_one(space, goal, rows)
        points = [row["point"] for row in rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)
            history = History.of(space, points, goal=goal, **as_columns(rows))
        # the sentence that tell has for a state that a caller names without an error is its own
        assert seen(history) == seen(twin)


@pytest.mark.parametrize("strategy", [DSICE(), Random(), Population(members=4, stages=2)])
def test_a_search_goes_on_the_same_from_columns(strategy: Strategy) -> None:
    space = holes()
    tuner = fill(Tuner(space, strategy, seed=5), 16, batch=4)
    for trial in tuner.ask(3):
        tuner.step(trial, 1, 0.5)
    told = list(tuner.history)
    history = History.of(
        space,
        [t.point for t in told],
        [t.value for t in told],
        states=[t.state for t in told],
        stages=[t.stage for t in told],
        repeats=[t.repeat for t in told],
        members=[t.member for t in told],
        parents=[t.parent for t in told],
        overrides=[t.overrides for t in told],
        rounds=[t.round for t in told],
        notes=[t.note for t in told],
        curves=[t.curve for t in told],
        goal=tuner.history.goal,
    )
    assert seen(history) == seen(tuner.history)
    proposed = strategy.ask(5, space, history, stream(5))
    assert proposed == strategy.ask(5, space, tuner.history, stream(5))
    asked = tuner.ask(5)
    assert [p.identity for p in proposed] == [t.identity for t in asked]


def test_a_history_from_columns_can_be_written_on() -> None:
    space = small()
    history = History.of(space, [(0, 0, 0), (1, 1, 1)], [1.0, None], states=["done", "pending"])
    (pending,) = history.pending()
    done = pending.__class__(
        1, None, pending.params, pending.point, state=State.DONE, values=(0.5,), value=0.5
    )
    history.write(done)
    assert history.best == history[1] and not history.pending()


def test_points_are_taken_as_levels_params_or_a_table() -> None:
    import pandas as pd

    space = conditional()
    points = space.points()[[0, 5, 9]]
    params = [space.params(tuple(p)) for p in points.tolist()]
    histories = [
        History.of(space, given_points, np.array([1.0, 2.0, 3.0]))
        for given_points in (points, params, pd.DataFrame(params))
    ]
    assert seen(histories[0]) == seen(histories[1]) == seen(histories[2])
    series = pd.Series([1.0, 2.0, 3.0])
    assert seen(History.of(space, points, series)) == seen(histories[0])
    assert len(History.of(space, [])) == 0


def test_by_default_trials_are_done_added_and_of_the_first_stage() -> None:
    history = History.of(small(), [(0, 0, 0), (1, 1, 1)], [3, np.float32(2.5)])
    assert [(t.state, t.round, t.stage, t.repeat, t.member, t.value) for t in history] == [
        ("done", None, 0, 0, 0, 3.0),
        ("done", None, 0, 0, 0, 2.5),
    ]
    assert history.asked == 0 and history.goal == Goal()


def test_numbers_that_are_not_finite_are_failed_trials_with_one_warning() -> None:
    with pytest.warns(DsiceWarning, match="2 rows, the first is row 1: value is nan, not a finite"):
        history = History.of(small(), [(0, 0, i) for i in range(3)], [1.0, math.nan, math.inf])
    assert [t.state for t in history] == ["done", "failed", "failed"]
    assert history[2].error == "value is inf, not a finite number"
    goal = Goal("loss", at_most={"m": 1.0})
    metrics = {"loss": [1.0], "m": [math.nan]}
    with pytest.warns(DsiceWarning, match="row 0: m is nan"):
        assert History.of(small(), [(0, 0, 0)], metrics=metrics, goal=goal).failed().all()


def test_where_a_trial_is_not_done_nan_says_that_there_is_no_number() -> None:
    nan = np.array([1.0, np.nan, np.nan])
    history = History.of(
        small(),
        [(0, 0, i) for i in range(3)],
        nan,
        states=["done", "pending", "failed"],
        metrics={"m": nan},
        seconds=nan,
    )
    assert [(t.values, dict(t.metrics), t.seconds) for t in history] == [
        ((1.0,), {"m": 1.0}, 1.0),
        ((), {}, None),
        ((), {}, None),
    ]


# ------------------------------------------------------------------ one measurement, one trial
def test_two_trials_of_one_identity_are_refused_by_name() -> None:
    points = [(0, 0, 0), (1, 1, 1), (0, 0, 1), (1, 1, 1)]
    with pytest.raises(
        TellError,
        match=r"rows 1 and 3 are one measurement, \{'a': 2, 'b': 0.5, 'c': 1\} \(stage 0, "
        r"repeat 0, member 0\).*repeats='count'",
    ):
        History.of(small(), points, [1.0] * 4)
    for apart in ("stages", "repeats", "members"):
        told: dict[str, Any] = {apart: [0, 0, 0, 1]}
        assert len(History.of(small(), points, [1.0] * 4, **told)) == 4
    with pytest.raises(TellError, match=r"rows 0 and 2.*stage 1, repeat 2, member 3"):
        History.of(
            small(), points[1:], [1.0] * 3, stages=[1, 0, 1], repeats=[2] * 3, members=[3] * 3
        )


def test_equal_measurements_are_counted_on_request() -> None:
    points = [(0, 0, 0), (1, 1, 1), (0, 0, 0), (0, 0, 0), (1, 1, 1)]
    values = [4.0, 1.0, 2.0, 3.0, 2.0]
    history = History.of(small(), points, values, repeats="count", members=[0, 0, 0, 1, 0])
    assert [t.repeat for t in history] == [0, 0, 1, 0, 1]
    twin = Tuner(small(), Random())
    for point, value in zip(points[:3], values[:3], strict=True):
        twin.add(small().params(point), value)
    again = History.of(small(), points[:3], values[:3], repeats="count")
    assert seen(again) == seen(twin.history)


def test_a_history_made_of_trials_refuses_two_of_one_identity_too() -> None:
    first, second = History.of(small(), [(0, 0, 0), (1, 1, 1)], [1.0, 2.0])
    double = first.__class__(1, None, first.params, first.point)
    with pytest.raises(
        ValueError, match=r"trial 1 is the measurement of trial 0: \(\(0, 0, 0\), 0"
    ):
        History(trials=[first, double])
    assert len(History(trials=[first, second])) == 2


# ------------------------------------------------------------------ what cannot be taken
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"values": [1.0]}, "values has 1 entries, and there are 3 points"),
    ({"values": 1.0}, "values: expected one entry for each point, got 1.0"),
    ({"values": "abc"}, "values: expected one entry for each point, got 'abc'"),
    ({"values": [1.0, "2", 3.0]}, "values, row 1: expected a number, got '2'"),
    ({"values": [1.0, True, 3.0]}, "values, row 1: expected a number, got True"),
    ({"values": [1.0, None, 3.0]}, "values, row 1: a done trial needs a number there; .*states="),
    ({"values": [1.0, [], 3.0]}, r"values, row 1: expected a number, got \[\]"),
    ({"values": [1.0, [2.0, [1]], 3.0]}, r"values, row 1: expected a number, got \[1\]"),
    ({"states": ["done", "running", "done"]}, "states, row 1: expected one of pending, done.*'run"),
    ({"states": ["done", None, "done"]}, "states, row 1: expected one of"),
    ({"states": "done"}, "states: expected one entry for each point"),
    ({"states": ["done", "pending", "done"]}, "values, row 1: a pending trial has no value"),
    ({"seconds": [1.0, -2.0, 3.0]}, "seconds, row 1: expected a finite number >= 0, or None"),
    ({"seconds": [1.0, math.inf, 3.0]}, "seconds, row 1: expected a finite"),
    ({"stages": [0, -1, 0]}, "stages, row 1: expected a whole number >= 0, got -1"),
    ({"stages": [0, 1.0, 0]}, "stages, row 1: expected a whole number >= 0, got 1.0"),
    ({"repeats": [0, True, 0]}, "repeats, row 1: expected a whole number >= 0, got True"),
    ({"repeats": "auto"}, "repeats: expected one entry for each point, got 'auto'"),
    ({"members": [0, 2**63, 0]}, "members, row 1: expected a whole number"),
    ({"rounds": [0, "1", 0]}, "rounds, row 1: expected a whole number >= 0, got '1'"),
    ({"parents": [None, 0, 2]}, "parents, row 2: expected the row of an earlier trial, or None"),
    ({"notes": [{}, "line", {}]}, "notes, row 1: expected a mapping, or None, got 'line'"),
    ({"overrides": [{}, 3, {}]}, "overrides, row 1: expected a mapping"),
    ({"curves": [[], [(1, 2), 3], []]}, r"curves, row 1: expected a list of \(step, value\)"),
    ({"curves": [[], [(-1, 2.0)], []]}, "curves, row 1: expected a whole number >= 0, got -1"),
    ({"curves": [[], [(1, "a")], []]}, "curves, row 1: expected a number, got 'a'"),
    ({"metrics": [1.0]}, "metrics: expected a mapping of names to columns"),
    ({"metrics": {"m": [1.0, "x", 2.0]}}, r"metrics\['m'\], row 1: expected a number, got 'x'"),
    ({"metrics": {"m": [1.0]}}, r"metrics\['m'\] has 1 entries, and there are 3"),
    ({"metrics": {"value": [1.0, 9.0, 3.0]}}, r"values, row 1: 2.0 and metrics\['value'\], 9.0"),
    ({"goal": Goal("loss"), "values": None}, r"metrics\['loss'\], row 0: a done trial needs a"),
    ({"goal": Goal(at_most={"m": 1.0})}, r"metrics\['m'\], row 0: a done trial needs a number"),
    (
        {"goal": Goal(time_weight=1.0), "seconds": [1.0, None, 1.0]},
        r"seconds, row 1: the goal weighs run time \(time_weight=1.0\), and this trial has none",
    ),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_what_cannot_be_taken_is_named_by_column_and_row(
    changed: dict[str, Any], message: str
) -> None:
    columns: dict[str, Any] = {"values": [1.0, 2.0, 3.0]} | changed
    with pytest.raises(TellError, match=message):
        History.of(small(), [(0, 0, i) for i in range(3)], **columns)


def test_points_that_are_not_valid_are_named_by_row() -> None:
    with pytest.raises(SpaceError, match=r"points, row 1: params break the rule Require\('x \* y"):
        History.of(holes(), [(0, 0, 0), (6, 6, 0)], [1.0, 2.0])
    with pytest.raises(SpaceError, match="points, row 0: level of 'x' must be 0 to 6, got 7"):
        History.of(holes(), [(7, 0, 0)], [1.0])
    with pytest.raises(SpaceError, match="points, row 1: parameter 'lr' is missing"):
        History.of(conditional(), [{"opt": "adam", "lr": 1e-4}, {"opt": "adam"}], [1.0, 2.0])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ENDS), st.floats()), max_size=12))
def test_any_states_and_floats_give_a_history_that_counts_from_scratch(
    rows: list[tuple[str, float]],
) -> None:
    points = [(i % 4, i // 4 % 3, 0) for i in range(len(rows))]
    states = [state for state, _ in rows]
    values = [math.nan if state == "pending" else value for state, value in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DsiceWarning)
        history = History.of(small(), points, values, states=states)
    assert seen(History(trials=list(history))) == seen(history)


def test_a_hundred_thousand_rows_take_about_a_second() -> None:
    shape = (10,) * 8
    space = Space({f"x{i}": range(n) for i, n in enumerate(shape)})
    flat = np.random.default_rng(0).permutation(10**8 // 1000)[:100_000] * 1000
    points = np.stack(np.unravel_index(flat, shape), axis=1)
    values = np.random.default_rng(1).random(len(points))
    began = time.process_time()
    history = History.of(space, points, values)
    spent = time.process_time() - began
    assert len(history) == 100_000 and history.best is not None
    assert history.best.id == int(values.argmin())
    assert spent < 6.0, "0.6 s on an idle core"


def test_only_what_is_looked_at_is_made() -> None:
    history = History.of(small(), [(0, 0, 0), (1, 1, 1)], [1.0, 2.0])
    assert history._trials == [None, None]
    with pytest.raises(ValueError, match="has 2 trials already"):
        history.load(TrialColumns(), lambda id: history[id])
