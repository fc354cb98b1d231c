"""The plain sweep: all of one axis, every n-th level of several, refinement and resumption."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dsice import Require, Space, Tuner
from dsice.errors import OptionError
from dsice.launchers import Table
from dsice.running.run import run
from dsice.strategies import Grid
from tests.conftest import holes

BATCHES = range(1, 701)


def asked(tuner: Tuner, name: str = "batch") -> list[int]:
    return [int(trial.params[name]) for trial in tuner.history]


def swept(tuner: Tuner, batch: int) -> Tuner:
    while trials := tuner.ask(batch):
        for trial in trials:
            tuner.tell(trial, float(sum(trial.point)))
    return tuner


@pytest.mark.parametrize("batch", [1, 40, 1000])
def test_a_sweep_of_700_batch_sizes_takes_each_once_in_order(batch: int) -> None:
    tuner = swept(Tuner({"batch": BATCHES}, Grid()), batch)
    assert asked(tuner) == list(BATCHES)
    assert tuner.finished and tuner.best and tuner.best.params == {"batch": 1}


@pytest.mark.parametrize(
    "stride, expected", [(20, list(range(1, 701, 20))), (699, [1, 700]), (700, [1]), (10**9, [1])]
)
def test_a_strided_sweep_takes_every_nth_level_from_the_first(
    stride: int, expected: list[int]
) -> None:
    assert asked(swept(Tuner({"batch": BATCHES}, Grid(stride=stride)), 7)) == expected


def test_the_stride_holds_for_each_axis_and_the_last_axis_is_fastest() -> None:
    tuner = swept(Tuner({"x": range(5), "y": range(4), "z": range(7)}, Grid(stride=3)), 5)
    assert [t.point for t in tuner.history] == list(product([0, 3], [0, 3], [0, 3, 6]))


def test_a_strided_sweep_leaves_out_what_breaks_a_rule() -> None:
    space = holes()
    tuner = swept(Tuner(space, Grid(stride=2)), 3)
    levels = product(range(0, 7, 2), range(0, 7, 2), range(0, 3, 2))
    assert [t.point for t in tuner.history] == [
        p for p in levels if p[0] * p[1] <= 12 and p[0] + p[2] != 4
    ]


@pytest.mark.parametrize("stride", [1, 3])
def test_a_sweep_over_an_explicit_set_goes_through_its_points_alone(stride: int) -> None:
    """On a grid of 1e30 points, of which no other is looked at."""
    grid = Space({f"x{i}": range(1000) for i in range(10)})
    points = np.random.default_rng(0).integers(0, 4, size=(300, 10))
    expected = sorted({tuple(p) for p in points.tolist() if not any(x % stride for x in p)})
    tuner = swept(Tuner(grid.among(points), Grid(stride=stride)), 7)
    assert [t.point for t in tuner.history] == expected and tuner.exhausted


def test_a_sweep_without_a_valid_point_has_ended_before_it_began() -> None:
    tuner = Tuner(Space({"x": range(9)}, where=[Require("x != 0 and x != 5")]), Grid(stride=5))
    assert tuner.ask(3) == [] and tuner.finished


@pytest.mark.parametrize("finer", [Grid(stride=50), Grid()])
def test_a_sweep_made_finer_in_its_journal_measures_only_what_is_new(
    tmp_path: Path, finer: Grid
) -> None:
    path = tmp_path / "sweep.jsonl"
    with Tuner({"batch": BATCHES}, Grid(stride=100), journal=path) as tuner:
        coarse = asked(swept(tuner, 4))
    with Tuner({"batch": BATCHES}, finer, journal=path) as tuner:
        every = asked(swept(tuner, 4))
    assert every[: len(coarse)] == coarse == list(range(1, 701, 100))
    assert every[len(coarse) :] == [b for b in range(1, 701, finer.stride) if b not in coarse]


def test_an_interrupted_sweep_goes_on_after_what_was_out(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with Tuner({"batch": BATCHES}, Grid(stride=70), journal=path) as tuner:
        for trial in tuner.ask(4)[1:]:
            tuner.tell(trial, 1.0)
    with Tuner({"batch": BATCHES}, Grid(stride=70), journal=path) as tuner:
        # the interrupted trial comes again, alone
        assert [t.params["batch"] for t in tuner.ask(4)] == [1]
        assert [t.params["batch"] for t in tuner.ask(4)] == [281, 351, 421, 491]


def test_points_added_or_measured_out_of_order_are_not_swept_again() -> None:
    tuner = Tuner({"batch": BATCHES}, Grid(stride=100))
    tuner.add({"batch": 301}, 0.5)
    tuner.enqueue({"batch": 601})
    assert [t.params["batch"] for t in tuner.ask(3)] == [601, 1, 101]
    tuner.add({"batch": 401}, 0.5)
    assert [t.params["batch"] for t in tuner.ask(9)] == [201, 501]


def test_one_strategy_serves_two_studies_and_one_history_two_strategies() -> None:
    grid = Grid(stride=2)
    first, second = Tuner({"x": range(9)}, grid), Tuner({"x": range(9)}, grid)
    assert [t.point for t in first.ask(3)] == [t.point for t in second.ask(3)] == [(0,), (2,), (4,)]
    assert [t.point for t in first.ask(1)] == [(6,)]
    others = Grid().ask(9, first.space, first.history, first._stream)
    assert [p.point for p in others] == [(1,), (3,), (5,), (7,), (8,)]
    assert [t.point for t in first.ask(9)] == [(8,)]


def test_what_was_proposed_and_not_taken_is_proposed_again() -> None:
    tuner = Tuner({"x": range(5)}, Grid())
    tuner.add({"x": 1}, 0.5)
    proposed = [
        [p.point for p in tuner.strategy.ask(3, tuner.space, tuner.history, tuner._stream)]
        for _ in range(2)
    ]
    assert proposed == [[(0,), (2,), (3,)]] * 2


def test_a_sweep_by_rounds_of_a_launcher(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "batch,loss,seconds\n" + "".join(f"{b},{abs(b - 120)},2\n" for b in BATCHES)
    )
    log = Table(tmp_path / "log.csv", objective="loss", params=["batch"], workers=40)
    tuner = run(Tuner(log.space, Grid(stride=7)), log, mode="rounds", progress=False)
    assert (
        asked(tuner) == list(range(1, 701, 7))
        and tuner.best
        and tuner.best.params == {"batch": 120}
    )
    assert log.clock.elapsed == 3 * 2  # 100 trainings of 2 s, 40 at a time


@pytest.mark.parametrize("stride", [0, -1, 1.5, True, "2", None])
def test_a_stride_that_is_none_is_refused(stride: object) -> None:
    with pytest.raises(OptionError, match=r"Grid\(stride=.*whole number >= 1"):
        Grid(stride=stride)  # type: ignore[arg-type]
