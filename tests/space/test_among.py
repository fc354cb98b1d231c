"""An explicit set of valid points: exact on grids of any size, whatever rules go with it."""

from __future__ import annotations

import base64
import json
import pickle
import re
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dsice.errors import SpaceError
from dsice.space import Among, Choice, Ordinal, Require, Rule, Space, When, among
from dsice.space.points import PointSet, groups_of
from tests.space import twin
from tests.space.test_space import ALGORITHM, spaces

GRIDS = {
    "1e9": Space({f"x{i}": range(10) for i in range(9)}),
    "1e30": Space({f"x{i}": range(1000) for i in range(10)}),
    "200 axes": Space({f"x{i}": range(100) for i in range(200)}),
    "70 binary": Space({f"x{i}": [False, True] for i in range(70)}),
    "long axes": Space({"x": range(50_000), "y": range(30), "z": range(50_000)}),
}


def some_points(space: Space, n: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Distinct points of the grid, in no order."""
    drawn = np.random.default_rng(seed).integers(0, space.shape, size=(n, space.ndim))
    return list(dict.fromkeys(map(tuple, drawn.tolist())))


def stored(space: Space) -> Any:
    """What comes back from a file."""
    return json.loads(json.dumps(space.to_dict()))


# ------------------------------------------------------------------ which points are valid
def test_with_rules_and_conditions_the_valid_points_are_those_of_a_plain_twin() -> None:
    for seed, space in enumerate(spaces()[:30]):
        rng = np.random.default_rng(seed)
        grid = np.stack(np.unravel_index(np.arange(space.size), space.shape), axis=1)
        listed = grid[rng.random(len(grid)) < 0.6]
        every = set(twin.valid_points(space))
        # points with an inactive parameter off level 0 stand for the one at level 0
        meant = set(map(tuple, space.collapse(listed).tolist())) if len(listed) else set()
        allowed = every & meant
        expected = sorted(allowed)
        if not expected:
            with pytest.raises(SpaceError):
                space.among(listed)
            continue
        for made in (space.among(listed), Space(space.axes, where=space.among(listed).where[::-1])):
            assert made.count == len(expected)
            assert list(map(tuple, made.points().tolist())) == expected
            wanted = [p in allowed for p in map(tuple, grid.tolist())]
            assert made.valid(grid).tolist() == wanted
            cold = Space.from_dict(stored(made), rules=made.named_rules)
            assert cold.valid(grid).tolist() == wanted


@pytest.mark.parametrize("name", GRIDS)
def test_on_large_grids_count_points_and_validity_are_exact(name: str) -> None:
    grid = GRIDS[name]
    points = some_points(grid, 500)
    space = grid.among(points + points[:40])
    assert space.enumerable and space.count == len(points)
    assert list(map(tuple, space.points().tolist())) == sorted(points)
    near = np.array(points)
    near[np.arange(len(near)), np.arange(len(near)) % grid.ndim] += 1  # some are off the grid now
    known = set(points)
    expected = [tuple(p) in known for p in near.tolist()]
    assert space.valid(near).tolist() == expected and not all(expected)
    assert space.valid(np.array(points)).all()
    assert space.is_valid(points[3]) and space.point(space.params(points[3])) == points[3]
    assert grid.count is None or grid.count == grid.size


@pytest.mark.parametrize("name", GRIDS)
def test_what_is_drawn_is_what_a_list_of_all_that_is_left_gives(name: str) -> None:
    space = GRIDS[name].among(some_points(GRIDS[name], 60))
    rows = space.points()
    for seed in range(20):
        taken = np.random.default_rng(seed).integers(0, len(rows), size=30)  # some twice
        left = np.delete(np.arange(len(rows)), taken)
        plain = np.random.default_rng(seed).choice(left, size=5, replace=False)
        drawn = space.sample(np.random.default_rng(seed), 5, exclude=rows[taken])
        assert drawn == [tuple(row) for row in rows[plain].tolist()]


@pytest.mark.parametrize("name", GRIDS)
def test_samples_of_a_set_are_complete_distinct_and_not_excluded(name: str) -> None:
    grid = GRIDS[name]
    points = some_points(grid, 300)
    space = grid.among(points)
    rng = np.random.default_rng(1)
    exclude = {*points[:120], (99_999,) * grid.ndim}
    assert set(space.sample(rng, 10**6, exclude=exclude)) == set(points[120:])
    assert len(space.sample(rng, 10**6, exclude=np.array(points[:120]))) == len(points) - 120
    assert space.sample(rng, 4, exclude=points) == []
    twice = [space.sample(np.random.default_rng([5, 6]), 50) for _ in range(2)]
    assert twice[0] == twice[1] and len(set(twice[0])) == 50


def test_samples_of_a_set_are_uniform() -> None:
    points = some_points(GRIDS["1e30"], 40)
    space = GRIDS["1e30"].among(points)
    rng = np.random.default_rng(3)
    drawn = Counter(p for _ in range(500) for p in space.sample(rng, 8))
    counts = [drawn[p] for p in points]
    assert sum(counts) == 4000 and float(stats.chisquare(counts).pvalue) > 1e-3


def test_rules_narrow_a_set_on_a_large_grid() -> None:
    grid = GRIDS["1e30"]
    points = some_points(grid, 2000)
    rules: list[Rule] = [
        Require("x0 + x1 <= 900"),
        Require(lambda p: p["x9"] % 2 == 0, name="even"),
    ]
    space = Space(grid.axes, where=rules).among(points)
    expected = sorted(p for p in points if p[0] + p[1] <= 900 and p[9] % 2 == 0)
    assert list(map(tuple, space.points().tolist())) == expected and space.count == len(expected)
    again = Space(grid.axes, where=[grid.among(points).where[0], *rules])
    assert again.points().tolist() == space.points().tolist()
    both = space.among(points[::2])
    assert both.count == len(set(points[::2]) & set(expected))


def test_a_rule_is_asked_at_points_of_the_set_only() -> None:
    def inverse(params: Any) -> bool:
        return 1 / params["x"] > 0  # fails at 0

    grid = Space({"x": range(9), "y": range(9)})
    space = Space(grid.axes, where=[Require(inverse), *grid.among([(1, 0), (3, 3)]).where])
    assert space.count == 2 and not space.is_valid((0, 0))
    with pytest.raises(SpaceError, match=r"params break the rule Among\(2 points\)"):
        space.point({"x": 0, "y": 0})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=25), st.integers(0, 2**32))
def test_places_in_a_set_of_any_shape_are_those_in_a_sorted_list(
    shape: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, shape, size=(30, len(shape)))
    found = PointSet.of(tuple(shape), rows)
    expected = sorted(set(map(tuple, rows.tolist())))
    assert list(map(tuple, found.rows().tolist())) == expected and len(found) == len(expected)
    others = np.concatenate([rows, rng.integers(-1, np.array(shape) + 1, size=(30, len(shape)))])
    places = [expected.index(p) if p in expected else -1 for p in map(tuple, others.tolist())]
    assert found.places(others).tolist() == places
    sizes = [group.size for group in groups_of(tuple(shape))]
    assert sum(len(group.shape) for group in found.groups) == len(shape)
    assert len(sizes) == 1 or max(sizes) * 10**6 < 2**63
    axes = {f"x{i}": range(n) for i, n in enumerate(shape)}
    again = Space.from_dict(stored(Space(axes).among(rows)))
    assert list(map(tuple, again.points().tolist())) == expected


# ------------------------------------------------------------------ points as people have them
def test_levels_params_and_tables_give_the_same_set() -> None:
    import pandas as pd

    space = Space({"x": [1, 2, 4], "opt": ["sgd", "adam"], "on": [False, True], "lr": [0.1, 0.01]})
    points = [(0, 1, 1, 0), (2, 0, 0, 1), (1, 1, 0, 0)]
    params = [space.params(p) for p in points]
    frame = pd.DataFrame(params)[["lr", "on", "x", "opt"]]
    rounded = [p | {"lr": p["lr"] * (1 + 1e-12), "x": np.int64(p["x"])} for p in params]
    for given_points in (points, np.array(points, dtype=np.uint8), params, frame, rounded):
        assert space.among(given_points) == space.among(points)
        assert space.levels(given_points).tolist() == np.array(points).tolist()
    assert space.levels([]).shape == (0, 4)


def test_inactive_parameters_are_left_out_of_params_and_do_not_count_in_tables() -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "lr": [1e-4, 1e-3, 1e-3],
            "opt": ["adam", "sgd", "sgd"],
            "mom": [0.9, 0.0, 0.9],
            "nesterov": [None, None, True],
            "beta": [0.9, float("nan"), 0.999],
        }
    )
    space = Space(ALGORITHM.axes, where=[r for r in ALGORITHM.where if isinstance(r, When)])
    rows = space.levels(frame)
    assert [space.params(tuple(r)) for r in rows.tolist()] == [
        {"lr": 1e-4, "opt": "adam", "beta": 0.9},
        {"lr": 1e-3, "opt": "sgd", "mom": 0.0},
        {"lr": 1e-3, "opt": "sgd", "mom": 0.9, "nesterov": True},
    ]
    assert space.levels([space.params(tuple(r)) for r in rows.tolist()]).tolist() == rows.tolist()
    frame.loc[1, "mom"] = None
    with pytest.raises(
        SpaceError, match=r"points, row 1: parameter 'mom' is missing; it is active"
    ):
        space.among(frame)
    with pytest.raises(
        SpaceError, match=r"points, row 0: parameter 'mom' is inactive here by When"
    ):
        space.among([{"lr": 1e-4, "opt": "adam", "beta": 0.9, "mom": 0.9}])


WRONG: list[tuple[Any, str]] = [
    ([(0, 0), (1, 9)], r"points, row 1: level of 'y' must be 0 to 2, got 9 in \(1, 9\)"),
    ([(0, 0), (1, -1)], "points, row 1: level of 'y' must be 0 to 2, got -1"),
    ([(0, 0), (1,)], r"points must be levels of shape \(k, 2\), a list of params, or a DataFrame"),
    ([(0, 0, 0)], r"points must have the shape \(k, 2\)"),
    ([(0.0, 1.0)], "points must be integer levels"),
    ([(0, 2**70)], "points must be integer levels"),
    ("xy", "points must be levels of shape"),
    (3, "points must be levels of shape"),
    (
        [{"x": 1, "y": "a"}, {"x": 3, "y": "a"}],
        "points, row 1: parameter 'x': 3 is not on the axis",
    ),
    ([{"x": 1, "y": "a"}, {"x": 2}], "points, row 1: parameter 'y' is missing; got x"),
    ([{"x": 1, "y": "a"}, {"x": 2, "y": []}], "points, row 1: parameter 'y': expected one of"),
    ([{"x": 1, "y": "a", "z": 1}], "points, row 0: unknown parameter 'z'"),
    ([{"x": 1, "y": "a"}, (0, 0)], r"points, row 1: expected params as before, got \(0, 0\)"),
    ([], "at least 1 and at most 1,000,000, got 0; give some"),
]


@pytest.mark.parametrize(("points", "message"), WRONG)
def test_points_that_cannot_be_taken_are_named(points: Any, message: str) -> None:
    space = Space({"x": [1, 2, 4], "y": ["a", "b", "c"]})
    with pytest.raises(SpaceError, match=message):
        space.among(points)


def test_tables_that_cannot_be_taken_are_named() -> None:
    import pandas as pd

    space = Space({"x": [1, 2, 4], "y": ["a", "b", "c"]})
    frame = pd.DataFrame({"x": [1, 2], "y": ["a", None], "loss": [0.1, 0.2]})
    with pytest.raises(SpaceError, match=r"unknown parameter 'loss'.*frame\[list\(space.names\)\]"):
        space.among(frame)
    with pytest.raises(SpaceError, match="points: the column of 'y' is missing"):
        space.among(frame[["x"]])
    with pytest.raises(SpaceError, match="points: the column of 'x' is twice"):
        space.among(frame[["x", "y", "x"]])
    with pytest.raises(SpaceError, match="points, row 1: parameter 'y' is missing"):
        space.among(frame[["x", "y"]])


def test_levels_of_points_that_break_a_rule_are_refused_with_the_rule() -> None:
    space = Space({"x": range(9), "y": range(9)}, where=Require("x * y <= 12"))
    with pytest.raises(SpaceError, match=r"points, row 2: params break the rule Require\('x \* y"):
        space.levels([(1, 1), (2, 6), (4, 4)])
    row = next(p for p in [(0, 1, 1, 0, 0)] if not ALGORITHM.is_valid(p))
    with pytest.raises(SpaceError, match="points, row 0: parameter 'mom' is inactive here by When"):
        ALGORITHM.levels([row])


def test_more_than_a_million_points_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(among, "MAX_POINTS", 50)
    with pytest.raises(SpaceError, match=r"at most 50, got 51; say with a rule which points are"):
        Space({"x": range(99)}).among([(i,) for i in range(51)])


def test_a_set_that_no_rule_leaves_a_point_of_names_the_rule() -> None:
    grid = GRIDS["1e9"]
    with pytest.raises(
        SpaceError,
        match=r"no point of the space satisfies all its rules: Require\('x0 > 5'\).*100 %",
    ):
        Space(grid.axes, where=Require("x0 > 5")).among([(0,) * 9, (1,) * 9])
    with pytest.raises(SpaceError, match=r"Among\(1 point\) rejects most"):
        grid.among([(0,) * 9]).among([(1,) * 9])


# ------------------------------------------------------------------ written down and read again
@pytest.mark.parametrize("name", GRIDS)
def test_a_set_survives_json_and_pickling(name: str) -> None:
    space = GRIDS[name].among(some_points(GRIDS[name], 100), name="solved")
    for again in (Space.from_dict(stored(space)), pickle.loads(pickle.dumps(space))):  # noqa: S301
        assert again == space and hash(again) == hash(space)
        assert again.points().tolist() == space.points().tolist()
        assert again.difference(stored(space)) is None and space.difference(stored(again)) is None
        assert again.fingerprint == space.fingerprint
    assert "where=[Among(100 points, name='solved')]" in repr(space)
    assert space != GRIDS[name] and space.fingerprint != GRIDS[name].fingerprint


def test_the_stored_form_is_what_the_documentation_says() -> None:
    """Read without the package: flat indices, differences, planes of bytes, zlib, base64."""
    shape = (1000, 300, 7)
    points = some_points(Space({f"x{i}": range(n) for i, n in enumerate(shape)}), 400)
    space = Space({f"x{i}": range(n) for i, n in enumerate(shape)}).among(points)
    (rule,) = stored(space)["where"]
    assert set(rule) == {"kind", "count", "sha256", "points"} and rule["kind"] == "among"
    data = zlib.decompress(base64.b64decode(rule["points"]))
    width = len(data) // rule["count"]
    flat, read = 0, []
    for i in range(rule["count"]):
        flat += sum(data[plane * rule["count"] + i] << (8 * plane) for plane in range(width))
        read.append((flat // 2100, flat // 7 % 300, flat % 7))
    assert read == sorted(points)


def test_a_header_of_100_000_points_is_small_on_ordinary_grids() -> None:
    sizes = {}
    for name, shape in {"1e9": (10,) * 9, "1e40": (100,) * 20}.items():
        grid = Space({f"x{i}": range(n) for i, n in enumerate(shape)})
        points = np.random.default_rng(0).integers(0, shape, size=(100_000, len(shape)))
        sizes[name] = len(json.dumps(grid.among(points).to_dict()))
    assert sizes["1e9"] < 300_000 and sizes["1e40"] < 2_000_000
    solved = Space({f"x{i}": range(2, 12) for i in range(6)}, where=Require("x0 * x1 <= x2 * x3"))
    assert len(json.dumps(Space(solved.axes).among(solved.points()).to_dict())) < 60_000


def change(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda rule: rule.update(fields)


def with_bytes(data: bytes, count: int) -> Callable[[dict[str, Any]], None]:
    """A set that somebody wrote on purpose: its hash is right, its points may not be."""
    import hashlib

    text = base64.b64encode(zlib.compress(data)).decode()
    return change(points=text, count=count, sha256=hashlib.sha256(data).hexdigest())


DAMAGE: dict[str, Callable[[dict[str, Any]], None]] = {
    "another hash": change(sha256="0" * 64),
    "another count": change(count=7),
    "no count": lambda rule: rule.pop("count"),
    "a count that is none": change(count=True),
    "a huge count": change(count=10**7),
    "no points": lambda rule: rule.pop("points"),
    "no text": change(points=[1]),
    "no base64": change(points="*" * 40),
    "no zlib": change(points=base64.b64encode(b"abc" * 20).decode()),
    "cut": lambda rule: rule.update(points=rule["points"][:20]),
    "a bomb": with_bytes(bytes(50_000_000), 100),
    "more behind": lambda rule: rule.update(
        points=base64.b64encode(base64.b64decode(rule["points"]) + b"more").decode()
    ),
    "off the grid": with_bytes(bytes([9, 200, 200]), 3),
    "a point twice": with_bytes(bytes([9, 0]), 2),
    "beyond 64 bits": with_bytes(b"\xff" * 16, 2),
    "wider than the grid": with_bytes(bytes(range(1, 41)), 2),
    "nothing": with_bytes(b"", 1),
    "a name that is none": change(name=3),
}


@pytest.mark.parametrize("shape", [(10,) * 2, (10,) * 30])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_set_is_refused(damage: str, shape: tuple[int, ...]) -> None:
    grid = Space({f"x{i}": range(n) for i, n in enumerate(shape)})
    record = stored(grid.among(some_points(grid, 40)))
    DAMAGE[damage](record["where"][0])
    if len(shape) == 30 and damage in ("off the grid", "beyond 64 bits"):
        return  # these are on the larger grid
    with pytest.raises(SpaceError, match=r"damaged|cannot be read|name of a set"):
        Space.from_dict(record)


# ------------------------------------------------------------------ other axes, other sets
def test_the_rules_of_one_space_on_other_axes_keep_their_points_by_value() -> None:
    axes: dict[str, Any] = {"x": [1, 2, 4], "k": Choice(["a", "b"])}
    old = Space(axes).among([{"x": 1, "k": "b"}, {"x": 4, "k": "a"}])
    new = Space({"k": Choice(["c", "b", "a"]), "x": [0, 1, 2, 3, 4]}, where=old.where)
    found = [new.params(tuple(p)) for p in new.points().tolist()]
    assert found == [{"k": "b", "x": 1}, {"k": "a", "x": 4}]
    with pytest.raises(SpaceError, match=r"points that are not on the grid.*'x': 4 is not on the"):
        Space({"x": [1, 2], "k": ["a", "b"]}, where=old.where)
    with pytest.raises(SpaceError, match="has no value of 'gpus', unlike the axes of the space"):
        Space({**axes, "gpus": [1, 2]}, where=old.where)
    with pytest.raises(SpaceError, match="has values of 'k', unlike the axes"):
        Space({"x": [1, 2, 4]}, where=old.where)


def test_the_difference_of_two_sets_names_a_point() -> None:
    grid = Space({"x": Ordinal([1, 2, 4]), "y": range(3)})
    points = [(0, 0), (1, 1), (2, 2)]
    here, less, more = (grid.among(p) for p in (points, points[:2], [*points, (0, 2)]))
    for other, said in (
        (grid, r"the rule Among\(3 points\) is not in the stored space"),
        (less, r"has 3 of them here and 2 in the stored.*1 are not in the stored one, .*'x': 4"),
        (more, r"has 3 of them here and 4 in the stored.*1 are missing here, .*'x': 1, 'y': 2"),
    ):
        found = here.difference(stored(other))
        assert found is not None and re.search(said, found), found
    assert "has the rule Among(3 points), which is missing" in str(grid.difference(stored(here)))


def test_a_named_set_stands_for_the_function_of_that_name() -> None:
    points = [(0, 0), (1, 1), (2, 2)]
    grid = Space({"x": [1, 2, 4], "y": range(3)})
    old = Space(grid.axes, where=Require(lambda p: True, name="logged"))
    own = grid.among(points, name="logged")
    assert own.difference(stored(old)) is None
    again = Space.from_dict(stored(old), rules=own.named_rules)
    assert again == own and own.named_rules == {"logged": own.where[0]}
    other = grid.among(points, name="other").difference(stored(old))
    assert other is not None and "Require(logged), which is missing here" in other
    assert "Among(3 points, name='logged') is not in" in str(own.difference(stored(grid)))
    with pytest.raises(SpaceError, match=r"'logged'; pass it as rules=.*Table\(...\).space.named"):
        Space.from_dict(stored(old))
    assert isinstance(own.where[0], Among) and len(own.where[0]) == 3
    with pytest.raises(SpaceError, match="name of a set of points must be a non-empty string"):
        grid.among(points, name="")
