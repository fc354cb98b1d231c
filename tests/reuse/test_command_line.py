"""Sources in study files, of ``dsice run --reuse`` and in ``dsice status``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dsice import minimize
from dsice.cli.main import main
from dsice.errors import OptionError
from dsice.study.file import read_study
from dsice.tuner import Tuner
from tests.by_value import by_value

STUDY = """
[study]
command = "echo {x}.{z}"
max_trials = 3
slots = 1
%s
[space]
x = [1, 2, 3, 4, 5, 6]
z = [1, 2]
[goal]
metric = "time"
"""


@pytest.fixture
def folder(tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pd.DataFrame({"x": [1, 2, 3], "speed": [1.0, 5.0, 4.0]}).to_csv(tmp_path / "sweep.csv")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def study(folder: Path, reuse: str = "") -> str:
    path = folder / "study.toml"
    path.write_text(STUDY % reuse)
    return str(path)


SWEEP = '{path = "sweep.csv", metric = "speed", maximize = true, fixed = {z = 2}}'


def test_a_study_file_names_journals_and_tables_with_options(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study(folder, f'reuse = ["old.jsonl", {SWEEP}]')
    assert main(["run", file, "--no-progress"]) == 0
    sources = Tuner.read(folder / "study.jsonl").sources
    assert [source.name for source in sources] == ["old.jsonl", "sweep.csv"]
    assert [len(source.parameters) for source in sources] == [1, 2]
    assert [source.maximize for source in sources] == [False, True]
    capsys.readouterr()
    assert main(["status", file]) == 0
    shown = capsys.readouterr().out
    assert "the search reuses:" in shown
    assert "sweep.csv" in shown and "3 of 3" in shown and "maximising speed" in shown
    study(folder)  # the key is gone: the journal has them
    assert main(["resume", file, "--no-progress"]) == 0
    assert len(Tuner.read(folder / "study.jsonl").sources) == 2


def test_run_takes_sources_from_where_it_is_typed_and_says_what_they_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study(folder, f"reuse = [{SWEEP}]")
    assert main(["run", file, "--reuse", "../old.jsonl"]) == 0
    error = capsys.readouterr().err
    assert "reuse sweep.csv: 3 of 3 points, 2 of 2 parameters, maximising speed" in error
    assert "reuse ../old.jsonl: " in error


@pytest.mark.parametrize(
    ("reuse", "message"),
    [
        ('reuse = "old.jsonl"', "expected a list of paths"),
        ("reuse = [5]", "expected a list of paths"),
        ('reuse = [{metric = "time"}]', r"\[study.reuse, entry 1\]: path is missing"),
        (
            'reuse = [{path = "a.csv", metrics = "t"}]',
            "unknown key 'metrics' .did you mean 'metric'",
        ),
        ('reuse = [{path = "a.csv", maximize = 1}]', "entry 1.*maximize=1.: expected"),
        (
            'reuse = ["a.csv", "a.csv"]',
            r"\[study\].*two sources are called 'a.csv'.*name = \"first\"",
        ),
    ],
)
def test_a_wrong_entry_of_a_study_file_is_named(folder: Path, reuse: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read_study(study(folder, reuse))


def test_a_source_that_cannot_be_used_starts_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", study(folder), "--reuse", "nowhere.jsonl"]) == 2
    assert "source 'nowhere.jsonl' cannot be read" in capsys.readouterr().err
    assert not (folder / "study.jsonl").exists()


def test_minimize_takes_sources(old: Path) -> None:
    tuner = minimize(cost, {"x": range(9)}, max_trials=1, slots=1, progress=False, reuse=[old])
    assert [source.points for source in tuner.sources] == [40]


@by_value
def cost(x: int) -> float:
    return float(x)
