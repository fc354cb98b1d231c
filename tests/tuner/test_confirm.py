"""confirm=: the best points once more, in full, as a stage of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats

from dsice import Goal, State, Trial, Tuner, run
from dsice.cli.main import main
from dsice.errors import OptionError
from dsice.launchers import Local
from dsice.launchers.base import Job, Result
from dsice.strategies import DSICE, Grid, Population, Random, Sequential2018
from dsice.tuner.confirming import spearman
from tests.running.test_run import InMemory

FULL = {0: 5.0, 1: 1.0, 2: 3.0, 3: 2.0}


def trained(job: Job) -> Result:
    """Short: x itself. In full: x = 1 is the best, and x = 0 does not converge to anything good."""
    x = int(job.params["x"])
    value = FULL.get(x, 9.0) if job.stage == 1 else float(x)
    return Result(job.id, "done", value=value, seconds=10.0 if job.stage else 1.0)


def test_the_best_are_run_again_as_stage_1_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = InMemory(trained, slots=2)
    with Tuner({"x": range(9)}, Grid(), journal=tmp_path / "j.jsonl", max_trials=7) as tuner:
        run(tuner, launcher, confirm=4)
        found = tuner.confirmation
        assert [
            (short.params["x"], full.params["x"], full.value) for short, full in found.pairs
        ] == [
            (1, 1, 1.0),
            (3, 3, 2.0),
            (2, 2, 3.0),
            (0, 0, 5.0),
        ]
        assert found.best == tuner.history[found.pairs[0][1].id] and found.best.stage == 1
        assert found.rank_correlation == pytest.approx(
            stats.spearmanr([0, 1, 2, 3], [5, 1, 3, 2]).statistic
        )
        assert tuner.best == found.best and tuner.best is not None and tuner.best.value == 1.0
        assert tuner.history.best is not None and tuner.history.best.params == {"x": 0}
        assert tuner.asked == 7 and len(tuner.history) == 11 and tuner.finished
    err = capsys.readouterr().err
    assert "4 points trained in full; 4 points are too few for a rank correlation" in err
    again = Tuner.read(tmp_path / "j.jsonl").confirmation
    assert again == found


def test_going_on_confirms_only_what_is_new(tmp_path: Path) -> None:
    def tune(trials: int, confirm: int) -> Tuner:
        with Tuner(
            {"x": range(8, -1, -1)}, Grid(), journal=tmp_path / "j.jsonl", max_trials=trials
        ) as tuner:
            return run(tuner, InMemory(trained), confirm=confirm, progress=False)

    assert len(tune(5, 2).history) == 7
    assert len(tune(5, 2).history) == 7
    assert len(tune(5, 3).history) == 8
    more = tune(9, 3)  # the search goes on, and its three best are others
    assert [t.params["x"] for t in more.history if t.stage == 0] == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert sorted(t.params["x"] for t in more.history if t.stage == 1) == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize("strategy", [DSICE(tolerance=None), Sequential2018(), Random(), Grid()])
def test_every_strategy_goes_on_beside_confirmed_trials(strategy: object) -> None:
    tuner = Tuner({"x": range(6), "y": range(6)}, strategy, max_trials=12)  # type: ignore[arg-type]
    launcher = InMemory(
        lambda job: Result(
            job.id, "done", value=float(job.params["x"] - job.params["y"]) + 50 * job.stage
        )
    )
    run(tuner, launcher, confirm=3, progress=False)
    tuner.max_trials = 20
    run(tuner, launcher, confirm=3, progress=False)
    short = [t for t in tuner.history if t.stage == 0]
    assert len(short) == len({t.point for t in short}) and (
        len(short) == 20 or isinstance(strategy, Sequential2018)
    )
    assert tuner.history.best is not None and tuner.history.best.stage == 0
    assert tuner.best is not None and tuner.best == tuner.confirmation.best
    assert tuner.best.stage == 1 and len(tuner.confirmation.pairs) >= 3


def test_the_program_learns_of_its_stage_and_a_killed_coordinator_goes_on(tmp_path: Path) -> None:
    script = """
from dsice import Tuner, run
from dsice.launchers import Local
from dsice.strategies import Grid
full = 'test $DSICE_STAGE = 1 && {{ touch full; sleep 1; }}'
command = f'echo $DSICE_STAGE >> runs; {full}; echo $(({{x}} + 10 * $DSICE_STAGE))'
launcher = Local(command, slots=1, directory='t')
with Tuner({'x': range(4)}, Grid(), journal='j.jsonl') as tuner, launcher:
    run(tuner, launcher, confirm=2, progress=False)
