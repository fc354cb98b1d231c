"""What every strategy promises, over every kind of space."""

from __future__ import annotations

import math
import random
import warnings
from pathlib import Path

import pytest

from dsice import Choice, Ordinal, Space, Tuner
from dsice.strategies import DSICE, Grid, Random, Strategy, strategy_dict, strategy_from_dict
from tests.conftest import bowl, conditional, fill, holes

STRATEGIES: dict[str, Strategy] = {"dsice": DSICE(), "grid": Grid(), "random": Random()}


@pytest.fixture(params=sorted(STRATEGIES))
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return STRATEGIES[request.param]


def asked(tuner: Tuner) -> list[tuple[int, ...]]:
    return [t.point for t in tuner.history]


def test_every_valid_point_is_asked_exactly_once_until_the_space_is_used_up(strategy: Strategy, space: Space) -> None:
    tuner = fill(Tuner(space, strategy), 10_000, batch=7)
    assert sorted(asked(tuner)) == sorted(map(tuple, space.points().tolist()))
    assert tuner.finished and tuner.ask(3) == []


def test_a_batch_is_full_while_points_remain(strategy: Strategy, space: Space) -> None:
    tuner, left = Tuner(space, strategy), space.count or 0
    while left:
        batch = tuner.ask(10)
        assert len(batch) == min(10, left)
        left -= len(batch)
        for trial in batch:
            tuner.tell(trial, bowl(dict(trial.params)))


def test_pending_points_are_never_proposed_again(strategy: Strategy, space: Space) -> None:
    tuner = Tuner(space, strategy)
    points = [t.point for _ in range(9) for t in tuner.ask(4)]
    assert len(points) == len(set(points)) == min(36, space.count or 0)


def test_same_seed_and_calls_give_the_same_trials_in_any_tell_order(strategy: Strategy, space: Space) -> None:
    runs = []
    for order in (0, 1):
        tuner = Tuner(space, strategy, seed=3)
        for _ in range(4):
            batch = tuner.ask(8)
            random.Random(order).shuffle(batch)
            for trial in batch:
                tuner.tell(trial, bowl(dict(trial.params)))
        runs.append(asked(tuner))
    assert runs[0] == runs[1]


def test_a_batch_asked_in_two_parts_holds_the_same_points(strategy: Strategy, space: Space) -> None:
    whole, parts = Tuner(space, strategy, seed=1), Tuner(space, strategy, seed=1)
    for _ in range(3):
        one = whole.ask(12)
        two = parts.ask(5) + parts.ask(1) + parts.ask(6)
        assert [t.point for t in one] == [t.point for t in two]
        for a, b in zip(one, two, strict=True):
            whole.tell(a, bowl(dict(a.params)))
            parts.tell(b, bowl(dict(b.params)))


@pytest.mark.parametrize("scale, shift", [(1e-12, 0.0), (3.0, 1e4), (1e290, 0.0)])
def test_scale_and_shift_of_the_values_do_not_matter(strategy: Strategy, scale: float, shift: float) -> None:
    plain = fill(Tuner(holes(), strategy), 40)
    other = fill(Tuner(holes(), strategy), 40, objective=lambda p: bowl(p) * scale + shift)
    assert asked(plain) == asked(other)


def test_names_of_the_axes_do_not_matter(strategy: Strategy) -> None:
    one = fill(Tuner({"x": range(6), "y": range(6)}, strategy), 24, objective=lambda p: sum((v - 2) ** 2 for v in p.values()))  # type: ignore[operator,misc]
    two = fill(
        Tuner({"tile": range(6), "warp": range(6)}, strategy), 24, objective=lambda p: sum((v - 2) ** 2 for v in p.values())
    )  # type: ignore[operator,misc]
    assert asked(one) == asked(two)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, 0.0])
def test_constant_huge_and_failing_values_never_freeze_the_search(strategy: Strategy, value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = fill(Tuner(conditional(), strategy), 10_000, objective=lambda p: value)
    assert len(tuner.history) == conditional().count


def test_failed_trials_among_good_ones_are_not_asked_again_and_the_rest_goes_on(strategy: Strategy) -> None:
    tuner = Tuner(holes(), strategy)
    for _ in range(5):
        for i, trial in enumerate(tuner.ask(8)):
            tuner.tell(trial, error="out of memory") if i % 3 == 0 else tuner.tell(trial, bowl(dict(trial.params)))
    points = asked(tuner)
    assert len(points) == len(set(points)) == 40
    assert tuner.best is not None and tuner.best.value == min(t.value for t in tuner.history if t.value is not None)


def test_resuming_the_journal_after_any_line_continues_as_if_never_cut(strategy: Strategy, tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    with Tuner(holes(), strategy, journal=whole, seed=5) as tuner:
        fill(tuner, 32)
        points = asked(tuner)
    lines = whole.read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines), 5):
        part = tmp_path / f"{cut}.jsonl"
        part.write_bytes(b"".join(lines[:cut]))
        with Tuner(holes(), strategy, journal=part, seed=5) as tuner:
            for trial in tuner.orphans:
                assert trial.point == points[trial.id]
            while len(tuner.history) < 32 or tuner.pending:
                for trial in tuner.ask(8):
                    tuner.tell(trial, bowl(dict(trial.params)))
            assert asked(tuner) == points


def test_huge_spaces_are_never_enumerated(strategy: Strategy) -> None:
    space = Space({f"x{i}": range(100) for i in range(20)} | {"kind": Choice(["a", "b"]), "lr": Ordinal.log(1e-6, 1, 30)})
    tuner = fill(Tuner(space, strategy), 60, batch=20, objective=lambda p: sum(v for v in p.values() if isinstance(v, int)))
    assert len(set(asked(tuner))) == 60


def test_one_point_and_one_axis_are_spaces_too(strategy: Strategy) -> None:
    assert len(fill(Tuner({"x": [3]}, strategy), 5).history) == 1
    assert len(fill(Tuner({"x": range(700)}, strategy), 50).history) == 50


def test_a_strategy_survives_the_journal(strategy: Strategy) -> None:
    assert strategy_from_dict(strategy_dict(strategy)) == strategy


def test_maximising_is_minimising_the_negative(strategy: Strategy) -> None:
    from dsice import Goal

    low = fill(Tuner(holes(), strategy), 40)
    high = fill(Tuner(holes(), strategy, goal=Goal(maximize=True)), 40, objective=lambda p: -bowl(p))
    assert asked(low) == asked(high)
