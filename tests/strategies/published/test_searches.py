"""The bare searches: what their traces do not show."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import product
from math import inf
from pathlib import Path

import pytest

from dsice import Space, Tuner
from dsice.errors import OptionError
from dsice.strategies import IPPE, Parallel2022, Radial2024, Sequential2018
from dsice.strategies.published.ippe import Original
from dsice.strategies.published.lattice import lines_through, neighbours
from dsice.strategies.published.parallel import Parallel
from dsice.strategies.published.radial import Radial, first_list
from dsice.strategies.published.search import Search
from dsice.strategies.published.sequential import Sequential
from dsice.typing import Point
from tests.strategies.published.record import valley


def course(
    search: Search, n: int, values: dict[Point, float] | None = None, most: int = 5000
) -> list[list[Point]]:
    """Its batches; `values` are drawn where they are not given."""
    batches, known = [], {} if values is None else values
    while batch := search.ask(n):
        batches.append(batch)
        for point in batch:
            search.tell(point, known.setdefault(point, valley(point)))
        assert len(batches) < most, "it does not end"
    return batches


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (2, 2), (2, 4, 3), (1, 5), (5, 2, 2)])
@pytest.mark.parametrize(
    "kind",
    [Sequential, partial(Radial, unstick=True), Parallel],
    ids=["sequential", "radial", "parallel"],
)
def test_every_search_ends_from_every_start_whatever_fails(
    kind: Callable[..., Search], shape: tuple[int, ...]
) -> None:
    rng = random.Random(0)
    draws = (rng.random, lambda: 1.0, lambda: inf, lambda: rng.choice([inf, rng.random()]))
    for start, n, draw in product(product(*map(range, shape)), (1, 2, 40), draws):
        values = {point: draw() for point in product(*map(range, shape))}
        search = kind(shape, start)
        course(search, n, values)
        assert all(value == values[point] for point, value in search.values.items())


def test_neighbours_of_a_corner_stay_on_the_grid() -> None:
    assert [point for point, _ in neighbours((0, 4), (5, 5), 1)] == [(1, 4), (0, 3)]
    assert [point for point, _ in neighbours((0, 4), (5, 5), 2)] == [(1, 3)]


@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_lines_come_in_the_order_in_which_the_neighbours_meet_them(ndim: int) -> None:
    for base, width in product(product((0, 1, 2), repeat=ndim), range(1, ndim + 1)):
        met = dict.fromkeys(direction for _, direction in neighbours(base, (3,) * ndim, width))
        assert list(met) == list(lines_through(base, (3,) * ndim, width))


def test_first_list_asks_level_1_for_every_segment_of_length_2() -> None:
    assert first_list(20)[:8] == [0, 19, 6, 12, 2, 4, 8, 10]
    assert first_list(3) == [0, 2, 1] and first_list(2) == [0, 1]


@pytest.mark.parametrize("shape", [(20, 20), (5, 5, 5, 5), (12, 12, 10)])
def test_the_parallel_one_of_2022_repeats_nothing_and_needs_few_batches(
    shape: tuple[int, ...],
) -> None:
    one, forty = Sequential(shape), Parallel(shape)
    single, batches = course(one, 1), course(forty, 40)
    points = [point for batch in batches for point in batch]
    assert len(points) == len(set(points))
    assert len(batches) * 3 < len(single)
    around = [
        point
        for width in range(1, len(shape) + 1)
        for point, _ in neighbours(forty.base, shape, width)
    ]
    assert (
        min(forty.values.get(point, inf) for point in around)
        >= forty.values[forty.base]
        == min(forty.values.values())
    )


def test_its_first_batch_holds_probes_and_first_points_of_the_narrow_widths() -> None:
    jobs = list(Parallel((9, 9)).jobs())
    assert [job.phase for job in jobs[:5]] == ["start"] + ["probe"] * 4
    assert {job.point for job in jobs[5:11]} == {(0, 4), (4, 0), (8, 4), (4, 8), (2, 4), (4, 2)}
    assert [job.direction for job in jobs[11:15]] == [(1, 1), (1, -1), (1, -1), (1, 1)]
    assert {job.phase for job in jobs[11:15]} == {"probe"}


def test_the_original_ippe_returns_its_estimate_and_asks_for_it_first() -> None:
    search = Original((19,))
    points = [
        point[0]
        for batch in course(search, 1, {(i,): (i - 11.0) ** 2 for i in range(19)})
        for point in batch
    ]
    assert points[:4] == [0, 6, 12, 18]
    assert search.estimate == 11 and 11 in points and len(points) < 10


@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("every", [1, 2, 3, 100])
def test_ippe_ends_whatever_fails_and_goes_on_after_a_restart(
    original: bool, every: int, tmp_path: Path
) -> None:
    whole = Tuner({"x": range(40)}, IPPE(original=original))
    while trials := whole.ask(3):
        for trial in trials:
            good = trial.id % every or every == 100
            whole.tell(trial, valley(trial.point)) if good else whole.tell(
                trial, error="out of memory"
            )
    points = [trial.point for trial in whole.history]
    assert whole.finished and len(points) == len(set(points)) and 5 <= len(points) <= 40

    cut: list[Point] = []
    while len(cut) < len(points):  # a new process for every ask
        with Tuner(
            {"x": range(40)}, IPPE(original=original), journal=tmp_path / "j.jsonl"
        ) as tuner:
            for trial in tuner.ask(3):
                good = trial.id % every or every == 100
                tuner.tell(trial, valley(trial.point)) if good else tuner.tell(
                    trial, error="out of memory"
                )
            cut = [trial.point for trial in tuner.history]
    assert cut == points


def test_ippe_takes_one_axis_only() -> None:
    with pytest.raises(OptionError, match="one parameter"):
        Tuner({"a": [1, 2], "b": [1, 2]}, IPPE()).ask()


@pytest.mark.parametrize(
    "make",
    [
        lambda: IPPE(alpha=0.0),
        lambda: Sequential2018(latin=-1),
        lambda: Radial2024(batch=0),
        lambda: Parallel2022(start=3),  # type: ignore[arg-type]
    ],
)
def test_bad_options_are_refused(make: object) -> None:
    with pytest.raises(OptionError, match="expected"):
        make()  # type: ignore[operator]


def test_lines_are_built_only_when_they_are_looked_at() -> None:
    space = Space({f"x{i}": range(3) for i in range(12)})  # 265 720 lines through the middle
    tracemalloc.start()
    tuner = Tuner(space, Radial2024())
    for _ in range(6):
        for trial in tuner.ask(40):
            tuner.tell(trial, valley(trial.point))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(tuner.history) == 240 and peak < 50e6


def test_a_start_and_a_latin_hypercube() -> None:
    tuner = Tuner({"a": range(9), "b": range(9)}, Sequential2018(start={"a": 7, "b": 1}))
    assert tuner.ask()[0].point == (7, 1)
    points = {
        Tuner({"a": range(9), "b": range(9)}, Radial2024(latin=9), seed=seed).ask(40)[8].point
        for seed in range(4)
    }
    assert len(points) > 1
    first = [
        trial.point for trial in Tuner({"a": range(9), "b": range(9)}, Radial2024(latin=9)).ask(40)
    ]
    assert len(first) == 9 and all(
        sorted(levels) == list(range(9)) for levels in zip(*first, strict=True)
    )
