"""What a report says of a search, checked against the history."""

from __future__ import annotations

import json
import math
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Goal, Space, Tuner
from dsice.report import failures, outcome
from dsice.report.contents import About, contents
from dsice.report.encode import DIGITS
from dsice.strategies import DSICE, Random
from dsice.trial import Proposal
from tests.conftest import bowl, conditional, fill, small

pytestmark = pytest.mark.usefixtures("few_halves")
START = {"a": 8, "b": 1.0, "c": 2}


def said(tuner: Tuner) -> dict[str, Any]:
    """The contents, after a way through JSON."""
    found: dict[str, Any] = json.loads(json.dumps(contents(tuner, About("a study"))))
    return found


def test_columns_are_those_of_the_history() -> None:
    tuner = fill(Tuner(conditional(), seed=1), 12)
    tuner.ask(2)
    data = said(tuner)
    columns, axes = data["trials"], data["axes"]
    assert columns["count"] == 14
    for trial in tuner.history:
        state = columns["states"][DIGITS.index(columns["state"][trial.id])]
        assert state == trial.state
        assert columns["value"][trial.id] == pytest.approx(trial.value) or trial.value is None
        for axis, levels in zip(axes, columns["levels"], strict=True):
            digit = levels[trial.id]
            given = None if digit == "." else axis["values"][DIGITS.index(digit)]
            assert given == trial.params.get(axis["name"])


def test_the_best_has_its_gain_its_measurements_and_its_settings() -> None:
    tuner = Tuner(small(), DSICE(start=START))
    for trial in tuner.ask(12):
        base = bowl(dict(trial.params))
        tuner.tell(trial, [base - 0.1, base + 0.1])
    data = said(tuner)
    best, leader = data["best"], tuner.best
    assert leader is not None and leader.value is not None and leader.spread is not None
    assert best["n"] == 2 and best["spread"] == pytest.approx(leader.spread, rel=1e-6)
    start = bowl(dict(START))
    assert best["gain"]["over"] == "the start"
    assert best["gain"]["from"] == pytest.approx(start)
    assert best["gain"]["share"] == pytest.approx((leader.value - start) / start, rel=1e-3)
    assert best["gain"]["error"] == pytest.approx(0.1 * math.sqrt(2), rel=1e-2)
    assert tomllib.loads(best["settings"]["TOML"]) == dict(leader.params)
    assert json.loads(best["settings"]["JSON"]) == dict(leader.params)


def test_settings_are_quoted_for_the_shell_and_for_toml() -> None:
    params = {"a b": "it's", "flag": True, "tile": (2, 3), "none": None, "big": 2**70}
    found = outcome.settings(params)
    expected = """'--a b' 'it'"'"'s' --flag True --tile '[2,3]' --none None"""
    assert found["command line"] == f"{expected} --big {2**70}"
    assert tomllib.loads(found["TOML"].replace("none = ", "")) == {
        "a b": "it's",
        "flag": True,
        "tile": [2, 3],
        "big": 2**70,
    }
    assert json.loads(found["JSON"])["big"] == 2**70


def test_without_a_start_the_best_is_compared_with_the_median() -> None:
    data = said(fill(Tuner(small(), Random()), 9))
    assert data["best"]["gain"]["over"] == "the median trial"
    assert "start" not in data


@pytest.mark.parametrize(
    ("tuner", "over", "words"),
    [
        (lambda: Tuner(small()), False, "Nothing has been asked"),
        (lambda: fill(Tuner(small(), Random(), max_trials=8), 8), True, "budget of 8 trials"),
        (lambda: fill(Tuner(small(), Random()), 99), True, "All 36 points"),
        (lambda: fill(Tuner(small(), Random()), 8), False, "can go on"),
    ],
)
def test_why_a_search_has_ended(tuner: Any, over: bool, words: str) -> None:
    end = said(tuner())["end"]
    assert end["over"] is over and words in end["why"]


def test_a_running_search_says_so() -> None:
    tuner = fill(Tuner(small()), 8)
    tuner.ask(3)
    assert "3 trials are running" in said(tuner)["end"]["why"]


