"""`dsice import` and `dsice export`: a log becomes a study, and a study a table."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dsice import Choice, Goal, Ordinal, Space, Tuner, When
from dsice.cli.main import main
from dsice.errors import DsiceWarning
from dsice.strategies import Grid
from tests.conftest import fill
from tests.tuner.test_importing import told

STUDY = """
[study]
command = "true"
[space]
lr = [0.001, 0.01, 0.1]
batch = [8, 16, 32]
[goal]
metric = "loss"
"""
LOG = """run id,lr,batch,loss,loss2,started at
1,0.1,16,0.5,7,2024-01-01
2,0.1,32,0.25,7,2024-01-02
3,0.01,16,,7,2024-01-03
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(LOG)
    Path("study.toml").write_text(STUDY)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(arguments) == code
    out = capsys.readouterr()
    return out.err if code else out.out


def test_a_log_goes_into_a_study_and_the_study_asks_what_is_not_in_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "import", "log.csv", "study.toml")
    assert "log.csv: 3 added; 3 trials" in text
    assert "run id (an id" in text and "started at (dates)" in text
    data = Path("study.jsonl").read_bytes()
    assert "0 added, 3 known already" in said(capsys, "import", "log.csv", "study.toml")
    assert "0 added, 3 known already" in said(capsys, "import", "log.csv", "study.jsonl")
    assert Path("study.jsonl").read_bytes() == data
    assert "best loss  0.25" in said(capsys, "best", "study.toml")
    assert "lr = 0.1, batch = 16" not in said(capsys, "ask", "study.toml", "-n", "6")
    assert Tuner.read("study.jsonl").exhausted


def test_a_log_alone_begins_a_study(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("import", "log.csv", "--objective", "loss")
    text = said(capsys, *arguments)
    assert "lr (2), batch (2); minimising loss" in text and "loss2 (always 7)" in text
    with Path("log.csv").open("a") as log:
        log.write("4,0.01,32,0.125,7,2024-01-04\n")
    text = said(capsys, *arguments, "--params", "lr,batch", "-o", "log.jsonl")
    assert "1 added, 3 known already; 4 trials" in text
    tuner = Tuner.read("log.jsonl")
    assert tuner.space.axes == {"lr": Ordinal([0.01, 0.1]), "batch": Ordinal([16, 32])}
    assert (tuner.best or tuner.history[0]).value == 0.125


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("log.csv",), "no column 'objective'; name the column that counts"),
        (("log.csv", "study.toml", "-o", "x.jsonl"), "give the journal once"),
        (("log.csv", "study.toml", "--params", "lr"), "the study file says"),
        (("log.csv", "study.toml", "--fixed", "lr"), "--fixed lr: expected NAME=VALUE"),
        (("log.csv", "study.toml", "--separator", "ab"), "expected one character"),
        (("log.csv", "study.toml", "--separator", ";"), "no column 'loss'"),
        (("log.csv", "-o", "x.jsonl", "--objective", "loss", "--params", "lr,b"), "no column 'b'"),
        (("nothing.csv", "study.toml"), "nothing.csv.*No such file"),
        (("study.toml", "x.jsonl"), "unknown ending"),
        ((".", "x.jsonl"), "cannot be read.*directory"),
        (("off.csv", "study.toml"), r"off.csv, line 2: parameter 'lr': 5.*--nearest.*--skip"),
        (("log.csv", "-o", "study.toml.jsonl"), "no column 'objective'"),
    ],
)
def test_what_cannot_be_imported_is_refused_and_begins_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], match: str
) -> None:
    import re

    Path("off.csv").write_text("lr,batch,loss\n5,16,1\n0.1,16,2\n")
    before = sorted(folder.iterdir())
    assert re.search(match, said(capsys, "import", *arguments, code=2), re.DOTALL)
    assert sorted(folder.iterdir()) == before


def test_a_study_that_has_begun_is_not_contradicted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = ("import", "log.csv", "-o", "a.jsonl", "--objective", "loss")
    said(capsys, *begin)
    assert "has the parameters" in said(capsys, *begin, "--params", "lr", code=2)
    assert "minimises 'loss'" in said(capsys, *begin, "--maximize", code=2)


def test_a_result_of_a_pending_trial_is_imported_and_the_trial_ended_as_it_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("study.toml").write_text(STUDY + '[strategy]\nname = "grid"\n')
    assert "0  lr = 0.001, batch = 8" in said(capsys, "ask", "study.toml")
    Path("log.csv").write_text("lr,batch,loss\n0.001,8,0.5\n")
    text = said(capsys, "import", "log.csv", "study.toml")
    assert "still pending, at points of the log: trial 0; " in text and "1 added" in text
    assert "`dsice tell STUDY 0 --state lost`" in text
    said(capsys, "tell", "study.toml", "0", "--state", "lost")
    assert not Tuner.read("study.jsonl").pending
    assert "best loss  0.5" in said(capsys, "best", "study.toml")
    assert "pending" not in said(capsys, "import", "log.csv", "study.toml")


