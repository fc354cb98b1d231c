"""run and minimize: each result is told once, lost trials return, and nothing stops the tuning."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any
from warnings import catch_warnings, simplefilter

import pandas as pd
import pytest

from dsice import DsiceError, Goal, History, Ordinal, Space, Trial, Tuner, minimize, run, step
from dsice.cli import output
from dsice.errors import DsiceWarning, LaunchError
from dsice.launchers import Futures, Local, Table
from dsice.launchers.base import Job, Result, Step
from dsice.running.progress import Progress
from dsice.strategies import Grid, Random

Answer = Callable[[Job], Result | list[Result | Step]]


class InMemory:
    """A launcher that answers each job by a function when collected, the latest first."""

    def __init__(self, answer: Answer, slots: int = 4) -> None:
        self.answer, self.slots = answer, slots
        self.running: dict[int, Job] = {}
        self.submitted: list[int] = []
        self.cancelled: list[int] = []
        self.most = 0
        self.closed = False
        self.left: list[int] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self.running.update((job.id, job) for job in jobs)
        self.submitted += [job.id for job in jobs]
        self.most = max(self.most, len(self.running))

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        found = [job for job in jobs if job.id in self.left]
        self.running.update((job.id, job) for job in found)
        return [job.id for job in found]

    def collect(self, timeout: float = 0.0) -> Iterable[Result | Step]:
        job = self.running[max(self.running)]
        events = self.answer(job)
        for event in events if isinstance(events, list) else [events]:
            if isinstance(event, Result):
                self.running.pop(event.id)
            yield event

    def cancel(self, id: int) -> None:
        self.cancelled.append(id)

    def close(self) -> None:
        self.closed = True


def done(job: Job) -> Result:
    return Result(job.id, "done", value=float(job.params["x"]), seconds=1.0)


def tuner(**options: object) -> Tuner:
    return Tuner({"x": range(30)}, Random(), max_trials=12, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["async", "rounds"])
def test_every_trial_runs_once_within_the_slots_and_is_told(mode: str) -> None:
    launcher = InMemory(done)
    result = run(tuner(), launcher, mode=mode, progress=False)  # type: ignore[arg-type]
    assert launcher.submitted == list(range(12)) and launcher.most == 4
    assert [t.value for t in result.history] == [float(t.params["x"]) for t in result.history]
    assert result.finished and not launcher.closed


def test_rounds_are_asked_whole_and_async_one_by_one() -> None:
    rounds = run(tuner(), InMemory(done), mode="rounds", progress=False)
    single = run(tuner(), InMemory(done), progress=False)
    assert [t.round for t in rounds.history] == [0] * 4 + [1] * 4 + [2] * 4
    assert [t.round for t in single.history] == [0] * 4 + list(range(1, 9))


def test_a_lost_trial_is_started_again_and_then_counts_as_failed() -> None:
    def answer(job: Job) -> Result:
        return Result(job.id, "lost", error="node down") if job.id == 2 else done(job)

    launcher = InMemory(answer)
    result = run(tuner(), launcher, retries=2, progress=False)
    assert launcher.submitted.count(2) == 3 and result.history[2].state == "failed"
    assert "lost 3 times" in str(result.history[2].error) and "node down" in str(
        result.history[2].error
    )
    assert all(t.state == "done" for t in result.history if t.id != 2)


def test_a_trial_that_empties_its_directory_and_is_lost_fails_alone(tmp_path: Path) -> None:
    wild = 'rm -rf "$DSICE_DIR"/*; touch "$DSICE_DIR/mine"; kill -9 $PPID'
    command = f"test {{x}} = 1 && {{{{ {wild}; }}}}; echo {{x}}"
    with Local(command, slots=1, directory=tmp_path) as launcher, pytest.warns(DsiceWarning):
        study = Tuner({"x": range(3)}, Grid())
        states = [trial.state for trial in run(study, launcher, progress=False).history]
    assert states == ["done", "failed", "done"]


def test_results_that_cannot_be_used_fail_alone_and_say_why() -> None:
    answers = {
        1: Result(
            1, "done", metrics={"accuracy": 0.9}, where={"log": "trial-1.log"}
        ),  # the goal's metric is missing
        2: Result(2, "done", value=float("nan")),
        3: Result(3, "timed_out", error="over 5 s"),
        4: Result(4, "done", value=2.0, seconds=float("nan")),  # of a launcher of somebody's own
        5: Result(5, "failed", error="no", times=(None, None, float("inf"))),
        6: Result(6, "done", value=2.0, where={"gpu": float("inf")}),
    }
    result = run(tuner(), InMemory(lambda job: answers.get(job.id, done(job))), progress=False)
    assert [t.state for t in result.history[1:4]] == ["failed", "failed", "timed_out"]
    assert "accuracy" in str(result.history[1].error) and "trial-1.log" in str(
        result.history[1].error
    )
    assert "nan" in str(result.history[2].error)
    assert [t.state for t in result.history[4:7]] == ["failed"] * 3
    assert "seconds" in str(result.history[4].error) and result.history[4].values == (2.0,)
    assert len(result.history) == 12


def test_curves_reach_the_stopper_and_stopped_trials_are_cancelled() -> None:
    class Impatient:
        def stop(self, curve: Sequence[tuple[int, float]], history: History) -> bool:
            return curve[-1][1] > 20

    def answer(job: Job) -> list[Result | Step]:
        x = float(job.params["x"])
        steps: list[Result | Step] = [Step(job.id, 1, x), Step(job.id, 2, x / 2)]
        return [
            *steps,
            Result(job.id, "stopped" if x > 20 else "done", value=None if x > 20 else x),
        ]

    launcher = InMemory(answer)
    result = run(tuner(stopper=Impatient()), launcher, progress=False)
    bad = [t.id for t in result.history if t.params["x"] > 20]
    assert launcher.cancelled == sorted(bad, key=launcher.cancelled.index) and set(
        launcher.cancelled
    ) == set(bad)
    assert all(
        t.state == ("stopped" if t.id in bad else "done") and len(t.curve) == 2
        for t in result.history
    )


def test_a_restarted_coordinator_follows_what_still_runs_and_starts_the_rest_again(
    tmp_path: Path,
) -> None:
    with tuner(journal=tmp_path / "j.jsonl") as first:
        first.ask(4)
        first.step(1, 1, 0.5)

    def answer(job: Job) -> list[Result | Step]:
        return (
            [Step(job.id, 1, 0.5), Step(job.id, 2, 0.4), done(job)] if job.id == 1 else [done(job)]
        )

    launcher = InMemory(answer)
    launcher.left = [1, 3]
    with tuner(journal=tmp_path / "j.jsonl") as second:
        run(second, launcher, progress=False)
        assert sorted(launcher.submitted) == [0, 2, *range(4, 12)]
        # the whole curve came again, and counts once
        assert second.history[1].curve == ((1, 0.5), (2, 0.4))


def test_callbacks_see_every_told_trial_in_order() -> None:
    seen: list[int] = []

    def look(_: Tuner, trial: Trial) -> None:
        seen.append(trial.id)

    result = run(tuner(), InMemory(done), callbacks=[look], progress=False)
    assert sorted(seen) == list(range(12)) and len(result.history) == 12


def test_leaving_by_an_exception_closes_the_launcher_and_keeps_what_was_told() -> None:
    def interrupt(t: Tuner, trial: Trial) -> None:
        if len(t.history) - len(t.pending) == 5:
            raise KeyboardInterrupt

    launcher, mine = InMemory(done), tuner()
    with pytest.raises(KeyboardInterrupt):
        run(mine, launcher, callbacks=[interrupt], progress=False)
    assert launcher.closed and sum(t.state == "done" for t in mine.history) == 5


@pytest.mark.parametrize("reason", ["interrupted", "refused", "unstarted"])
def test_a_run_that_was_left_is_gone_on_with_by_the_same_tuner(reason: str) -> None:
    def answer(job: Job) -> Result:
        if reason == "interrupted":
            raise KeyboardInterrupt
        return Result(job.id, "unstarted", error="no room")

    class Refuses(InMemory):
        def submit(self, jobs: Sequence[Job]) -> None:
            raise LaunchError("another study's directory")

    t, left = tuner(), Refuses(done) if reason == "refused" else InMemory(answer)
    with pytest.raises((KeyboardInterrupt, LaunchError)), catch_warnings():
        simplefilter("ignore")
        run(t, left, start_timeout=0.0, progress=False)
    again = InMemory(done)
    run(t, again, progress=False)
    assert sorted(again.submitted) == list(range(12)) and not t.pending


def test_budgets_stop_the_asking_and_running_trials_are_awaited() -> None:
    assert len(run(tuner(), InMemory(done), max_trials=6, progress=False).history) == 6
    result = run(tuner(), InMemory(done), max_seconds=0.0, progress=False)
    assert len(result.history) == 0
    with pytest.raises(DsiceError, match="mode"):
        run(tuner(), InMemory(done), mode="batch")  # type: ignore[arg-type]
    with pytest.raises(DsiceError, match="retries"):
        run(tuner(), InMemory(done), retries=-1)


def test_a_launcher_that_cannot_start_anything_says_so() -> None:
    class Broken(InMemory):
        def submit(self, jobs: Sequence[Job]) -> None:
            raise LaunchError("no such program: train")

    with pytest.raises(DsiceError, match="no such program"):
        run(tuner(), Broken(done), progress=False)


def test_a_replay_of_a_table_measures_every_logged_point() -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": [1, 2, 3, 1], "y": [1, 1, 2, 1], "objective": [3.0, 2.0, 1.0, 5.0]})
    table = Table(frame)
    result = run(Tuner(table.space, Grid()), table, progress=False)
    assert {(t.params["x"], t.params["y"]): t.value for t in result.history} == {
        (1, 1): 4.0,
        (2, 1): 2.0,
        (3, 2): 1.0,
    }


def test_the_time_weight_uses_the_run_time_of_the_results() -> None:
    goal = Goal(time_weight=10.0)

    def answer(job: Job) -> Result:
        return Result(
            job.id, "done", value=float(job.params["x"]), seconds=float(30 - job.params["x"])
        )

    result = run(Tuner({"x": range(30)}, Grid(), goal=goal), InMemory(answer), progress=False)
    assert result.best is not None and result.best.params["x"] == 29


def test_minimize_runs_a_function_in_processes_and_resumes(tmp_path: Path) -> None:
    def cost(x: int, lr: float) -> float:
        if x == 7:
            raise MemoryError("too big")
        return (x - 3) ** 2 + abs(lr - 0.01)

    space: dict[str, Any] = {"x": range(8), "lr": Ordinal.log(1e-3, 1e-1, 3)}
    journal = tmp_path / "run.jsonl"
    first = minimize(cost, space, slots=4, max_trials=8, journal=journal, progress=False)
    second = minimize(cost, space, slots=4, max_trials=24, journal=journal, progress=False)
    assert len(first.history) == 8 and len(second.history) == 24
    assert second.best is not None and second.best.params == {"x": 3, "lr": 0.01}
    failed = [t for t in second.history if t.params["x"] == 7]
    assert len(failed) == 3 and all(
        t.state == "failed" and "too big" in str(t.error) for t in failed
    )
    with pytest.raises(DsiceError, match="objective"):
        minimize(3, space)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["async", "rounds"])
def test_the_budget_of_a_run_is_never_overshot(mode: str) -> None:
    launcher = InMemory(done, slots=9)
    assert len(run(tuner(), launcher, mode=mode, max_trials=5, progress=False).history) == 5  # type: ignore[arg-type]


def test_max_cost_is_the_sum_of_run_times_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    def hour(job: Job) -> Result:
        return Result(job.id, "done", value=float(job.params["x"]), seconds=3600.0)

    def tuned(max_cost: float) -> int:
        with Tuner({"x": range(30)}, Random(), journal=tmp_path / "j.jsonl") as tuner:
            return len(run(tuner, InMemory(hour), max_cost=max_cost, progress=False).history)

    assert tuned(6) == 6  # 4 at a time: what runs counts too, or it would be 9
    assert tuned(6) == 6
    assert tuned(10.5) == 11
    assert tuned(0) == 11
    assert tuned(1000) == 30


def test_max_cost_lets_trials_without_a_run_time_in() -> None:
    launcher = InMemory(lambda job: Result(job.id, "done", value=1.0))
    assert len(run(tuner(), launcher, max_cost=0.001, progress=False).history) == 12


@pytest.mark.parametrize("name", ["max_cost", "max_seconds"])
@pytest.mark.parametrize("value", [-1, float("nan"), "1", True])
def test_budgets_that_are_none(name: str, value: object) -> None:
    with pytest.raises(DsiceError, match=f"run.{name}="):
        run(tuner(), InMemory(done), progress=False, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("goal", "lacking"),
    [
        (Goal(at_most={"memory": 3.0}), "memory"),
        (Goal("loss", at_least={"speed": 1.0, "acc": 0.5}), "acc"),
    ],
)
def test_a_metric_that_no_trial_reports_is_named_at_the_end(
    goal: Goal, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(
        pd.DataFrame({"x": range(6), "objective": 1.0, "speed": 2.0}),
        params=["x"],
        metrics=["speed"],
    )
    tuner = Tuner(table.space, goal=goal)
    with pytest.warns(match=rf"no best \(no trial reported '{lacking}', which the goal needs\)"):
        run(tuner, table, progress=False)
    assert tuner.history.unreported() == [lacking]
    assert all(
        f"the goal needs '{lacking}'" in str(t.error) and t.metrics["speed"] == 2.0
        for t in tuner.history
    )
    assert (
        output.best(tuner) == 1
        and f"none reported '{lacking}', which the goal needs" in capsys.readouterr().out
    )


def test_trials_that_crash_are_no_missing_metric() -> None:
    tuner = Tuner({"x": range(3)}, goal=Goal(at_most={"memory": 3.0}))
    tuner.tell(tuner.ask()[0], error="out of memory")
    assert tuner.history.unreported() == []


def test_a_best_that_breaks_a_bound_is_said() -> None:
    log = pd.DataFrame({"x": range(6), "objective": 1.0, "memory": 9.0})
    table = Table(log, params=["x"], metrics=["memory"])
    with pytest.warns(
        match="no trial keeps all bounds of the goal.*beyond them by 2 of their size"
    ):
        run(Tuner(table.space, goal=Goal(at_most={"memory": 3.0})), table, progress=False)


class Interrupted(Grid):
    """Ctrl-C comes with the second ask, once `ready` returns."""

    def __init__(self, ready: Callable[[], object]) -> None:
        super().__init__()
        object.__setattr__(self, "ready", ready)

    def ask(self, n: int, space: Space, history: History, stream: Any) -> list[Any]:
        if len(history):
            self.ready()  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return list(super().ask(n, space, history, stream))


def test_what_was_measured_when_the_run_ends_is_told(tmp_path: Path) -> None:
    """A function's result would end with the coordinator, and be measured again."""
    calls, told = list[Future[Any]](), list[int]()

    class Pool(ThreadPoolExecutor):
        def submit(self, *args: Any, **named: Any) -> Future[Any]:
            calls.append(super().submit(*args, **named))
            return calls[-1]

    journal, strategy = tmp_path / "j.jsonl", Interrupted(lambda: wait(calls, 10))
    with (
        Pool(3) as pool,
        Tuner({"x": range(9)}, strategy, journal=journal) as mine,
        pytest.raises(KeyboardInterrupt),
    ):
        note = [lambda _, trial: told.append(trial.id)]
        run(mine, Futures(lambda x: float(x), pool), callbacks=note, progress=False)
    assert sorted(told) == [0, 1, 2] and len(calls) == 3
    assert [trial.state for trial in Tuner.read(journal).history] == ["done"] * 3


