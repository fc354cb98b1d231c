"""Promises of every strategy on every kind of space, and of those that fill every batch.

The published algorithms decide batch by batch and end on their own: an ask may return fewer
points than asked for, and finally none. IPPE takes only spaces of one axis and has its own tests.
"""

from __future__ import annotations

import math
import random
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from dsice import Choice, Ordinal, Space, Tuner
from dsice.strategies import (
    DSICE,
    Grid,
    OptunaSampler,
    Parallel2022,
    Population,
    Radial2024,
    Random,
    Sequential2017,
    Sequential2018,
    Strategy,
    strategy_dict,
    strategy_from_dict,
)
from tests.conftest import bowl, conditional, fill, holes

FILLING: dict[str, Strategy] = {"dsice": DSICE(tolerance=None), "grid": Grid(), "random": Random()}
if find_spec("optuna"):  # an extra; tests/strategies/test_optuna.py says so where it is missing
    FILLING["tpe"] = OptunaSampler("TPESampler", pending="ignore")
    if find_spec("cmaes"):
        FILLING["cmaes"] = OptunaSampler("CmaEsSampler")
ENDING: dict[str, Strategy] = {
    "s2017": Sequential2017(),
    "s2018": Sequential2018(latin=5),
    "parallel2022": Parallel2022(batch=9),
    "radial2024": Radial2024(batch=9, latin=4),
}
# a point is measured in several stages
STAGED: dict[str, Strategy] = {"population": Population(members=6, stages=4)}
EVERY = FILLING | ENDING | STAGED


@pytest.fixture(params=sorted(FILLING))
def filling(request: pytest.FixtureRequest) -> Strategy:
    return FILLING[request.param]


@pytest.fixture(params=sorted(ENDING))
def ending(request: pytest.FixtureRequest) -> Strategy:
    return ENDING[request.param]


@pytest.fixture(params=sorted(EVERY))
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return EVERY[request.param]


def asked(tuner: Tuner) -> list[tuple[int, ...]]:
    """The points; with the rest of their identity where there is more to it."""
    staged = tuner.strategy in STAGED.values()
    return [(*t.point, t.stage, t.repeat, t.member) if staged else t.point for t in tuner.history]


def test_every_valid_point_is_asked_exactly_once_until_the_space_is_used_up(
    filling: Strategy, space: Space
) -> None:
    tuner = fill(Tuner(space, filling), 10_000, batch=7)
    assert sorted(asked(tuner)) == sorted(map(tuple, space.points().tolist()))
    assert tuner.finished and tuner.ask(3) == []


def test_a_batch_is_full_while_points_remain(filling: Strategy, space: Space) -> None:
    tuner, left = Tuner(space, filling), space.count or 0
    while left:
        batch = tuner.ask(10)
        assert len(batch) == min(10, left)
        left -= len(batch)
        for trial in batch:
            tuner.tell(trial, bowl(dict(trial.params)))


def test_pending_points_are_never_proposed_again(strategy: Strategy, space: Space) -> None:
    tuner = Tuner(space, strategy)
    points = [t.identity for _ in range(9) for t in tuner.ask(4)]
    assert len(points) == len(set(points))
    assert strategy not in FILLING.values() or len(points) == min(36, space.count or 0)


def test_same_seed_and_calls_give_the_same_trials_in_any_tell_order(
    strategy: Strategy, space: Space
) -> None:
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
def test_scale_and_shift_of_the_values_do_not_matter(
    filling: Strategy, scale: float, shift: float
) -> None:
    plain = fill(Tuner(holes(), filling), 40)
    other = fill(Tuner(holes(), filling), 40, objective=lambda p: bowl(p) * scale + shift)
    assert asked(plain) == asked(other)


