"""Population-based training: who copies whom, what is perturbed, checkpoints of launchers."""

from __future__ import annotations

import json
import os
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Goal, Ordinal, Space, Trial, Tuner, When, run
from dsice.errors import DsiceWarning, OptionError
from dsice.launchers import Local
from dsice.strategies import Population
from tests.by_value import by_value

RATES: dict[str, Any] = {
    "lr": Ordinal.log(1e-4, 1.0, 9),
    "batch": [16, 32, 64],
    "kind": Choice(["a", "b"]),
}
EIGHT = Population(members=8, stages=4)


def cost(trial: Trial) -> float:
    return (
        abs(trial.params["lr"] - 0.03)
        + trial.params["batch"] / 1e4
        + (trial.params["kind"] == "b") / 100
    )


def trained(tuner: Tuner, batch: int = 8) -> Tuner:
    while trials := tuner.ask(batch):
        for trial in trials:
            tuner.tell(trial, cost(trial))
    return tuner


def test_every_member_trains_in_every_stage_and_the_goal_is_about_the_last() -> None:
    tuner = trained(Tuner(RATES, EIGHT))
    assert [(t.stage, t.member) for t in tuner.history] == [
        (s, m) for s in range(4) for m in range(8)
    ]
    assert tuner.finished and tuner.best is not None and tuner.best.stage == 3
    assert tuner.best.value == min(t.value for t in tuner.history[24:] if t.value is not None)
    assert (
        len({t.identity for t in tuner.history}) == 32
        and len({t.point for t in tuner.history[:8]}) == 8
    )


def test_the_worst_quarter_copies_one_of_the_best_and_the_others_go_on() -> None:
    tuner = trained(Tuner(RATES, EIGHT, seed=2))
    for stage in (1, 2, 3):
        before, now = (
            tuner.history[8 * stage - 8 : 8 * stage],
            tuner.history[8 * stage : 8 * stage + 8],
        )
        order = sorted(before, key=lambda t: (t.value, t.id))
        best, worst = {t.id for t in order[:2]}, {t.id for t in order[-2:]}
        for own, trial in zip(before, now, strict=True):
            if own.id in worst:
                source = tuner.history[trial.parent or 0]
                assert (
                    trial.parent in best
                    and trial.note["phase"] == "copy"
                    and trial.point == source.point
                )
                ratio = trial.params["lr"] / source.params["lr"]
                assert any(ratio == pytest.approx(f) for f in (0.8, 1.2)) or trial.params["lr"] in (
                    1e-4,
                    1.0,
                )
                assert {**trial.params, "lr": 0} == {
                    **source.params,
                    "lr": 0,
                } and trial.overrides == {"lr": trial.params["lr"]}
            else:
                assert (
                    trial.parent == own.id
                    and trial.params == own.params
                    and trial.overrides == own.overrides
                )


def test_nobody_goes_on_before_all_have_ended_and_parts_make_the_same_stage() -> None:
    whole, parts = Tuner(RATES, EIGHT, seed=1), Tuner(RATES, EIGHT, seed=1)
    for _ in range(3):
        one, two = whole.ask(8), [*parts.ask(3), *parts.ask(1), *parts.ask(9)]
        assert [(t.identity, t.overrides, t.parent) for t in one] == [
            (t.identity, t.overrides, t.parent) for t in two
        ]
        for t in reversed(two):
            assert parts.ask(2) == [] and not parts.finished
            parts.tell(t, cost(t))
        for t in one:
            whole.tell(t, cost(t))


@pytest.mark.parametrize("end", ["failed", "lost", "stopped", "nan"])
def test_a_member_that_ends_without_a_value_copies_one_of_the_best(end: str) -> None:
    tuner = Tuner(RATES, EIGHT)
    for trial in tuner.ask(8):
        if trial.member in (2, 5, 6):
            with pytest.warns(match="nan") if end == "nan" else _nothing():
                tuner.tell(trial, float("nan")) if end == "nan" else tuner.tell(trial, state=end)
        else:
            tuner.tell(trial, cost(trial))
    best = sorted(
        (t for t in tuner.history if t.value is not None and t.state == "done"), key=cost
    )[:2]
    following = tuner.ask(8)
    assert [t.member for t in following if t.note["phase"] == "copy"] == [2, 5, 6]
    assert all(following[m].parent in {t.id for t in best} for m in (2, 5, 6))


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_when_all_have_failed_it_is_over() -> None:
    tuner = Tuner(RATES, EIGHT)
    for trial in tuner.ask(8):
        tuner.tell(trial, error="checkpoint torn")
    assert tuner.ask(8) == [] and tuner.finished and tuner.best is None


def test_small_spaces_repeat_points_among_members() -> None:
    tuner = Tuner({"lr": [0.1, 0.2]}, Population(members=6, stages=2))
    while trials := tuner.ask(4):
        for trial in trials:
            tuner.tell(trial, trial.params["lr"])
    assert len(tuner.history) == 12 and {t.point for t in tuner.history} <= {(0,), (1,)}


