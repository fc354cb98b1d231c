"""Learning-curve matching and the median rule.

By hand, beside plain twins, and through tuner, journal and launchers.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dsice
from dsice import DsiceWarning, Tuner, run
from dsice.errors import OptionError, TableError
from dsice.launchers import Job, Local, Step, Table
from dsice.stopping import (
    LearningCurveMatching,
    Median,
    SuccessiveHalving,
    savings,
    stopper_from_dict,
)
from dsice.strategies import Grid, Random
from tests.by_value import by_value
from tests.stopping.test_contract import TWELVE, curve, history, trial


def test_the_most_similar_curve_predicts_and_its_rank_decides() -> None:
    known = history(
        [
            trial(0, 1.0, curve=((1, 9.0), (2, 5.0))),
            trial(1, 3.0, curve=((1, 8.0), (2, 7.0))),
            trial(2, 2.0, curve=((1, 4.0), (2, 4.0))),
        ]
    )
    stopper = LearningCurveMatching([1, 2], [2], complete=3)
    decision = stopper.decide([(1, 8.0), (2, 6.2)], known)
    assert decision and decision.stop and decision.inputs == {
        "checkpoint": 2, "points": [1, 2], "values": [8.0, 6.2], "complete": 3, "left_out": 0,
        "matched": 1, "distance": pytest.approx(0.8), "predicted": 3.0, "rank": 1.0,
    }  # fmt: skip
    better = stopper.decide([(1, 9.0), (2, 5.9)], known)
    assert (
        better
        and not better.stop
        and (better.inputs["matched"], better.inputs["rank"]) == (0, 1 / 3)
    )
    middle = LearningCurveMatching([1, 2], [2], complete=3, stop_rank=2 / 3).decide(
        [(1, 4.0), (2, 4.1)], known
    )
    assert middle and not middle.stop and middle.inputs["rank"] == 2 / 3  # above, not at


def matched_by_a_loop(
    running: dict[int, float], known: list[tuple[dict[int, float], float]], points: list[int]
) -> float:
    """Rank percentage, written out."""
    best = None
    for values, final in known:
        total = 0.0
        for p in points:
            total += (values[p] - running[p]) ** 2
        if best is None or math.sqrt(total) < best[0]:
            best = (math.sqrt(total), final)
    assert best is not None
    return (1 + sum(final < best[1] for _, final in known)) / len(known)


def test_it_is_the_plain_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        curves = [{s: float(v) for s, v in enumerate(rng.random(6), 1)} for _ in range(9)]
        finals = [float(v) for v in rng.integers(0, 5, 9)]  # with ties
        known = history(
            [
                trial(i, f, curve=tuple(c.items()))
                for i, (c, f) in enumerate(zip(curves, finals, strict=True))
            ]
        )
        running = {s: float(v) for s, v in enumerate(rng.random(6), 1)}
        decision = LearningCurveMatching([1, 3, 4], [4], complete=9).decide(
            list(running.items())[:4], known
        )
        expected = matched_by_a_loop(running, list(zip(curves, finals, strict=True)), [1, 3, 4])
        assert (
            decision
            and decision.inputs["rank"] == pytest.approx(expected)
            and decision.stop is (expected > 0.5)
        )


def test_median_is_the_rule_of_the_paper() -> None:
    # running averages at step 2: level + 1.5 / 2 + ... of 5, 3, 9, 1, 7
    known = history(TWELVE[:5])
    averages = sorted((c[0][1] + c[1][1]) / 2 for c in (t.curve for t in TWELVE[:5]))
    at = Median([2]).decide([(1, 99.0), (2, averages[2])], known)
    above = Median([2]).decide([(1, 99.0), (2, averages[2] + 1e-9)], known)
    early = Median([2]).decide([(1, averages[2]), (2, 99.0)], known)  # the best so far counts
    assert at and above and early and (at.stop, above.stop, early.stop) == (False, True, False)
    assert above.inputs["median"] == averages[2]


def test_a_checkpoint_is_the_first_step_at_or_after_it() -> None:
    stopper = LearningCurveMatching([2, 5], [3, 4, 8], complete=2)
    steps = [(s, 1.0) for s in (1, 2, 6, 7, 9)]
    found = [stopper.decide(steps[:n], history(TWELVE)) for n in range(1, 6)]
    assert [d and d.inputs["checkpoint"] for d in found] == [None, None, 4, None, 8]
    assert found[2] and found[2].inputs["points"] == [2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LearningCurveMatching([], [1]), "points"),
        (lambda: LearningCurveMatching([1, 1], [1]), "ascending"),
        (lambda: LearningCurveMatching([1, 2], [2, 1]), "checkpoints"),
        (lambda: LearningCurveMatching([1.5], [2]), "whole numbers"),  # type: ignore[list-item]
        (lambda: LearningCurveMatching("12", [2]), "points"),  # type: ignore[arg-type]
        (lambda: LearningCurveMatching([4], [2, 6]), "no point up to the first one, 2"),
        (lambda: LearningCurveMatching([1], [2], complete=0), "complete=0"),
        (lambda: LearningCurveMatching([1], [2], stop_rank=1.5), "stop_rank=1.5"),
        (lambda: Median(complete=True), "complete=True"),
        (lambda: Median(warmup=-1), "warmup=-1"),
        (lambda: Median([]), "checkpoints"),
        (lambda: stopper_from_dict({"name": "Patience"}), "'Patience' is not known"),
        (lambda: stopper_from_dict({"name": "Median", "patience": 3}), "unknown options"),
    ],
)
def test_wrong_options_are_named(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


# ---------------------------------------------------------------------- tuner and journal
def lines(path: Path, kind: str) -> list[dict[str, Any]]:
    return [r for r in map(json.loads, path.read_text().splitlines()) if r["kind"] == kind]


def feed(tuner: Tuner, level: float, n: int = 8) -> bool:
    """Run one trial by hand; whether it was stopped."""
    (asked,) = tuner.ask()
    for step, value in curve(level)[:n]:
        if tuner.step(asked, step, value):
            tuner.tell(asked, state="stopped")
            return True
    tuner.tell(asked, level)
    return False


def test_every_decision_is_journaled_with_its_inputs(tmp_path: Path) -> None:
    path, stopper = tmp_path / "j.jsonl", LearningCurveMatching([1, 2, 4], [2, 4], complete=3)
    with Tuner({"x": range(20)}, Grid(), journal=path, stopper=stopper) as tuner:
        assert [feed(tuner, level) for level in (3.0, 1.0, 2.0, 2.9, 1.1)] == [
            False,
            False,
            False,
            True,
            False,
        ]
    found = lines(path, "decision")
    assert [(r["id"], r["step"], r["stop"]) for r in found] == [
        (0, 2, False), (0, 4, False), (1, 2, False), (1, 4, False), (2, 2, False), (2, 4, False),
        (3, 2, True), (4, 2, False), (4, 4, False),
    ]  # fmt: skip
    assert (
        found[6]["by"] == "LearningCurveMatching"
        and found[6]["inputs"]["predicted"] == 3.0
        and found[6]["inputs"]["rank"] == 1.0
    )
    again = stopper.decide(curve(2.9)[:2], history([trial(0, 3.0), trial(1, 1.0), trial(2, 2.0)]))
    # the decision follows from what is written
    assert again and dict(again.inputs) == found[6]["inputs"]
    with Tuner({"x": range(20)}, Grid(), journal=path, stopper=stopper) as resumed:
        assert [t.curve for t in resumed.history] == [t.curve for t in tuner.history]
        assert feed(resumed, 2.8)
    assert lines(path, "options") == []


def test_a_stopper_of_ones_own_is_journaled_when_it_stops(tmp_path: Path) -> None:
    class Third:
        def stop(self, curve: Any, history: Any) -> bool:
            return len(curve) == 3

    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(20)}, Grid(), journal=path, stopper=Third()) as tuner:
        assert feed(tuner, 1.0)
    (line,) = lines(path, "decision")
    assert (line["by"], line["step"], line["stop"], line["inputs"]) == ("Third", 3, True, {})
    with pytest.warns(DsiceWarning, match="'Third' .* is not part of dsice"):
        Tuner.resume(path).close()


def test_resume_goes_on_with_the_stopper_and_a_change_of_it_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(20)}, Grid(), journal=path, stopper=Median(complete=1)) as tuner:
        assert not feed(tuner, 1.0)
    with Tuner.resume(path) as tuner:
        assert feed(tuner, 5.0)
    with Tuner({"x": range(20)}, Grid(), journal=path) as tuner:
        assert not feed(tuner, 5.0)
    assert [line["stopper"] for line in lines(path, "options")] == [None]
    with Tuner.resume(path) as tuner:
        assert not feed(tuner, 5.0)


def test_a_step_sent_again_decides_at_the_last_step_only(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(20)}, Grid(), journal=path, stopper=Median(complete=1)) as tuner:
        feed(tuner, 1.0)
        (asked,) = tuner.ask()
        assert [tuner.step(asked, s, v) for s, v in curve(5.0)[:3]] == [True] * 3
        before = lines(path, "decision")
        assert [tuner.step(asked, s, v) for s, v in curve(5.0)[:3]] == [False, False, True]
        assert lines(path, "decision") == before  # it is the decision that stands there


# ---------------------------------------------------------------------- launchers
def logged(count: int = 80, epochs: int = 6) -> pd.DataFrame:
    """Trainings whose losses fall to a level of their own; one second for each epoch."""
    rng = np.random.default_rng(5)
    levels = rng.permutation(count) / count
    rows = {"x": range(count), "objective": levels, "seconds": float(epochs)}
    return pd.DataFrame(
        rows
        | {
            f"e{k}": levels + 0.7**k + 0.01 * rng.standard_normal(count)
            for k in range(1, epochs + 1)
        }
    )


CURVES = {k: f"e{k}" for k in range(1, 7)}


@pytest.mark.parametrize(
    ("mode", "stopper"),
    [
        ("async", LearningCurveMatching([1, 2, 3], [3], complete=30)),
        ("rounds", Median(complete=30, warmup=4)),
        ("async", SuccessiveHalving([3], 0.6)),
        ("rounds", SuccessiveHalving([5], 0.6)),
    ],
)
def test_forty_at_once_on_the_virtual_clock_save_epochs_and_keep_the_best(
    mode: Any, stopper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # thousands of steps
    runs = []
    for chosen, path in ((None, tmp_path / "plain.jsonl"), (stopper, tmp_path / "stopped.jsonl")):
        table = Table(logged(), params=["x"], curves=CURVES, workers=40)
        with Tuner(table.space, Random(), stopper=chosen, journal=path) as tuner:
            run(tuner, table, mode=mode, progress=False)
        runs.append((tuner, table.clock, path))
    (plain, slow, _), (tuner, fast, path) = runs
    assert len(tuner.history) == 80 and all(len(t.curve) == 6 for t in plain.history)
    stopped = [t for t in tuner.history if t.state == "stopped"]
    assert 10 < len(stopped) < 40 and sum(len(t.curve) for t in tuner.history) < 470
    # one second for each epoch, in stopped trials, too
    assert all(t.seconds == pytest.approx(len(t.curve)) for t in tuner.history)
    assert tuner.best is not None and tuner.best.value == 0.0 and fast.busy < slow.busy
    assert fast.elapsed <= slow.elapsed
    asked_to_stop = {line["id"] for line in lines(path, "decision") if line["stop"]}
    assert asked_to_stop == {t.id for t in stopped}


def test_without_a_clock_curves_come_step_by_step() -> None:
    frame = pd.DataFrame(
        {
            "x": [0, 1, 2],
            "objective": [1.0, 2.0, 3.0],
            "a": [5.0, 6.0, None],
            "b": [None, 4.0, None],
            "c": [None, 3.0, None],
        }
    )
    table = Table(frame, params=["x"], curves={1: "a", 2: "b", 5: "c"})
    table.submit([Job(i, {"x": i}) for i in range(3)])
    first = table.collect()
    assert first[:2] == [Step(0, 1, 5.0), Step(1, 1, 6.0)] and [r.id for r in first[2:]] == [0, 2]
    assert table.collect() == [Step(1, 2, 4.0)]
    table.cancel(1)
    (ended,) = table.collect()
    assert (ended.id, ended.state) == (1, "stopped")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "stopper",
    [
        LearningCurveMatching([1, 2, 3], [2, 3, 5], complete=5),
        Median(complete=5),
        SuccessiveHalving([2, 3, 5], 0.7),
    ],
)
@pytest.mark.parametrize("options", [{"workers": 8}, {"slots": 8}])
def test_curves_of_unequal_length_and_with_gaps_go_through(stopper: Any, options: Any) -> None:
    frame = logged(60)
    frame.loc[frame.x % 4 == 0, ["e5", "e6"]] = math.nan  # these end early
    frame.loc[frame.x % 7 == 1, "e2"] = math.nan  # a gap: NaN
    frame.loc[frame.x == 9, [f"e{k}" for k in CURVES]] = math.nan  # none at all
    frame.loc[frame.x == 11, "e1"] = math.inf
    table = Table(frame, params=["x"], curves=CURVES, **options)
    tuner = run(Tuner(table.space, Grid(), stopper=stopper), table, progress=False)
    assert len(tuner.history) == 60 and {str(t.state) for t in tuner.history} == {"done", "stopped"}
    assert tuner.history[9].curve == () and tuner.history[9].state == "done"
    for one in tuner.history:
        row = frame.loc[one.params["x"]]
        assert len(one.curve) <= (4 if one.params["x"] % 4 == 0 else 6)
        for step, value in one.curve:
            assert value == pytest.approx(row[f"e{step}"], nan_ok=True)
    saved = savings(tuner.history)
    assert (
        saved.stopped > 10
        and 0.05 < saved.share < 0.9
        and tuner.best is not None
        and tuner.best.value == 0.0
    )


def test_savings_are_counted_by_the_usual_length() -> None:
    tuner = Tuner({"x": range(20)}, Grid())
    assert math.isnan(savings(tuner.history).share)
    ends = [
        (6, "done"),
        (8, "done"),
        (8, "done"),
        (2, "stopped"),
        (9, "stopped"),
        (1, "failed"),
        (3, "pending"),
    ]
    # a failed and a running trial do not count
    for asked, (length, end) in zip(tuner.ask(7), ends, strict=True):
        for step in range(length):
            tuner.step(asked, step, 1.0)
        if end != "pending":
            tuner.tell(asked, 1.0 if end == "done" else None, state=end)
    found = savings(tuner.history)
    assert (found.stopped, found.epochs, found.full) == (2, 33, 22 + 8 + 9)
    assert found.share == pytest.approx(6 / 39)


def test_a_stopper_on_a_table_without_curves_is_refused_before_anything_is_asked() -> None:
    table = Table(logged(), params=["x"], workers=4)
    tuner = Tuner(table.space, Grid(), stopper=Median())
    with pytest.raises(
        OptionError,
        match=r"has a stopper, Median.*this Table has none: name their columns with curves=",
    ):
        run(tuner, table, progress=False)
    assert len(tuner.history) == 0


def test_steps_come_in_time_and_a_cancelled_trial_frees_its_worker() -> None:
    frame = pd.DataFrame(
        {
            "x": [0, 1],
            "objective": [1.0, 2.0],
            "seconds": [4.0, 10.0],
            "a": [5.0, 6.0],
            "b": [4.0, math.nan],
        }
    )
    table = Table(frame, params=["x"], curves={1: "a", 2: "b"}, workers=2)
    table.submit([Job(0, {"x": 0}), Job(1, {"x": 1})])
    assert table.collect() == [Step(0, 1, 5.0)] and table.clock.elapsed == 2.0  # step 1 of 2 in 4 s
    table.cancel(0)
    (ended,) = table.collect()
    assert (ended.state, ended.seconds, ended.times) == ("stopped", 2.0, (0.0, 0.0, 2.0))  # type: ignore[union-attr]
    # the only step is the last one
    assert [type(e).__name__ for e in table.collect()] == ["Step", "Result"]
    assert (table.clock.elapsed, table.clock.busy) == (10.0, 12.0)


def test_the_curves_of_a_journal_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(5)}, Grid(), journal=path) as tuner:
        for level in (3.0, 1.0, 2.0, 2.9, 1.1):
            feed(tuner, level)
    log = Table(path, curves=True)
    replayed = run(Tuner(log.space, Grid()), log, progress=False)
    assert [(t.value, t.curve) for t in replayed.history] == [
        (t.value, t.curve) for t in tuner.history
    ]


def test_a_log_without_curves_says_so(tmp_path: Path) -> None:
    with Tuner({"x": range(3)}, Grid(), journal=tmp_path / "j.jsonl") as tuner:
        tuner.tell(tuner.ask()[0], 1.0)
    with pytest.raises(TableError, match="has no learning curves"):
        Table(tmp_path / "j.jsonl", curves=True)
    with pytest.raises(TableError, match="has no column 'e99'"):
        Table(logged(), params=["x"], curves={1: "e99"})
    with pytest.raises(TableError, match="curves=\\{step: column\\}"):
        Table(logged(), params=["x"], curves=True)
    for wrong in ({}, {-1: "e1"}, ["e1"], {"1": "e1"}):
        with pytest.raises(OptionError, match="curves must map steps"):
            Table(logged(), params=["x"], curves=wrong)  # type: ignore[arg-type]


@by_value
def train(level: float) -> float:
    for step, value in curve(level):
        if dsice.step(step, value):
            break
        time.sleep(0.02 if level < 5 else 0.5)  # the hopeless one would take seconds
    return level


def test_local_trials_are_stopped_by_their_curve(tmp_path: Path) -> None:
    tuner = Tuner(
        {"level": [1.0, 2.0, 3.0, 9.0]},
        Grid(),
        stopper=LearningCurveMatching([1, 2], [2], complete=3),
        journal=tmp_path / "j.jsonl",
    )
    with tuner, Local(train, slots=1) as launcher:
        run(tuner, launcher, progress=False)
    assert [str(t.state) for t in tuner.history] == ["done"] * 3 + ["stopped"]
    assert len(tuner.history[3].curve) < 8 and lines(tmp_path / "j.jsonl", "decision")[-1]["stop"]
