"""Many steps: one write, no copy of the curve for each, and the stopper's decisions."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import History, Tuner
from dsice.errors import DsiceError, JournalError
from dsice.launchers.base import Job, Result, Step, as_launcher
from dsice.running.loop import Loop
from dsice.running.options import RunOptions
from dsice.running.run import run
from dsice.stopping import Decision, Median
from dsice.strategies import Grid
from dsice.tuner import curves
from dsice.typing import Curve
from tests.conftest import state
from tests.running.test_run import InMemory


def study(journal: Path | None = None, **options: Any) -> Tuner:
    return Tuner({"x": range(30)}, Grid(), journal=journal, **options)


def lines(journal: Path) -> list[dict[str, Any]]:
    """All lines but for the times."""
    found = [json.loads(line) for line in journal.read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("at", "created")} for line in found]


class Syncs:
    """How often a file was put on the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self._real = 0, os.fsync
        monkeypatch.setattr("dsice.journal.writer.os.fsync", self.fsync)

    def fsync(self, fd: int) -> None:
        self.count += 1
        self._real(fd)


def test_many_steps_are_one_write_and_the_lines_are_those_of_single_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported = [(i % 2, i // 2, 1 / (i + 1)) for i in range(100)]
    one, many = study(tmp_path / "one.jsonl"), study(tmp_path / "many.jsonl")
    for tuner in (one, many):
        tuner.ask(2)
    for step in reported:
        one.step(*step)
    syncs = Syncs(monkeypatch)
    many.runs.steps(reported, None)
    assert syncs.count == 1
    assert lines(tmp_path / "one.jsonl") == lines(tmp_path / "many.jsonl")
    assert state(one) == state(many) == state(Tuner.read(tmp_path / "many.jsonl"))


def test_steps_that_are_sent_again_are_written_once_and_a_restart_begins_anew(
    tmp_path: Path,
) -> None:
    tuner = study(tmp_path / "run.jsonl")
    trial = tuner.ask(1)[0]
    first = [(0, i, math.nan if i % 3 else float(i)) for i in range(100)]
    tuner.runs.steps(first, None)
    before = (tmp_path / "run.jsonl").read_bytes()
    tuner.runs.steps(first, None)  # as after attach
    for _, step, value in first[:5]:
        tuner.step(trial, step, value)
    assert (tmp_path / "run.jsonl").read_bytes() == before
    tuner.runs.steps([(0, 50, -1.0), (0, 51, -2.0), (0, 51, -2.0), (0, 10, -3.0)], None)
    assert [step for step, _ in tuner.history[0].curve] == list(range(11))
    assert tuner.history[0].curve[-1] == (10, -3.0)
    assert state(tuner) == state(Tuner.read(tmp_path / "run.jsonl"))


def test_nothing_of_a_look_is_recorded_where_one_step_cannot_be(tmp_path: Path) -> None:
    tuner = study(tmp_path / "run.jsonl")
    tuner.ask(2)
    before = (tmp_path / "run.jsonl").read_bytes()
    for bad in [(1, -1, 1.0), (1, 2**63, 1.0), (1, 0, "x"), (7, 0, 1.0)]:
        with pytest.raises(DsiceError):
            tuner.runs.steps([(0, 0, 1.0), bad], None)  # type: ignore[list-item]
    assert (tmp_path / "run.jsonl").read_bytes() == before and tuner.history[0].curve == ()


def test_a_trial_is_made_when_it_is_looked_at_and_does_not_change_then() -> None:
    tuner = study()
    asked = tuner.ask(1)[0]
    tuner.step(0, 0, 1.0)
    seen, copied = tuner.history[0], tuner.history.followed_by([])
    tuner.step(asked, 1, 2.0)
    assert seen.curve == ((0, 1.0),) == copied[0].curve
    assert tuner.history[0].curve == tuner.pending[0].curve == ((0, 1.0), (1, 2.0))
    assert tuner.history[0] is tuner.history[0]
    assert tuner.tell(0, 1.0).curve == tuner.history[0].curve == ((0, 1.0), (1, 2.0))


def test_steps_that_could_not_be_written_are_in_the_curve_of_the_told_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = study(tmp_path / "run.jsonl")
    tuner.ask(1)
    with monkeypatch.context() as patched:
        patched.setattr("dsice.journal.writer._write", _full)
        with pytest.raises(JournalError):
            tuner.runs.steps([(0, 0, 1.0), (0, 1, 2.0)], None)
        with pytest.raises(JournalError):
            tuner.tell(0, 3.0)
    tuner.flush()
    assert tuner.history[0].curve == ((0, 1.0), (1, 2.0))
    assert state(tuner) == state(Tuner.read(tmp_path / "run.jsonl"))


def _full(fd: int, data: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_steps_one_by_one_and_the_loading_of_them_take_no_copy_for_each(tmp_path: Path) -> None:
    tuner = study()
    trial = tuner.ask(1)[0]
    began = time.process_time()
    for i in range(20_000):
        tuner.step(trial, i, 0.5)
    assert time.process_time() - began < 3  # a copy for each: 15 s
    assert len(tuner.history[0].curve) == 20_000
    with study(tmp_path / "run.jsonl") as kept:
        kept.ask(1)
        # a program that went on and on writing its last step anew, and one that went back and forth
        kept.runs.steps([(0, i, 0.5) for i in range(10_000)], None)
        kept.runs.steps([(0, 9_999, float(i)) for i in range(10_000)], None)
        kept.runs.steps([(0, i, 2.0) for i in range(9_999, 0, -1)], None)
    began = time.process_time()
    assert Tuner.read(tmp_path / "run.jsonl").history[0].curve == ((0, 0.5), (1, 2.0))
    assert time.process_time() - began < 5


# ------------------------------------------------------------------ stoppers
class Witness:
    """A stopper that notes what it was asked; it stops at one step."""

    def __init__(self, at: int = -1, seconds: float = 0.0) -> None:
        self.at, self.seconds = at, seconds
        self.asked: list[tuple[int, int]] = []

    def decide(self, curve: Curve, history: History) -> Decision | None:
        self.asked.append((curve[-1][0], len(curve)))
        time.sleep(self.seconds)
        return Decision(curve[-1][0] == self.at, {"length": len(curve)})

    def stop(self, curve: Curve, history: History) -> bool:
        raise AssertionError("decide is there")


@pytest.mark.parametrize("count", [40, 100])
def test_a_stopper_decides_on_each_step_as_if_they_came_alone(tmp_path: Path, count: int) -> None:
    def told(path: Path, stopper: Any) -> Tuner:
        tuner = study(path, stopper=stopper)
        for trial in tuner.ask(6):
            before = [(trial.id, i, 1 / (1 + i + trial.id)) for i in range(160)]
            tuner.runs.steps(before, None)
            tuner.tell(trial, 1.0)
        tuner.ask(2)
        return tuner

    reported = [(6 + i % 2, i // 2, 1.0 + i % 3) for i in range(count)]
    for name, stopper in {"median": Median([10, 20, 40]), "witness": Witness(7)}.items():
        one = told(tmp_path / f"{name}1.jsonl", stopper)
        many = told(tmp_path / f"{name}2.jsonl", stopper)
        wanted = [id for id, step, value in reported if one.step(id, step, value)]
        assert sorted(set(many.runs.steps(reported, many.stopper))) == sorted(set(wanted))
        by_trial = [sorted(lines(tmp_path / f"{name}{i}.jsonl"), key=_place) for i in (1, 2)]
        assert by_trial[0] == by_trial[1] and state(one) == state(many)


def _place(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["kind"], line.get("id", -1), line.get("step", -1)


@pytest.mark.parametrize("count", [40, 100])
def test_a_decision_stands_when_the_step_is_sent_again(tmp_path: Path, count: int) -> None:
    reported = [(i % 2, i // 2, 1.0) for i in range(count)]
    last = count // 2 - 1
    path, witness = tmp_path / "run.jsonl", Witness(last)
    with study(path, stopper=witness) as tuner:
        tuner.ask(2)
        assert tuner.runs.steps(reported, witness) == [0, 1]
    before = path.read_bytes()
    for again in (Witness(-1), Witness(-1)):  # asked anew, it would let both go on
        with study(path, stopper=again) as tuner:
            assert sorted(tuner.runs.steps(reported, again)) == [0, 1] and again.asked == []
            assert path.read_bytes() == before
    with study(path, stopper=Median([last], complete=1)) as tuner:  # another stopper decides anew
        assert tuner.runs.steps(reported, tuner.stopper) == []
        assert [line["by"] for line in lines(path)[-2:]] == ["Median", "Median"]


def test_a_run_that_starts_again_is_decided_on_again(tmp_path: Path) -> None:
    witness = Witness(2)
    with study(tmp_path / "run.jsonl", stopper=witness) as tuner:
        trial = tuner.ask(1)[0]
        first = [tuner.step(trial, step, 1.0) for step in (0, 1, 2)]
        assert first == [tuner.step(trial, step, 2.0) for step in (0, 1, 2)]
        assert len(witness.asked) == 6


def test_a_slow_stopper_is_asked_for_the_newest_step_of_each_trial_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curves, "PATIENCE", 0.05)
    witness = Witness(99, 0.005)
    tuner = study(stopper=witness)
    tuner.ask(3)
    reported = [(id, i, 1.0) for id in range(3) for i in range(100)]
    assert tuner.runs.steps(reported, witness) == [0, 1, 2]
    assert [asked for asked in witness.asked if asked[0] == 99] == [(99, 100)] * 3
    assert len(witness.asked) < 30


def test_what_a_stopper_raises_loses_no_step(tmp_path: Path) -> None:
    class Raises:
        def stop(self, curve: Curve, history: History) -> bool:
            raise ZeroDivisionError

    tuner = study(tmp_path / "run.jsonl", stopper=Raises())
    tuner.ask(1)
    with pytest.raises(ZeroDivisionError):
        tuner.runs.steps([(0, i, 1.0) for i in range(100)], tuner.stopper)
    assert len(Tuner.read(tmp_path / "run.jsonl").history[0].curve) == 100


# ------------------------------------------------------------------ run
class Flood(InMemory):
    """A launcher whose trial 0 reports many steps at once, before the ends of others."""

    steps = 200

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        ends = [Result(id, "done", value=1.0) for id in sorted(self.running)]
        self.running.clear()
        return [*(Step(0, i, 0.5) for i in range(self.steps)), *ends]


@pytest.mark.parametrize("steps", [20, 200])
def test_the_ends_of_others_are_told_before_a_flood_and_a_trials_own_end_after_it(
    tmp_path: Path, steps: int
) -> None:
    launcher = Flood(lambda job: [])
    launcher.steps = steps
    run(study(tmp_path / "run.jsonl", max_trials=4), launcher, progress=False)
    told = [line for line in lines(tmp_path / "run.jsonl")[2:] if line["kind"] != "end"]
    order = [(line["kind"], line["id"]) for line in told]
    own = [*[("step", 0)] * steps, ("tell", 0)]
    others = [("tell", 1), ("tell", 2), ("tell", 3)]
    assert order == ([*others, *own] if steps > 64 else [*own, *others])


def test_the_display_looks_at_all_trials_a_few_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dsice.running.progress import Progress

    looked: list[int] = []
    text = Progress.text

    def counted(self: Progress, running: int) -> str:
        looked.append(running)
        return text(self, running)

    monkeypatch.setattr(Progress, "text", counted)
    run(study(max_trials=12), InMemory(_steady), progress=True)
    assert len(looked) <= 3


def _steady(job: Job) -> list[Result | Step]:
    return [Step(job.id, 0, 1.0), Result(job.id, "done", value=1.0)]


def test_loop_says_how_much_came() -> None:
    tuner = study()
    loop = Loop(tuner, as_launcher(Flood(lambda job: [])), RunOptions(max_trials=4))
    loop.fill()
    assert loop.collect(0.0) == 204
