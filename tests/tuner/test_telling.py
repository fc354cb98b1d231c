"""What tell, add and step take, and what they refuse without recording anything."""

from __future__ import annotations

import itertools
import math
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import Choice, DsiceError, DsiceWarning, Goal, Space, State, Tuner
from dsice.errors import SpaceError, TellError
from dsice.strategies import Grid
from tests.conftest import small, state


class Tensor:
    """As a tensor of torch: float() works for one element only, and raises what it likes."""

    def __init__(self, *values: float) -> None:
        self.values, self.dtype, self.shape = values, "float32", (len(values),)

    def tolist(self) -> list[float]:
        return list(self.values)

    def __float__(self) -> float:
        if len(self.values) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self.values[0]

    def __iter__(self) -> Any:
        return iter(self.values)


class Hostile:
    def __float__(self) -> float:
        raise ZeroDivisionError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no repr either")


def tuner(**options: Any) -> Tuner:
    asked = Tuner(small(), Grid(), **options)
    asked.ask(3)
    return asked


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (2, (2.0,)),
        (np.float32(0.5), (0.5,)),
        (np.int64(3), (3.0,)),
        (np.array(1.5), (1.5,)),
        (Decimal("0.25"), (0.25,)),
        (Fraction(1, 4), (0.25,)),
        ([1, 2, 3], (1.0, 2.0, 3.0)),
        ((1.0,), (1.0,)),
        (np.array([1.0, 2.0]), (1.0, 2.0)),
        (np.array([7]), (7.0,)),
        (pd.Series([1, 2]), (1.0, 2.0)),
        ((v for v in (1, 2)), (1.0, 2.0)),
        (Tensor(2.5), (2.5,)),
        (Tensor(1.0, 2.0), (1.0, 2.0)),
        ([Tensor(1.0)][0], (1.0,)),
        (-0.0, (-0.0,)),
        (1e308, (1e308,)),
        (5e-324, (5e-324,)),
        ([1.5e308, 1.5e308], (1.5e308, 1.5e308)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_any_real_number_or_list_of_them_is_taken(value: Any, values: tuple[float, ...]) -> None:
    told = tuner().tell(0, value)
    assert (told.state, told.values) == (State.DONE, values)
    assert told.value == pytest.approx(sum(v / len(values) for v in values))
    assert type(told.value) is float and all(type(v) is float for v in told.values)


NO_NUMBERS: list[Any] = [
    None,
    "1.0",
    b"1",
    True,
    np.bool_(True),
    np.array(True),
    1j,
    np.complex64(1),
    {"loss": 1.0},
    [],
    np.array([]),
    [1.0, None],
    [1.0, "x"],
    [[1.0]],
    np.eye(2),
    np.array([[1.0]]),
    object(),
    Hostile(),
    [True],
    np.array(["1"]),
    np.datetime64("2024-01-01"),
    pd.NA,
    "x" * 10_000,
    Decimal("sNaN"),
]


@pytest.mark.parametrize(
    "value", NO_NUMBERS, ids=[type(v).__name__ + str(i) for i, v in enumerate(NO_NUMBERS)]
)
def test_what_is_no_number_is_refused_and_the_trial_can_be_told_again(value: Any) -> None:
    t = tuner()
    before = state(t)
    for tell in (
        lambda: t.tell(1, value),
        lambda: t.tell(1, 1.0, metrics={"m": value}),
        lambda: t.step(1, 0, value),
    ):
        with pytest.raises(TellError) as caught:
            tell()
        assert "trial 1" in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(TellError):
        t.add(t.history[0].params, value)
    assert state(t) == before
    assert t.tell(1, 0.5).value == 0.5


def test_the_message_says_what_came_and_what_to_do() -> None:
    t = tuner()
    with pytest.raises(
        TellError,
        match=r"trial 0: value: expected a number .*\{'loss': 1.0\} \(dict\); a mapping goes into",
    ):
        t.tell(0, {"loss": 1.0})  # type: ignore[dict-item]
    with pytest.raises(
        TellError, match=r"no value told; tell a number .* or error='...' for a failed trial"
    ):
        t.tell(0)
    with pytest.raises(TellError, match=r"metrics=\[1\]; expected a mapping"):
        t.tell(0, 1.0, metrics=[1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**400, -(10**400), [1.0, math.nan], np.float32("nan")],
    ids=str,
)
def test_nan_and_infinity_are_a_failed_trial_and_a_warning(value: Any) -> None:
    t = tuner()
    with pytest.warns(
        DsiceWarning, match="trial 0: value is .*, not a finite number; it is recorded as failed"
    ):
        t.tell(0, value)
    assert t.history[0].state is State.FAILED and t.best is None
    assert np.isnan(t.history.scores()).all() and t.history.failed().tolist() == [
        True,
        False,
        False,
    ]


def test_the_record_stands_also_where_warnings_are_errors() -> None:
    t = tuner()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DsiceWarning):
            t.tell(0, math.nan)
        with pytest.raises(DsiceWarning):
            t.add(t.history[0].params, math.inf)
    assert [s.state for s in t.history] == [
        State.FAILED,
        State.PENDING,
        State.PENDING,
        State.FAILED,
    ]


