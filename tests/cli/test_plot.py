"""`dsice plot`, from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsice import Tuner, plots
from dsice.cli.main import main
from dsice.strategies import Random


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    with Tuner({"x": range(9), "y": range(3)}, Random(), journal=path) as tuner:
        for trial in tuner.ask(12):
            tuner.tell(trial, float(trial.id), metrics={"memory": 1.0}, seconds=2.0)
    return path


def test_figures_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in plots.__all__) and "Draw the transition of a search." in out


def test_a_figure_is_written(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(journal), "progress"]) == 0
    file = journal.with_suffix(".progress.png")
    assert capsys.readouterr().out.split() == [str(file)]
    assert file.read_bytes().startswith(b"\x89PNG")
    study = journal.with_name("run.toml")
    study.write_text('[study]\ncommand = "true"\n')
    for arguments, start in (
        ([str(study), "tradeoff", "--metrics", "value", "memory", "-o", "a.pdf"], b"%PDF"),
        ([str(journal), "line", "--param", "x", "-o", "b.svg"], b"<?xml"),
        (
            [str(journal), "compare", "--with", str(study), "--over", "seconds", "-o", "c.png"],
            b"\x89",
        ),
    ):
        arguments[-1] = str(journal.with_name(arguments[-1]))
        assert main(["plot", *arguments]) == 0
        assert Path(arguments[-1]).read_bytes().startswith(start)


def test_a_start_beside_the_grid_is_the_nearest_point_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(
        """
[study]
command = "echo {x} # {y}"
max_trials = 6
slots = 2
confirm = 1

[space]
x = [1, 2, 4, 8, 16]
y = [0, 1]

[strategy]
name = "dsice"
start = {x = 9, y = 0}
nearest = true
"""
    )
    assert main(["run", "study.toml", "--no-progress"]) == 0
    trials = list(Tuner.read("study.jsonl").history)
    assert trials[0].params == {"x": 8, "y": 0} and trials[-1].point == trials[0].point
    for command in ("report", "status", "best", "importance", "effects"):
        assert main([command, "study.toml"]) == 0
    assert '"start":{"params":{"x":8,"y":0}' in Path("study.html").read_text()
    for name in set(plots.__all__) - {"curves", "lineage", "sources"}:  # of which it has nothing
        assert main(["plot", "study.toml", name, "-o", "figure.png"]) == 0


def test_a_home_is_found_in_paths(
    journal: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(journal.parent))
    study = journal.with_name("away.toml")
    study.write_text('[study]\ncommand = "true"\njournal = "~/run.jsonl"\n')
    for path in ("~/run.jsonl", "~/away.toml", str(study)):
        assert main(["plot", path, "progress", "-o", "~/home.png"]) == 0
        assert capsys.readouterr().out.split() == [str(journal.with_name("home.png"))]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a journal or study file and the name of a figure"),
        (["run.jsonl"], "dsice plot --list names the figures"),
        (["run.jsonl", "nonsense"], "no figure is called 'nonsense'; there are compare, curves"),
        (["run.jsonl", "curves"], "none of the 12 trials has a learning curve"),
        (["run.jsonl", "progress", "--over", "seconds"], "--over is an option of compare"),
        (["run.jsonl", "progress", "-o", "run.jsonl"], "that is the file it is made of"),
        (["run.jsonl", "progress", "-o", "a.txt"], "expected a file name that ends in one of"),
        (["run.jsonl", "line", "--param", "z"], "expected the name of a parameter"),
        (["nowhere.jsonl", "progress"], "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(
    journal: Path,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(journal.parent)
    before = journal.read_bytes()
    assert main(["plot", *arguments]) == 2
    assert said in capsys.readouterr().err and journal.read_bytes() == before
