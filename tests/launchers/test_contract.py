"""What every launcher promises to `run`, over all of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsice.errors import DsiceError, LaunchError
from dsice.launchers import Job, Launcher, Result, Step
from tests.launchers.cases import CASES, SLOTS, Case
from tests.launchers.helpers import drain, eventually

Maker = Callable[[str], Launcher]


def over(which: Callable[[Case], bool]) -> pytest.MarkDecorator:
    """Run a test over those launchers only."""
    return pytest.mark.parametrize(
        "case", [name for name in sorted(CASES) if which(CASES[name])], indirect=True
    )


def running(program: str) -> pytest.MarkDecorator:
    """Run a test over the launchers that can run a program of `cases.FUNCTIONS`."""
    return over(lambda case: program in case.programs)


def case_of(name: str) -> Case:
    case = CASES[name]
    if case.missing:
        if os.environ.get("DSICE_NEEDS_ENGINES"):
            pytest.fail(
                f"DSICE_NEEDS_ENGINES is set, and {', '.join(case.missing)} is not installed"
            )
        pytest.skip(f"{', '.join(case.missing)} is not installed")
    return case


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found = case_of(request.param)
    if found.scheduler is not None:
        request.getfixturevalue(found.scheduler)
    return found


@pytest.fixture
def make(case: Case, tmp_path: Path) -> Iterator[Maker]:
    """A launcher of the case for a program, closed at the end."""
    with contextlib.ExitStack() as stack:

        def made(program: str) -> Launcher:
            launcher = case.make(program, tmp_path / "trials")
            stack.callback(launcher.close)
            return launcher

        yield made


@pytest.fixture
def launcher(make: Maker) -> Launcher:
    return make("square")


def jobs(*xs: int) -> list[Job]:
    return [Job(100 + x, {"x": x}) for x in xs]


def test_each_trial_comes_back_exactly_once_with_its_own_value(launcher: Launcher) -> None:
    for xs in ((0, 1, 2), (4, 5), (6,)):
        launcher.submit(jobs(*xs))
        results = drain(launcher, len(xs))
        assert {id: r.value for id, r in results.items()} == {100 + x: x * x for x in xs}
        assert all(r.state == "done" and r.error is None for r in results.values())
    assert list(launcher.collect(0.05)) == []


def test_a_failing_trial_is_a_result_with_its_reason_and_harms_no_other(
    case: Case, launcher: Launcher
) -> None:
    launcher.submit(jobs(3, 93))
    results = drain(launcher, 2)
    assert (results[103].state, results[103].value) == ("done", 9)
    failed = results[193]
    assert failed.state == "failed" and failed.value is None
    if case.logs:
        assert str(failed.where["log"]) in str(failed.error)
    json.dumps(dict(failed.where))  # it goes into the journal


def test_more_jobs_than_slots_are_refused_and_none_is_started(launcher: Launcher) -> None:
    assert launcher.slots == SLOTS
    with pytest.raises(LaunchError, match=f"{SLOTS} of {SLOTS} slots free"):
        launcher.submit(jobs(*range(SLOTS + 1)))
    assert list(launcher.collect(0.05)) == []
    launcher.submit(jobs(*range(SLOTS)))
    with pytest.raises(LaunchError, match="slots"):
        launcher.submit(jobs(SLOTS))
    assert len(drain(launcher, SLOTS)) == SLOTS


def test_an_id_runs_once_at_a_time_and_again_after_its_result(launcher: Launcher) -> None:
    with pytest.raises(LaunchError):
        launcher.submit([Job(1, {"x": 1}), Job(1, {"x": 2})])
    launcher.submit([Job(1, {"x": 1})])
    with pytest.raises(LaunchError):
        launcher.submit([Job(1, {"x": 2})])
    assert drain(launcher, 1)[1].value == 1
    launcher.submit([Job(1, {"x": 3})])
    assert drain(launcher, 1)[1].value == 9


def test_a_trial_that_is_tried_again_is_measured_anew_beside_what_it_left(
    make: Maker, tmp_path: Path
) -> None:
    launcher = make("square")
    for tries in range(3):
        launcher.submit([Job(1, {"x": 5}, tries=tries)])
        assert drain(launcher, 1)[1].value == 25
    launcher.close()
    again = make("square")
    if (tmp_path / "trials" / "1").exists():
        kept = sorted(path.name for path in (tmp_path / "trials").glob("1.aside-*"))
        assert kept == ["1.aside-1", "1.aside-2"]
        # what an earlier try left is no result of the next
        assert again.attach([Job(1, {"x": 5}, tries=3)]) == []
    again.submit([Job(1, {"x": 5}, tries=3)])
    assert drain(again, 1)[1].value == 25


def test_a_cancelled_trial_comes_back_once(launcher: Launcher) -> None:
    launcher.submit(jobs(1, 2))
    launcher.cancel(101)
    launcher.cancel(101)
    launcher.cancel(4711)  # unknown: perhaps collected a moment before
    results = drain(launcher, 2)
    assert results[101].state in ("stopped", "done")  # it may have been faster
    assert results[102].value == 4
    assert list(launcher.collect(0.05)) == []


def test_nothing_is_attached_that_was_never_submitted(launcher: Launcher) -> None:
    assert launcher.attach(jobs(1, 2)) == []
    assert launcher.attach([]) == []


def test_close_is_idempotent_and_final(launcher: Launcher) -> None:
    launcher.submit(jobs(1))
    launcher.close()
    launcher.close()
    with pytest.raises(LaunchError, match="closed"):
        launcher.submit(jobs(2))
    # calls that cannot be ended are waited for, and what they measured is not lost
    assert all(isinstance(e, Result) and e.state == "done" for e in launcher.collect(0.05))
    assert list(launcher.collect(0.05)) == []


def test_an_unusable_job_is_named_before_anything_starts(launcher: Launcher) -> None:
    with pytest.raises(DsiceError, match=r"y|parameter"):
        launcher.submit([Job(1, {"x": 1}), Job(2, {"y": {1, 2}})])
    assert list(launcher.collect(0.05)) == []


@running("nap")
def test_no_more_trials_run_at_a_time_than_there_are_slots(make: Maker) -> None:
    launcher = make("nap")
    waiting, times = jobs(*range(3 * SLOTS)), []
    running = 0
    while waiting or running:
        new, waiting = waiting[: SLOTS - running], waiting[SLOTS - running :]
        launcher.submit(new)
        results = [event for event in launcher.collect(5.0) if isinstance(event, Result)]
        running += len(new) - len(results)
        times += [result.times for result in results]
    for queued, started, ended in times:
        assert queued is not None and started is not None and ended is not None
        assert queued - 0.05 <= started <= ended
        assert ended - started >= 0.25
        assert (
            sum(s <= started < e for _, s, e in times if s is not None and e is not None) <= SLOTS
        )


@over(lambda case: "beat" in case.programs and not case.leaves)
def test_nothing_runs_on_after_close(make: Maker, tmp_path: Path) -> None:
    launcher = make("beat")
    files = [tmp_path / f"beats{i}" for i in range(2)]
    launcher.submit([Job(i, {"x": i, "path": str(file)}) for i, file in enumerate(files)])
    assert eventually(lambda: all(file.exists() for file in files), 30.0)
    launcher.close()
    sizes = [file.stat().st_size for file in files]
    time.sleep(0.3)
    assert [file.stat().st_size for file in files] == sizes


@over(lambda case: case.leaves)
def test_everything_runs_on_after_close_and_is_found_again(
    case: Case, make: Maker, tmp_path: Path
) -> None:
    files = [tmp_path / f"beats{i}" for i in range(2)]
    beats = [Job(i, {"x": i, "path": str(file)}) for i, file in enumerate(files)]
    first = make("beat")
    first.submit(beats)
    assert eventually(lambda: all(file.exists() for file in files), 30.0)
    first.close()
    sizes = [file.stat().st_size for file in files]
    assert eventually(
        lambda: all(file.stat().st_size > size for file, size in zip(files, sizes, strict=True)),
        5.0,
    )
    second = make("beat")
    assert sorted(second.attach([*beats, Job(2, {"x": 2, "path": "never submitted"})])) == [0, 1]
    for job in beats:
        second.cancel(job.id)
    assert {result.state for result in drain(second, 2).values()} <= {"stopped", "done"}


@running("nap")
# an interrupt of a question to a scheduler leaves the pipes of its command to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_loses_no_result_and_gives_none_twice(make: Maker) -> None:
    launcher = make("nap")
    launcher.submit(jobs(1, 2))
    ctrl_c = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    results: dict[int, Result] = {}
    with pytest.raises(KeyboardInterrupt):
        ctrl_c.start()
        while len(results) < 2:  # a slow machine may have the first result before
            results |= {
                event.id: event for event in launcher.collect(5.0) if isinstance(event, Result)
            }
        ctrl_c.join()
        time.sleep(1.0)
    late = drain(launcher, 2 - len(results))
    assert not late.keys() & results.keys()
    assert {id: result.value for id, result in (results | late).items()} == {101: 1, 102: 2}
    assert list(launcher.collect(0.05)) == []


@running("kill")
def test_one_that_kills_its_worker_is_lost_or_failed_and_the_others_are_measured(
    make: Maker,
) -> None:
    launcher = make("kill")
    waiting, results, again = jobs(*range(7)), {}, set()
    running = 0
    while waiting or running:
        new, waiting = waiting[: SLOTS - running], waiting[SLOTS - running :]
        launcher.submit(new)
        running += len(new)
        for result in drain(launcher, 1, 60.0).values():
            running -= 1
            if result.state == "lost" and result.id not in again:  # as `run` does
                again.add(result.id)
                waiting += jobs(result.id - 100)
            else:
                results[result.id] = result
    bad = results.pop(101)
    assert bad.state in ("lost", "failed") and bad.error
    assert {id: result.value for id, result in results.items()} == {
        100 + x: x for x in (0, 2, 3, 4, 5, 6)
    }


@running("climb")
def test_learning_curves_arrive_and_a_cancelled_trial_ends_with_its_last_value(
    case: Case, make: Maker
) -> None:
    launcher = make("climb")
    launcher.submit(jobs(1))
    events: list[Result | Step] = []
    while len(events) < 4:
        events += launcher.collect(1.0)
    launcher.cancel(101)
    while not isinstance(events[-1], Result):
        events += launcher.collect(1.0)
    *steps, result = events
    assert [(s.step, s.value) for s in steps if isinstance(s, Step)] == [
        (i, i / 2) for i in range(len(steps))
    ]
    assert isinstance(result, Result) and result.state == "stopped"
    # a scheduler ends the job at once, before or after the program has seen that it is to stop
    late = [None] if case.leaves else []
    assert result.value in [len(steps) - 1, *late]


@over(lambda case: case.pickles is not None)
def test_a_function_that_cannot_travel_is_refused_by_name(case: Case) -> None:
    assert case.pickles is not None
    lock = threading.Lock()

    def guarded(x: int) -> bool:
        return lock.locked()

    with pytest.raises(LaunchError, match=r"guarded.*cannot be sent.*lock"):
        case.pickles(guarded)
