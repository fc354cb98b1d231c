"""Used up or only nothing now: `exhausted`, of strategies and of tuners; and `stream`."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dsice import Goal, History, Proposal, Space, Tuner
from dsice.errors import OptionError
from dsice.strategies import (
    DSICE,
    Grid,
    Population,
    Radial2024,
    Random,
    Sequential2018,
    Strategy,
    Stream,
    as_strategy,
    stream,
)
from tests.conftest import all_fields, bowl, fill, holes
from tests.strategies.test_contract import ENDING, EVERY

TAKES_ALL: dict[str, Strategy] = {"grid": Grid(), "strided": Grid(2), "random": Random()}
TAKES_ALL["dsice"] = DSICE(tolerance=None)


def tell(tuner: Tuner) -> None:
    """Tell all that is pending."""
    for trial in tuner.pending:
        tuner.tell(trial, bowl(dict(trial.params)))


@pytest.mark.parametrize("name", sorted(EVERY))
def test_what_is_not_exhausted_brings_more_once_all_is_told(name: str) -> None:
    """Whatever the strategy: an empty ask that is not final ends with what is told."""
    tuner = Tuner(holes(), EVERY[name], seed=2)
    empty = 0
    while not tuner.exhausted:
        if tuner.ask(5):
            continue
        empty += 1
        assert tuner.pending, "nothing now, and nothing that could be told"
        tell(tuner)
    assert tuner.ask(3) == []
    pending = tuner.pending
    assert tuner.finished is not bool(pending)
    tell(tuner)
    assert tuner.exhausted and tuner.finished and tuner.ask(3) == []
    assert empty == 0 or name in ENDING or name in ("population", "dsice")


@pytest.mark.parametrize("name", TAKES_ALL)
def test_a_sweep_is_exhausted_while_its_last_points_are_pending(name: str) -> None:
    space, strategy = holes(), TAKES_ALL[name]
    tuner = Tuner(space, strategy)
    while tuner.ask(20):
        pass
    assert tuner.pending and tuner.exhausted and not tuner.finished
    history = History.of(
        space,
        [t.point for t in tuner.history],
        states=["pending"] * len(tuner.history),
    )
    assert strategy.exhausted(space, history, stream(0))
    assert not strategy.exhausted(space, History(), stream(0))


def test_a_population_waits_for_a_stage_and_ends_with_the_last() -> None:
    strategy = Population(members=4, stages=2)
    tuner = Tuner(holes(), strategy)
    tuner.ask(4)
    assert tuner.ask(1) == [] and not tuner.exhausted
    tell(tuner)
    assert not tuner.exhausted
    assert len(tuner.ask(4)) == 4 and tuner.ask(1) == []
    assert tuner.exhausted and not tuner.finished  # nothing comes after the last stage
    failing = Tuner(holes(), strategy)
    for trial in failing.ask(4):
        assert not failing.exhausted
        failing.tell(trial, error="out of memory")
    assert failing.exhausted and failing.finished


@pytest.mark.parametrize("strategy", [Sequential2018(), Radial2024(batch=9)])
def test_a_published_algorithm_that_waits_for_its_batch_is_not_exhausted(
    strategy: Strategy,
) -> None:
    tuner = Tuner(holes(), strategy)
    tuner.ask(9)
    assert tuner.ask(1) == [] and not tuner.exhausted
    tell(tuner)
    assert not tuner.exhausted
    fill(tuner, 10_000)
    free = next(p for p in holes().points().tolist() if tuple(p) not in tuner.history.taken())
    tuner.enqueue(holes().params(free))
    assert not tuner.exhausted and len(tuner.ask(2)) == 1
    assert tuner.exhausted and not tuner.finished  # what was enqueued is no part of the algorithm


def test_an_enqueued_point_and_an_orphan_are_still_to_come(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner({"x": range(3)}, Grid(), journal=path) as tuner:
        tuner.enqueue({"x": 2})
        assert [t.point for t in tuner.ask(3)] == [(2,), (0,), (1,)] and tuner.exhausted
    with Tuner({"x": range(3)}, Grid(), journal=path) as tuner:
        assert not tuner.exhausted and len(tuner.ask(9)) == 3 and tuner.exhausted


def test_a_budget_that_is_used_ends_it() -> None:
    tuner = Tuner({"x": range(99)}, DSICE(), max_trials=5)
    tuner.ask(5)
    assert tuner.exhausted and not tuner.finished
    tell(tuner)
    assert tuner.finished


@dataclass(frozen=True)
class Plain:
    """A strategy of a user's own that repeats a point once it is told."""

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        if history.pending() or len(history) == 2:
            return []
        return [Proposal((1,), repeat=len(history))]


