"""What commands say of a study: why it ended, whether to wait, its stages; and with which files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import Require, Space, Tuner, When
from dsice.cli.main import main
from dsice.space import Rule
from dsice.strategies import DSICE, Population, Random
from tests.conftest import fill, small

OWN = """
[study]
max_trials = 3
[space]
x = [1, 2, 3, 4]
[strategy]
name = "grid"
"""
Said = pytest.CaptureFixture[str]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def dsice(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


# ------------------------------------------------------------------ whether to wait
def test_the_exit_code_of_ask_says_whether_to_wait(own: Path, capsys: Said) -> None:
    own.write_text(OWN.replace('"grid"', '"population"\nmembers = 2\nstages = 2'))
    assert dsice("ask", own, "-n", 2) == 0
    assert dsice("ask", own) == 4
    assert "before a pending trial is told: 2 trials are pending" in capsys.readouterr().err
    assert dsice("tell", own, 0, 1) == dsice("tell", own, 1, 2) == 0
    assert dsice("ask", own, "-n", 2) == 0
    data = own.with_suffix(".jsonl").read_bytes()
    assert dsice("ask", own) == 1
    assert own.with_suffix(".jsonl").read_bytes() == data  # it writes nothing
    said = capsys.readouterr().err
    assert "finished: the budget of 3 trials is used up; a larger" in said
    assert said.endswith("; 1 trial is pending\n")


def test_a_study_without_a_command_is_asked_and_told(own: Path, capsys: Said) -> None:
    assert dsice("ask", own, "--json") == 0
    assert dsice("tell", own, 0, 0.5) == dsice("best", own) == dsice("status", own) == 0
    capsys.readouterr()
    for command in ("run", "advance", "cancel"):
        assert dsice(command, own) == 2
        assert "neither a command nor a function" in capsys.readouterr().err
    assert dsice("ask", own, "--command") == 2
    assert "own.toml has no command" in capsys.readouterr().err
    assert dsice("ask", own.with_suffix(".jsonl"), "--command") == 2
    assert "stands in a study file" in capsys.readouterr().err
    for wrong in ("command = ''", "function = ''"):
        own.write_text(OWN.replace("[study]", f"[study]\n{wrong}"))
        assert dsice("ask", own) == 2 and "expected a program" in capsys.readouterr().err


def test_ask_prints_the_filled_command(own: Path, capsys: Said) -> None:
    command = "printf '%s\\n' {x} \\\n && echo {name}"
    text = OWN.replace("[study]", f"[study]\ncommand = '''{command}'''")
    own.write_text(text.replace("[space]", "[space]\nname = ['a b', \"it's\"]"))
    assert dsice("ask", own, "--command", "-n", 2) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# trial 0: name = a b, x = 1\n") and "\n# trial 1: " in printed
    done = subprocess.run(["sh"], input=printed, capture_output=True, text=True, check=True)
    assert done.stdout == "1\na b\n2\na b\n"
    assert dsice("ask", own, "--again", 1, "--command", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    done = subprocess.run(
        ["sh", "-c", record["command"]], capture_output=True, text=True, check=True
    )
    assert (record["id"], done.stdout) == (1, "2\na b\n")


def test_options_stand_anywhere(own: Path, capsys: Said) -> None:
    assert dsice("ask", "-n", 3, own) == 0
    assert dsice("tell", own, "--seconds", 3, 0, 0.4) == 0
    assert dsice("tell", "--metric", "m=-1", own, 1, "--seconds", "2", "-5e-05", "7") == 0
    assert dsice("withdraw", "--reason", "wrong", own, 0) == 0
    assert dsice("retry", "--failed", own) == 0
    found = Tuner.read(own.with_suffix(".jsonl")).history
    assert found[0].seconds == 3 and found[0].values == (0.4,)
    with pytest.raises(SystemExit):
        dsice("tell", own, "--second", "--nothing", 1)


# ------------------------------------------------------------------ what it says
def test_status_and_best_say_why_it_ended(own: Path, capsys: Said) -> None:
    text = OWN.replace("[study]", "[study]\ncommand = 'echo {x}'")
    own.write_text(text)
    assert dsice("run", own, "--no-progress") == 0
    last = "ended: the budget of 3 trials is used up; a larger max_trials goes on from here"
    assert capsys.readouterr().out.splitlines()[-1] == last
    assert dsice("best", own) == 0
    assert capsys.readouterr().out.splitlines()[-1] == last
    assert dsice("best", own, "--json") == 0
    end = json.loads(capsys.readouterr().out)["end"]
    assert end == {"reason": "budget", "figures": {"max_trials": 3}}
    assert dsice("status", own) == 0
    assert "ended     the budget of 3 trials" in capsys.readouterr().out
    own.write_text(text.replace("max_trials = 3", "max_trials = 9"))
    assert dsice("run", own, "--no-progress") == 0
    assert "all 4 points of the grid were asked" in capsys.readouterr().out.splitlines()[-1]


def test_added_seconds_and_stages_stand_apart(tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Population(members=10, stages=2), journal=path, seed=1) as tuner:
        for trial in tuner.ask(10):
            tuner.tell(trial, float(sum(trial.point)), seconds=2.0)
        tuner.tell(tuner.ask(1)[0], error="crash", seconds=4.0)
        tuner.add(tuner.space.params((0, 0, 0)), 9.0, seconds=1000.0)
    assert dsice("status", path) == 0
    said = capsys.readouterr().out
    assert "stage 0  10 done\n" in said
    assert "stage 1  1 failed, 1 done; what the goal is about\n" in said
    assert "24 s in all, 2.18 s a trial" in said
    assert "added" in said and "1000 s of trials that were measured elsewhere" in said
    with Tuner(small(), DSICE(), journal=tmp_path / "two.jsonl", seed=1) as tuner:
        for trial in fill(tuner, 12).confirm(9):
            tuner.tell(trial, float(sum(trial.point)))
    assert dsice("status", tmp_path / "two.jsonl") == 0
    assert "; weight 0." in capsys.readouterr().out


def fits(params: Any) -> bool:
    return bool(params["x"] != 3)


def is_two(params: Any) -> bool:
    return bool(params["x"] == 2)


@pytest.fixture
def ruled(tmp_path: Path) -> Path:
    """A journal whose rules are functions of Python."""
    rules: list[Rule] = [Require(fits), When(is_two, "z")]
    space = Space({"x": [1, 2, 3, 4], "z": [5, 6], "y": range(5)}, where=rules)
    path = tmp_path / "ruled.jsonl"
    with fill(Tuner(space, Random(), journal=path, seed=1), 12) as tuner:
        tuner.tell(tuner.ask(1)[0], error="crash")
        tuner.ask(1)
    return path


@pytest.mark.parametrize("command", ["status", "best", "importance", "effects", "report"])
@pytest.mark.filterwarnings("always::dsice.DsiceWarning")
def test_looking_needs_no_function_of_a_rule(ruled: Path, command: str, capsys: Said) -> None:
    assert dsice(command, ruled) == 0
    said = capsys.readouterr()
    assert "where 'z' is active is said by a function that is not here" in said.err and said.out


@pytest.mark.filterwarnings("always::dsice.DsiceWarning")
def test_neither_does_telling_withdrawing_or_trying_again(ruled: Path, capsys: Said) -> None:
    assert dsice("journal", "check", ruled) == 0
    assert dsice("tell", ruled, 13, 0.5) == 0
    assert dsice("withdraw", ruled, 0, "--reason", "wrong") == 0
    assert dsice("retry", ruled, "--failed") == 0
    assert dsice("ask", ruled) == 2
    assert "rule that is a function, 'fits'" in capsys.readouterr().err
    rules = {"fits": fits, "is_two": is_two}
    with Tuner.resume(ruled, rules=rules) as tuner:
        assert tuner.history[13].value == 0.5 and tuner.history.pending()[0].id == 12
        known = [dict(trial.params) for trial in tuner.history]
    assert [dict(t.params) for t in Tuner.read(ruled, rules=rules).history] == known


# ------------------------------------------------------------------ files and folders
def test_a_home_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Path, capsys: Said
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    own.write_text(OWN.replace("[study]", "[study]\njournal = '~/deep/own.jsonl'"))
    assert dsice("ask", own, "-n", 2) == dsice("tell", "~/deep/own.jsonl", 0, 1) == 0
    assert dsice("tell", "~/deep/own.jsonl", 1, 2) == 0
    assert dsice("report", "~/deep/own.jsonl", "-o", "~/own.html") == 0
    with Tuner({"x": [1, 2]}, journal="~/run.jsonl", reuse=["~/deep/own.jsonl"]) as tuner:
        assert tuner.journal == home / "run.jsonl"
    Tuner.read("~/run.jsonl").close()
    assert sorted(p.name for p in home.glob("*.*")) == [
        *("own.html", "run.jsonl", "run.jsonl.lock", "run.jsonl.owner")
    ]
    assert not (tmp_path / "~").exists()
    assert dsice("status", "~nobody-has-this-name/x.jsonl") == 2  # a file of that name
    assert "~nobody-has-this-name/x.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["status", "x.jsonl"], ["run", "x.toml"], ["--help"]])
def test_a_deleted_folder_is_named(tmp_path: Path, arguments: list[str], capsys: Said) -> None:
    folder, before = tmp_path / "gone", Path.cwd()
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
    try:
        assert dsice(*arguments) == 2
    except SystemExit as left:
        assert arguments == ["--help"] and left.code == 0
    else:
        assert "the folder in which this was started was deleted" in capsys.readouterr().err
    finally:
        os.chdir(before)


def test_ctrl_c_once_more_keeps_the_exit_code(own: Path) -> None:
    own.write_text(OWN.replace("[study]", "[study]\ncommand = 'echo {x} > started; sleep 60'"))
    run = subprocess.Popen(
        [sys.executable, "-m", "dsice", "run", own.name, "--no-progress"],
        cwd=own.parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    while not (own.parent / "started").exists():
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    said = run.stderr.readline()
    while run.poll() is None:
        run.send_signal(signal.SIGINT)
        time.sleep(0.005)
    run.stderr.close()
    assert run.returncode == 130 and "go on with: dsice resume own.toml" in said
