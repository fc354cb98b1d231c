"""The virtual clock of `Table`, beside plain simulations."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import Trial, Tuner, run
from dsice.errors import LaunchError, OptionError, TableError
from dsice.launchers import Clock, Job, Result, Table
from dsice.strategies import DSICE, Grid, Random

Mode = Literal["async", "rounds"]


def frame(seconds: Sequence[float | None]) -> pd.DataFrame:
    """Point x took seconds[x]; its value is a scatter of x."""
    return pd.DataFrame(
        {
            "x": range(len(seconds)),
            "objective": [x * 37 % 101 for x in range(len(seconds))],
            "seconds": seconds,
        }
    )


def table(seconds: Sequence[float | None], **options: Any) -> Table:
    return Table(frame(seconds), params=["x"], **options)


def ended(log: Table) -> list[Any]:
    """Results: a log without curves has no steps."""
    return list(log.collect())


def in_order(
    seconds: Sequence[float], workers: int, mode: Mode, **options: Any
) -> tuple[list[Trial], Clock]:
    """A run that asks for x = 0, 1, 2 ...; its trials in the order in which they were told."""
    log, told = table(seconds, workers=workers, **options), list[Trial]()
    tuner = Tuner(log.space, Grid())
    run(tuner, log, mode=mode, callbacks=[lambda _, trial: told.append(trial)], progress=False)
    return told, log.clock


def jobs(*xs: int) -> list[Job]:
    return [Job(x, {"x": x}) for x in xs]


def twin(seconds: Sequence[float], workers: int, mode: Mode) -> list[tuple[float, int, float, int]]:
    """(end, trial, start, worker) in the order of the ends; trials are begun in their order."""
    now, begun, over = 0.0, 0, list[tuple[float, int, float, int]]()
    running = list[tuple[float, int, float, int]]()
    while begun < len(seconds) or running:
        if mode == "async" or not running:
            for worker in sorted(set(range(workers)) - {r[3] for r in running})[
                : len(seconds) - begun
            ]:
                bisect.insort(running, (now + seconds[begun], begun, now, worker))
                begun += 1
        now = running[0][0]
        while running and running[0][0] == now:
            over.append(running.pop(0))
    return over


# ---------------------------------------------------------------------- runs beside the twin
durations = st.one_of(
    st.floats(0.0, 1e4), st.integers(0, 3).map(float), st.sampled_from([0.0, 1e-9, 0.1, 1e9])
)


@settings(deadline=None, max_examples=60)
@given(
    seconds=st.lists(durations, min_size=1, max_size=30),
    workers=st.integers(1, 8),
    mode=st.sampled_from(["async", "rounds"]),
)
def test_a_run_is_that_of_a_simulation_with_a_sorted_list(
    seconds: list[float], workers: int, mode: Mode
) -> None:
    told, clock = in_order(seconds, workers, mode)
    expected = twin(seconds, workers, mode)
    assert [(t.times[2], t.id, t.times[1], int(t.where["worker"])) for t in told] == expected
    assert all(t.times[0] == t.times[1] and t.seconds == seconds[t.id] for t in told)
    assert clock.elapsed == expected[-1][0] and clock.asking == clock.idle == 0.0
    assert clock.busy == pytest.approx(math.fsum(seconds))


@settings(deadline=None, max_examples=30)
@given(seconds=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30), workers=st.integers(1, 8))
def test_the_figures_keep_the_bounds_of_any_schedule(seconds: list[float], workers: int) -> None:
    (_, stream), (_, rounds) = (
        in_order(seconds, workers, "async"),
        in_order(seconds, workers, "rounds"),
    )
    for clock in (stream, rounds):
        assert clock.elapsed * (1 + 1e-9) >= max(max(seconds), sum(seconds) / workers)
        assert clock.speedup == pytest.approx(sum(seconds) / clock.elapsed)
        assert (
            clock.utilisation == pytest.approx(clock.speedup / workers)
            and 0 < clock.utilisation <= 1 + 1e-9
        )
    # Graham 1969
    assert stream.elapsed <= sum(seconds) / workers + max(seconds) * (1 - 1 / workers) + 1e-6
    assert rounds.elapsed == pytest.approx(
        sum(max(seconds[i : i + workers]) for i in range(0, len(seconds), workers))
    )


def test_equal_times_in_full_batches_use_the_workers_fully() -> None:
    for mode in ("async", "rounds"):
        _, clock = in_order([2.5] * 12, 4, mode)
        assert (clock.workers, clock.elapsed, clock.busy, clock.utilisation, clock.speedup) == (
            4,
            7.5,
            30.0,
            1.0,
            4.0,
        )
    _, clock = in_order([2.5] * 9, 4, "rounds")  # the last round is one trial
    assert (clock.elapsed, clock.utilisation, clock.speedup) == (7.5, 0.75, 3.0)


def test_a_stream_does_not_wait_for_the_slowest() -> None:
    # two workers: rounds take 8 + 1 + 8 s; in a stream short trials run beside the first one
    seconds = [8.0, 1.0, 1.0, 1.0, 8.0, 1.0]
    (_, rounds), (told, stream) = in_order(seconds, 2, "rounds"), in_order(seconds, 2, "async")
    assert rounds.elapsed == 17.0 and stream.elapsed == 11.0
    assert [t.id for t in told] == [1, 2, 3, 0, 5, 4]
    assert rounds.utilisation == 20 / 34 and stream.utilisation == 20 / 22


@pytest.mark.parametrize("strategy", [Random(), DSICE()])
def test_rounds_find_the_same_as_without_a_clock(strategy: Any) -> None:
    log = pd.DataFrame(
        [(x, y, (x - 3) ** 2 + y, 1 + (7 * x + y) % 5) for x in range(6) for y in range(6)]
    )
    log.columns = pd.Index(["x", "y", "objective", "seconds"])
    log.loc[::7, "objective"] = None
    plain, timed = (
        run(Tuner(t.space, strategy, max_trials=24), t, mode="rounds", progress=False)
        for t in (Table(log, slots=8), Table(log, workers=8))
    )
    assert [replace(t, times=(None,) * 3, where={}) for t in timed.history] == [
        replace(t, where={}) for t in plain.history
    ]
    assert [t.where["log"] for t in timed.history] == [t.where["log"] for t in plain.history]


# ---------------------------------------------------------------------- by hand
def test_collect_goes_to_the_next_end_and_gives_all_that_end_then() -> None:
    log = table([3.0, 1.0, 1.0, 2.0], workers=3)
    assert (
        log.slots == 3
        and log.clock == Clock(3)
        and math.isnan(log.clock.utilisation)
        and math.isnan(log.clock.speedup)
    )
    log.submit(jobs(0, 1, 2))
    assert log.clock.elapsed == 0.0
    assert [(r.id, r.times, r.seconds) for r in ended(log)] == [
        (1, (0, 0, 1.0), 1.0),
        (2, (0, 0, 1.0), 1.0),
    ]
    # busy includes the finished part of the running trial
    assert (log.clock.elapsed, log.clock.busy, log.clock.utilisation) == (1.0, 3.0, 1.0)
    with pytest.raises(LaunchError, match="2 of 3 slots free"):
        log.submit(jobs(1, 2, 3))
    log.submit(jobs(3))
    assert [(r.id, r.times, r.where["worker"]) for r in ended(log)] == [
        (0, (0, 0, 3.0), "0"),
        (3, (1.0, 1.0, 3.0), "1"),
    ]
    assert log.collect() == [] and log.clock == Clock(3, 3.0, 7.0)
    log.restart()
    assert log.clock == Clock(3) and log.collect() == []


def test_a_cancelled_trial_frees_its_worker_now() -> None:
    log = table([9.0, 2.0, 5.0], workers=2)
    log.submit(jobs(0, 1))
    assert [r.id for r in log.collect()] == [1]
    log.cancel(0)
    log.cancel(1)  # collected already
    log.submit([*jobs(2), Job(7, {"x": 1})])
    (stopped,) = ended(log)
    assert (stopped.id, stopped.state, stopped.times, stopped.seconds) == (
        0,
        "stopped",
        (0.0, 0.0, 2.0),
        2.0,
    )
    log.cancel(0)
    assert [(r.id, r.state, r.times[1:]) for r in ended(log)] == [(7, "done", (2.0, 4.0))]
    assert log.clock.elapsed == 4.0 and log.clock.busy == 2 + 2 + 2 + 2
    log.close()
    assert log.clock.elapsed == 4.0 and log.clock.busy == 8.0 and log.collect() == []


# ---------------------------------------------------------------------- which seconds
def logged() -> pd.DataFrame:
    rows = [
        (1, 1.0, 2.0),
        (1, 3.0, 3.0),
        (2, None, 40.0),
        (3, None, None),
        (4, 2.0, None),
        (5, 1.0, 7.0),
        (7, 1.0, 9.0),
    ]
    return pd.DataFrame(rows, columns=["x", "objective", "seconds"])


def ran(log: Table) -> dict[int, float | None]:
    return {x: answer(log, x).seconds for x in range(1, 8)}


def answer(log: Table, x: int) -> Result:
    log.submit([Job(0, {"x": x})])
    (result,) = log.collect()
    assert isinstance(result, Result)
    assert result.seconds is not None and result.times[2] == log.clock.elapsed
    assert result.times[2] - float(result.times[1] or 0) == pytest.approx(result.seconds)
    return result


def test_what_has_no_time_takes_the_median_of_the_log() -> None:
    log = Table(logged(), params={"x": range(1, 8)}, missing="fail", workers=2)
    typical = median([2.0, 3.0, 40.0, 7.0, 9.0])
    # in this order: repeats one after the other; a failure with its own time; a failure without;
    # a value without; a plain value; what is not in the log
    assert ran(log) == {1: 5.0, 2: 40.0, 3: typical, 4: typical, 5: 7.0, 6: typical, 7: 9.0}
    assert (
        answer(log, 6).state == "failed"
        and answer(log, 3).state == "failed"
        and answer(log, 4).state == "done"
    )


def test_scaled_times_have_that_median_and_keep_their_ratios() -> None:
    plain = ran(Table(logged(), params={"x": range(1, 8)}, missing="fail", workers=1))
    scaled = ran(Table(logged(), params={"x": range(1, 8)}, missing="fail", workers=1, scale=60.0))
    factor = 60.0 / median([5.0, 40.0, 7.0, 7.0, 7.0, 9.0])  # over the points of the log, 6 is none
    assert scaled == pytest.approx({x: factor * float(s or 0) for x, s in plain.items()})


def test_seconds_of_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner({"x": range(3)}, Grid(), journal=path) as tuner:
        for trial in tuner.ask(3):
            tuner.tell(trial, [1.0, 2.0], seconds=3.0 + trial.id)
    log = Table(path, workers=2)
    run(Tuner(log.space, Grid()), log, progress=False)
    assert log.clock.elapsed == 8.0 and log.clock.busy == 12.0


def test_workers_are_the_slots_of_a_virtual_clock() -> None:
    logged_seconds = frame([2.0, 1.0, 3.0, 1.0])
    clocks = []
    for log in (Table(logged_seconds, workers=2), Table(logged_seconds, slots=2, clock=True)):
        run(Tuner(log.space, Grid()), log, progress=False)
        clocks.append(log.clock)
    assert clocks[0] == clocks[1] and clocks[0].workers == 2


def test_wrong_options_are_explained() -> None:
    bare = frame([1.0] * 3).drop(columns="seconds")
    wrong_tables: list[tuple[pd.DataFrame, dict[str, Any], str]] = [
        (
            bare,
            {"workers": 4},
            r"no run times \(column 'seconds'\).*seconds=.*leave that option out",
        ),
        (
            bare.assign(time=math.nan),
            {"workers": 4, "seconds": "time", "params": ["x"]},
            r"no run times \(column 'time'\)",
        ),
        (
            frame([1.0, -2.0]),
            {"workers": 4},
            r"'seconds' holds -2.0 in row 1, expected seconds >= 0",
        ),
        (
            frame([0.0, 0.0, 1.0]),
            {"workers": 4, "scale": 60.0},
            r"half of the points .* took 0 seconds",
        ),
    ]
    for log, options, match in wrong_tables:
        with pytest.raises(TableError, match=match):
            Table(log, **options)
    wrong_options: list[tuple[dict[str, Any], str]] = [
        ({"workers": 0}, r"Table\(workers=0\): expected a whole number >= 1 \(how many"),
        ({"workers": True}, r"Table\(workers=True\): expected a whole number"),
        ({"workers": 2, "slots": 3}, r"slots=3 and workers=2: .* leave one of them out"),
        ({"overhead": True}, r"overhead=True is about the virtual clock; give clock=True"),
        ({"scale": 60.0}, r"scale=60.0 is about the virtual clock; give clock=True"),
        ({"workers": 2, "scale": 0.0}, r"Table\(scale=0.0\): expected a number of seconds > 0"),
        ({"workers": 2, "scale": math.nan}, r"Table\(scale=nan\): expected"),
        ({"clock": True}, r"clock=True .*: give slots="),
        ({"clock": 1}, r"Table\(clock=1\): expected True or False"),
        ({"workers": 2, "overhead": 1}, r"Table\(overhead=1\): expected True or False"),
    ]
    for options, match in wrong_options:
        with pytest.raises(OptionError, match=match):
            table([1.0] * 3, **options)
    with pytest.raises(LaunchError, match="make it with clock=True"):
        _ = table([1.0]).clock


# ---------------------------------------------------------------------- the time of asking
@dataclass
class Watch:
    """Stands for the real clock; `step` passes in each ask."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr("dsice.launchers.table.clock.perf_counter", made)
    return made


