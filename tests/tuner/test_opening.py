"""Going on with a journal: orphans, changed minds, and the same future as without the break."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dsice import (
    DsiceWarning,
    Goal,
    History,
    Proposal,
    Require,
    Share,
    Space,
    State,
    Tuner,
)
from dsice.errors import JournalError, OptionError, OtherStudyError, SpaceError, TellError
from dsice.strategies import DSICE, Grid, Random
from tests.conftest import bowl, conditional, fill, small, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def kinds(path: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()]


def test_everything_comes_back(path: Path) -> None:
    with Tuner(conditional(), Random(), journal=path, max_trials=11) as tuner:
        fill(tuner, 4)
        tuner.ask(4)
        tuner.step(5, 0, float("inf"))
        tuner.tell(
            5,
            [1.0, 2.0],
            metrics={"m": float("nan")},
            seconds=1.5,
            tags={"t": [1]},
            times=(1, 2, 3),
            where={"job": "7"},
        )
        tuner.tell(6, error="crash")
        tuner.tell(7, state="lost")
        tuner.add({"opt": "adam", "lr": 1e-4}, 3.0)
        tuner.add({"opt": "sgd", "lr": 1e-4, "momentum": 0.9}, error="bad", seconds=2.0)
        asked = {t.point for t in tuner.history}
        waiting = conditional().params(
            next(p for p in map(tuple, conditional().points().tolist()) if p not in asked)
        )
        tuner.enqueue(waiting)
    with Tuner(conditional(), Random(), journal=path, max_trials=11, orphans="keep") as again:
        assert state(again) == state(tuner) and again.asked == 8
        assert again.ask()[0].params == waiting
        assert (len(again.ask(9)), again.history[-1].round) == (2, 3)
        late = again.tell(7, 0.5)
        assert late.state is State.DONE
    assert kinds(path).count("header") == 1 and "options" not in kinds(path)


def test_orphans_come_first_with_their_old_ids_and_unmixed(path: Path) -> None:
    with Tuner(small(), Random(), journal=path) as tuner:
        asked = tuner.ask(6)
        tuner.tell(3, 1.0)
    with Tuner(small(), Random(), journal=path) as again:
        assert [t.id for t in again.orphans] == [0, 1, 2, 4, 5] and not again.finished
        assert again.ask(2) == [asked[0], asked[1]]
        again.tell(5, 1.0)  # a result that was on its way
        again.adopt(2)  # its run is followed again
        assert again.ask(10) == [asked[4]]
        assert [t.id for t in again.ask(2)] == [6, 7]
        assert [t.id for t in again.pending] == [0, 1, 2, 4, 6, 7]


def test_short_lived_processes_leave_orphans_alone(path: Path) -> None:
    with Tuner(small(), Random(), journal=path) as tuner:
        tuner.ask(3)
    with Tuner(small(), Random(), journal=path, orphans="keep") as command:
        assert command.orphans == [] and [t.id for t in command.ask(2)] == [3, 4]
        command.tell(1, 1.0)
    with Tuner(small(), Random(), journal=path) as again:
        assert [t.id for t in again.orphans] == [0, 2, 3, 4]


@pytest.mark.parametrize("strategy", [Random(), Grid(), DSICE()], ids=repr)
def test_the_future_is_the_same_with_and_without_a_break(path: Path, strategy: Any) -> None:
    unbroken = fill(Tuner(small(), strategy, seed=1), 36, batch=5)
    for n in (5, 12, 3, 40):
        with Tuner(small(), strategy, seed=1, journal=path) as tuner:
            fill(tuner, n - n % 5 or 5, batch=5)
            if n != 40:
                tuner.ask(5)  # killed here: the batch is asked again by its ids
    assert [(t.id, t.point, t.value) for t in tuner.history] == [
        (t.id, t.point, t.value) for t in unbroken.history
    ]


def test_what_may_change_changes_by_an_options_line(path: Path) -> None:
    fill(Tuner(small(), Random(), journal=path, max_trials=10), 6).close()
    goal = Goal(maximize=True, at_most={"m": 3.0})
    with pytest.raises(OtherStudyError, match="'m'"):  # not a bound on what no trial has
        Tuner(small(), Random(), journal=path, goal=goal)
    goal = Goal(maximize=True)
    with Tuner(small(), Grid(), journal=path, max_trials=20, seed=9, goal=goal) as tuner:
        best = tuner.best
        assert best is not None and best.value == max(
            t.value for t in tuner.history if t.value is not None
        )
        fill(tuner, 2)
    options = json.loads(path.read_text().splitlines()[-4])
    assert options["kind"] == "options" and set(options) == {
        "kind",
        "at",
        "strategy",
        "goal",
        "max_trials",
        "seed",
    }
    seen = Tuner.read(path)
    assert (seen.strategy, seen.seed, seen.max_trials, seen.history.goal) == (Grid(), 9, 20, goal)
    Tuner(small(), Grid(), journal=path, max_trials=20, seed=9, goal=goal).close()
    with Tuner(small(), Grid(), journal=path, seed=9, goal=goal):
        assert json.loads(path.read_text().splitlines()[-1])["max_trials"] is None
    assert kinds(path).count("options") == 2


def test_the_metric_may_change_to_one_that_the_trials_carry(path: Path) -> None:
    with Tuner(small(), Grid(), journal=path, goal=Goal("loss")) as tuner:
        for t in tuner.ask(3):
            tuner.tell(t, float(t.id), metrics={"err": 1.0 - t.id, "diverged": float("nan")})
        data = path.read_bytes()
    for metric in ("accuracy", "diverged"):
        with pytest.raises(
            OtherStudyError,
            match=f"none of its 3 done trials .*'{metric}'; they carry diverged, err, loss, value",
        ):
            Tuner(small(), Grid(), journal=path, goal=Goal(metric))
    with pytest.raises(
        OtherStudyError, match=r"weighs run time .*none of its 3 done trials was told with seconds"
    ):
        Tuner(small(), Grid(), journal=path, goal=Goal("loss", time_weight=1.0))
    assert path.read_bytes() == data
    with Tuner(small(), Grid(), journal=path, goal=Goal("err")) as again:
        assert again.best is not None and (again.best.id, again.best.value) == (2, -1.0)
    with Tuner(small(), Grid(), journal=path) as plain:  # what was told as the value
        assert plain.best is not None and plain.best.id == 0


CHANGED: list[tuple[Space | dict[str, Sequence[Any]], str]] = [
    ({"a": [1, 2, 4], "b": [0.0, 0.5, 1.0], "c": range(3)}, "axis 'a'"),
    ({"a": [1, 2, 4, 8], "b": [0.0, 0.5, 1.0]}, "axis 'c' of the stored space is missing"),
    ({"c": range(3), "a": [1, 2, 4, 8], "b": [0.0, 0.5, 1.0]}, "order"),
    (
        Space({"a": [1, 2, 4, 8], "b": [0.0, 0.5, 1.0], "c": range(3)}, where=[Require("a > 1")]),
        r"Require\('a > 1'\)",
    ),
]


@pytest.mark.parametrize(("space", "message"), CHANGED)
def test_the_space_may_not_change(path: Path, space: Any, message: str) -> None:
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    data = path.read_bytes()
    with pytest.raises(
        OtherStudyError, match=f"belongs to another study: .*{message}.*journal of its own"
    ):
        Tuner(space, Grid(), journal=path)
    assert path.read_bytes() == data


def test_callable_rules_go_by_name(path: Path) -> None:
    def fits(params: Any) -> bool:
        return bool(params["a"] * params["c"] < 10)

    axes = {"a": [1, 2, 4, 8], "c": range(3)}
    fill(Tuner(Space(axes, where=[Require(fits, name="fits")]), Grid(), journal=path), 2).close()
    with pytest.raises(SpaceError, match=r"run.jsonl: .*'fits'; pass it as rules="):
        Tuner.resume(path)
    for rules in (None, {"fits": fits}):  # looking needs none
        assert len(Tuner.read(path, rules=rules).history) == 2
    with Tuner.to_record(path) as tuner, pytest.raises(OptionError, match="nothing can be asked"):
        tuner.ask()
    with pytest.raises(SpaceError, match="name"):
        Tuner(
            Space(axes, where=[Require(lambda p: p["a"] < 9)]),
            Grid(),
            journal=path.with_name("other.jsonl"),
        )


@dataclass(frozen=True)
class Own:
    """A strategy of somebody's own, with an option that JSON does not know."""

    choose: Any = max

    def ask(self, n: int, space: Space, history: History, stream: Any) -> list[Proposal]:
        return Random().ask(n, space, history, stream)


