"""Params, points and validity, against a twin that tries every point in turn."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from dsice.errors import SpaceError
from dsice.space import Choice, Ordinal, Require, Rule, Space, When
from tests.space import twin

ALGORITHM = Space(
    {
        "lr": Ordinal.log(1e-4, 1e-1, 4),
        "opt": ["sgd", "adam"],
        "mom": [0.0, 0.9, 0.99],
        "nesterov": [False, True],
        "beta": [0.9, 0.999],
    },
    where=[
        When("opt == 'sgd'", "mom"),
        When("mom > 0", "nesterov"),
        When("opt == 'adam'", "beta"),
        Require("mom < 0.99 or lr < 0.01"),
        Require("lr > 1e-4", name="not too slow"),
    ],
)


def random_space(seed: int) -> Space:
    """A small space with random axes, conditions and rules, some of them functions."""
    rng = random.Random(seed)
    names = ["a", "b", "c", "d", "e"][: rng.randint(2, 5)]
    axes: dict[str, Any] = {}
    for name in names:
        kind = rng.choice(["up", "down", "choice"])
        levels = sorted(rng.sample(range(-4, 9), rng.randint(1, 4)), reverse=kind == "down")
        axes[name] = Choice(levels) if kind == "choice" else Ordinal(levels)

    def text() -> str:
        one, two, three = (rng.choice(names) for _ in range(3))
        return rng.choice(
            [
                f"{one} + {two} <= {rng.randint(-2, 9)}",
                f"{one} * {two} != {three}",
                f"{one} in (-2, 0, 1, 3, 5) or {two} > 0",
                f"{one} < {two} <= {three} or {one} % 2 == 0",
                f"max({one}, {two}) - min({two}, {three}) <= {rng.randint(1, 8)} "
                f"if {one} > 0 else {two} >= -3",
            ]
        )

    where: list[Rule] = []
    for place in range(1, len(names)):  # conditions on earlier axes only: no circles
        if rng.random() < 0.5:
            own = rng.choice(names[:place])
            where.append(
                When(f"{own} {rng.choice(['<', '>=', '!='])} {rng.randint(-2, 5)}", names[place])
            )
    where += [Require(text()) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.4:
        modulus = rng.randint(2, 4)

        def scattered(params: Mapping[str, Any]) -> bool:
            return bool(sum(params.values()) % modulus)

        where.append(Require(scattered))
    rng.shuffle(where)
    return Space(axes, where=where)


@cache
def spaces() -> list[Space]:
    """Random spaces that have a point at all, and one that is written by hand."""
    found = [ALGORITHM]
    for seed in range(150):
        try:
            found.append(random_space(seed))
        except SpaceError as error:
            assert "no point of the space" in str(error)
    assert len(found) > 100
    return found


def test_validity_enumeration_params_and_points_agree_with_the_twin() -> None:
    for space in spaces():
        expected = twin.valid_points(space)
        assert [tuple(point) for point in space.points().tolist()] == expected
        assert space.count == len(expected)
        grid = np.stack(np.unravel_index(np.arange(space.size), space.shape), axis=1)
        assert [tuple(point) for point in grid[space.valid(grid)].tolist()] == expected
        for point in expected:
            params = space.params(point)
            assert params == twin.params_of(space, point)
            assert space.point(params) == point
            assert space.is_valid(point)
            assert tuple(space.collapse(np.array([point]))[0].tolist()) == point
            assert [
                name for name, on in zip(space.names, space.active(point), strict=True) if on
            ] == list(params)


def test_a_cold_space_and_a_warm_one_answer_alike_in_any_order() -> None:
    for space in spaces()[:40]:
        warm = space.points()
        cold = Space(space.axes, where=space.where)
        order = np.random.default_rng(1).permutation(space.size)
        grid = np.stack(np.unravel_index(order, space.shape), axis=1)
        single = [tuple(point) for point in grid.tolist() if cold.is_valid(point)]
        assert sorted(single) == [tuple(point) for point in warm.tolist()]


def test_a_space_without_points_is_an_error_that_the_twin_confirms() -> None:
    empty = 0
    for seed in range(150):
        try:
            random_space(seed)
        except SpaceError:
            empty += 1
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Space, "_probe", lambda self: None)
                assert twin.valid_points(random_space(seed)) == []
    assert empty > 3


def test_points_off_the_grid_are_not_valid() -> None:
    space = Space({"x": [1, 2], "y": [1, 2, 3]}, where=Require("x * y < 6"))
    points = np.array([[0, 0], [-1, 0], [0, 3], [2, 0], [1, 2], [1, 1]])
    assert space.valid(points).tolist() == [True, False, False, False, False, True]
    # -1 becomes 255
    assert space.valid(points.astype(np.uint8)).tolist() == [True, False, False, False, False, True]
    assert space.valid(np.empty((0, 2), dtype=int)).shape == (0,)
    assert not space.is_valid((10**12, 0))


@pytest.mark.parametrize(
    "points",
    [
        np.array([0, 0]),
        np.zeros((3, 3), dtype=int),
        np.zeros((3, 2)),
        np.zeros((3, 2), dtype=bool),
        np.zeros((1, 1, 2), dtype=int),
    ],
)
def test_valid_takes_rows_of_integers(points: np.ndarray[Any, Any]) -> None:
    with pytest.raises(SpaceError, match="points must"):
        Space({"x": [1, 2], "y": [1, 2, 3]}).valid(points)


@pytest.mark.parametrize(
    ("point", "message"),
    [((0,), "shape"), ((0, 5), "level of 'y' must be 0 to 2, got 5"), ((0.5, 1), "integer levels")],
)
def test_params_of_what_is_no_point_is_an_error(point: tuple[int, ...], message: str) -> None:
    space = Space({"x": [1, 2], "y": [1, 2, 3]})
    for read in (space.params, space.active):
        with pytest.raises(SpaceError, match=message):
            read(point)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": None}, "parameter 'lr': expected one of the numbers"),
        (
            {"lr": 0.005},
            r"parameter 'lr': 0.005 is not on the axis; the nearest values are 0.001 and 0.01",
        ),
        ({"opt": "SGD"}, r"parameter 'opt': expected one of \['sgd', 'adam'\], got 'SGD'"),
        ({"momm": 0.9}, "unknown parameter 'momm'; did you mean 'mom'"),
        ({"zzz": 1}, "unknown parameter 'zzz'; the parameters are lr, opt"),
        (
            {"beta": 0.9},
            r"parameter 'beta' is inactive here by When\(\"opt == 'adam'\", 'beta'\); leave it out",
        ),
        ({"mom": 0.0}, "parameter 'nesterov' is inactive here by When"),
        ({"mom": 0.99, "lr": 0.1}, "break the rule Require.'mom < 0.99 or lr < 0.01'"),
    ],
)
def test_params_off_the_grid_say_why(change: dict[str, Any], message: str) -> None:
    good = {"lr": 0.01, "opt": "sgd", "mom": 0.9, "nesterov": True}
    assert ALGORITHM.point(good) == (2, 0, 1, 1, 0)
    with pytest.raises(SpaceError, match=message):
        ALGORITHM.point(good | change)


def test_missing_params_are_named() -> None:
    with pytest.raises(SpaceError, match="parameter 'opt' is missing; got lr"):
        ALGORITHM.point({"lr": 0.01})
    with pytest.raises(SpaceError, match=r"parameter 'mom' is missing; it is active here by When"):
        ALGORITHM.point({"lr": 0.01, "opt": "sgd"})
    with pytest.raises(SpaceError, match="got no parameters"):
        ALGORITHM.point({})
    with pytest.raises(SpaceError, match="mapping"):
        ALGORITHM.point([("lr", 0.01)])  # type: ignore[arg-type]


def test_points_are_plain_integers_and_params_plain_python() -> None:
    point = ALGORITHM.point({"lr": np.float64(0.01), "opt": np.str_("adam"), "beta": 0.9})
    assert all(type(level) is int for level in point)
    assert all(
        type(level) is int
        for sample in ALGORITHM.sample(np.random.default_rng(0), 3)
        for level in sample
    )
    params = Space({"b": np.array([True, False]), "n": np.arange(3)}).params((0, 1))
    assert params == {"b": True, "n": 1}
    assert [type(value) for value in params.values()] == [bool, int]


def test_a_huge_grid_is_made_and_asked_without_being_enumerated() -> None:
    space = Space(
        {f"x{i}": range(100) for i in range(20)},
        where=[Require("x0 * x1 <= 50 * x2"), Require(lambda p: p["x3"] > 2, name="f")],
    )
    assert space.size == 10**40
    assert (space.count, space.enumerable, space.ndim) == (None, False, 20)
    points = np.random.default_rng(0).integers(0, 100, size=(1000, 20))
    expected = (points[:, 0] * points[:, 1] <= 50 * points[:, 2]) & (points[:, 3] > 2)
    assert (space.valid(points) == expected).all()
    with pytest.raises(SpaceError, match="about 1e40 points is not enumerated"):
        space.points()
    assert "1e40" in repr(space)
    wide = Space(
        {f"x{i}": range(1000) for i in range(200)}, where=Require(lambda p: True, name="all")
    )
    assert "1e600" in repr(wide)
    assert wide.is_valid((999,) * 200)


def test_a_rule_over_a_sub_grid_too_large_for_a_table_is_evaluated() -> None:
    names = [f"x{i}" for i in range(8)]
    space = Space(dict.fromkeys(names, range(10)), where=Require(" + ".join(names) + " <= 36"))
    points = np.random.default_rng(0).integers(0, 10, size=(2000, 8))
    assert (space.valid(points) == (points.sum(axis=1) <= 36)).all()


def test_the_largest_enumerable_space_and_the_first_beyond() -> None:
    space = Space({c: range(100) for c in "abc"}, where=Require("a + b + c < 3"))
    assert space.enumerable
    assert space.points().tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [0, 0, 2],
        [0, 1, 0],
        [0, 1, 1],
        [0, 2, 0],
        [1, 0, 0],
        [1, 0, 1],
        [1, 1, 0],
        [2, 0, 0],
    ]
    assert not Space({"a": range(100), "b": range(100), "c": range(101)}).enumerable


def test_functions_are_asked_once_for_each_point_and_only_where_the_strings_hold() -> None:
    calls: list[dict[str, Any]] = []

    def fits(params: Mapping[str, Any]) -> bool:
        calls.append(dict(params))
        return bool(params["a"] != params["b"])

    space = Space({"a": range(30), "b": range(30)}, where=[Require(fits), Require("a < 10")])
    assert space.count == 290
    space.valid(space.points())
    space.sample(np.random.default_rng(0), 5)
    assert len(calls) == 300
    assert all(call["a"] < 10 for call in calls)


def test_a_function_cannot_change_the_params_of_others() -> None:
    def greedy(params: dict[str, Any]) -> bool:
        params.clear()
        return True

    clearing = Require(greedy, name="g")  # type: ignore[arg-type]
    space = Space({"a": [1, 2]}, where=[clearing, Require(lambda p: p["a"] == 1, name="h")])
    assert space.points().tolist() == [[0]]


def test_rules_that_nothing_satisfies_are_named_with_their_shares() -> None:
    with pytest.raises(
        SpaceError,
        match=r"no point of the space .* Require\('x \* y > 1000'\) rejects most, 100 % "
        r".* Require\('x > 2'\) 50 %",
    ):
        Space({"x": [1, 2, 3, 4], "y": [1, 2]}, where=[Require("x > 2"), Require("x * y > 1000")])
    with pytest.raises(SpaceError, match=r"Require\(impossible\) rejects most, 100 %"):
        Space({"x": [1, 2, 3, 4]}, where=Require(lambda p: False, name="impossible"))


@pytest.mark.parametrize(
    ("axes", "where", "message"),
    [
        ({}, (), "axes is empty"),
        ([("x", [1])], (), "axes must be a mapping"),
        ({1: [1, 2]}, (), "name of an axis must be a non-empty string, got 1"),
        ({"": [1, 2]}, (), "name of an axis must be a non-empty string"),
        ({"x": [1, 2]}, "x < 2", "where must be a list"),
        ({"x": [1, 2]}, ["x < 2"], r"wrap it: Require\('x < 2'\)"),
        ({"x": [1, 2]}, [lambda p: True], "where must hold Require and When only"),
    ],
)
def test_what_is_no_space_says_so(axes: Any, where: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space(axes, where=where)


def test_a_space_cannot_be_changed_from_outside() -> None:
    given = {"x": [1, 2, 3]}
    space = Space(given)
    given["x"].append(4)
    given["y"] = [1]
    assert space.shape == (3,)
    with pytest.raises(TypeError):
        space.axes["z"] = Ordinal([1])  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        space.points()[0, 0] = 5
    with pytest.raises(AttributeError):
        space.shape = (1,)  # type: ignore[misc]
