"""Journal lines and trials: there and back, with what a newer dsice may have added."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import History, State, Trial
from dsice.journal import format
from dsice.trial import mean
from tests.conftest import conditional, small
from tests.journal.plainly import apply

NUMBERS = st.floats() | st.sampled_from(
    [1e308, -1e308, 5e-324, -0.0, math.nan, math.inf, -math.inf]
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(), max_size=6)
PLAIN = st.dictionaries(
    TEXT,
    st.none() | st.booleans() | st.integers() | FINITE | TEXT | st.lists(st.integers(), max_size=2),
    max_size=3,
)


@st.composite
def trials(draw: Any) -> Trial:
    """Any trial of the conditional space."""
    space = conditional()
    point = tuple(space.points()[draw(st.integers(0, len(space.points()) - 1))].tolist())
    overrides = draw(st.sampled_from([{}, {"lr": 0.0123}]))
    values = tuple(draw(st.lists(NUMBERS, max_size=3)))
    stage, repeat, member = draw(st.tuples(*[st.integers(0, 3)] * 3))
    return Trial(
        0,
        draw(st.integers(0, 9)),
        space.params(point) | overrides,
        point,
        stage,
        repeat,
        member,
        parent=draw(st.none() | st.integers(0, 99)),
        overrides=overrides,
        note=draw(PLAIN),
        state=draw(st.sampled_from([s for s in State if s is not State.PENDING])),
        values=values,
        value=mean(values),
        metrics=draw(st.dictionaries(TEXT, NUMBERS, max_size=3)),
        seconds=draw(st.none() | FINITE),
        times=draw(st.tuples(*[st.none() | FINITE] * 3)),
        error=draw(st.none() | TEXT),
        tags=draw(PLAIN),
        where=draw(PLAIN),
    )


@settings(max_examples=150, deadline=None)
@given(trials())
def test_a_trial_comes_back_from_its_lines_as_it_was(trial: Trial) -> None:
    asked = format.ask_line([trial], trial.round)
    told = format.tell_line(trial, 0.0)
    history = History()
    for line in (json.dumps(record, allow_nan=False) for record in (asked, told)):
        apply(json.loads(line), history, conditional(), [])
    assert [repr(getattr(history[0], f.name)) for f in fields(trial)] == [
        repr(getattr(trial, f.name)) for f in fields(trial)
    ]


@settings(max_examples=50, deadline=None)
@given(trials())
def test_an_added_trial_comes_back_without_a_round(trial: Trial) -> None:
    line = json.dumps(format.add_line(trial, 0.0), allow_nan=False)
    history = History()
    apply(json.loads(line), history, conditional(), [])
    assert history[0].round is None
    assert repr(history[0].values) == repr(trial.values) and history[0].identity == trial.identity


def test_defaults_take_no_room() -> None:
    line = format.ask_line([Trial(3, 0, {"a": 1}, (0, 1, 2))], 0)
    assert line["trials"] == [{"id": 3, "point": [0, 1, 2]}]


def test_curves_grow_step_by_step() -> None:
    history = History(trials=[Trial(0, 0, small().params((0, 0, 0)), (0, 0, 0))])
    for step, value in ((0, 0.5), (1, None), (2, "-inf")):
        apply({"kind": "step", "id": 0, "step": step, "value": value}, history, small(), [])
    assert repr(history[0].curve) == "((0, 0.5), (1, nan), (2, -inf))"


def test_unknown_kinds_and_fields_are_left_alone() -> None:
    history, queue = History(), list[tuple[int, ...]]()
    asked = {
        "kind": "ask",
        "round": 0,
        "shard": 4,
        "trials": [{"id": 0, "point": [1, 1, 1], "colour": "red"}],
    }
    for record in (
        {"kind": "prepared", "name": "x"},
        asked,
        {"kind": "tell", "id": 0, "state": "done", "values": [1], "carbon": 3},
    ):
        apply(record, history, small(), queue)
    assert len(history) == 1 and history[0].value == 1.0 and not queue


def test_a_queued_point_is_struck_off_by_its_own_measurement_only() -> None:
    history = History()
    queue: list[tuple[int, ...]] = [(1, 1, 1), (2, 2, 2)]
    stage = {"id": 0, "point": [1, 1, 1], "stage": 1}
    apply({"kind": "ask", "round": 0, "trials": [stage]}, history, small(), queue)
    assert queue == [(1, 1, 1), (2, 2, 2)]
    added = {"id": 1, "point": [1, 1, 1], "state": "done", "values": [1.0]}
    apply({"kind": "add", "trial": added}, history, small(), queue)
    assert queue == [(2, 2, 2)]


def test_a_tell_line_of_another_point_is_an_error() -> None:
    history = History(trials=[Trial(0, 0, small().params((0, 0, 0)), (0, 0, 0))])
    with pytest.raises(ValueError, match=r"trial 0 was asked at \[0, 0, 0\], not at \[1, 0, 0\]"):
        apply(
            {"kind": "tell", "id": 0, "point": [1, 0, 0], "state": "done", "values": [1.0]},
            history,
            small(),
            [],
        )


@pytest.mark.parametrize("values", [(1.7e308, 1.7e308), (-1.7e308,) * 3, (1e-320, 3e-320)])
def test_the_mean_of_extreme_values(values: tuple[float, ...]) -> None:
    assert mean(values) == pytest.approx(values[0] if values[0] == values[-1] else 2e-320)


def test_the_mean_is_the_number_nearest_to_the_true_mean() -> None:
    assert mean((0.1, 0.2, 0.3, 0.4)) == 0.25 and mean((5.0, 3.5), [1, 2]) == 4.0
    assert mean(()) is None
    assert [str(mean(v)) for v in ((math.inf, -math.inf), (math.inf, 1.0), (math.nan, 1.0))] == [
        "nan",
        "inf",
        "nan",
    ]


def test_nan_and_infinity_as_json() -> None:
    assert [format.encode_float(v) for v in (1.5, math.nan, math.inf, -math.inf)] == [
        1.5,
        None,
        "inf",
        "-inf",
    ]