def test_a_journal_of_somebodys_own_strategy_can_be_looked_at(path: Path) -> None:
    fill(Tuner(small(), Own(), journal=path), 3).close()
    seen = Tuner.read(path)
    assert len(seen.history) == 3 and "Own" in repr(seen.strategy)
    with pytest.raises(OptionError, match=r"strategy 'Own' is not part of dsice"):
        _ = seen.finished
    fill(Tuner(small(), Own(), journal=path), 3).close()
    assert "options" not in kinds(path)


def test_lines_of_a_newer_dsice_are_kept_and_passed_over(path: Path) -> None:
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    lines = path.read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {"cluster": "x"}, separators=(",", ":"))
    lines[2] = json.dumps(json.loads(lines[2]) | {"carbon": 3}, separators=(",", ":"))
    text = "\n".join([*lines, '{"kind":"sealed","name":"data"}']) + "\n"
    path.write_text(text)
    with Tuner(small(), Grid(), journal=path) as tuner:
        assert len(fill(tuner, 1).history) == 3
    assert path.read_text().startswith(text)


def test_a_line_that_does_not_fit_the_space_is_named(path: Path) -> None:
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    with path.open("a") as file:
        file.write('{"kind":"ask","round":2,"trials":[{"id":2,"point":[0,0,99]}]}\n')
    for open in (lambda: Tuner(small(), Grid(), journal=path), lambda: Tuner.read(path)):
        with pytest.raises(
            JournalError, match=r"line 5: this ask line cannot be used .*'c' must be 0 to 2, got 99"
        ):
            open()