def test_only_active_named_rates_change_whole_numbers_stay_whole() -> None:
    space = Space(
        {
            "opt": Choice(["adam", "sgd"]),
            "lr": [0.1, 0.2, 0.4],
            "momentum": [0.0, 0.5, 0.9],
            "units": [10, 20, 40],
        },
        where=[When("opt == 'sgd'", "momentum")],
    )
    tuner = Tuner(space, Population(members=12, stages=6, perturb=["momentum", "units"]), seed=4)
    while trials := tuner.ask(12):
        for trial in trials:
            tuner.tell(
                trial, trial.params["units"] + (trial.params["opt"] == "adam") * 0.1 * trial.member
            )
    copies = [t for t in tuner.history if t.note["phase"] == "copy"]
    assert copies and all(
        isinstance(t.params["units"], int) and 10 <= t.params["units"] <= 40 for t in copies
    )
    assert all(
        "lr" not in t.overrides and ("momentum" in t.overrides) <= (t.params["opt"] == "sgd")
        for t in copies
    )
    assert all(0.0 <= t.params["momentum"] <= 0.9 for t in copies if "momentum" in t.params)


def test_the_schedule_of_a_lineage_is_in_the_history() -> None:
    tuner = trained(Tuner(RATES, EIGHT, seed=2))
    assert tuner.best is not None
    line = tuner.history.lineage(tuner.best)
    assert [t.stage for t in line] == [0, 1, 2, 3] and line[-1].id == tuner.best.id
    assert all(b.parent == a.id for a, b in pairwise(line))


def test_enqueued_and_added_points_do_no_harm() -> None:
    tuner = Tuner(RATES, EIGHT)
    tuner.enqueue({"lr": 1.0, "batch": 16, "kind": "a"})
    tuner.add({"lr": 1.0, "batch": 16, "kind": "a"}, 0.5)
    trained(tuner)
    assert len(tuner.history) == 33 and tuner.finished


def test_resuming_in_the_middle_goes_on_as_if_never_cut(tmp_path: Path) -> None:
    whole = trained(Tuner(RATES, EIGHT, seed=3, journal=tmp_path / "whole.jsonl"))
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    for cut in range(1, len(lines), 9):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(b"".join(lines[:cut]))
        with Tuner(RATES, EIGHT, seed=3, journal=path) as again:
            trained(again)
        assert [(t.identity, t.params, t.parent, t.value) for t in again.history] == [
            (t.identity, t.params, t.parent, t.value) for t in whole.history
        ]
    assert Tuner.read(tmp_path / "whole.jsonl").strategy == EIGHT


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population(members=1), "members=1"),
        (lambda: Population(stages=0), "stages=0"),
        (lambda: Population(quantile=0.6), "quantile=0.6"),
        (lambda: Population(quantile=10**400), "quantile=1000"),
        (lambda: Population(factors=[0.0]), "factors"),
        (lambda: Population(perturb="lr"), "list of names"),
        (lambda: Tuner(RATES, Population(perturb=["kind"])), "'kind' is none of the numeric axes"),
        (lambda: Tuner(RATES, EIGHT, goal=Goal("loss")), r"Goal\(stage=3\)"),
    ],
)
def test_wrong_options_are_named(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


@by_value
def train(lr: float) -> float:
    """Gradient descent on x**2, five steps a stage, from the checkpoint of the parent."""
    parent = os.environ.get("DSICE_PARENT_DIR")
    state: dict[str, Any] = (
        json.loads(Path(parent, "state.json").read_text()) if parent else {"x": 1.0, "rates": []}
    )
    for _ in range(5):
        state["x"] -= lr * 2 * state["x"]
    state["rates"].append(lr)
    Path(os.environ["DSICE_DIR"], "state.json").write_text(json.dumps(state))
    return float(state["x"] ** 2)


def test_checkpoints_go_from_parent_to_child_through_local(tmp_path: Path) -> None:
    tuner = Tuner({"lr": [0.01, 0.05, 0.1, 0.2]}, Population(members=4, stages=3))
    with tuner, Local(train, slots=2, directory=tmp_path) as launcher:
        run(tuner, launcher, progress=False)
    assert len(tuner.history) == 12 and all(t.state == "done" for t in tuner.history)
    for trial in tuner.history[8:]:
        rates = json.loads((tmp_path / str(trial.id) / "state.json").read_text())["rates"]
        assert rates == pytest.approx([t.params["lr"] for t in tuner.history.lineage(trial)])


def test_a_budget_that_ends_before_the_last_stage_is_said_and_a_larger_one_goes_on(
    tmp_path: Path,
) -> None:
    axes, strategy = {"lr": [0.01, 0.05, 0.1, 0.2]}, Population(members=2, stages=3)
    for budget in (4, 6):
        with (
            Tuner(axes, strategy, max_trials=budget, journal=tmp_path / "j.jsonl") as tuner,
            Local(train, slots=2, directory=tmp_path / "trials") as launcher,
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always", DsiceWarning)
            run(tuner, launcher, progress=False)
        said = [str(w.message) for w in caught if issubclass(w.category, DsiceWarning)]
        if budget == 4:
            assert tuner.best is None and len(said) == 1
            assert (
                "4 trials were measured, none of stage 2" in said[0]
                and "a larger max_trials than 4 goes on" in said[0]
            )
    assert tuner.best is not None and tuner.best.stage == 2 and said == []