"""
    first = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    while not (tmp_path / "full").exists():
        assert first.poll() is None
    first.kill()
    first.wait()
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    tuner = Tuner.read(tmp_path / "j.jsonl")
    assert [(t.params["x"], t.stage, t.value) for t in tuner.history] == [
        (0, 0, 0.0),
        (1, 0, 1.0),
        (2, 0, 2.0),
        (3, 0, 3.0),
        (0, 1, 10.0),
        (1, 1, 11.0),
    ]
    assert (tmp_path / "runs").read_text().split() == ["0"] * 4 + ["1"] * 2


def test_maximised_metrics_bounds_and_failures() -> None:
    def answer(job: Job) -> Result:
        x = int(job.params["x"])
        if job.stage and x == 4:
            return Result(job.id, "failed", error="diverged")
        return Result(
            job.id,
            "done",
            metrics={"accuracy": float(x), "memory": 9.0 if job.stage and x == 3 else 1.0},
        )

    tuner = Tuner(
        {"x": range(5)}, Grid(), goal=Goal("accuracy", maximize=True, at_most={"memory": 5.0})
    )
    run(tuner, InMemory(answer), confirm=4, progress=False)
    found = tuner.confirmation
    # last the trial that breaks a bound, then the failed one
    assert [full.params["x"] for _, full in found.pairs] == [2, 1, 3, 4]
    assert found.pairs[-1][1].state is State.FAILED and found.rank_correlation == pytest.approx(1.0)
    assert found.best is not None and found.best.params == {"x": 2}
    assert "failed" in str(found)


def noisy(job: Job) -> Result:
    """The search is lucky at x = 3; measured five times each, x = 1 has the best median."""
    x = int(job.params["x"])
    if job.stage == 0:
        return Result(job.id, "done", metrics={"ms": [5.0, 4.0, 4.5, 1.0, 6.0, 7.0, 8.0, 9.0][x]})
    n = seen[x] = seen.get(x, 0) + 1
    ms = {1: [4.0, 4.1, 4.2, 4.05, 30.0], 3: [1.0, 6.0, 6.1, 6.2, 5.9]}
    return Result(job.id, "done", metrics={"ms": ms.get(x, [7.0] * 5)[n - 1]})


seen: dict[int, int] = {}


def test_the_leading_points_and_the_start_are_measured_several_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen.clear()
    path = tmp_path / "j.jsonl"
    goal = Goal("ms", of="median")
    strategy = DSICE(start={"x": 5}, tolerance=None)
    before: list[Trial | None] = []
    with Tuner({"x": range(8)}, strategy, goal=goal, journal=path, max_trials=8) as tuner:

        def look(tuner: Tuner, trial: Trial) -> None:
            if trial.stage == 1:
                before.append(tuner.best)

        launcher = InMemory(noisy, slots=1)
        run(tuner, launcher, confirm=3, repeats=5, callbacks=[look], progress=False)
        full = [t for t in tuner.history if t.stage == 1]
        # each once before any of them comes again
        assert [(t.params["x"], t.repeat) for t in full] == [
            (x, repeat) for repeat in range(5) for x in (3, 1, 2, 5)
        ]
        best = tuner.best
        assert best is not None and best.params == {"x": 1} and best.stage == 1
        assert best.values == (4.0, 4.1, 4.2, 4.05, 30.0)
        assert best.value == best.metrics["ms"] == 4.1
        # nothing is confirmed before one has five values
        assert [b is not None and b.stage for b in before] == [0] * 16 + [1] * 4
        assert tuner.history.best is not None and tuner.history.best.value == 1.0
        assert len(tuner.history.order()) == 8
    found = Tuner.read(path).confirmation
    assert [full.params["x"] for _, full in found.pairs] == [1, 3, 2, 5] and found.repeats == 5
    assert main(["status", str(path)]) == 0
    out = capsys.readouterr().out
    assert "4.1 (median of 5, sd 11.6, confirmed)" in out
    assert "4 points are too few for a rank correlation" in out
    assert main(["best", str(path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["confirmed"] is True and (record["value"], record["n"]) == (4.1, 5)


def test_what_is_missing_of_a_confirmation_is_completed(tmp_path: Path) -> None:
    seen.clear()
    path = tmp_path / "j.jsonl"

    def tuner() -> Tuner:
        return Tuner({"x": range(8)}, Grid(), goal=Goal("ms", of="median"), journal=path)

    with tuner() as first:
        run(first, InMemory(noisy), confirm=2, repeats=1, progress=False)
        assert first.best is not None and first.best.params == {"x": 3}  # still lucky
    with tuner() as second:
        second.confirm(2, repeats=5)  # and then the coordinator dies
    with tuner() as third:
        assert len(third.orphans) == 8
        best = third.best
        assert best is not None and best.stage == 0  # one value of five confirms nothing
        run(third, InMemory(noisy), confirm=2, repeats=5, progress=False)
        best = third.best
        assert best is not None and best.params == {"x": 1} and len(best.values) == 5
        assert third.confirm(2, repeats=5) == []
        assert len(third.confirm(3, repeats=5)) == 5


def test_a_point_that_fails_when_it_is_confirmed_is_not_the_confirmed_best() -> None:
    calls: list[int] = []

    def answer(job: Job) -> Result:
        x = int(job.params["x"])
        calls.append(x)
        if job.stage and x == 0 and calls.count(0) == 3:
            return Result(job.id, "failed", error="crash")
        return Result(job.id, "done", value=float(x))

    tuner = Tuner({"x": range(5)}, Grid())
    run(tuner, InMemory(answer), confirm=2, repeats=3, progress=False)
    assert tuner.best is not None and tuner.best.params == {"x": 1} and tuner.best.stage == 1
    assert [len(full.values) for _, full in tuner.confirmation.pairs] == [2, 3]


def test_six_points_have_a_rank_correlation(capsys: pytest.CaptureFixture[str]) -> None:
    tuner = Tuner({"x": range(9)}, Grid())
    run(tuner, InMemory(trained), confirm=6, progress=True)
    expected = stats.spearmanr(range(6), [5, 1, 3, 2, 9, 9]).statistic
    said = f"rank correlation between short and full: {expected:.2f}"
    assert said in capsys.readouterr().err


def test_members_at_one_point_are_confirmed_apart() -> None:
    """Two members that trained at the same point have different schedules behind them."""
    tuner = Tuner({"x": range(2)}, Population(members=4, stages=2))
    while trials := tuner.ask(4):
        for t in trials:
            tuner.tell(t, float(t.member))
    confirmed = tuner.confirm(4)
    assert {t.member for t in confirmed} == {0, 1, 2, 3} and len({t.point for t in confirmed}) == 2
    for t in confirmed:
        tuner.tell(t, 50.0 - t.member)
    for short, full in tuner.confirmation.pairs:
        assert (short.point, short.member, short.stage) == (full.point, full.member, 1)
        assert (short.value, full.value) == (full.member, 50.0 - full.member)


def test_repeats_without_confirm_are_refused() -> None:
    with pytest.raises(OptionError, match=r"run\(repeats=3\): .* give confirm=k too"):
        run(Tuner({"x": range(3)}, Grid()), InMemory(trained), repeats=3)
    with pytest.raises(OptionError, match="a whole number >= 1"):
        Tuner({"x": range(3)}).confirm(2, repeats=0)


def test_nothing_to_confirm() -> None:
    tuner = Tuner({"x": range(3)}, Grid())
    run(tuner, InMemory(lambda job: Result(job.id, "done", value=1.0)), progress=False)
    assert (
        tuner.confirmation.pairs == ()
        and tuner.confirmation.best is None
        and tuner.confirmation.rank_correlation is None
    )
    with pytest.warns(UserWarning, match="none of the 3 trials"):
        failed = run(
            Tuner({"x": range(3)}, Grid()),
            InMemory(lambda job: Result(job.id, "failed", error="no")),
            confirm=2,
            progress=False,
        )
    assert len(failed.history) == 3


def test_the_rank_correlation_where_it_is_defined() -> None:
    assert spearman([1.0, 2.0, 9.0], [5.0, 4.0, -1.0]) == pytest.approx(-1.0)
    # 1 - 6 (1 + 1) / (4 (16 - 1))
    assert spearman([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]) == pytest.approx(0.8)
    assert (
        spearman([1.0, 1.0], [1.0, 2.0]) is None
        and spearman([1.0], [1.0]) is None
        and spearman([], []) is None
    )


def test_local_functions_see_the_stage() -> None:
    def train(x: int) -> float:
        import os

        return x + 100.0 * int(os.environ["DSICE_STAGE"])

    with Tuner({"x": range(3)}, Grid()) as tuner, Local(train, slots=2) as launcher:
        run(tuner, launcher, confirm=1, progress=False)
    assert [t.value for t in tuner.history] == [0.0, 1.0, 2.0, 100.0]


def test_the_frame_shows_the_measurements_of_the_confirmed_best() -> None:
    values = iter([5.0, 1.0, 2.0, 90.0])

    def measured(job: Job) -> Result:
        value = next(values) if job.stage and job.params["x"] == 0 else 7.0 + job.params["x"]
        return Result(job.id, "done", value=value)

    goal = Goal(of="median")
    with Tuner({"x": range(4)}, Grid(), goal=goal) as tuner:
        run(tuner, InMemory(measured, slots=1), confirm=2, repeats=4, progress=False)
        best, frame = tuner.best, tuner.history.frame()
    assert best is not None and (best.value, len(best.values)) == (3.5, 4)
    rows = frame[(frame["x"] == 0) & (frame["stage"] == 1)]
    assert rows["point.value"].tolist() == 4 * [3.5] and rows["point.n"].tolist() == 4 * [4]
    assert rows["point.spread"].tolist() == 4 * [best.spread]
    (first,) = frame[(frame["x"] == 0) & (frame["stage"] == 0)].to_dict("records")
    assert (first["point.value"], first["point.n"]) == (7.0, 1)