class Knowing(Plain):
    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        return len(history) == 2


def test_a_strategy_without_the_hook_is_exhausted_when_nothing_is_pending() -> None:
    for strategy, ends in ((Plain(), False), (Knowing(), True)):
        tuner = Tuner({"x": range(2)}, strategy)
        for _ in range(2):
            assert not tuner.exhausted
            tell(tuner) if tuner.pending else None
            assert len(tuner.ask(1)) == 1
        assert tuner.exhausted is ends and not tuner.finished
        tell(tuner)
        assert tuner.exhausted and tuner.finished
    hooks = as_strategy(Plain())
    assert not hooks.exhausted(Space({"x": range(2)}), History(), stream(0))


def test_where_run_time_counts_a_result_may_take_an_ended_search_up_again() -> None:
    goal = Goal(time_weight=1.0)
    tuner = Tuner(holes(), Sequential2018(), goal=goal)
    while trials := tuner.ask(8):
        for trial in trials:
            tuner.tell(trial, bowl(dict(trial.params)), seconds=1.0)
    assert tuner.exhausted
    free = next(p for p in holes().points().tolist() if tuple(p) not in tuner.history.taken())
    tuner.enqueue(holes().params(free))
    tuner.ask(1)
    assert not tuner.exhausted


# ------------------------------------------------------------------ streams
def test_the_stream_of_a_seed_is_that_of_a_tuner_with_the_seed() -> None:
    tuner = Tuner(holes(), Random(), seed=11)
    for key in ((0,), (3,), (3, 1), (7, 2, 5)):
        expected = np.random.default_rng([11, *key]).random(4).tolist()
        assert stream(11)(*key).random(4).tolist() == expected
        assert tuner._stream(*key).random(4).tolist() == expected
    assert pickle.loads(pickle.dumps(stream(4)))(1).random() == stream(4)(1).random()  # noqa: S301


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1", None])
def test_a_seed_is_a_whole_number(seed: int) -> None:
    with pytest.raises(OptionError, match=r"stream\(seed=.*expected a whole number >= 0"):
        stream(seed)


@pytest.mark.parametrize("name", ["dsice", "grid", "random"])
def test_asking_a_strategy_is_pure_and_a_batch_in_parts_is_the_batch(name: str) -> None:
    strategy, space = EVERY[name], holes()
    history = fill(Tuner(space, strategy, seed=3), 20).history
    before = [all_fields(t) for t in history]
    whole = strategy.ask(6, space, history, stream(3))
    assert strategy.ask(6, space, history, stream(3)) == whole
    points = [t.point for t in history]
    values = [t.value for t in history]
    states = ["done"] * len(points)
    notes = [t.note for t in history]
    rounds = [t.round for t in history]
    parts: list[Proposal] = []
    for n in (1, 3, 2):
        seen = History.of(
            space,
            points + [p.point for p in parts],
            [*values, *[None] * len(parts)],
            states=[*states, *["pending"] * len(parts)],
            notes=[*notes, *[p.note for p in parts]],
            rounds=[*rounds, *[history.rounds] * len(parts)],
        )
        parts += strategy.ask(n, space, seen, stream(3))
    assert [p.point for p in parts] == [p.point for p in whole]
    assert [all_fields(t) for t in history] == before