def test_failures_are_grouped_by_reasons_that_differ_in_numbers_only() -> None:
    tuner = Tuner(small(), Random())
    trials = tuner.ask(5)
    for k, trial in enumerate(trials[:3]):
        error = (
            "exit code 1\nlast lines of stderr:\nTraceback (most recent call last):\n"
            f"MemoryError: {k} MiB\nlogs: /logs/{trial.id}/stderr"
        )
        tuner.tell(trial, error=error)
    tuner.tell(trials[3], error="took longer than 5 s", state="timed_out")
    tuner.tell(trials[4], 1.0)
    found = failures.failures(tuner.history, tuner.space)
    assert found is not None
    first, second = found["groups"]
    assert first["line"] == "exit code 1: MemoryError: 0 MiB" and first["ids"] == [0, 1, 2]
    assert first["log"] == "/logs/0/stderr"
    assert (second["state"], second["line"]) == ("timed_out", "took longer than 5 s")


def test_failures_say_where_in_the_grid_they_are_if_it_is_more_than_chance() -> None:
    space = Space({"lr": range(8), "kind": ["a", "b"], "seed": range(10)})
    rng = random.Random(5)
    tuner = Tuner(space, Random())
    for trial in tuner.ask(120):
        lr, kind = trial.params["lr"], trial.params["kind"]
        if lr >= 6 and kind == "b":
            tuner.tell(trial, error="out of memory")
        elif rng.random() < 0.1:
            tuner.tell(trial, error="node died")
        else:
            tuner.tell(trial, 1.0)
    found = failures.failures(tuner.history, space)
    assert found is not None
    shared = {group["line"]: group["shared"] for group in found["groups"]}
    there = sum(t.params["lr"] >= 6 and t.params["kind"] == "b" for t in tuner.history)
    assert shared["node died"] is None
    assert set(shared["out of memory"]["where"].split(" and ")) == {"lr >= 6", "kind = b"}
    assert shared["out of memory"]["there"] == there
    falling = Space({"x": [9, 5, 3, 2, 1], "y": range(8)})
    tuner = Tuner(falling, Random())
    for trial in tuner.ask(40):
        tuner.tell(
            trial,
            *([] if trial.params["x"] > 4 else [1.0]),
            error="no" if trial.params["x"] > 4 else None,
        )
    found = failures.failures(tuner.history, falling)
    assert found is not None and found["groups"][0]["shared"] == {"where": "x >= 5", "there": 16}


def test_curves_come_back_to_a_ten_thousandth() -> None:
    tuner = Tuner(small(), Random())
    (trial,) = tuner.ask(1)
    values = [9.0, 4.5, 1.25, math.nan, 0.5]
    for step, value in enumerate(values):
        tuner.step(trial, 10 * step, value)
    found = said(tuner)["curves"]
    ((id, grid, digits),) = found["curves"]
    assert (id, found["steps"][grid]) == (0, [0, 10, 20, 30, 40])
    for k, value in enumerate(values):
        three = digits[3 * k : 3 * k + 3]
        if math.isnan(value):
            assert three == "..."
        else:
            share = int(three, 36) / (36**3 - 1)
            read = found["low"] + share * (found["high"] - found["low"])
            assert read == pytest.approx(value, abs=1e-3)


def test_effects_and_lines_are_in_the_direction_of_the_goal() -> None:
    tuner = Tuner({"x": range(9), "y": range(9)}, goal=Goal(maximize=True), seed=3)
    for _ in range(4):
        for trial in tuner.ask(10):
            tuner.tell(trial, 50.0 - (trial.params["x"] - 6) ** 2 - trial.params["y"])
    data = said(tuner)
    effect = data["effects"][0]["mean"]
    assert effect.index(max(effect)) == 6
    line = next(line for line in data["lines"] if line["axes"] == [0])
    for id, at in zip(line["ids"], line["at"], strict=True):
        value = tuner.history[id].value
        assert abs(line["mean"][at] - value) <= line["half"][at] + 0.5


