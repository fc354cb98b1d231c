"""Trials that are withdrawn or tried again: what counts then, beside plain twins."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Goal, History, Space, Tuner, extend
from dsice.errors import DsiceWarning, TellError, UnknownTrialError
from dsice.goal import Seconds, Share, Trials, Until
from dsice.journal import repair, requests
from dsice.stopping import Curve, Decision, Stopper
from dsice.stopping.base import complete_trials
from dsice.strategies import DSICE, IPPE, Grid, OptunaSampler, Population, Radial2024, Random
from tests.conftest import all_fields, bowl, fill, small, state
from tests.journal.test_damage import no_sync

WRONG = "a broken node"


@pytest.fixture(autouse=True)
def without_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    no_sync(monkeypatch)


def told(tuner: Tuner, n: int = 12) -> Tuner:
    return fill(tuner, n, objective=lambda params: bowl(params) + 1.0)


# ------------------------------------------------------------------ what counts
@pytest.mark.parametrize(
    "strategy",
    [
        DSICE(tolerance=None),
        Random(),
        Grid(),
        Radial2024(),
        OptunaSampler(),
        Population(members=4, stages=3),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
def test_a_withdrawn_trial_is_to_a_strategy_as_one_that_was_lost(strategy: Any) -> None:
    withdrawn, lost = Tuner(small(), strategy), Tuner(small(), strategy)
    for mine, others in zip(withdrawn.ask(12), lost.ask(12), strict=True):
        assert mine.point == others.point
        withdrawn.tell(mine, -99.0 if mine.id == 2 else bowl(dict(mine.params)))
        lost.tell(others, bowl(dict(mine.params))) if mine.id != 2 else lost.tell(2, state="lost")
    withdrawn.withdraw(2, WRONG)
    for _ in range(2):
        batch, other = withdrawn.ask(6), lost.ask(6)
        assert [t.point for t in batch] == [t.point for t in other] and batch
        for mine, others in zip(batch, other, strict=True):
            withdrawn.tell(mine, bowl(dict(mine.params)))
            lost.tell(others, bowl(dict(mine.params)))


def test_a_withdrawn_value_is_out_of_best_and_scores_and_its_point_stays_taken() -> None:
    tuner = told(Tuner(small(), DSICE(), max_trials=14))
    wrong = tuner.tell(tuner.ask(1)[0], -99.0)
    assert tuner.best == wrong
    tuner.withdraw(wrong, WRONG)
    others = [trial for trial in tuner.history if trial.id != wrong.id]
    assert tuner.best == min(others, key=lambda trial: trial.value or 0.0)
    assert np.flatnonzero(np.isnan(tuner.history.scores())).tolist() == [wrong.id]
    assert tuner.history[wrong.id].state == "withdrawn" and tuner.history[wrong.id].error == WRONG
    assert wrong.point in tuner.history.taken() and tuner.asked == 13
    assert len(tuner.ask(5)) == 1  # max_trials is as it was
    assert wrong.id not in [trial.id for trial in tuner.pending]


@pytest.mark.parametrize("journal", [False, True])
def test_the_automatic_weight_of_time_is_that_of_ten_others(tmp_path: Path, journal: bool) -> None:
    path = tmp_path / "run.jsonl"
    goal = Goal(time_weight="auto", until=Trials(1000))
    tuner = Tuner(small(), Grid(), goal=goal, journal=path if journal else None)
    losses, seconds = [], []
    for trial in tuner.ask(14):
        tuner.tell(trial, value := float(trial.id**2 % 7), seconds=1.0 + trial.id % 5)
        losses.append(value)
        seconds.append(1.0 + trial.id % 5)
    tuner.withdraw(3, WRONG)
    left = [id for id in range(14) if id != 3]
    first = left[:10]
    weight = np.std([losses[id] for id in first]) / np.std([seconds[id] for id in first])
    plain = np.array(losses) + weight * np.array(seconds)
    plain[3] = math.nan
    histories = [tuner.history] + ([Tuner.read(path).history] if journal else [])
    for history in histories:
        np.testing.assert_allclose(history.scores(), plain)
        assert history.best is not None
        assert history.best.id == int(np.nanargmin(plain))


@pytest.mark.parametrize("until", [Trials(6), Seconds(6.0), Share(0.6)])
def test_until_counts_without_what_was_withdrawn(until: Until) -> None:
    goal = Goal(time_weight=1.0, until=until)
    tuner = Tuner(small(), Grid(), goal=goal, max_trials=10)
    for trial in tuner.ask(6):
        tuner.tell(trial, 1.0, seconds=1.0)
    assert not tuner.history.weighs_time
    with pytest.warns(DsiceWarning, match="run time counts again"):
        tuner.withdraw(2, WRONG)
    assert tuner.history.weighs_time
    tuner.tell(tuner.ask(1)[0], 1.0, seconds=1.0)
    assert not tuner.history.weighs_time


def test_a_withdrawn_curve_is_no_measure_for_others() -> None:
    tuner = Tuner(small(), Grid())
    for trial in tuner.ask(2):
        tuner.step(trial, 0, 1.0)
        tuner.tell(trial, 1.0)
    tuner.withdraw(1, WRONG)
    assert [trial.id for trial, _ in complete_trials(tuner.history)] == [0]


# ------------------------------------------------------------------ what is refused or a no-op
def test_what_cannot_be_withdrawn_or_retried_is_said_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        done, failed, pending = tuner.ask(3)
        tuner.tell(done, 1.0)
        tuner.tell(failed, error="no")
        data = path.read_bytes()
        for call, error, text in (
            (lambda: tuner.withdraw(pending, WRONG), TellError, "pending.*dsice cancel"),
            (lambda: tuner.retry(pending), TellError, "pending.*dsice cancel"),
            (lambda: tuner.retry([failed, done]), TellError, "trial 0 is done.*withdraw"),
            (lambda: tuner.withdraw(7, WRONG), UnknownTrialError, "no trial 7"),
            (lambda: tuner.retry([1, 7]), UnknownTrialError, "no trial 7"),
            (lambda: tuner.withdraw(done, " "), TellError, "says why"),
            (lambda: tuner.tell(pending, state="withdrawn"), TellError, "withdraw\\(\\)"),
        ):
            with pytest.raises(error, match=text):
                call()
        assert path.read_bytes() == data
        tuner.withdraw(done, WRONG)
        data = path.read_bytes()
        with pytest.warns(DsiceWarning, match="trial 0 is withdrawn already"):
            assert tuner.withdraw(done, "another reason").error == WRONG
        with pytest.raises(TellError, match=r"was withdrawn.*retry"):
            tuner.tell(done, 2.0)
        assert path.read_bytes() == data
        assert [trial.id for trial in tuner.retry([done, failed])] == [0, 1]
        data = path.read_bytes()
        with pytest.warns(DsiceWarning, match="trial 0 is pending already"):
            assert tuner.retry(done) == []
        assert path.read_bytes() == data


@pytest.mark.parametrize("end", ["failed", "timed_out", "invalid", "lost", "stopped", "withdrawn"])
def test_a_trial_that_is_tried_again_may_be_told_once_more(tmp_path: Path, end: str) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path, max_trials=3) as tuner:
        first, other = tuner.ask(2)
        tuner.step(first, 0, 9.0)
        if end == "withdrawn":
            tuner.tell(first, -99.0, tags={"node": 7}, seconds=5.0)
            tuner.withdraw(first, WRONG)
        else:
            tuner.tell(first, state=end, error="it ended", seconds=5.0)
        tuner.retry(first)
        assert all_fields(tuner.history[0]) == all_fields(first)  # as it was asked
        assert [[trial.id for trial in tuner.ask(3)] for _ in range(2)] == [[0], [2]]
        tuner.step(first, 0, 2.0)
        tuner.tell(first, 1.0)
        with pytest.raises(TellError, match="told already"):
            tuner.tell(first, 2.0)
        assert tuner.history[0].curve == ((0, 2.0),) and tuner.tries(0) == 1
        assert [t.state for t in tuner.told_before(0)] == [end]
        tuner.tell(other, 3.0)
        assert tuner.asked == 3
        known = state(tuner)
    seen = Tuner.read(path)
    assert state(seen) == known and seen.tries(0) == 1
    assert [t.state for t in seen.told_before(0)] == [end]


class Always(Stopper):
    """Stops each trial at each step."""

    def stop(self, curve: Curve, history: History) -> bool:
        return True

    def decide(self, curve: Curve, history: History) -> Decision:
        return Decision(True, {"seen": len(curve)})


@pytest.mark.parametrize("resumed", [False, True])
def test_what_was_decided_of_a_trial_is_decided_anew_when_it_is_tried_again(
    tmp_path: Path, resumed: bool
) -> None:
    path = tmp_path / "run.jsonl"
    tuner = Tuner(small(), Grid(), stopper=Always(), journal=path)
    tuner.ask(1)
    assert tuner.step(0, 1, 2.0)
    tuner.tell(0, state="stopped")
    tuner.retry(0)
    if resumed:
        tuner.close()
        tuner = Tuner(small(), Grid(), stopper=Always(), journal=path)
    assert tuner.step(0, 1, 2.0)
    tuner.close()
    kinds = [json.loads(line)["kind"] for line in path.read_bytes().splitlines()]
    assert kinds.count("step") == kinds.count("decision") == 2


def test_an_added_trial_is_withdrawn_and_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        tuner.add({"a": 1, "b": 0.5, "c": 1}, -99.0, seconds=1.0)
        tuner.withdraw(0, WRONG)
        tuner.retry(0)
    with Tuner.resume(path) as tuner:
        (trial,) = tuner.ask(1)
        assert (trial.id, trial.params) == (0, {"a": 1, "b": 0.5, "c": 1})
        assert tuner.history[0].seconds is None
        tuner.tell(trial, 2.0)
        known = state(tuner)
    assert state(Tuner.read(path)) == known


def test_children_of_a_withdrawn_parent_stay_and_are_named() -> None:
    tuner = Tuner(small(), Population(members=3, stages=3))
    while trials := tuner.ask(3):
        for trial in trials:
            tuner.tell(trial, bowl(dict(trial.params)))
    parent = next(t.parent for t in tuner.history if t.stage == 1)
    assert parent is not None
    family = {parent}
    for trial in tuner.history:
        family |= {trial.id} if trial.parent in family else set()
    children = sorted(family - {parent})
    named = ", ".join(map(str, children))
    assert len(children) >= 2
    with pytest.warns(
        DsiceWarning, match=f"trials {named} continue the checkpoint of trial {parent}"
    ):
        tuner.withdraw(parent, WRONG)
    assert {tuner.history[id].state for id in children} == {"done"}


# ------------------------------------------------------------------ the journal
def revised(path: Path) -> list[list[str]]:
    """A journal with withdrawn and retried trials; the states of its tuner after each line."""
    states: list[list[str]] = []

    def note(tuner: Tuner) -> None:
        while len(states) < path.read_bytes().count(b"\n"):
            states.append(state(tuner))

    with Tuner(small(), Grid(), journal=path) as tuner:
        note(tuner)
        for trial in tuner.ask(5):
            note(tuner)
            tuner.step(trial, 0, float(trial.id))
            note(tuner)
            if trial.id % 2:
                tuner.tell(trial, error="a typo", tags={"node": 7})
            else:
                tuner.tell(trial, [1.0, 2.0], metrics={"m": 1.0}, seconds=2.0)
            note(tuner)
        tuner.add(small().params((3, 2, 2)), -1.0)
        note(tuner)
        for id in (0, 5, 1):
            tuner.withdraw(id, WRONG)
            note(tuner)
        for id in (0, 1, 3, 5):
            tuner.retry(id)
            note(tuner)
        tuner.step(0, 1, 5.0)
        note(tuner)
        for id in (0, 3):
            tuner.tell(id, 3.0)
            note(tuner)
        tuner.withdraw(0, "wrong again")
        note(tuner)
        tuner.retry(0)
        note(tuner)
    return states


def test_killed_and_resumed_at_every_byte(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut" / "run.jsonl"
    states = revised(whole)
    data = whole.read_bytes()
    cut.parent.mkdir()
    header = data.index(b"\n")
    for end in range(header, len(data) + 1):
        line = data[:end].count(b"\n") + (data[end : end + 1] == b"\n") - 1
        if data[end : end + 1] not in (b"\n", b"") and (end - header) % 7:
            continue  # within a line all cuts are alike
        cut.write_bytes(data[:end])
        with Tuner.resume(cut) as tuner:
            assert state(tuner) == states[max(0, line)], end
            assert [t.id for t in tuner.orphans] == [t.id for t in tuner.pending]
        for copy in cut.parent.glob("*.torn-*"):
            copy.unlink()


def test_repair_takes_out_any_line_and_loses_no_value_behind_it(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "run.jsonl"
    states = revised(whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    final = Tuner.read(whole)
    for number in range(1, len(lines) - 1):  # without the last, which a tuner cuts off
        kind = json.loads(lines[number])["kind"]
        path.write_bytes(b"".join([*lines[:number], b"#" * 30 + b"\n", *lines[number + 1 :]]))
        repair(path)
        seen = Tuner.read(path)
        assert len(seen.history) == len(states[-1])
        told = {0: 3.0, 3: 3.0}
        for id, value in told.items():
            last = [t for t in (*seen.told_before(id), seen.history[id]) if t.value == value]
            own = json.loads(lines[number]).get("id") == id and kind == "tell"
            assert last or own, (number, id)
        about = [json.loads(line).get("id") for line in lines[number:]]
        if kind in ("withdraw", "retry") and about[0] in about[1:]:
            # a later line of that trial shows what the damaged one was
            for trial in final.history:
                assert seen.history[trial.id].state == trial.state, (number, trial.id)
                assert seen.tries(trial.id) == final.tries(trial.id)


def test_extend_carries_withdrawals_and_retries_over(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    revised(path)
    before = [(t.state, t.error, t.values) for t in Tuner.read(path).history]
    space = Space({**small().axes, "d": [0, 1]})
    extend(path, space, given={"d": 0})
    seen = Tuner.read(path)
    assert [(t.state, t.error, t.values) for t in seen.history] == before
    assert seen.tries(0) == 2 and seen.history[0].params["d"] == 0


def test_a_journal_with_lines_that_do_not_fit_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        done, _ = tuner.ask(2)
        tuner.tell(done, 1.0)
    data = path.read_text()
    for line, text in (
        ('{"kind":"withdraw","at":1.0,"id":1,"reason":"x"}', "trial 1, which is pending"),
        ('{"kind":"withdraw","at":1.0,"id":9,"reason":"x"}', "trial 9 was never asked"),
        ('{"kind":"withdraw","at":1.0,"id":0}', "withdraw line lacks a field"),
        ('{"kind":"retry","at":1.0,"id":0}', "trial 0, which is done"),
        ('{"kind":"retry","at":1.0}', "retry line lacks a field"),
        ('{"kind":"tell","id":1,"state":"withdrawn"}', "no trial ends as 'withdrawn'"),
    ):
        path.write_text(f"{data}{line}\n")
        with pytest.raises(OSError, match=f"line 4.*{text}"):
            Tuner.read(path)


# ------------------------------------------------------------------ requests of others
def test_a_request_is_taken_in_before_the_next_ask_and_once_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        for trial in tuner.ask(3):
            tuner.tell(trial, error="no")
        requests.leave(path, "withdraw", [0], WRONG)
        request = requests.leave(path, "retry", [0, 1])
        with monkeypatch.context() as patch:
            patch.setattr(requests, "taken", lambda _: None)  # killed before it was removed
            assert [trial.id for trial in tuner.ask(2)] == [0, 1]
        assert requests.is_waiting(request)
        tuner.tell(0, error="failed again")
        tuner.tell(1, 1.0)
        assert [trial.id for trial in tuner.ask(1)] == [3]
        assert tuner.history[0].error == "failed again" and tuner.history[1].state == "done"
        assert not requests.folder(path).exists()


@pytest.mark.parametrize("next", ["ask", "withdraw", "retry"])
def test_who_has_the_journal_next_takes_in_what_was_left(tmp_path: Path, next: str) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        for trial in tuner.ask(2):
            tuner.tell(trial, -99.0)
        requests.leave(path, "withdraw", [0], WRONG)
    assert Tuner.read(path).history[0].state == "done"
    with Tuner.resume(path) as tuner:
        if next == "ask":
            tuner.ask(1)
        elif next == "withdraw":
            tuner.withdraw(1, WRONG)
        else:
            tuner.retry(0)
            assert tuner.tries(0) == 1
        first = [json.loads(line) for line in path.read_bytes().splitlines()[4:5]]
        assert [(line["kind"], line["id"]) for line in first] == [("withdraw", 0)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"kind": "retry", "at": 1.0, "ids": [0]}', "trial 0 is done"),
        ('{"kind": "retry", "at": 1.0, "ids": [9]}', "no trial 9"),
        ('{"kind": "withdraw", "at": 1.0, "ids": [0]}', "says why"),
        ('{"kind": "tell", "at": 1.0, "ids": [0]}', "cannot be understood"),
        ('{"kind": "retry", "at": 1.0, "ids": 0}', "cannot be understood"),
        ("[", "cannot be understood"),
    ],
)
def test_what_cannot_be_done_is_refused_and_kept(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        tuner.tell(tuner.ask(1)[0], 1.0)
        requests.folder(path).mkdir()
        (requests.folder(path) / "1.json").write_text(text)
        data = path.read_bytes()
        with pytest.warns(DsiceWarning, match=f"refused: .*{reason}"):
            tuner.take_requests()
        assert path.read_bytes() == data
        (refused,) = requests.refused(path)
        assert reason in refused.error and not requests.waiting(path)
        assert reason in requests.answer(refused) and not requests.folder(path).exists()


def test_a_folder_that_a_kill_left_empty_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        requests.folder(path).mkdir()
        tuner.ask(1)
        assert not requests.folder(path).exists()


def test_published_searches_go_on_after_a_withdrawal() -> None:
    tuner = Tuner({"x": range(30)}, IPPE())
    for _ in range(6):
        trials = tuner.ask(1)
        if trials:
            tuner.tell(trials[0], float((trials[0].params["x"] - 11) ** 2))
    tuner.withdraw(1, WRONG)
    points = {trial.point for trial in tuner.history}
    while trials := tuner.ask(1):
        assert trials[0].point not in points
        points.add(trials[0].point)
        tuner.tell(trials[0], float((trials[0].params["x"] - 11) ** 2))
    assert tuner.best is not None