def test_a_full_grid_goes_on_with_more_levels_as_it_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("log.csv").write_text("lr,batch,loss\n0.1,8,3\n0.1,16,2\n0.2,8,4\n0.2,16,1\n")
    said(capsys, "import", "log.csv", "--objective", "loss")
    text = said(capsys, "ask", "log.jsonl", code=1)
    assert text == (
        "finished: all 4 points of the grid were asked; more levels go on from here: write them "
        "into a study file whose journal is this one, then `dsice extend STUDY.toml`; in Python, "
        "dsice.extend()\n"
    )
    study = STUDY.replace('command = "true"', 'journal = "log.jsonl"')
    Path("study.toml").write_text(study.replace("[0.001, 0.01, 0.1]", "[0.1, 0.2, 0.4]"))
    text = said(capsys, "extend", "study.toml")
    assert "4 trials carried over to 9 grid points" in text
    assert text.endswith("go on with: dsice ask study.toml\n")
    assert "    4  lr = " in said(capsys, "ask", "study.toml")


# ------------------------------------------------------------------ round trip
SPACE = Space(
    {
        "lr": Ordinal.log(1e-5, 1e-1, 9),
        "tile": [(16, 16), (32, 8)],
        "opt": ["sgd", "adam", 'None, "quoted"\n'],
        "momentum": [0.0, 0.5, 0.9],
        "depth": Choice([None, 5, 10]),
        "flag": [True, False],
        "state": ["a", "b"],
    },
    where=[When("opt == 'sgd'", "momentum")],
)
GOAL = Goal("loss", at_most={"memory": 3})
TOLD: list[dict[str, Any]] = [
    {"value": 0.1 + 0.2, "metrics": {"memory": 1 / 3}},
    {"value": [1.0, 2.0, 1e-300], "metrics": {"memory": [1, 2], "seconds": 7}, "seconds": 3},
    {"error": 'crash, "it"\nis', "times": (1, None, 3.5), "seconds": 1e-9},
    {"value": -math.inf, "state": "failed", "error": "diverged", "metrics": {"memory": math.nan}},
    {"state": "invalid", "error": "wrong"},
    {"value": math.nan, "state": "failed"},
    {"state": "timed_out", "tags": {"host": "7", "list": [1, {"a": None}], "n": 5, "ok": True}},
    {"value": -0.0, "metrics": {"memory": 1e22}, "tags": {"key": "a"}},
    {"value": 2.0, "metrics": {"memory": 3, "x.y": 2}, "where": {"host": "node7", "pid": 8}},
    {"value": 3.0, "metrics": {"memory": 3}, "state": "stopped"},
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with trials of every kind, some asked and not told, one withdrawn, one lost."""
    path = tmp_path_factory.mktemp("told") / "run.jsonl"
    with Tuner(SPACE, goal=GOAL, journal=path) as tuner, warnings.catch_warnings():
        warnings.simplefilter("ignore", DsiceWarning)
        trials = tuner.ask(30)
        for number, trial in enumerate(trials[:25]):
            tuner.tell(trial, **TOLD[number % len(TOLD)])
        tuner.add(trials[0].params, **TOLD[0])  # known: nothing
        tuner.add(trials[0].params, 5.0, metrics={"memory": 1})  # a repeat
        tuner.withdraw(trials[1], "a broken node")
        tuner.tell(trials[25], state="lost", error="node died")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl", "ndjson"])
def test_what_is_exported_and_imported_is_the_same_trials(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    table = tmp_path / f"all.{ending}"
    said(capsys, "export", str(measured), "-o", str(table))
    path = tmp_path / "again.jsonl"
    Tuner(SPACE, Grid(), goal=GOAL, journal=path).close()
    text = said(capsys, "import", str(table), str(path))
    assert "passed over: 1 lost" in text and "1 withdrawn" in text and "4 pending" in text
    old, new = Tuner.read(measured), Tuner.read(path)
    gone = {"pending", "lost", "withdrawn"}
    kept = [
        trial for trial, t in zip(told(old), old.history, strict=True) if str(t.state) not in gone
    ]
    assert repr(told(new)) == repr(kept)
    assert [dict(t.where) for t in new.history] == [
        dict(t.where) for t in old.history if str(t.state) not in gone
    ]
    assert "0 added" in said(capsys, "import", str(table), str(path))
    assert "0 added" in said(capsys, "import", str(measured), str(path))
    data = measured.read_bytes()
    text = said(capsys, "import", str(table), str(measured))
    assert "0 added" in text and measured.read_bytes() == data


def test_a_repeat_is_no_parameter_of_a_study_that_begins_with_an_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, table, new = tmp_path / "old.jsonl", tmp_path / "old.csv", tmp_path / "new.jsonl"
    with Tuner({"lr": [0.1, 0.2, 0.3], "batch": [1, 2, 3]}, Grid(), journal=old) as tuner:
        for trial in tuner.ask(6):
            tuner.tell(trial, trial.params["lr"] * trial.params["batch"])
        tuner.add(tuner.history[0].params, 3.0)
    said(capsys, "export", str(old), "-o", str(table))
    said(capsys, "import", str(table), "-o", str(new), "--objective", "value")
    found = Tuner.read(new)
    assert set(found.space.names) == {"lr", "batch"} and len(found.history) == 7


def test_texts_that_look_like_numbers_come_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, table = tmp_path / "old.jsonl", tmp_path / "old.csv"
    axes = {"version": Choice(["3.10", "3.9"]), "host": Choice(["007", "008"])}
    with fill(Tuner(axes, Grid(), journal=old), 4) as tuner:
        told_before = [(trial.point, trial.value) for trial in tuner.history]
    said(capsys, "export", str(old), "-o", str(table))
    Tuner(axes, Grid(), journal=tmp_path / "new.jsonl").close()
    said(capsys, "import", str(table), str(tmp_path / "new.jsonl"))
    found = Tuner.read(tmp_path / "new.jsonl").history
    assert [(trial.point, trial.value) for trial in found] == told_before
    twice = tmp_path / "twice.jsonl"  # which of the two a number means is nowhere
    Tuner({"version": Choice(["3.1", "3.10"])}, Grid(), journal=twice).close()
    table.write_text("version,value\n3.10,1.0\n", encoding="utf-8")
    assert "3.1" in said(capsys, "import", str(table), str(twice), code=2)


def test_an_export_is_plain_for_other_programs(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(said(capsys, "export", str(measured)))
    frame = pd.read_csv(tmp_path / "a.csv")
    tuner = Tuner.read(measured)
    assert frame["lr"].tolist() == [t.params["lr"] for t in tuner.history]
    assert frame["trial.state"].tolist() == [str(t.state) for t in tuner.history]
    single = [t for t in tuner.history if len(t.repeats) == 0 and t.state == "done"]
    cells = frame["loss"].iloc[[t.id for t in single]].astype(float)
    assert np.allclose(cells, [t.value or 0.0 for t in single])


def test_an_export_is_whole_or_not_there(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, match in (("a.xls", "expected the ending"), ("no/a.csv", "No such file")):
        assert match in said(capsys, "export", str(measured), "-o", str(tmp_path / name), code=2)
    assert list(tmp_path.iterdir()) == []
    empty = tmp_path / "empty.jsonl"
    Tuner(SPACE, journal=empty).close()
    for file in (measured, empty):
        assert "this is a journal" in said(capsys, "export", str(measured), "-o", str(file), code=2)
    assert said(capsys, "export", str(empty)).startswith("id,trial.state,lr,tile")


def test_a_journal_in_use_is_exported_and_imported_into(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsice.cli.in_use._PATIENCE", 0.05)
    space: dict[str, Any] = {"lr": [0.001, 0.01, 0.1], "batch": [8, 16, 32]}
    with Tuner(space, Grid(), goal=Goal("loss"), journal="study.jsonl") as tuner:
        tuner.ask(1)
        text = said(capsys, "import", "log.csv", "study.jsonl")
        assert "3 added: the coordinator was asked" in text
        assert "add 3 measurements" in said(capsys, "status", "study.toml")
        tuner.ask(1)
        assert len(tuner.history) == 5 and not Path("study.jsonl.requests").exists()
        assert "0 added, 3 known" in said(capsys, "import", "log.csv", "study.jsonl")
        assert said(capsys, "export", "study.jsonl").count("\n") == 6
        Path("off.csv").write_text("lr,batch,loss\n5,16,1\n")
        assert "line 2" in said(capsys, "import", "off.csv", "study.jsonl", code=2)
    assert "0 added" in said(capsys, "import", "log.csv", "study.jsonl")


def test_a_cache_of_kernel_tuner_becomes_a_journal_and_t4_again(tmp_path: Path) -> None:
    """What was tuned for, and which are the parameters, the file says itself."""
    from dsice.reuse.results import read_results
    from tests.integrations.conftest import LEVELS, cache, cache_text, measured

    source, journal = tmp_path / "cache.json", tmp_path / "cache.jsonl"
    source.write_text(cache_text(cache()))
    assert main(["import", str(source)]) == 0
    tuner = Tuner.read(journal)
    assert tuner.space.names == tuple(LEVELS) and tuner.history.goal.metric == "time"
    found = [(dict(trial.params), trial.value) for trial in tuner.history]
    assert found == measured()
    assert main(["import", str(source), str(journal)]) == 0
    assert len(Tuner.read(journal).history) == len(measured())  # all are known
    out = tmp_path / "t4.json"
    assert main(["export", str(journal), "--to", "t4", "-o", str(out)]) == 0
    one, other = read_results(source).frame, read_results(out).frame
    for column in (*LEVELS, "time", "valid"):
        assert one[column].equals(other[column])


def test_an_export_to_optuna_needs_a_place(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    journal, out = tmp_path / "j.jsonl", tmp_path / "o.log"
    with Tuner({"x": [1, 2]}, journal=journal) as tuner:
        tuner.ask(2)
    assert main(["export", str(journal), "--to", "optuna"]) == 2
    assert main(["export", str(journal), "--to", "optuna", "-o", str(out)]) == 0
    assert '"study_name":"j"' in out.read_text()