def test_a_line_has_all_its_trials_and_what_was_asked_last() -> None:
    tuner = fill(Tuner({"x": range(7), "y": range(7)}, seed=2), 30, batch=10)
    pending = {trial.id for trial in tuner.ask(10)}
    best = tuner.history.best
    assert best is not None
    line = said(tuner)["lines"][0]
    on = [t for t in tuner.history if t.point[1] == best.point[1]]
    assert line["ids"] == [t.id for t in on] and line["at"] == [t.point[0] for t in on]
    assert set(line["asked"]) == {t.id for t in on} & pending


def test_long_axes_are_thinned_and_keep_the_measured_values() -> None:
    tuner = Tuner({"n": range(100_000), "m": [0, 1]}, Random())
    for trial in tuner.ask(5):
        tuner.tell(trial, float(trial.params["n"]))
    data = said(tuner)
    axis, levels = data["axes"][0], data["trials"]["levels"][0]
    assert axis["n"] == 100_000 and len(axis["values"]) < 400
    for trial in tuner.history:
        assert axis["values"][levels[trial.id]] == trial.params["n"]
    assert len(data["effects"][0]["mean"]) == len(axis["values"])


def test_a_failing_value_and_the_end_of_an_axis_are_advice() -> None:
    tuner = Tuner({"x": [1, 2, 3, 4], "mode": Choice(["a", "b"]), "z": range(4)}, Random())
    for trial in tuner.ask(32):
        if trial.params["mode"] == "b" and trial.params["z"]:
            tuner.tell(trial, error="no")
        else:
            tuner.tell(trial, 10.0 - trial.params["x"])
    advice = "\n".join(said(tuner)["advice"])
    assert "Try values of x beyond 4" in advice
    assert "38% of the trials that ended have failed" in advice


def test_a_parameter_without_effect_may_be_fixed() -> None:
    tuner = Tuner({"x": range(6), "idle": range(6)}, Random())
    for trial in tuner.ask(30):
        tuner.tell(trial, (trial.params["x"] - 2.5) ** 2)
    advice = "\n".join(said(tuner)["advice"])
    assert "Fix idle" in advice and "Fix x" not in advice


def test_nothing_measured_says_why() -> None:
    data = said(Tuner(small()))
    assert "best" not in data and "importance" not in data
    assert "at least 3 distinct points" in data["model"]["why_not"]


class OwnStrategy:
    """A user's strategy, which a process that reads the journal does not have."""

    def ask(self, n: int, space: Any, history: Any, stream: Any) -> list[Proposal]:
        del n, stream
        return [Proposal((len(history), 0, 0))] if len(history) < space.shape[0] else []


def test_a_journal_of_a_strategy_that_is_not_here(tmp_path: Path) -> None:
    with Tuner(small(), OwnStrategy(), journal=tmp_path / "own.jsonl") as tuner:
        fill(tuner, 3)
    assert said(Tuner.read(tmp_path / "own.jsonl"))["end"]["over"] is False


FIXTURES = Path(__file__).parents[1] / "journal" / "fixtures"
RULES = {"every-axis.jsonl": {"small": lambda params: True}}


@pytest.mark.filterwarnings("ignore::dsice.errors.DsiceWarning")
@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.jsonl")))
def test_every_journal_of_an_earlier_release_has_a_report(name: str) -> None:
    tuner = Tuner.read(FIXTURES / name, rules=RULES.get(name))
    assert said(tuner)["trials"]["count"] == len(tuner.history)


def test_values_near_the_largest_float() -> None:
    tuner = Tuner({"x": [0.0, 0.25, 0.5, 0.75, 1.0]}, Random())
    for trial, value in zip(tuner.ask(5), (1e308, -1e308, 0.0, 1e-308, 5.0), strict=True):
        tuner.tell(trial, value)
    assert said(tuner)["best"]["value"] == -1e308


def test_sources_are_there_with_their_weights() -> None:
    first = fill(Tuner(small(), seed=1), 20)
    tuner = fill(Tuner(small(), seed=2, reuse=[first.history]), 20)
    (source,) = said(tuner)["sources"]
    (matched,) = tuner.sources
    assert (source["name"], source["trials"]) == (matched.name, matched.points)
    assert source["weight"] == pytest.approx(matched.weight)
    assert "sources" not in said(first)
