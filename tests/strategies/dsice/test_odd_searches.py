"""Searches that once went wrong: few values, huge penalties, stopped trials, long axes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import DsiceError, Goal, Tuner
from dsice.strategies import DSICE
from tests.conftest import fill


def test_lines_are_searched_although_most_trials_fail() -> None:
    tuner = Tuner({f"x{j}": range(10) for j in range(8)})
    for _ in range(6):
        for trial in tuner.ask(25):
            if trial.params["x0"]:
                tuner.tell(trial, error="out of memory")
            else:
                tuner.tell(trial, sum((v - 4) ** 2 for v in trial.params.values()))
    late = tuner.history[75:]
    assert sum(t.note["phase"] == "line" for t in late) > 0.6 * len(late)
    # the search avoids the region that fails
    assert sum(t.params["x0"] == 0 for t in late) > 3 * len(late) / 10


def test_stopped_trials_count_as_not_good() -> None:
    tuner = Tuner({f"x{j}": range(8) for j in range(4)})
    best = np.inf
    for _ in range(6):
        for trial in tuner.ask(20):
            value = 0.1 + sum((v - 5) ** 2 for v in trial.params.values())
            if value > best:
                tuner.tell(trial, state="stopped")
            else:
                best = value
                tuner.tell(trial, value)
    assert sum(t.note["phase"] == "line" for t in tuner.history) > 60 and best < 3


@pytest.mark.parametrize("penalty", [1e3, 1e100, sys.float_info.max])
def test_the_size_of_a_penalty_does_not_matter(penalty: float) -> None:
    def cost(p: dict[str, Any]) -> float:
        return penalty if p["x0"] == 7 else 0.1 + float(sum((v - 3) ** 2 for v in p.values()))

    tuner = fill(Tuner({f"x{j}": range(8) for j in range(4)}), 120, batch=20, objective=cost)
    assert tuner.best is not None and tuner.best.value == pytest.approx(0.1)


def test_very_long_axes_are_searched() -> None:
    tuner = fill(
        Tuner({"x": range(90_000)}),
        12,
        batch=6,
        objective=lambda p: (p["x"] - 40_000) ** 2,  # type: ignore[operator]
    )
    assert len(tuner.history) == 12


def test_a_start_of_numpy_values_survives_the_journal(tmp_path: Path) -> None:
    start = {"x": np.int64(1), "y": np.float64(2)}
    with Tuner(
        {"x": range(4), "y": range(4)}, DSICE(start=start), journal=tmp_path / "j.jsonl"
    ) as tuner:
        tuner.tell(tuner.ask(1)[0], 1.0)
    assert Tuner.read(tmp_path / "j.jsonl").strategy == DSICE(start={"x": 1, "y": 2.0})


@pytest.mark.parametrize("alpha", [1e20, 1e-20, True, -1.0])
def test_an_alpha_that_no_fit_can_use_is_refused_at_once(alpha: float) -> None:
    with pytest.raises(DsiceError, match="alpha"):
        DSICE(alpha=alpha)


def test_a_trial_that_is_started_again_begins_a_new_curve(tmp_path: Path) -> None:
    with Tuner({"x": range(4)}, journal=tmp_path / "j.jsonl") as tuner:
        tuner.ask(1)
        for step, value in [(0, 3.0), (1, 2.0), (2, 1.5), (0, 3.0), (1, 2.5)]:
            tuner.step(0, step, value)
        assert tuner.history[0].curve == ((0, 3.0), (1, 2.5))
    assert Tuner.read(tmp_path / "j.jsonl").history[0].curve == ((0, 3.0), (1, 2.5))


def test_the_value_of_a_repeated_point_is_the_mean_from_the_command_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dsice.cli.main import main

    with Tuner({"x": range(4)}, goal=Goal("loss"), journal=tmp_path / "j.jsonl") as tuner:
        for value in (1.0, 3.0):
            tuner.add({"x": 1}, metrics={"loss": value})
    assert main(["best", str(tmp_path / "j.jsonl"), "--json"]) == 0
    assert '"value": 2.0' in capsys.readouterr().out


def test_a_journal_that_maximises_is_replayed_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dsice.cli.main import main

    with Tuner(
        {"x": range(4)}, goal=Goal("acc", maximize=True), journal=tmp_path / "j.jsonl"
    ) as tuner:
        for x in range(4):
            tuner.add({"x": x}, metrics={"acc": float(x)})
    assert main(["replay", str(tmp_path / "j.jsonl")]) == 0
    assert "best    3 at x = 3" in capsys.readouterr().out
