"""Rules about parameters whose names are no names in Python: dots, dashes, blanks, keywords."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from dsice.errors import SpaceError
from dsice.space import Require, Space, When
from dsice.space.expression import Expression

AXES: dict[str, list[int]] = {
    "model.lr": [1, 2, 3],
    "batch-size": [1, 2, 3],
    "model.batch-size": [1, 2],
    "class weight": [1, 2],
    "lambda": [1, 2],
    "x": [0, 1, 2],
}


def by_hand(rule: Any) -> list[dict[str, Any]]:
    """The points where a function holds, in the order of the grid."""
    grid = itertools.product(*AXES.values())
    return [p for values in grid if rule(p := dict(zip(AXES, values, strict=True)))]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("model.lr * batch-size <= 4", lambda p: p["model.lr"] * p["batch-size"] <= 4),
        ("x-batch-size-1 < 0", lambda p: p["x"] - p["batch-size"] - 1 < 0),
        ("x*batch-size==2", lambda p: p["x"] * p["batch-size"] == 2),
        ("model.batch-size > model.lr", lambda p: p["model.batch-size"] > p["model.lr"]),
        ("`model.batch-size` > `x`", lambda p: p["model.batch-size"] > p["x"]),
        ("`class weight` + `lambda` < 3", lambda p: p["class weight"] + p["lambda"] < 3),
        ("x in (batch-size, 2)", lambda p: p["x"] in (p["batch-size"], 2)),
        ("max(batch-size, x) == 2", lambda p: max(p["batch-size"], p["x"]) == 2),
        ("x > 0 and 'a.b `c` batch-size' != \"d'e\"  # f.g", lambda p: p["x"] > 0),
        ("x < 1.5 and x > .5e0", lambda p: p["x"] == 1),
    ],
)
def test_such_names_can_stand_in_a_rule(text: str, rule: Any) -> None:
    space = Space(AXES, where=Require(text))
    found = [space.params(point) for point in space.points().tolist()]
    assert found == by_hand(rule)
    again = Space.from_dict(space.to_dict())
    assert again.points().tolist() == space.points().tolist()
    assert again.difference(space.to_dict()) is None
    assert pickle.loads(pickle.dumps(space)).count == space.count  # noqa: S301


def test_conditions_may_mention_them_and_be_about_them() -> None:
    space = Space(AXES, where=When("model.lr > 1 and batch-size < 3", "model.batch-size"))
    for point in space.points().tolist():
        params = space.params(point)
        assert ("model.batch-size" in params) == (params["model.lr"] > 1 > params["batch-size"] - 2)


def test_a_minus_between_two_parameters_stays_a_minus() -> None:
    axes: Mapping[str, list[int]] = {"batch": [5, 6], "size": [1, 2], "batch-size": [1, 9]}
    for text in ("batch-size > 4", "batch - size > 4"):
        space = Space(axes, where=Require(text))  # as in 0.1.0
        assert {p["batch"] for p in map(space.params, space.points().tolist())} == {6}
        assert space.count == 2
    assert Space(axes, where=Require("`batch-size` > 4")).count == 4
    top = Space({"top": [5, 7], "top-5": [1, 2]}, where=Require("top-5 > 1"))
    assert [top.params(point) for point in top.points().tolist()] == [
        {"top": 7, "top-5": 1},
        {"top": 7, "top-5": 2},
    ]


def test_unknown_names_are_refused_with_the_nearest() -> None:
    for text, near in (
        ("model.lt < 2", "'model.lr'"),
        ("batch_size < 2", "'batch-size'"),
        ("batch - size < 2", "'batch-size'"),
        ("`class-weight` < 2", "'class weight'"),
    ):
        with pytest.raises(SpaceError, match=f"unknown parameter .*did you mean {near}"):
            Space(AXES, where=Require(text))
    with pytest.raises(SpaceError, match=r"'class' is a word of Python.*stands in backticks"):
        Require("class weight < 2")
    for text in ("x < `a", "`` < 2", "x.y()", "math.sqrt(x) > 1", "x.__class__ == 1"):
        with pytest.raises(SpaceError):
            Require(text)


def test_spellings_of_one_name_are_one_rule() -> None:
    assert Expression("`x`<`model.lr`").canonical == Expression("x < model.lr").canonical
    assert Expression("`batch-size` < 2").canonical != Expression("batch - size < 2").canonical
    assert Expression("`True`").canonical != Expression("True").canonical
