"""Conditional parameters: chains, functions, circles, and rules that mention inactive ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from dsice.errors import SpaceError
from dsice.space import Require, Space, When

AXES: dict[str, Any] = {
    "kind": ["none", "cnn", "mlp"],
    "layers": [1, 2, 3],
    "width2": [16, 32],
    "width3": [16, 32],
}


def every(space: Space) -> list[dict[str, Any]]:
    """Params of all valid points."""
    return [space.params(tuple(point)) for point in space.points().tolist()]


def expected() -> list[dict[str, Any]]:
    """Points of AXES where width2 needs two layers, width3 three, layers a kind: as plain loops."""
    found: list[dict[str, Any]] = [{"kind": "none"}]
    for kind, layers in itertools.product(["cnn", "mlp"], [1, 2, 3]):
        for widths in itertools.product([16, 32], repeat=layers - 1):
            found.append(
                {"kind": kind, "layers": layers}
                | {f"width{i + 2}": width for i, width in enumerate(widths)}
            )
    return found


STRINGS = [
    When("layers >= 3", "width3"),
    When("kind != 'none'", "layers"),
    When("layers >= 2", "width2"),
]


def three(params: Mapping[str, Any]) -> bool:
    """A condition that looks up a parameter which may be inactive."""
    return bool(params["layers"] >= 3)


@pytest.mark.parametrize(
    "where",
    [
        STRINGS,
        STRINGS[::-1],
        [When(three, "width3"), *STRINGS[1:]],
        [
            When(lambda p: p["kind"] != "none", "layers", name="k"),
            When(lambda p: p["layers"] >= 2, "width2", name="l"),
            When(three, "width3"),
        ],
        [When(lambda p: p["kind"] != "none", "layers", name="k"), STRINGS[0], STRINGS[2]],
        [When("layers >= 2", "width2", "width3"), When("layers >= 3", "width3"), STRINGS[1]],
    ],
)
def test_chains_collapse_to_one_point_each_however_they_are_written(where: list[When]) -> None:
    space = Space(AXES, where=where)
    assert every(space) == sorted(expected(), key=lambda p: space.point(p))
    assert space.count == len(expected()) == 15
    for point in space.points().tolist():
        for level, active in zip(point, space.active(point), strict=True):
            assert active or level == 0


def test_an_inactive_parameter_off_level_0_is_not_a_valid_point() -> None:
    space = Space(AXES, where=STRINGS)
    assert space.is_valid((0, 0, 0, 0))
    assert not space.is_valid((0, 1, 0, 0))
    assert not space.is_valid((1, 1, 0, 1))
    assert space.active((0, 2, 1, 1)) == (True, False, False, False)


def test_collapsing_maps_the_grid_onto_the_points_that_differ() -> None:
    space = Space(AXES, where=STRINGS)
    grid = np.stack(np.unravel_index(np.arange(space.size), space.shape), axis=1)
    collapsed = space.collapse(grid)
    assert np.unique(collapsed, axis=0).tolist() == space.points().tolist()
    for before, after in zip(grid.tolist(), collapsed.tolist(), strict=True):
        assert space.params(before) == space.params(after)
    with pytest.raises(SpaceError, match="must lie on the grid"):
        space.collapse(np.array([[0, 9, 0, 0]]))


def test_a_rule_that_mentions_an_inactive_parameter_holds() -> None:
    for rule in ("width2 > 16", lambda p: p["width2"] > 16):
        space = Space(
            AXES, where=[*STRINGS, Require(rule, name=None if isinstance(rule, str) else "wide")]
        )
        assert all(params.get("width2", 32) > 16 for params in every(space))
        assert {"kind": "none"} in every(space)
        assert {"kind": "cnn", "layers": 1} in every(space)


def test_a_rule_that_would_raise_on_an_inactive_parameter_is_not_evaluated() -> None:
    axes: dict[str, Any] = {"on": [False, True], "x": [0, 1, 2]}
    space = Space(axes, where=[When("on", "x"), Require("x != 0"), Require("4 / x > 1")])
    assert every(space) == [{"on": False}, {"on": True, "x": 1}, {"on": True, "x": 2}]


def test_a_key_error_that_is_not_about_an_inactive_parameter_is_an_error() -> None:
    with pytest.raises(SpaceError, match="KeyError: 'typo'"):
        Space(AXES, where=[*STRINGS, Require(lambda p: p["typo"] > 1, name="r")])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ([When("b > 1", "a"), When("a > 1", "b")], "a needs b needs a"),
        ([When("a > 1", "a")], "a needs a"),
        ([When("b > 1", "a"), When("c > 1", "b"), When("a + 0 * c > 1", "c")], "go in a circle"),
        (
            [When(lambda p: p["b"] > 1, "a", name="f"), When(lambda p: p["a"] > 1, "b", name="g")],
            "looks up 'b', which is decided later",
        ),
        ([When("a > 1", "zz")], "unknown parameter 'zz'"),
        ([When("zz > 1", "a")], "unknown parameter 'zz'"),
    ],
)
def test_conditions_in_a_circle_or_on_unknown_names_are_errors(
    where: list[When], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        Space({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, where=where)


@pytest.mark.parametrize("names", [(), ("",), (5,)])
def test_when_needs_names(names: tuple[Any, ...]) -> None:
    with pytest.raises(SpaceError, match="needs the names"):
        When("a > 1", *names)


def test_a_condition_that_raises_is_named() -> None:
    with pytest.raises(
        SpaceError,
        match=r"When\('1 / a > 0', 'b'\) cannot be evaluated \(ZeroDivisionError.*\{'a': 0\}",
    ):
        Space({"a": [0, 1], "b": [1, 2]}, where=When("1 / a > 0", "b"))


def test_a_parameter_without_a_name_in_python_can_be_conditional() -> None:
    space = Space(
        {"use-x": [False, True], "x-1": [1, 2]},
        where=When(lambda p: p["use-x"], "x-1", name="uses_x"),
    )
    assert every(space) == [{"use-x": False}, {"use-x": True, "x-1": 1}, {"use-x": True, "x-1": 2}]


def test_branches_of_a_large_space_are_drawn_by_the_number_of_their_points() -> None:
    """Rejection sampling from the 1e6 grid points of each branch would hardly ever find one."""
    branches = {"a": (100, 100), "b": (50, 100), "c": (100, 50)}
    axes: dict[str, Any] = {"kind": list(branches)}
    axes |= {
        f"{kind}{i}": range(n) for kind, sizes in branches.items() for i, n in enumerate(sizes)
    }
    space = Space(
        axes, where=[When(f"kind == '{kind}'", f"{kind}0", f"{kind}1") for kind in branches]
    )
    points = np.array(space.sample(np.random.default_rng(0), 3000))
    assert space.valid(points).all()
    counts = np.bincount(points[:, 0], minlength=3)
    np.testing.assert_allclose(counts / 3000, [0.5, 0.25, 0.25], atol=0.04)
    first = points[points[:, 0] == 0, 1]
    assert abs(first.mean() - 49.5) < 3


def test_a_large_space_with_function_conditions_is_sampled_too() -> None:
    axes: dict[str, Any] = {"kind": list("abcde")} | {
        f"{kind}{i}": range(100) for kind in "abcde" for i in range(2)
    }
    where = [
        When(lambda p, kind=kind: p["kind"] == kind, f"{kind}0", f"{kind}1", name=kind)  # type: ignore[misc]
        for kind in "abcde"
    ]
    points = np.array(Space(axes, where=where).sample(np.random.default_rng(0), 200))
    assert len({tuple(point) for point in points.tolist()}) == 200
    assert set(points[:, 0].tolist()) == {0, 1, 2, 3, 4}