def test_the_warning_points_to_the_callers_line() -> None:
    t = tuner()
    with pytest.warns(DsiceWarning) as caught:
        t.tell(0, math.nan)
    assert caught[0].filename == __file__


def test_metrics_carry_the_goals_metric() -> None:
    t = tuner(goal=Goal("acc", maximize=True))
    told = t.tell(0, metrics={"acc": [0.5, 0.7], "loss": 3})
    assert told.values == (0.5, 0.7) and told.value == pytest.approx(0.6)
    assert told.metrics == {"acc": pytest.approx(0.6), "loss": 3.0}
    assert t.tell(1, 0.9).metrics == {"acc": 0.9}
    assert t.best is not None and t.best.id == 1
    with pytest.raises(TellError, match=r"goal's metric 'acc' was not told \(metrics told: loss\)"):
        t.tell(2, metrics={"loss": 1.0})
    with pytest.raises(TellError, match="both the goal's metric and differ"):
        t.tell(2, 0.9, metrics={"acc": 0.8})
    assert t.tell(2, 0.8, metrics={"acc": 0.8}).value == 0.8


def test_the_plain_value_may_come_as_a_metric_too() -> None:
    told = tuner().tell(0, metrics={"value": 2.0, "other": math.nan})
    assert (told.value, told.state) == (2.0, State.DONE) and set(told.metrics) == {"other"}


def test_bounded_metrics_must_be_told_and_finite() -> None:
    t = tuner(goal=Goal(at_most={"memory": 8.0}))
    with pytest.raises(TellError, match=r"has a bound on 'memory', not told; add it to metrics="):
        t.tell(0, 1.0)
    with pytest.warns(DsiceWarning, match="memory is inf"):
        assert t.tell(0, 1.0, metrics={"memory": math.inf}).state is State.FAILED
    assert t.tell(1, 1.0, metrics={"memory": 9}).state is State.DONE
    assert t.tell(2, error="crash").error == "crash"


def test_seconds_must_be_told_while_time_counts() -> None:
    t = tuner(goal=Goal(time_weight=1.0))
    with pytest.raises(TellError, match=r"weighs run time .* add seconds="):
        t.tell(0, 1.0)
    assert t.tell(0, 1.0, seconds=3).seconds == 3.0
    assert t.tell(1, error="crash").state is State.FAILED


@pytest.mark.parametrize("state", sorted({*State} - {State.PENDING, State.WITHDRAWN}))
def test_every_end_is_recorded(state: State) -> None:
    t = tuner()
    value = 1.0 if state is State.DONE else None
    assert t.tell(0, value, state=str(state)).state is state
    assert (
        t.tell(1, error=None if state is State.DONE else "why", state=state, value=value).state
        is state
    )


@pytest.mark.parametrize(
    "options",
    [
        {"state": "pending"},
        {"state": "finished"},
        {"state": "done", "error": "x"},
        {"state": 3},
        {"seconds": -1},
        {"seconds": math.nan},
        {"seconds": "1"},
        {"times": (1, 2)},
        {"times": 3},
        {"times": (1, 2, math.inf)},
        {"times": "abc"},
        {"tags": {"x": object()}},
        {"tags": {"x": math.nan}},
        {"tags": [1]},
        {"tags": {"n": 10**5000}},
        {"where": {"job": {1, 2}}},
        {"where": "node7"},
    ],
    ids=lambda o: next(iter(o)),
)
def test_wrong_extras_are_refused_by_name(options: dict[str, Any]) -> None:
    t = tuner()
    with pytest.raises(TellError, match=f"trial 0.*{next(iter(options))}"):
        t.tell(0, 1.0, **options)
    assert t.tell(0, 1.0).state is State.DONE