def test_told_once_holds_across_a_break(path: Path) -> None:
    with Tuner(small(), Grid(), journal=path) as tuner:
        tuner.ask(2)
        tuner.tell(0, 1.0)
    with Tuner(small(), Grid(), journal=path) as again:
        with pytest.raises(TellError, match="told already"):
            again.tell(0, 2.0)
        assert again.tell(tuner.history[1], bowl(dict(tuner.history[1].params))).state is State.DONE


def test_deep_orphans_of_a_small_budget_are_not_counted_twice(path: Path) -> None:
    with Tuner(small(), Grid(), journal=path, max_trials=4) as tuner:
        tuner.ask(4)
    with Tuner(small(), Grid(), journal=path, max_trials=4) as again:
        assert [t.id for t in again.ask(9)] == [0, 1, 2, 3] and again.ask() == []
        for t in again.pending:
            again.tell(t, 1.0)
        assert again.finished and again.asked == 4


def test_a_share_of_a_raised_budget_counts_time_again_and_says_so(path: Path) -> None:
    goal = Goal(time_weight=1.0, until=Share(0.5))
    with Tuner(small(), Grid(), journal=path, goal=goal, max_trials=8) as tuner:
        for t in tuner.ask(8):
            tuner.tell(t, float(t.id), seconds=10.0 - t.id if t.id < 4 else None)
        assert not tuner.history.weighs_time and tuner.history.scores().tolist() == [
            float(i) for i in range(8)
        ]
    with pytest.warns(
        DsiceWarning,
        match=r"counts again: with max_trials=20 \(before: 8\).*; 4 trials .*seconds have no score",
    ):
        again = Tuner(small(), Grid(), journal=path, goal=goal, max_trials=20)
    assert again.history.weighs_time and len(again.history.order()) == 4
    with pytest.raises(TellError, match="seconds"):
        again.tell(again.ask()[0], 1.0)
    for t in [again.pending[0], *again.ask(1)]:
        again.tell(t, 50.0, seconds=1.0)  # 10 of 20 are told: from here on Z = L again, for all
    assert not again.history.weighs_time and len(again.history.order()) == 10
    again.close()
    # no warning, since nothing changed
    Tuner(small(), Grid(), journal=path, goal=goal, max_trials=20).close()
    with pytest.raises(OptionError, match="max_trials"):
        Tuner(small(), Grid(), journal=path, goal=goal)
