"""Samples: valid, distinct, uniform, complete, reproducible, and quick where points are rare."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dsice.errors import SpaceError
from dsice.space import Require, Space, When, sampling
from dsice.space.points import tuples
from tests.space.test_space import ALGORITHM, spaces


def chi_square(
    space: Space, draws: list[tuple[int, ...]], possible: list[tuple[int, ...]]
) -> float:
    """The p-value of draws being uniform over the possible points."""
    counts = Counter(draws)
    assert set(counts) <= set(possible)
    return float(stats.chisquare([counts[point] for point in possible]).pvalue)


def test_samples_are_distinct_valid_and_not_excluded_and_run_out_exactly_at_the_end() -> None:
    for seed, space in enumerate(spaces()):
        points = {tuple(point) for point in space.points().tolist()}
        rng = np.random.default_rng(seed)
        exclude = set(space.sample(rng, len(points) // 2)) | {
            (99,) * space.ndim,
            (-1,) * space.ndim,
        }
        some = space.sample(rng, 3, exclude=exclude)
        assert len(some) == min(3, len(points - exclude))
        rest = space.sample(rng, len(points) + 5, exclude=exclude)
        assert len(rest) == len(set(rest))
        assert set(rest) == points - exclude
        assert space.sample(rng, 4, exclude=points) == []
        assert space.sample(rng, 0) == []


def test_small_spaces_are_sampled_uniformly() -> None:
    rng = np.random.default_rng(5)
    possible = [tuple(point) for point in ALGORITHM.points().tolist()]
    draws = [point for _ in range(1500) for point in ALGORITHM.sample(rng, 2)]
    assert chi_square(ALGORITHM, draws, possible) > 1e-3
    kept = possible[5:]
    draws = [point for _ in range(1500) for point in ALGORITHM.sample(rng, 2, exclude=possible[:5])]
    assert chi_square(ALGORITHM, draws, kept) > 1e-3


RARE: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "plain": ({"a": range(4), "b": range(4)}, [Require("a != b")]),
    "blocks": (
        {"a": range(12), "b": range(12), "c": range(40), "d": range(40)},
        [Require("a * b == 12"), Require("b + c <= 7 and d == c")],
    ),
    "weights": (
        {
            "k": ["p", "q", "r"],
            "p0": range(15),
            "p1": range(20),
            "q0": range(25),
            "q1": range(2),
            "x": range(20),
        },
        [
            When("k == 'p'", "p0", "p1"),
            When("k == 'q'", "q0"),
            When("q0 > 20", "q1"),
            Require("p0 == p1"),
            Require("x < 3"),
        ],
    ),
    "nested": (
        {"k": range(20), "m": range(20), "y": range(20), "z": range(30)},
        [
            When("k == 3", "m"),
            When("m > 17", "y"),
            When("y < 5", "z"),
            Require("k in (2, 3)"),
            Require("z == 2 or y == 0"),
        ],
    ),
}


@pytest.mark.parametrize("name", RARE)
def test_large_spaces_are_sampled_uniformly(name: str) -> None:
    """Spaces small enough to enumerate, sampled as if they were not."""
    axes, where = RARE[name]
    space = Space(axes, where=where)
    possible = [tuple(point) for point in space.points().tolist()]
    rejection = sampling.RejectionSampler(space._rules)
    assert rejection._is_rare == (name != "plain")
    rng = np.random.default_rng(11)
    draws: list[tuple[int, ...]] = []
    while len(draws) < 30 * len(possible):
        rows = rejection._draw(rng, 20_000)
        draws += tuples(rows[space.valid(rows)])
    assert chi_square(space, draws, possible) > 1e-3
    distinct = rejection.sample(rng, 6, possible[:3])
    assert len(distinct) == len(set(distinct)) == 6
    assert set(distinct) <= set(possible[3:])


def test_a_sample_depends_on_the_generator_and_the_space_only() -> None:
    axes: dict[str, Any] = {f"x{i}": range(40) for i in range(5)}
    for rule in ("x0 + x1 < 60", "x0 * x1 == 36 and x2 > x3"):
        cold, warm = (Space(axes, where=Require(rule)) for _ in range(2))
        warm.sample(np.random.default_rng(9), 100)
        warm.valid(np.zeros((1, 5), dtype=int))
        assert cold.sample(np.random.default_rng([1, 2]), 40) == warm.sample(
            np.random.default_rng([1, 2]), 40
        )
    assert ALGORITHM.sample(np.random.default_rng(3), 9) == ALGORITHM.sample(
        np.random.default_rng(3), 9
    )


@pytest.mark.parametrize(
    "where",
    [
        [
            Require("x0 * x1 == 64"),
            Require("x2 * x3 == 64"),
            Require("x3 + x4 == 33"),
        ],  # 1 of 30,000, tied by strings
        [
            Require("x0 + x1 + x2 + x3 + x4 + x5 <= 36")
        ],  # 1 of 1,300 or so, over an untabulated sub-grid
        [Require(lambda p: sum(p.values()) <= 40, name="light")],
    ],
)
def test_rare_points_are_found(where: list[Require]) -> None:
    space = Space({f"x{i}": range(1, 33) for i in range(6)}, where=where)
    points = space.sample(np.random.default_rng(0), 40)
    assert len(set(points)) == 40
    assert space.valid(np.array(points)).all()


def test_no_valid_point_among_a_million_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "TRIES", 20_000)
    names = [f"x{i}" for i in range(8)]
    all_of_them = " + ".join(names)
    space = Space(
        dict.fromkeys(names, range(10)), where=[Require("x0 > 2"), Require(f"{all_of_them} > 72")]
    )
    with pytest.raises(
        SpaceError,
        match=r"20,000 random points were tried.*> 72'\) rejects most, 100 %"
        r".*'x0 > 2'\) (28|29|3[0-2])",
    ):
        space.sample(np.random.default_rng(0), 1)


def test_a_large_space_that_cannot_have_a_point_says_so_at_once() -> None:
    space = Space(
        {f"x{i}": range(100) for i in range(10)},
        where=[Require("x0 + x1 > 500"), Require("x2 > 3")],
    )
    with pytest.raises(SpaceError, match=r"'x0 \+ x1 > 500'\) rejects most, 100 %"):
        space.sample(np.random.default_rng(0), 1)


def test_a_large_space_gives_what_it_has_when_points_run_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "TRIES", 50_000)
    space = Space(
        {f"x{i}": range(101) for i in range(4)}, where=[Require(f"x{i} < 2") for i in range(4)]
    )
    first = space.sample(np.random.default_rng(0), 10)
    rest = space.sample(np.random.default_rng(1), 40, exclude=first)
    assert len(first) == 10
    assert len(rest) == 6
    assert len({*first, *rest}) == 16
    assert space.sample(np.random.default_rng(2), 5, exclude={*first, *rest}) == []


@pytest.mark.parametrize("n", [-1, True, 1.5])
def test_n_is_a_count(n: Any) -> None:
    with pytest.raises((SpaceError, TypeError)):
        ALGORITHM.sample(np.random.default_rng(0), n)
