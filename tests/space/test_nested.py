"""Lists, tuples and dicts as values of a Choice."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice.errors import SpaceError
from dsice.space import Choice, Require, Space
from dsice.space.values import identity, plain_value

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, "1", ""])
PARTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner),
    max_leaves=6,
)
NESTED = PARTS.filter(lambda value: isinstance(value, (list, dict)))


def exactly(value: Any) -> str:
    """What tells two values of JSON apart, but for the order in objects."""
    return json.dumps(value, sort_keys=True)


def tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(tuples, value))
    return {k: tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


@settings(max_examples=60, deadline=None)
@given(st.lists(NESTED, min_size=1, max_size=6, unique_by=exactly))
def test_values_survive_json_and_find_their_level(values: list[Any]) -> None:
    axis = Choice(values)
    assert repr(axis.values) == repr(tuple(map(tuples, values)))  # 1, 1.0 and True are three
    record = json.loads(json.dumps(axis.to_dict()))
    assert record == axis.to_dict()
    again = Choice.from_dict(record)
    assert again == axis and hash(again) == hash(axis) and again.same(axis)
    for level, value in enumerate(values):
        assert axis.level(value) == axis.level(tuples(value)) == axis.level(axis.values[level])
        assert axis.level(value) == level
    space = Space({"x": axis, "y": [1, 2]})
    assert space.difference(json.loads(json.dumps(space.to_dict()))) is None
    assert Space.from_dict(space.to_dict()).fingerprint == space.fingerprint
    assert [space.point(space.params(p)) for p in ((0, 0), (len(values) - 1, 1))] == [
        (0, 0),
        (len(values) - 1, 1),
    ]


@settings(max_examples=60, deadline=None)
@given(PARTS, PARTS)
def test_two_values_are_the_same_if_their_json_is(first: Any, second: Any) -> None:
    if not (isinstance(first, (list, dict)) or isinstance(second, (list, dict))):
        return  # of scalars, 1 and 1.0 are the same
    same = identity(plain_value(first)) == identity(plain_value(second))
    assert same == (exactly(first) == exactly(second))


def test_true_and_one_are_told_apart_inside_only() -> None:
    axis = Choice([(1,), (1.0,), (True,), {"a": 1}, {"a": True}])
    assert [axis.level(v) for v in ([1], [1.0], [True], {"a": 1}, {"a": True})] == [0, 1, 2, 3, 4]
    space = Space({"x": axis, "y": [1, 2]})
    for level, value in enumerate(axis.values):
        assert space.point({"x": value, "y": 2}) == (level, 1)
    rows = space.levels([{"x": value, "y": 1} for value in (*axis.values, *axis.values)])
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4] * 2
    with pytest.raises(SpaceError, match="expected one of"):
        axis.level({"a": 1.0})
    with pytest.raises(SpaceError, match="1 and True, which are equal in Python"):
        Choice([1, True])


def test_a_dict_cannot_be_changed_and_is_compared_without_order() -> None:
    axis = Choice([{"lr": 0.1, "layers": [64, 32]}, {"lr": 0.2}])
    value: Any = axis.values[0]
    assert value == {"layers": (64, 32), "lr": 0.1} and isinstance(value, dict)
    assert axis.level({"layers": np.array([64, 32]), "lr": np.float64(0.1)}) == 0
    for change in (
        lambda: value.update(lr=1),
        lambda: value.pop("lr"),
        lambda: value.clear(),
        lambda: value.setdefault("x", 1),
        lambda: value.__setitem__("lr", 1),
        lambda: value.__delitem__("lr"),
        lambda: value.__ior__({"lr": 1}),
        lambda: value.popitem(),
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    assert dict(value) == {"lr": 0.1, "layers": (64, 32)}
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)):  # noqa: S301
        assert again == value and hash(again) == hash(value) and type(again) is type(value)
    assert json.loads(json.dumps(value)) == {"lr": 0.1, "layers": [64, 32]}


def test_what_is_no_value_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for wrong, message in (
        ((1, {2}), r"got \{2\} \(set\)"),
        ({"a": object}, "lists and dicts of these"),
        ({1: "a"}, "keys of a dict must be strings, got 1"),
        ([float("nan")], "finite"),
        (endless, "nested deeper than 32 levels"),
    ):
        with pytest.raises(SpaceError, match=message):
            Choice([wrong])  # type: ignore[list-item]
        with pytest.raises(SpaceError, match="expected one of"):
            Choice([(1, 2)]).level(wrong)


def test_rules_see_tuples_and_dicts() -> None:
    axes: dict[str, Any] = {"tile": [(16, 16), [32, 8], [8]], "n": range(100), "m": range(100)}
    where = [Require("tile == (16, 16) or len(tile) == 1"), Require(lambda p: p["tile"][0] == 16)]
    assert Space(axes, where=where[0]).count == 20_000
    space = Space(axes, where=where)
    assert space.count == 10_000 and space.params(space.points()[0])["tile"] == (16, 16)
    assert Space({"a": [{"b": 1}, {"c": 2}]}, where=Require("'b' in a")).count == 1
    assert Space({"a": [(1, 2), (3,)], "b": [(1, 2), (4,)]}, where=Require("a == b")).count == 1
