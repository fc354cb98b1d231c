"""A study written as a storage of Optuna, and as results in the T4 format."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dsice import Choice, Goal, Tuner
from dsice.errors import MissingPackageError, OptionError
from dsice.integrations.optuna_export import optuna_export
from dsice.integrations.t4 import write_t4
from dsice.reuse.results import read_results
from dsice.strategies import Grid, Random

SPACE: dict[str, Any] = {
    "lr": [0.001, 0.01, 0.1],
    "batch": [16, 32, 64, 256],
    "width": [1, 2, 3],
    "algorithm": ["plain", None, True],
    "shape": Choice([(8, 8), (16, 4)]),
}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with a trial of every kind."""
    path = tmp_path / "study.jsonl"
    goal = Goal("speed", maximize=True)
    with Tuner(SPACE, Random(), journal=path, goal=goal, seed=3) as tuner:
        done, stopped, failed, late, wrong, lost, back, *_ = tuner.ask(8)
        for step in (1, 2):
            tuner.step(done, step, 2.0 * step)
            tuner.step(stopped, step, 1.0)
        tuner.tell(done, [4.0, 6.0], metrics={"GFLOP/s": 7.5}, seconds=2.5, times=(1e9, 1e9, 1.1e9))
        tuner.tell(stopped, state="stopped")
        tuner.tell(failed, error="out of memory")
        tuner.tell(late, state="timed_out")
        tuner.tell(wrong, state="invalid")
        tuner.tell(lost, state="lost")
        tuner.tell(back, 9.0)
        tuner.withdraw(back.id, "a wrong clock")
    return path


def test_optuna_reads_what_every_trial_became(journal: Path, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    target = tmp_path / "optuna.log"
    assert optuna_export(journal, target) == 7
    storage = JournalStorage(JournalFileBackend(str(target)))
    study = optuna.load_study(study_name="study", storage=storage)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "FAIL", "FAIL", "FAIL", "RUNNING"]
    own = Tuner.read(journal).history
    best = study.best_trial
    assert study.direction.name == "MAXIMIZE" and study.metric_names == ["speed"]
    assert best.value == 5.0 and best.intermediate_values == {1: 2.0, 2: 4.0}
    assert best.user_attrs["metrics"]["GFLOP/s"] == 7.5 and best.user_attrs["seconds"] == 2.5
    assert (best.datetime_complete - best.datetime_start).total_seconds() == 1e8
    assert study.trials[2].user_attrs["error"] == "out of memory"
    for trial in study.trials:
        params = dict(own[trial.user_attrs["dsice_id"]].params)
        shapes = {"[8,8]": (8, 8), "[16,4]": (16, 4)}
        assert {**trial.params, "shape": shapes[trial.params["shape"]]} == params
    kinds = {name: type(d).__name__ for name, d in study.trials[0].distributions.items()}
    assert kinds["lr"] == "FloatDistribution" and study.trials[0].distributions["lr"].log
    assert kinds["batch"] == "IntDistribution" and study.trials[0].distributions["batch"].log
    assert not study.trials[0].distributions["width"].log
    assert kinds["algorithm"] == kinds["shape"] == "CategoricalDistribution"


def test_a_file_that_exists_is_not_written_to(journal: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    before = journal.read_bytes()
    with pytest.raises(OptionError, match=r"study\.jsonl exists already"):
        optuna_export(journal, journal)
    assert journal.read_bytes() == before


def test_many_trials_are_written_at_once(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    tuner = Tuner({"x": range(25), "y": range(20)}, Grid())
    for trial in tuner.ask(500):
        tuner.tell(trial, float(trial.id))
    target = tmp_path / "many.log"
    assert optuna_export(tuner, target, name="many") == 500
    assert target.read_text().count("\n") == 502  # the study, its metric, a line for each trial


def test_without_optuna_it_says_what_to_install(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPackageError, match=r"dsice\[optuna\]"):
        optuna_export(journal, tmp_path / "optuna.log")


# ---------------------------------------------------------------- T4


def test_t4_says_what_every_trial_became_and_is_valid(journal: Path, tmp_path: Path) -> None:
    target = tmp_path / "t4.json"
    assert write_t4(journal, target) == 4
    content = json.loads(target.read_text())
    words = [result["invalidity"] for result in content["results"]]
    assert words == ["correct", "runtime", "timeout", "correctness"]
    assert content["results"][0]["times"]["runtimes"] == [4.0, 6.0]
    kernel_tuner = pytest.importorskip("kernel_tuner.file_utils")
    jsonschema = pytest.importorskip("jsonschema")
    version = kernel_tuner.output_file_schema("results")
    jsonschema.validate(content, version[1])


def test_t4_is_read_as_the_table_that_was_written(tmp_path: Path) -> None:
    tuner = Tuner({"x": [1, 2, 3], "mode": ["a", "b"]}, Grid(), goal=Goal("time"))
    for trial in tuner.ask(6):
        if trial.id == 2:
            tuner.tell(trial, error="no")
        else:
            tuner.tell(trial, 1.5 * trial.id, metrics={"joule": 3.0}, seconds=0.5)
    write_t4(tuner, tmp_path / "t4.json")
    found = read_results(tmp_path / "t4.json")
    assert found.params == ("x", "mode") and found.objective == "time"
    for row, trial in zip(found.frame.to_dict("records"), tuner.history, strict=True):
        assert {"x": row["x"], "mode": row["mode"]} == dict(trial.params)
        assert row["valid"] == (trial.state == "done")
        assert trial.state != "done" or (row["time"], row["joule"]) == (trial.value, 3.0)
        assert trial.state != "done" or row["seconds"] == 0.5