def second_by_second(seconds: Sequence[int], workers: int, asking: int) -> tuple[int, int, int]:
    """(elapsed, seconds of asking, worker-seconds idle meanwhile) of a stream.

    Each ask takes `asking` seconds. One coordinator waits until trials are over, thinks, and then
    starts one for each of them.
    """
    # left: the seconds that running trials still need
    left, waiting = list(seconds[:workers]), list(seconds[workers:])
    elapsed = asked = idle = 0
    while left:
        if all(left):  # the coordinator waits
            elapsed += 1
            left = [s - 1 for s in left]
            continue
        ended = left.count(0)  # it takes these and thinks
        left = [s for s in left if s]
        if waiting:
            for _ in range(asking):
                elapsed, asked = elapsed + 1, asked + 1
                idle += workers - sum(s > 0 for s in left)
                # a trial that ends meanwhile waits until the coordinator has thought
                left = [max(0, s - 1) for s in left]
            started, waiting = waiting[:ended], waiting[ended:]
            left += started
    return elapsed, asked, idle


@settings(deadline=None, max_examples=60)
@given(
    seconds=st.lists(st.integers(1, 9), min_size=1, max_size=25),
    workers=st.integers(1, 5),
    asking=st.integers(0, 4),
)
def test_asking_stops_the_free_workers_and_no_others(
    seconds: list[int], workers: int, asking: int
) -> None:
    watch = Watch()
    log = table(list(map(float, seconds)), workers=workers, overhead=True)
    waiting, running = list(range(len(seconds))), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsice.launchers.table.clock.perf_counter", watch)
        while True:
            new, waiting = waiting[: workers - running], waiting[workers - running :]
            if new:
                watch.now += asking
                log.submit(jobs(*new))
                running += len(new)
            ended = log.collect()
            if not ended:
                break
            running -= len(ended)
    clock = log.clock
    assert (clock.elapsed, clock.asking, clock.idle) == second_by_second(seconds, workers, asking)
    assert clock.busy == sum(seconds) and clock.idle_asking == clock.idle / (
        clock.elapsed * workers
    )


