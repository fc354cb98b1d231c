"""Collinear exploration, against DSICE walked point by point in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from dsice import Choice, Require, Space, When
from dsice.collinear.exploration import (
    IN_ALL,
    Exploration,
    Lines,
    lowest_places,
    point_keys,
    width_reached,
)
from dsice.directions import directions, line

Point = tuple[int, ...]


def cube(*shape: int) -> Space:
    return Space({f"x{j}": range(m) for j, m in enumerate(shape)})


def with_holes() -> Space:
    return Space(
        {"a": range(7), "b": range(6), "c": Choice(["p", "qq", "rrr"]), "d": range(5)},
        where=[Require("a + b >= 2"), Require("a * d <= 16"), When("c != 'qq'", "d")],
    )


def rough(space: Space, seed: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """A random value for each point."""
    values = np.random.default_rng(seed).normal(size=space.shape)
    return lambda points: values[tuple(points.T)]


def explore(
    space: Space,
    at: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    width: int,
    most: int = 10**6,
    seed: int = 0,
) -> Any:
    def along(lines: Lines) -> np.ndarray:
        return at(space.collapse(lines.points()))

    exploration = Exploration(space, along, width, most, np.random.default_rng(seed))
    return exploration.run(starts, at(starts))


def walked(
    space: Space, at: Callable[[np.ndarray], np.ndarray], start: Point, width: int
) -> tuple[set[Point], Point]:
    """All valid points on the lines of one walk, and where it ends: narrow ones, then wide."""
    seen: set[Point] = set()
    here = start
    while True:
        for widths in [[1, 2][:width], *([w] for w in range(3, width + 1))]:
            found = [
                point
                for w in widths
                for direction in directions(
                    space.ndim, w, [j for j, o in enumerate(space.ordered) if w == 1 or o]
                )
                if len(line(here, direction, space.shape)) > 1
                for point in map(
                    tuple, space.collapse(line(here, direction, space.shape).points).tolist()
                )
                if space.is_valid(point)
            ]
            seen.update(found)
            lowest = min(found, key=lambda p: at(np.array([p]))[0], default=here)
            if at(np.array([lowest]))[0] < at(np.array([here]))[0]:
                here = lowest
                break
        else:
            return seen, here


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("make", [lambda: cube(5, 7, 4), lambda: cube(9), with_holes])
def test_it_sees_what_walks_of_dsice_see(make: Callable[[], Space], width: int) -> None:
    space = make()
    at = rough(space)
    starts = np.array(space.sample(np.random.default_rng(1), 6))
    found = explore(space, at, starts, width)
    walks = [walked(space, at, tuple(p), width) for p in starts.tolist()]
    assert set(map(tuple, found.points.tolist())) == set.union(*(seen for seen, _ in walks))
    assert (np.diff(found.values) >= 0).all()
    np.testing.assert_array_equal(found.values, at(found.points))
    ends = [float(at(np.array([end]))[0]) for _, end in walks]
    assert found.values[0] == min(ends)


def test_every_point_lies_on_the_line_that_it_names() -> None:
    space = with_holes()
    found = explore(space, rough(space), np.array(space.sample(np.random.default_rng(2), 5)), 3)
    for point, through, direction in zip(
        found.points.tolist(), found.through.tolist(), found.directions.tolist(), strict=True
    ):
        on_line = space.collapse(line(through, direction, space.shape).points)
        assert point in on_line.tolist()


def test_the_lowest_are_kept() -> None:
    space = cube(8, 8, 8)
    at, starts = rough(space), np.array([[0, 0, 0], [7, 3, 1]])
    everything, few = (explore(space, at, starts, 3, most) for most in (10**6, 20))
    np.testing.assert_array_equal(few.points, everything.points[:20])


def test_one_path_is_walked_once() -> None:
    """Walks that meet go on as one: from 500 starts as from 30, the valley is seen once."""
    space, calls = cube(30, 30), []

    def at(points: np.ndarray) -> np.ndarray:
        return ((points - 12.2) ** 2).sum(axis=1)

    def along(lines: Lines) -> np.ndarray:
        calls.append(len(lines.lengths))
        return at(lines.points())

    starts = np.array(space.sample(np.random.default_rng(0), 500))
    Exploration(space, along, 2, 100, np.random.default_rng(0)).run(starts, at(starts))
    assert sum(calls) < 4 * (500 + 2 * 60)


LARGE: Mapping[str, Callable[[], Space]] = {
    "100^20": lambda: cube(*[100] * 20),
    "2^40": lambda: cube(*[2] * 40),
    "3^200": lambda: cube(*[3] * 200),
    "one axis of 1e6": lambda: cube(10**6),
    "three axes of 1e5": lambda: cube(*[10**5] * 3),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_it_ends_on_grids_of_any_size(make: Callable[[], Space]) -> None:
    """And comes near the lowest point of a slope, however few lines there is room for."""
    space = make()
    scale = np.array(space.shape) - 1.0

    def at(points: np.ndarray) -> np.ndarray:
        return ((points / scale - 0.3) ** 2).mean(axis=1)

    starts = np.array(space.sample(np.random.default_rng(0), 25))
    seen = []

    def along(lines: Lines) -> np.ndarray:
        seen.append(int(lines.lengths.sum()))
        return at(lines.points())

    found = Exploration(space, along, 3, 500, np.random.default_rng(1)).run(starts, at(starts))
    assert sum(seen) < 2 * IN_ALL
    lowest = at(np.rint(0.3 * scale)[None, :])[0]
    share = 0.9 if len(scale) > 100 else 0.5
    assert found.values[0] - lowest < share * (at(starts).min() - lowest) + 1e-6
    assert len(np.unique(found.points, axis=0)) == len(found.points)


def test_keys_tell_points_apart_on_grids_beyond_64_bits() -> None:
    points = np.random.default_rng(0).integers(0, 100, (50, 20))
    points[20:30] = points[:10]
    for shape in ((100,) * 20, (100,) * 9):
        rows = points[:, : len(shape)]
        keys = point_keys(rows, shape)
        same = keys[:, None] == keys[None, :]
        np.testing.assert_array_equal(same, (rows[:, None] == rows[None, :]).all(axis=2))


def stretched(ranks: list[int], enough: int) -> int:
    """2, and one more for each stretch of so many in a row that are no new best."""
    width, best, stale = 2, ranks[0], 0
    for rank in ranks[1:]:
        if rank < best:
            best, stale = rank, 0
            continue
        stale += 1
        if stale == enough:
            width, stale = width + 1, 0
    return width


@pytest.mark.parametrize("ndim", [2, 15])
def test_width_grows_with_each_stretch_without_improvement(ndim: int) -> None:
    rng = np.random.default_rng(ndim)
    for n in (1, 5, 60, 200):
        ranks = rng.permutation(n)
        wanted = stretched(ranks.tolist(), max(20, 2 * ndim))
        assert width_reached(ranks, ndim, 99) == wanted
        assert width_reached(ranks, ndim, 2) == 2
    assert width_reached(np.arange(0), ndim, 5) == 2
    assert width_reached(rng.permutation(50), ndim, 1) == 1


def test_the_lowest_places_are_the_first_of_all_in_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.choice([0.0, 1.0, 1.0 + 1e-12, 2.0, np.inf, np.nan], size=rng.integers(1, 30))
        k = int(rng.integers(0, len(values) + 3))
        order = np.argsort(np.round(values, 9), kind="stable")
        assert lowest_places(values, k).tolist() == order[:k].tolist()