def test_extras_are_kept_as_plain_copies() -> None:
    tags: dict[Any, Any] = {"who": "me", 3: (1, 2), "deep": {"list": [1]}}
    told = tuner().tell(
        0,
        1.0,
        tags=tags,
        where={"job": 7},
        times=(None, 2, 3.5),
        seconds=cast(Any, np.float32(1.5)),
    )
    tags["deep"]["list"].append(2)
    assert told.tags == {"who": "me", "3": [1, 2], "deep": {"list": [1]}}
    assert (told.where, told.times, told.seconds) == ({"job": 7}, (None, 2.0, 3.5), 1.5)


def test_an_exception_is_an_error_text_and_an_empty_one_still_fails() -> None:
    t = tuner()
    error: Any = ValueError("bad lr")
    assert t.tell(0, error=error).error == "ValueError: bad lr"
    assert (t.tell(1, error="").state, t.history[1].error) == (State.FAILED, "no reason given")


@pytest.mark.parametrize(
    "step", [-1, 1.0, True, "3", None, 10**5000, 2**63], ids=lambda s: type(s).__name__
)
def test_steps_are_whole_numbers(step: Any) -> None:
    with pytest.raises(TellError, match="step: expected a whole number >= 0"):
        tuner().step(0, step, 1.0)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        | st.tuples(inner)
    ),
    max_leaves=5,
)
EXTRAS = st.dictionaries(
    st.sampled_from(["metrics", "seconds", "error", "state", "tags", "times", "where"]),
    ANYTHING,
    max_size=3,
)


@settings(max_examples=100, deadline=None)
@given(value=ANYTHING, extras=EXTRAS)
@pytest.mark.filterwarnings("ignore::dsice.DsiceWarning")
def test_whatever_is_told_it_is_recorded_as_it_comes_back_or_refused(
    tmp_path_factory: Any, value: Any, extras: dict[str, Any]
) -> None:
    path: Path = tmp_path_factory.mktemp("fuzz") / "j.jsonl"
    with Tuner(small(), Grid(), journal=path) as t:
        t.ask(2)
        before, size = state(t), path.stat().st_size
        try:
            t.tell(0, value, **extras)
        except DsiceError:
            assert (state(t), path.stat().st_size) == (before, size)
        live = state(t)
    assert state(Tuner.read(path)) == live


class Unwritable:
    """Raises whenever somebody wants to show it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def nested(levels: int) -> Any:
    nest: Any = 1
    for _ in range(levels):
        nest = [nest]
    return nest


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"value": itertools.count()}, "more than 100000 entries"),
        (
            {"value": (1 / (3 - i) for i in range(5))},
            "cannot be read to its end .*division by zero",
        ),
        ({"value": 1.0, "metrics": {Unwritable(): 1.0}}, "a name in metrics, <Unwritable>"),
        ({"value": 1.0, "state": Unwritable()}, "state=<Unwritable>; expected one of"),
        ({"value": 1.0, "tags": {"deep": nested(64)}}, "nested deeper than 64 levels"),
    ],
)
def test_what_cannot_be_read_shown_or_read_back_is_refused(
    told: dict[str, Any], match: str
) -> None:
    tuner = Tuner(small(), Grid())
    tuner.ask(1)
    with pytest.raises(TellError, match=match):
        tuner.tell(0, **told)
    assert tuner.tell(0, 1.0, tags={"deep": nested(63)}).state is State.DONE
    assert tuner.tell(tuner.ask(1)[0], error=cast(Any, Unwritable())).error == "<Unwritable>"


def test_params_that_cannot_be_shown_are_refused() -> None:
    tuner = Tuner(small(), Grid())
    unwritable: list[Any] = [
        Unwritable(),
        {"a": Unwritable(), "b": 0.0, "c": 0},
        {Unwritable(): 1},
        10**5000,
        {"a": -(10**5000)},
    ]
    for params in unwritable:
        for call in (tuner.enqueue, lambda params: tuner.add(params, 1.0)):
            with pytest.raises(SpaceError):
                call(params)
    with pytest.raises(SpaceError, match="expected one of"):
        Space({"a": Choice([0.5, "x"])}).point({"a": 10**400})
