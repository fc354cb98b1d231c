"""A rule that a space did not have: what breaks it stays, informs, is never asked nor the best."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import DsiceWarning, Require, Space, State, Tuner, When, extend
from dsice.cli.main import main
from dsice.errors import OtherStudyError, SpaceError, TellError
from dsice.strategies import DSICE, Grid, Population, Radial2024, Random
from tests.conftest import fill, state

BOWL = {"x": range(9), "y": range(9)}
LATER = Space(BOWL, where=[Require("x * y != 15"), Require("x + y != 7")])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def known(path: Path, strategy: object, space: Space | None = None, **options: Any) -> Tuner:
    return Tuner(space or Space(BOWL), strategy, journal=path, seed=1, **options)  # type: ignore[arg-type]


def off(params: Mapping[str, Any]) -> float:
    return float((params["x"] - 3) ** 2 + (params["y"] - 5) ** 2)


@pytest.mark.parametrize(
    "strategy",
    [Random(), Grid(), DSICE(noise=True), Population(members=4, stages=3), Radial2024(batch=5)],
    ids=lambda strategy: type(strategy).__name__,
)
def test_trials_that_break_a_rule_learnt_later_inform_and_are_never_best(
    path: Path, strategy: Any
) -> None:
    with known(path, strategy) as tuner:
        for trial in [t for _ in range(2) for t in tuner.ask(8)]:
            if trial.state is State.PENDING:
                tuner.tell(trial, off(trial.params))
        best = tuner.add({"x": 3, "y": 5}, 0.0)
        tuner.add({"x": 2, "y": 5}, 1.0)
        tuner.add({"x": 1, "y": 1}, error="crash")
        told = state(tuner)
    done = extend(path, LATER)
    broken = [t.id for t in Tuner.read(path).history if not LATER.is_valid(t.point)]
    assert best.id in broken and list(done.forbidden) == broken
    with known(path, strategy, LATER) as tuner:
        history = tuner.history
        assert state(tuner) == told and np.flatnonzero(~history.allowed()).tolist() == broken
        allowed = [t for t in history if t.id not in broken and t.stage == history.goal.stage]
        expected = min((t.value for t in allowed if t.value is not None), default=None)
        assert (tuner.best and tuner.best.value) == expected
        if history.goal.stage == 0:
            assert history.leading(1, forbidden=True)[0].params == {"x": 3, "y": 5}
        assert not set(broken) & {t.id for t in history.leading(len(history))}
        for _ in range(4):
            for trial in tuner.ask(6):
                assert LATER.is_valid(trial.point), trial
                tuner.tell(trial, off(trial.params))
        for trial in tuner.confirm(2, repeats=2):
            assert LATER.is_valid(trial.point)
        with pytest.warns(DsiceWarning, match="is that measurement"):  # the same script again
            tuner.add({"x": 3, "y": 5}, 0.0)
        with pytest.raises(SpaceError, match="break the rule"):
            tuner.add({"x": 3, "y": 5}, 7.0)
        if history.goal.stage == 0:
            with pytest.warns(DsiceWarning, match="nothing was recorded"):
                tuner.enqueue({"x": 3, "y": 5})
        else:  # it was never a start of a population
            with pytest.raises(SpaceError, match="break the rule"):
                tuner.enqueue({"x": 3, "y": 5})


def test_what_is_pending_or_waits_where_a_rule_forbids_it_is_not_asked(path: Path) -> None:
    with known(path, Grid()) as tuner:
        tuner.enqueue({"x": 3, "y": 5})
        tuner.enqueue({"x": 4, "y": 3})
        tuner.enqueue({"x": 8, "y": 8})
        first, lost, failed = tuner.ask(1)[0], *tuner.ask(2)
        tuner.tell(lost, state="lost", error="node died")
        tuner.tell(failed, error="crash")
        tuner.enqueue({"x": 5, "y": 2})
    rule = Require("x == 8 or y not in (0, 2, 3, 5)")
    later = Space(BOWL, where=[rule])
    assert extend(path, later).forbidden == (0, 1)
    with known(path, Grid(), later) as tuner:
        assert tuner.history[first.id].state is State.STOPPED
        assert "learnt later" in (tuner.history[first.id].error or "")
        assert not tuner.orphans and not tuner.pending
        with pytest.raises(TellError, match="learnt later"):
            tuner.retry(first)
        for trial in tuner.ask(4):
            assert later.is_valid(trial.point)
    assert len(Tuner.read(path).history) == 7


def test_the_last_extension_says_what_is_forbidden(path: Path) -> None:
    with known(path, Grid()) as tuner:
        fill(tuner, 6)
    assert extend(path, Space(BOWL, where=[Require("y != 1")])).forbidden == (1,)
    assert extend(path, Space(BOWL, where=[Require("y < 4")])).forbidden == (4, 5)
    assert Tuner.read(path).history.forbidden == {4, 5}
    assert extend(path, Space(BOWL)).forbidden == ()
    assert Tuner.read(path).history.forbidden == frozenset()


def test_a_condition_learnt_later_is_refused_where_it_changes_what_was_measured(
    path: Path,
) -> None:
    with known(path, Grid()) as tuner:
        fill(tuner, 12)
    data = path.read_bytes()
    with pytest.raises(OtherStudyError, match="inactive here"):
        extend(path, Space(BOWL, where=[When("x > 0", "y")]))
    assert path.read_bytes() == data


def test_from_the_command_line_a_rule_is_learnt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study.toml"
    text = '[study]\n[space]\nx = [1, 2, 3, 4]\n[strategy]\nname = "grid"\n'
    study.write_text(text)
    assert main(["ask", str(study), "-n", "3"]) == 0
    for id, value in enumerate("527"):
        assert main(["tell", str(study), str(id), value]) == 0
    study.write_text(f"{text}[rules]\nwhere = ['x != 2']\n")
    assert main(["ask", str(study)]) == 2
    assert "dsice extend" in capsys.readouterr().err
    assert main(["extend", str(study)]) == 0
    assert "1 of them break a rule that is new (1)" in capsys.readouterr().out
    for arguments, value in (([], "5"), (["--forbidden"], "2")):
        assert main(["best", str(study), *arguments]) == 0
        assert f"best value  {value}\n" in capsys.readouterr().out
    assert main(["status", str(study)]) == 0
    assert "1 trials break a rule" in capsys.readouterr().out
    assert main(["ask", str(study), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": 3, "params": {"x": 4}}