def test_names_of_the_axes_do_not_matter(strategy: Strategy) -> None:
    one = fill(
        Tuner({"x": range(6), "y": range(6)}, strategy),
        24,
        objective=lambda p: sum((v - 2) ** 2 for v in p.values()),  # type: ignore[operator,misc]
    )
    two = fill(
        Tuner({"tile": range(6), "warp": range(6)}, strategy),
        24,
        objective=lambda p: sum((v - 2) ** 2 for v in p.values()),  # type: ignore[operator, misc]
    )
    assert asked(one) == asked(two)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, 0.0])
def test_constant_huge_and_failing_values_never_freeze_the_search(
    filling: Strategy, value: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = fill(Tuner(conditional(), filling), 10_000, objective=lambda p: value)
    assert len(tuner.history) == conditional().count


def test_failed_trials_among_good_ones_are_not_asked_again_and_the_rest_goes_on(
    filling: Strategy,
) -> None:
    tuner = Tuner(holes(), filling)
    for _ in range(5):
        for i, trial in enumerate(tuner.ask(8)):
            tuner.tell(trial, error="out of memory") if i % 3 == 0 else tuner.tell(
                trial, bowl(dict(trial.params))
            )
    points = asked(tuner)
    assert len(points) == len(set(points)) == 40
    assert tuner.best is not None and tuner.best.value == min(
        t.value for t in tuner.history if t.value is not None
    )


def test_resuming_the_journal_after_any_line_continues_as_if_never_cut(
    strategy: Strategy, tmp_path: Path
) -> None:
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
                assert (*trial.point, trial.stage, trial.repeat, trial.member)[
                    : len(points[0])
                ] == points[trial.id]
            while len(tuner.history) < 32 or tuner.pending:
                trials = tuner.ask(8)
                for trial in trials:
                    tuner.tell(trial, bowl(dict(trial.params)))
                if not trials:
                    break
            assert asked(tuner)[: len(points)] == points


def test_huge_spaces_are_never_enumerated(strategy: Strategy) -> None:
    space = Space(
        {f"x{i}": range(100) for i in range(20)}
        | {"kind": Choice(["a", "b"]), "lr": Ordinal.log(1e-6, 1, 30)}
    )
    tuner = fill(
        Tuner(space, strategy),
        60,
        batch=20,
        objective=lambda p: sum(v for v in p.values() if isinstance(v, int)),
    )
    assert len(set(asked(tuner))) == len(tuner.history)
    assert strategy not in FILLING.values() or len(tuner.history) == 60
    # 20 and 60 cut the widest first batch of the algorithms that end
    assert len(tuner.history) >= (24 if strategy in STAGED.values() else 45)


def test_one_point_and_one_axis_are_spaces_too(filling: Strategy) -> None:
    assert len(fill(Tuner({"x": [3]}, filling), 5).history) == 1
    assert len(fill(Tuner({"x": range(700)}, filling), 50).history) == 50


def test_a_strategy_survives_the_journal(strategy: Strategy) -> None:
    assert strategy_from_dict(strategy_dict(strategy)) == strategy


def test_maximising_is_minimising_the_negative(strategy: Strategy) -> None:
    from dsice import Goal

    low = fill(Tuner(holes(), strategy), 40)
    goal = Goal(maximize=True, stage=strategy.last_stage or 0)
    high = fill(Tuner(holes(), strategy, goal=goal), 40, objective=lambda p: -bowl(p))
    assert asked(low) == asked(high)


@pytest.mark.parametrize("most", [4.0, -1.0])  # some trials keep the bound, or none
def test_under_a_bound_the_best_is_the_best_feasible_and_parts_are_the_batch(
    strategy: Strategy, most: float
) -> None:
    from dsice import Goal

    goal = Goal(at_most={"m": most}, stage=strategy.last_stage or 0)
    whole, parts = (Tuner(holes(), strategy, goal=goal, seed=2) for _ in "ab")
    for _ in range(5):
        one, two = whole.ask(6), [*parts.ask(2), *parts.ask(4)]
        assert [(t.identity, t.overrides) for t in one] == [(t.identity, t.overrides) for t in two]
        for tuner, batch in ((whole, one), (parts, list(reversed(two)))):
            for t in batch:
                tuner.tell(t, bowl(dict(t.params)), metrics={"m": float(t.params["x"])})
    told = [t for t in whole.history if t.stage == goal.stage]
    if told:
        assert whole.best is not None
        rank = [(goal.violation(t), t.value) for t in told]
        assert (goal.violation(whole.best), whole.best.value) == min(rank)
    assert len(whole.history) >= 5


# ---------------------------------------------------------------------- those that end on their own
def test_a_search_that_ends_is_finished_and_kept_to_valid_points(
    ending: Strategy, space: Space
) -> None:
    tuner = fill(Tuner(space, ending), 10_000)
    assert tuner.finished and tuner.best is not None
    assert all(space.is_valid(point) for point in asked(tuner))
    assert len(asked(tuner)) == len(set(asked(tuner)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, 0.0])
def test_constant_huge_and_failing_values_do_not_stop_it_before_its_end(
    ending: Strategy, value: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = fill(Tuner(conditional(), ending), 10_000, objective=lambda p: value)
    assert tuner.finished and len(tuner.history) > 4


@pytest.mark.filterwarnings("ignore:trial 0")
@pytest.mark.parametrize("failing", [math.nan, None])
def test_a_failed_start_does_not_freeze_it(ending: Strategy, failing: float | None) -> None:
    tuner = Tuner(holes(), ending)
    first = tuner.ask(1)[0]
    tuner.tell(first, error="out of memory") if failing is None else tuner.tell(first, failing)
    fill(tuner, 10_000)
    assert tuner.finished and tuner.best is not None and tuner.best.value is not None
    values = sorted(bowl(holes().params(tuple(point))) for point in holes().points().tolist())
    assert tuner.best.value <= values[len(values) // 4]


def test_failures_on_the_way_do_not_freeze_it(ending: Strategy) -> None:
    tuner = Tuner(holes(), ending)
    while trials := tuner.ask(8):
        for trial in trials:
            tuner.tell(trial, error="out of memory") if trial.id % 3 == 2 else tuner.tell(
                trial, bowl(dict(trial.params))
            )
    assert tuner.finished and tuner.best is not None
    assert len(asked(tuner)) == len(set(asked(tuner))) > 12


def test_powers_of_two_in_the_values_do_not_matter(ending: Strategy) -> None:
    plain = fill(Tuner(holes(), ending), 40)
    assert asked(plain) == asked(
        fill(Tuner(holes(), ending), 40, objective=lambda p: bowl(p) * 2.0**-60)
    )


def test_a_warm_ask_answers_like_a_cold_one(ending: Strategy, tmp_path: Path) -> None:
    with Tuner(holes(), ending, journal=tmp_path / "j.jsonl", seed=2) as warm:
        for _ in range(12):
            trials = warm.ask(3)
            for trial in trials[:-1] if len(trials) > 1 else trials:  # some stay pending
                warm.tell(trial, bowl(dict(trial.params)))
            for trial in warm.pending[:-1]:
                warm.tell(trial, bowl(dict(trial.params)))
            cold = Tuner.read(tmp_path / "j.jsonl")
            proposed = [p.point for p in ending.ask(4, warm.space, warm.history, warm._stream)]
            assert proposed == [
                p.point for p in ending.ask(4, cold.space, cold.history, warm._stream)
            ]


def test_points_added_from_elsewhere_are_not_measured_again(ending: Strategy) -> None:
    tuner = Tuner(holes(), ending)
    for params in [{"x": 3, "y": 3, "z": 0}, {"x": 2, "y": 3, "z": 1}]:
        tuner.add(params, bowl(dict(params)))
    fill(tuner, 10_000)
    assert tuner.finished and len(set(asked(tuner))) == len(tuner.history)