def test_what_close_waits_for_is_told_unless_it_was_cut_short(tmp_path: Path) -> None:
    def program(x: int) -> float:
        if x > 1:
            began.set()
            while not step(0, -1.0):
                time.sleep(0.01)
        elif x:
            time.sleep(0.3)
        return float(x)

    began, journal = Event(), tmp_path / "j.jsonl"
    with (
        ThreadPoolExecutor(3) as pool,
        Tuner({"x": range(9)}, Interrupted(lambda: began.wait(10)), journal=journal) as mine,
        pytest.raises(KeyboardInterrupt),
    ):
        run(mine, Futures(program, pool, directory=tmp_path / "t"), progress=False)
    told = {t.params["x"]: t.value for t in Tuner.read(journal).history if t.state == "done"}
    assert told == {0: 0.0, 1: 1.0}


def test_a_directory_of_another_study_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with (
            tuner(journal=tmp_path / name) as mine,
            Local("echo {x}", directory=tmp_path / "t") as launcher,
        ):
            if name == "first":
                run(mine, launcher, progress=False, max_trials=1)
                continue
            with pytest.raises(LaunchError, match="another study"):
                run(mine, launcher, progress=False)
    assert not Tuner.read(tmp_path / "second").history


@pytest.mark.parametrize("gone", ["a full disk", "a pipe that nobody reads", "closed"])
def test_a_run_goes_on_where_nothing_can_be_shown(
    gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(Progress, "EVERY", 0.0)
    with open("/dev/full" if gone == "a full disk" else writer, "w") as stderr:  # noqa: PTH123
        if gone == "closed":
            stderr.close()
        monkeypatch.setattr(sys, "stderr", stderr)
        assert len(run(tuner(), InMemory(done), confirm=1).history) == 13
        monkeypatch.undo()
        with suppress(OSError):
            stderr.close()