def test_only_from_collect_to_the_next_submit_and_only_if_wanted(watch: Watch) -> None:
    for overhead, expected in ((True, Clock(2, 7.0, 8.0, 2.0, 4.0)), (False, Clock(2, 5.0, 8.0))):
        log = table([1.0, 1.0, 2.0, 4.0], workers=2, overhead=overhead)
        watch.now += 50  # before the first submit
        log.submit(jobs(0))
        watch.now += 50
        log.submit(jobs(1))
        watch.now += 50  # trials run
        assert len(log.collect()) == 2
        watch.now += 2
        log.submit(jobs(2))
        watch.now += 50
        log.submit(jobs(3))
        assert [r.id for r in log.collect() + log.collect()] == [2, 3]
        watch.now += 50  # nothing is submitted any more
        assert log.clock == expected
        log.restart()
        watch.now += 50
        log.submit(jobs(0))
        assert log.clock == Clock(2)


def test_what_ended_during_an_ask_comes_next_in_the_order_of_the_ends(watch: Watch) -> None:
    log = table([1.0, 5.0, 3.0, 2.0], workers=3, overhead=True)
    log.submit(jobs(0, 1, 2))
    assert [r.id for r in log.collect()] == [0]
    watch.now += 10
    log.submit(jobs(3))
    assert [(r.id, r.times[2]) for r in ended(log)] == [(2, 3.0), (1, 5.0)]
    # worker 0 is idle during the whole ask, the others from the ends of their trials
    assert (log.clock.elapsed, log.clock.idle) == (11.0, 10.0 + 6.0 + 8.0)
    assert [(r.id, r.times, r.where["worker"]) for r in ended(log)] == [
        (3, (11.0, 11.0, 13.0), "0")
    ]


def test_real_asks_are_counted() -> None:
    _, clock = in_order([0.01] * 40, 4, "async", overhead=True)
    assert clock.asking > 0 and clock.elapsed >= clock.asking + 0.01
    assert 0 < clock.idle_asking < 1 and clock.busy == pytest.approx(0.4)
