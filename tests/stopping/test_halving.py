"""Asynchronous successive halving: beside a plain twin, by hand, resumed, and 40 at once."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dsice import Goal, State, Tuner, run
from dsice.errors import OptionError
from dsice.launchers import Table
from dsice.stopping import SuccessiveHalving, savings, stopper_from_dict
from dsice.strategies import Grid, Random
from tests.stopping.test_contract import curve, history, trial
from tests.stopping.test_stopping import CURVES, lines, logged

Steps = list[tuple[int, float]]


def at(*values: float, step: int = 2) -> list[Any]:
    """Running trials that reported these values at a step, and others before."""
    curves = [((step - 1, 100.0 + id), (step, value)) for id, value in enumerate(values)]
    pending: dict[str, Any] = {"state": State.PENDING, "values": (), "value": None}
    return [trial(id, 0.0, curve=points, **pending) for id, points in enumerate(curves)]


def goes_on(stopper: SuccessiveHalving, running: Steps, known: Any) -> bool:
    decision = stopper.decide(running, known)
    assert decision is not None
    return not decision.stop


# ------------------------------------------------------------------ the rule
def goes_on_in_the_paper(values: list[float], own: float, keep: float) -> bool:
    """Whether the last that came to a rung is in the best ``floor(keep * n)``; the best always."""
    everybody = sorted([*values, own])
    return own <= everybody[max(0, math.floor(len(everybody) * keep + 1e-9) - 1)]


def test_it_is_the_rule_of_the_paper() -> None:
    rng = np.random.default_rng(1)
    for keep in (1 / 3, 0.25, 0.5, 0.29, 0.9):
        for n in [*range(8), 99]:
            values = rng.integers(0, 12, n).astype(float).tolist()  # with ties
            for own in (-1.0, 3.0, 6.0, 11.0):
                found = goes_on(SuccessiveHalving([2], keep), [(2, own)], history(at(*values)))
                assert found is goes_on_in_the_paper(values, own, keep), (keep, values, own)


def test_the_first_goes_on_and_later_ones_are_held_to_those_that_came_before() -> None:
    stopper = SuccessiveHalving([2])
    assert goes_on(stopper, [(2, 9.0)], history([]))
    assert not goes_on(stopper, [(2, 9.1)], history(at(9.0)))
    assert goes_on(stopper, [(2, 8.9)], history(at(9.0)))
    assert goes_on(stopper, [(2, 5.0)], history(at(4.0, 6.0, 7.0, 8.0, 9.0)))  # the second of six
    assert not goes_on(stopper, [(2, 6.5)], history(at(4.0, 6.0, 7.0, 8.0, 9.0)))


def test_the_running_training_in_the_history_is_not_its_own_rival() -> None:
    stopper, others = SuccessiveHalving([2], 0.5), at(1.0, 2.0, 3.0, 4.0)
    own = trial(4, 0.0, state=State.PENDING, values=(), value=None, curve=((1, 7.0), (2, 2.5)))
    further = replace(own, curve=(*own.curve, (3, 0.0)))
    decisions = [
        stopper.decide(own.curve, history([*others, *itself])) for itself in ([], [own], [further])
    ]
    assert decisions[0] == decisions[1] == decisions[2] and decisions[0] is not None
    assert decisions[0].stop and dict(decisions[0].inputs) == {
        "rung": 2, "value": 2.5, "reached": 5, "place": 3, "going_on": 2,
    }  # fmt: skip
    gap = replace(own, curve=((1, math.nan), (2, 2.5)))
    same = stopper.decide(((1, float("nan")), (2, 2.5)), history([*others, gap]))
    assert same is not None and same.inputs["reached"] == 5


def test_all_that_reached_a_rung_count_whatever_became_of_them() -> None:
    told = [State.DONE, State.STOPPED, State.FAILED, State.TIMED_OUT, State.LOST]
    known = [replace(one, state=state) for one, state in zip(at(*range(5)), told, strict=True)]
    decision = SuccessiveHalving([2]).decide([(2, 0.5)], history(known))
    assert decision and (decision.inputs["reached"], decision.inputs["place"]) == (6, 2)
    left_out = [
        replace(known[0], id=5, point=(5,), state=State.INVALID),
        replace(known[0], id=6, point=(6,), stage=1),
        replace(known[0], id=7, point=(7,), curve=((1, 0.0),)),
        replace(known[0], id=8, point=(8,), curve=()),
    ]
    assert SuccessiveHalving([2]).decide([(2, 0.5)], history(known + left_out)) == decision


def test_a_rung_is_judged_at_the_first_report_at_or_after_it() -> None:
    stopper = SuccessiveHalving([1, 3, 9])
    every_five = [(5, 4.0), (10, 3.0), (15, 2.0)]
    found = [stopper.decide(every_five[:n], history([])) for n in (1, 2, 3)]
    assert [d and d.inputs["rung"] for d in found] == [3, 9, None]
    # what others reported there counts there, not at the rungs that they passed over
    others = [trial(0, 0.0, curve=tuple(every_five)), trial(1, 9.0, curve=((1, 5.0), (3, 3.5)))]
    rungs = [stopper.decide([(step, 4.5)], history(others)) for step in (1, 3, 9)]
    assert [d and (d.inputs["reached"], d.inputs["place"]) for d in rungs] == [
        (2, 1),  # one reported at step 1
        (3, 3),  # 4.0 at step 5, 3.5 at step 3
        (2, 2),  # 3.0 at step 10
    ]


@pytest.mark.parametrize("maximize", [False, True])
def test_what_diverged_is_stopped_and_counts_as_the_worst(maximize: bool) -> None:
    sign = -1.0 if maximize else 1.0
    stopper, goal = SuccessiveHalving([2], 0.5), Goal(maximize=maximize)
    for bad in (math.nan, math.inf, -math.inf):
        first = stopper.decide([(2, bad)], history([], goal))
        assert first and first.stop and first.inputs["diverged"] is True
        assert json.loads(json.dumps(first.inputs, allow_nan=False)) == first.inputs
        assert not SuccessiveHalving([2], 1).stop([(2, bad)], history([], goal))
        known = history(at(bad, bad, bad, sign * 1.0), goal)  # 3 of 5 diverged: 2 go on
        assert goes_on(stopper, [(2, sign * 2.0)], known)


def test_equally_good_ones_go_on_together() -> None:
    chance = history(at(*[0.1] * 30))  # all at the accuracy of guessing
    assert goes_on(SuccessiveHalving([2]), [(2, 0.1)], chance)


def test_rungs_by_a_factor() -> None:
    assert SuccessiveHalving.by_factor(1, 81) == SuccessiveHalving([1, 3, 9, 27], 1 / 3)
    assert SuccessiveHalving.by_factor(5, 100, 2) == SuccessiveHalving([5, 10, 20, 40, 80], 0.5)
    record = {"name": "SuccessiveHalving", "steps": [1, 3]}
    assert stopper_from_dict(record) == SuccessiveHalving([1, 3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SuccessiveHalving([]), r"SuccessiveHalving\(steps=\[\]\): expected ascending"),
        (lambda: SuccessiveHalving([3, 1]), "ascending whole numbers"),
        (lambda: SuccessiveHalving(9), r"steps=9\): expected ascending"),  # type: ignore[arg-type]
        (lambda: SuccessiveHalving([1], 0), r"keep=0\): expected a share above 0 and at most 1"),
        (lambda: SuccessiveHalving([1], 3), r"keep=3\): .*1/3 for a reduction factor of 3"),
        (lambda: SuccessiveHalving([1], math.nan), "keep=nan"),
        (lambda: SuccessiveHalving([1], "1/3"), "keep='1/3'"),  # type: ignore[arg-type]
        (lambda: SuccessiveHalving([1], True), "keep=True"),
        (lambda: SuccessiveHalving.by_factor(9, 9), r"first=9, last=9\): there is no rung before"),
        (lambda: SuccessiveHalving.by_factor(0, 9), "first=0"),
        (lambda: SuccessiveHalving.by_factor(1, 9, 1), r"factor=1\): expected a whole number >= 2"),
        (lambda: stopper_from_dict({"name": "SuccessiveHalving"}), "steps missing"),
        (
            lambda: stopper_from_dict({"name": "SuccessiveHalving", "steps": [1], "eta": 3}),
            r"unknown options \['eta'\]; it takes \['keep', 'steps'\]",
        ),
    ],
)
def test_wrong_options_are_named(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


# ------------------------------------------------------------------ the journal
REPORTS: list[tuple[int, int]] = [
    (0, 1), (1, 1), (0, 2), (2, 1), (1, 2), (3, 1), (3, 2), (2, 2), (0, 3), (4, 1), (4, 2), (5, 1),
    (4, 3), (4, 4), (5, 2), (0, 4),
]  # fmt: skip
"""Who reports which step, in this order."""
LEVELS = [3.0, 4.0, 5.0, 2.0, 1.0, 2.5]


def replay(tuner: Tuner, reports: list[tuple[int, int]]) -> None:
    """Report them, as a launcher does; what is to stop is told so."""
    for id, step in reports:
        value = curve(LEVELS[id])[step - 1][1]
        if tuner.history.is_pending(id) and tuner.step(id, step, value):
            tuner.tell(id, state="stopped")


def said(path: Path) -> list[dict[str, Any]]:
    kinds = ("step", "decision", "tell")
    records = map(json.loads, path.read_text().splitlines())
    return [{k: r[k] for k in r if k != "at"} for r in records if r["kind"] in kinds]


def study(path: Path) -> Tuner:
    stopper = SuccessiveHalving([2, 4], 0.5)
    return Tuner({"x": range(6)}, Grid(), stopper=stopper, journal=path, orphans="keep")


def test_a_study_that_is_cut_anywhere_and_resumed_decides_the_same(tmp_path: Path) -> None:
    with study(tmp_path / "whole.jsonl") as tuner:
        tuner.ask(6)
        replay(tuner, REPORTS)
        states = [str(t.state) for t in tuner.history]
    whole = said(tmp_path / "whole.jsonl")
    assert states == ["stopped", "stopped", "stopped", "pending", "pending", "pending"]
    for cut in range(len(REPORTS) + 1):
        path = tmp_path / f"{cut}.jsonl"
        with study(path) as tuner:
            tuner.ask(6)
            replay(tuner, REPORTS[:cut])
        with Tuner.resume(path, orphans="keep") as tuner:
            # trials that are followed again send all of their steps once more
            for id in range(6):
                replay(tuner, [report for report in REPORTS[:cut] if report[0] == id])
            replay(tuner, REPORTS[cut:])
        assert said(path) == whole


def test_what_went_on_is_not_stopped_because_it_is_followed_again(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with study(path) as tuner:
        tuner.ask(6)
        assert not tuner.step(0, 2, 5.0)  # the first goes on
        assert [tuner.step(id, 2, float(id)) for id in (1, 2, 3)] == [False, True, True]
    with Tuner.resume(path, orphans="keep") as tuner:
        assert not tuner.step(0, 2, 5.0)  # the last of four now
        assert tuner.step(2, 2, 2.0)  # the stop had not come through
        assert tuner.step(4, 2, 5.0)


def test_a_decision_follows_from_the_lines_before_it(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with study(path) as tuner:
        tuner.ask(6)
        replay(tuner, REPORTS)
    text = path.read_text().splitlines(keepends=True)
    found = [n for n, line in enumerate(text) if json.loads(line)["kind"] == "decision"]
    assert len(found) > 6
    for n in found:
        (tmp_path / "part.jsonl").write_text("".join(text[:n]))
        before, line = Tuner.read(tmp_path / "part.jsonl").history, json.loads(text[n])
        decision = SuccessiveHalving([2, 4], 0.5).decide(before[line["id"]].curve, before)
        assert decision and (decision.stop, dict(decision.inputs)) == (line["stop"], line["inputs"])


# ------------------------------------------------------------------ tables
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("options", [{"workers": 40}, {"slots": 40}])
def test_forty_at_once_on_a_table_leave_a_third_at_each_rung(
    maximize: bool, options: Any, tmp_path: Path
) -> None:
    frame = logged(120)
    if maximize:
        frame[["objective", *CURVES.values()]] *= -1
    ends = []
    for path in (tmp_path / "one.jsonl", tmp_path / "two.jsonl"):
        table = Table(frame, params=["x"], curves=CURVES, **options)
        stopper, goal = SuccessiveHalving([1, 3]), Goal(maximize=maximize)
        with Tuner(table.space, Random(), stopper=stopper, goal=goal, journal=path) as tuner:
            run(tuner, table, progress=False)
        ends.append([(str(t.state), t.curve) for t in tuner.history])
    assert ends[0] == ends[1] and tuner.best is not None and tuner.best.value == 0.0
    lengths = pd.Series([len(t.curve) for t in tuner.history])
    assert set(lengths) == {1, 3, 6} and len(lengths) == 120
    assert 20 <= (lengths > 1).sum() <= 55 and 4 <= (lengths == 6).sum() <= 20
    assert savings(tuner.history).share > 0.5
    assert len(lines(path, "decision")) == 120 + (lengths > 1).sum()
