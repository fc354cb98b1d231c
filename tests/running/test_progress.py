"""What the progress of a run says is left, beside the limit that really ends the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from dsice import Tuner
from dsice.running.options import RunOptions
from dsice.running.progress import Limits, Progress, TimeLeft, clock
from dsice.strategies import DSICE, Grid
from tests.conftest import small

Clock = Callable[[float], None]


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Lets seconds pass without waiting."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


def tell(tuner: Tuner, n: int, seconds: float = 60.0) -> None:
    for _ in range(n):
        tuner.tell(tuner.ask()[0], 1.0, seconds=seconds)


def left(tuner: Tuner, wait: Clock, **options: Any) -> TimeLeft | None:
    """What is left when 4 trials of a minute each ended in 120 s."""
    limits = Limits(tuner, RunOptions(**options))
    tell(tuner, 4)
    wait(120.0)
    return limits.left()


AXES = {"x": range(30), "y": range(30)}
EVERYTHING: dict[str, Any] = {"max_trials": 40, "max_seconds": 3000.0, "max_cost": 1.0}


@pytest.mark.parametrize(
    ("nearer", "expected"),
    [
        ({"max_trials": 10}, TimeLeft(180.0, "max_trials")),
        ({"max_seconds": 121.0}, TimeLeft(1.0, "max_seconds")),
        ({"max_seconds": 60.0}, TimeLeft(0.0, "max_seconds")),
        ({"max_cost": 0.1}, TimeLeft(60.0, "max_cost")),  # 360 worker-seconds, 2 a second
    ],
)
def test_the_nearest_limit_counts(wait: Clock, nearer: dict[str, Any], expected: TimeLeft) -> None:
    tuner = Tuner(AXES, Grid())
    assert left(tuner, wait, **(EVERYTHING | nearer)) == expected


def test_without_a_limit_the_grid_ends_the_run_and_then_nothing_says_when(wait: Clock) -> None:
    assert left(Tuner(small(), Grid()), wait) == TimeLeft(32 * 30.0, "grid")
    assert left(Tuner({name: range(200) for name in "abcdef"}, Grid()), wait) is None


def test_the_search_may_end_when_nothing_better_comes_for_long(wait: Clock) -> None:
    tuner = Tuner(AXES, max_trials=800)
    tell(tuner, 20)
    tuner.add({"x": 0, "y": 0}, -1.0)
    found = left(tuner, wait)  # 4 came after the best, and 40 are needed; two a minute
    assert found == TimeLeft(36 * 30.0, "tolerance")
    assert str(found).startswith("may end in about ") and "nothing better" in str(found)
    never = Tuner(AXES, DSICE(tolerance=None), max_trials=800)
    assert left(never, wait) == TimeLeft(796 * 30.0, "max_trials")


def test_added_and_earlier_trials_are_no_part_of_the_budget(wait: Clock) -> None:
    tuner = Tuner(small(), Grid(), max_trials=10)
    tuner.add(small().params((3, 2, 2)), 1.0)
    tell(tuner, 2)
    limits = Limits(tuner, RunOptions())
    assert (limits.ended, limits.total, limits.left()) == (2, 10, None)
    tell(tuner, 4)
    wait(8.0)
    assert (limits.ended, limits.share()) == (6, 0.6)
    assert limits.left() == TimeLeft(8.0, "max_trials")


def test_who_looks_on_goes_by_run_times_and_what_runs() -> None:
    tuner = Tuner(AXES, Grid(), max_trials=20)
    tell(tuner, 4, seconds=30.0)
    assert Limits(tuner, RunOptions()).left_by_run_times() is None  # nothing runs
    tuner.ask(2)
    assert Limits(tuner, RunOptions()).left_by_run_times() == TimeLeft(240.0, "max_trials")
    cost = RunOptions(max_cost=0.05)  # 180 s, of which 120 s are spent
    assert Limits(tuner, cost).left_by_run_times() == TimeLeft(30.0, "max_cost")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.9, "0:59"), (245, "4:05"), (11045, "3:04:05"), (183_600, "2 d 3 h")],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_the_line_of_a_run_says_what_will_end_it(wait: Clock) -> None:

    tuner = Tuner(AXES, Grid(), max_trials=20)
    shown = Progress(tuner, RunOptions(max_seconds=200.0))
    tell(tuner, 1)
    tuner.ask(1)
    wait(20.0)
    assert shown.text(1) == "1/20 trials, 1 running, best 1, about 3:00 left (max_seconds)"
    assert shown.text(0) == "1/20 trials, 0 running, best 1"  # over


def test_a_strategy_of_a_user_s_own_may_say_when_it_ends(wait: Clock) -> None:
    class Own:
        def __init__(self) -> None:
            self.ask = Grid().ask

        def may_end_after(self, space: object, history: object) -> int:
            return 6

    assert left(Tuner(AXES, Own(), max_trials=40), wait) == TimeLeft(180.0, "tolerance")
