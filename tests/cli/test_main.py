"""The command line, from the outside: exit codes, stdout, stderr."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dsice import Tuner
from dsice.cli.main import COMMANDS, main
from dsice.strategies import Random

PROGRAM = """
import json, sys
a, b = float(sys.argv[1]), float(sys.argv[2])
if a == 4 and b == 4:
    sys.exit("no luck")
print("some text")
print(json.dumps({"loss": (a - 2) ** 2 + (b - 1) ** 2, "size": a}))
"""
STUDY = """
[study]
command = '{python} -S program.py {{a}} {{b}}'
max_trials = {trials}
slots = 2
[space]
a = [0, 1, 2, 3, 4]
b = [0, 1, 2, 3, 4]
[goal]
metric = "loss"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return write_study(tmp_path, 25)


def write_study(folder: Path, trials: int) -> Path:
    path = folder / "study.toml"
    path.write_text(STUDY.format(python=sys.executable, trials=trials))
    return path


def test_run_best_status_and_run_again(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(study.parent, 12)
    assert main(["run", str(study), "--no-progress"]) == 0
    assert "going on" not in capsys.readouterr().out
    write_study(study.parent, 25)  # a larger budget
    assert main(["run", str(study), "--no-progress"]) == 0
    out = capsys.readouterr().out
    assert "going on at trial 12 of 25" in out
    assert "no luck" in out  # the one failed trial, and why

    assert main(["best", str(study), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert (best["value"], best["params"], best["metrics"]["size"]) == (0.0, {"a": 2, "b": 1}, 2.0)
    assert main(["best", str(study.with_suffix(".jsonl"))]) == 0
    assert "best loss" in capsys.readouterr().out
    assert main(["status", str(study)]) == 0
    out = capsys.readouterr().out
    for word in ("done    24", "failed  1", "25 of 25 asked (100%)"):
        assert " ".join(word.split()) in " ".join(out.split())


def test_trials_run_where_the_study_file_is(
    study: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    write_study(study.parent, 3)
    assert main(["run", str(study), "--no-progress"]) == 0
    assert Path.cwd() == elsewhere
    assert Tuner.read(study.with_suffix(".jsonl")).best is not None


def test_status_shows_what_stopping_early_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Tuner({"x": range(5)}, journal=tmp_path / "j.jsonl") as tuner:
        for asked, length in zip(tuner.ask(4), (4, 4, 1, 1), strict=True):
            for epoch in range(length):
                tuner.step(asked, epoch, 1.0)
            tuner.tell(asked, 1.0) if length == 4 else tuner.tell(asked, state="stopped")
    assert main(["status", str(tmp_path / "j.jsonl")]) == 0
    assert re.search(
        r"stopped early +2 trials, which saved 38% of the epochs", capsys.readouterr().out
    )


def test_status_while_another_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Tuner({"x": range(9)}, journal=tmp_path / "j.jsonl", max_trials=6) as tuner:
        first, *_ = tuner.ask(3)
        tuner.tell(first, 1.5)
        assert main(["status", str(tmp_path / "j.jsonl")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in (
        "pending 2",
        "done 1",
        "3 of 6 asked (50%)",
        "best value 1.5",
        "running",
        f"x = {tuner.pending[0].params['x']}",
    ):
        assert word in out


def test_nothing_measured_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Tuner({"x": range(9)}, journal=tmp_path / "j.jsonl"):
        pass
    assert main(["best", str(tmp_path / "j.jsonl")]) == 1
    assert main(["best", str(tmp_path / "j.jsonl"), "--json"]) == 1
    assert main(["status", str(tmp_path / "j.jsonl")]) == 0
    assert "no trial has a value yet" in capsys.readouterr().out


@pytest.mark.filterwarnings("default::dsice.DsiceWarning")
def test_a_program_that_always_fails_is_reported(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study.parent / "program.py").write_text("print('no metrics')")
    write_study(study.parent, 3)
    assert main(["run", str(study), "--no-progress"]) == 1
    out, err = capsys.readouterr()
    assert "no trial has a value yet" in out
    assert "expected a JSON line of metrics" in out
    assert err.startswith("dsice: warning: none of the 3 trials has a value")


def test_interrupted_and_resumed(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study.parent / "program.py").write_text("import time; time.sleep(0.2)\n" + PROGRAM)
    journal = study.with_suffix(".jsonl")
    process = subprocess.Popen(
        [sys.executable, "-m", "dsice.cli", "run", str(study)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_told(journal, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: dsice resume {study}" in err
    assert "Traceback" not in err
    told = [t for t in Tuner.read(journal).history if t.value is not None]
    assert 2 <= len(told) < 20
    (study.parent / "program.py").write_text(PROGRAM)
    assert main(["resume", str(study), "--no-progress"]) == 0
    assert "going on at trial" in capsys.readouterr().out
    history = Tuner.read(journal).history
    assert [history[t.id] for t in told] == told
    assert len(history) == 25


def wait_for_told(journal: Path, count: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if journal.exists() and journal.read_bytes().count(b'"kind":"tell"') >= count:
            return
        time.sleep(0.01)
    raise TimeoutError("no trial was told")


# ---------------------------------------------------------------------- bad input
def test_bad_input_is_one_message_and_exit_code_2(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jsonl").write_text("hello\n")
    (tmp_path / "t.csv").write_text("x,loss\n1,2\n")
    for arguments, word in [
        (["resume", str(study)], "nothing to resume"),
        (["run", str(tmp_path / "none.toml")], "none.toml"),
        (["best", str(tmp_path / "none.jsonl")], "none.jsonl"),
        (["status", str(tmp_path / "text.jsonl")], "text.jsonl"),
        (["replay", str(tmp_path / "t.csv"), "--objective", "los"], "'los'"),
        (["replay", str(tmp_path / "t.csv"), "--objective", "loss", "--batch", "0"], "--batch"),
        (["replay", str(tmp_path / "none.csv"), "--objective", "loss"], "none.csv"),
        (["journal", "check", str(tmp_path / "none.jsonl")], "none.jsonl"),
    ]:
        assert main(arguments) == 2, arguments
        captured = capsys.readouterr()
        assert captured.err.startswith("dsice: ") and word in captured.err
        assert "Traceback" not in captured.err


def test_a_journal_of_another_study_is_refused_and_kept(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(study.parent, 2)
    assert main(["run", str(study), "--no-progress"]) == 0
    before = study.with_suffix(".jsonl").read_bytes()
    study.write_text(study.read_text().replace("b = [0, 1, 2, 3, 4]", "b = [0, 1, 2, 3]"))
    assert main(["run", str(study), "--no-progress"]) == 2
    assert "another study" in capsys.readouterr().err
    assert study.with_suffix(".jsonl").read_bytes() == before


def test_version_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.split() == ["dsice", version("dsice")]
    with pytest.raises(SystemExit) as caught:
        main(["rnu"])
    assert caught.value.code == 2


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    with Tuner({"x": range(5000)}, Random(), journal=tmp_path / "j.jsonl") as tuner:
        tuner.ask(3000)  # their list is longer than a pipe holds
    command = f"{sys.executable} -m dsice.cli status {tmp_path / 'j.jsonl'} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100)
    assert done.stdout.startswith("journal")
    assert done.stderr == ""


# ---------------------------------------------------------------------- replay
@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """A 7 x 7 x 5 bowl, a sixth of it not logged."""
    grid = pd.MultiIndex.from_product(
        [range(7), range(7), range(5)], names=["x", "y", "z"]
    ).to_frame(index=False)
    grid["loss"] = (
        (grid.x - 4) ** 2
        + (grid.y - 2) ** 2
        + 0.5 * (grid.z - 3) ** 2
        + 0.01 * np.arange(len(grid))
    )
    frame = grid.sample(frac=5 / 6, random_state=0)
    frame.to_csv(tmp_path / "log.csv", index=False)
    return tmp_path / "log.csv", frame


def test_replay_reports_coverage_rounds_and_ranks(
    log: tuple[Path, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    path, frame = log
    assert (
        main(
            [
                "replay",
                str(path),
                "--objective",
                "loss",
                "--batch",
                "10",
                "--strategy",
                "random",
                "--trials",
                "50",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert f"{len(frame) / 245:.1%} of it logged, {len(frame)} measured points" in out
    assert f"{frame.loss.min():.6g} at x = " in out
    assert f"{frame.loss.median():.6g}" in out
    rounds = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [int(r[0]) for r in rounds] == list(range(1, len(rounds) + 1))
    values = [float(r[2]) for r in rounds]
    assert values == sorted(values, reverse=True)
    for r, value in zip(rounds, values, strict=True):  # rank = points strictly better, plus one
        assert int(r[-1]) == 1 + int((frame.loss < value - 1e-6).sum())
    target = frame.loss.min() + 0.05 * (frame.loss.median() - frame.loss.min())
    reached = [i for i, value in enumerate(values, 1) if value <= target]
    words = f"{reached[0]} rounds" if reached else f"not in {len(rounds)} rounds"
    assert next(line for line in out.splitlines() if line.startswith("within 5%")).endswith(words)


def test_replay_of_several_seeds_stands_beside_random(
    log: tuple[Path, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = log
    assert (
        main(
            [
                "replay",
                str(path),
                "--objective",
                "loss",
                "--batch",
                "8",
                "--seeds",
                "3",
                "--params",
                "x,y,z",
            ]
        )
        == 0
    )
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    medians = {
        row[0]: row for row in rows if row and row[0] in ("dsice", "random") and len(row) == 6
    }
    assert [row[1] for row in medians.values()] == ["3", "3"]
    # rounds to within 1 %, on a plain bowl
    assert float(medians["dsice"][3]) <= float(medians["random"][3])


def test_replay_of_a_maximum_is_the_replay_of_the_mirrored_minimum(
    log: tuple[Path, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    path, frame = log
    mirrored = path.with_name("mirrored.csv")
    frame.assign(loss=-frame.loss).to_csv(mirrored, index=False)
    ranks = []
    for arguments in ([str(path)], [str(mirrored), "--maximize"]):
        assert (
            main(
                [
                    "replay",
                    *arguments,
                    "--objective",
                    "loss",
                    "--batch",
                    "10",
                    "--seed",
                    "3",
                    "--trials",
                    "40",
                ]
            )
            == 0
        )
        ranks.append(
            [
                line.split()[-1]
                for line in capsys.readouterr().out.splitlines()
                if line.strip()[:1].isdigit()
            ]
        )
    assert ranks[0] == ranks[1]


def test_replay_on_a_clock_says_how_long_and_how_busy(
    log: tuple[Path, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    path, frame = log
    frame = frame.sort_index().assign(time=lambda f: 1.0 + f.index % 7)  # in the order of the grid
    frame.to_csv(path, index=False)
    arguments = [
        "replay",
        str(path),
        "--objective",
        "loss",
        "--seconds",
        "time",
        "--strategy",
        "grid",
        "--workers",
        "4",
    ]
    times, values = frame.time.tolist()[:42], frame.loss.tolist()[:42]
    ends: list[float] = []  # of each trial, in a stream
    for took in times:
        ends.append(took + (0.0 if len(ends) < 4 else sorted(ends)[len(ends) - 4]))
    rounds = [max(times[i : i + 4]) for i in range(0, 42, 4)]
    for mode, elapsed in (("async", max(ends)), ("rounds", sum(rounds))):
        assert main([*arguments, "--mode", mode, "--trials", "42"]) == 0
        lines = capsys.readouterr().out.splitlines()
        facts = {
            line.split()[0]: line.split()[1]
            for line in lines
            if line[:1].isalpha() and len(line.split()) > 1
        }
        assert facts["workers"] == "4," and float(facts["elapsed"]) == elapsed
        assert (
            facts["utilisation"] == f"{sum(times) / elapsed / 4:.1%}"
            and facts["speed-up"] == f"{sum(times) / elapsed:.3g}"
        )
        rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
        place = 1 if mode == "rounds" else 0
        assert [int(row[place]) for row in rows] == [*range(4, 41, 4), 42]
        if mode == "rounds":
            assert [float(row[2]) for row in rows] == np.cumsum(rounds).tolist()
            assert [row[3] for row in rows] == [f"{min(values[: 4 * i]):.6g}" for i in range(1, 12)]
        else:
            assert [float(row[1]) for row in rows] == [*sorted(ends)[3:40:4], max(ends)]


def test_replay_in_a_stream_says_when_it_was_close(
    log: tuple[Path, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    path, frame = log
    frame.assign(seconds=2.0).to_csv(path, index=False)
    assert (
        main(
            [
                "replay",
                str(path),
                "--params",
                "x,y,z",
                "--objective",
                "loss",
                "--workers",
                "8",
                "--mode",
                "async",
            ]
        )
        == 0
    )
    reached = re.findall(r"within .*: (\d+) trials, (\S+) s", capsys.readouterr().out)
    assert len(reached) == 2
    for trials, moment in reached:  # 8 end every 2 seconds
        assert float(moment) == 2.0 * math.ceil(int(trials) / 8)
    arguments = [
        "--params",
        "x,y,z",
        "--objective",
        "loss",
        "--workers",
        "8",
        "--seeds",
        "2",
        "--trials",
        "40",
    ]
    assert main(["replay", str(path), *arguments]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[-1] for row in rows if row and row[0] in ("dsice", "random") and row[1] == "2"] == [
        "100.0%",
        "100.0%",
    ]


def test_replay_on_a_clock_explains_what_does_not_go(
    log: tuple[Path, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, word in [
        (["--workers", "4"], "column 'seconds'"),
        (["--workers", "0"], "--workers 0"),
        (["--mode", "async"], "give --workers"),
        (["--workers", "4", "--batch", "5"], "leave --batch out"),
    ]:
        assert main(["replay", str(log[0]), "--objective", "loss", *arguments]) == 2
        assert word in capsys.readouterr().err


# ---------------------------------------------------------------------- journal
def test_journal_check_and_repair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "j.jsonl"
    with Tuner({"x": range(9)}, journal=path) as tuner:
        for trial in tuner.ask(4):
            tuner.tell(trial, float(trial.id))
    assert main(["journal", "check", str(path)]) == 0
    assert "4 trials asked, 4 told" in capsys.readouterr().out
    lines = path.read_bytes().split(b"\n")
    lines[3] = b"\0" * 8  # the tell of trial 1
    path.write_bytes(b"\n".join(lines))
    assert main(["journal", "check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "line 4" in out and "dsice journal repair" in out
    assert main(["journal", "repair", str(path)]) == 0
    assert "removed line 4" in capsys.readouterr().out
    assert main(["journal", "check", str(path)]) == 0
    assert [t.value for t in Tuner.read(path).history] == [0.0, None, 2.0, 3.0]
    with path.open("ab") as file:
        file.write(b'{"kind":"tell","id"')
    assert main(["journal", "check", str(path)]) == 0
    assert "cut short" in capsys.readouterr().out


def test_a_terminal_gets_tables(tmp_path: Path) -> None:
    """Through a pseudo-terminal: the same words, in a table."""
    import pty

    with Tuner({"x": range(9)}, journal=tmp_path / "j.jsonl") as tuner:
        tuner.ask(2)
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "dsice.cli", "status", str(tmp_path / "j.jsonl")]
    done = subprocess.run(command, stdout=follower, stderr=follower, timeout=100)
    os.close(follower)
    text = os.read(leader, 65536).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "x = " in text and "─" in text


# ---------------------------------------------------------------------- insight
def test_importance_and_effects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "j.jsonl"
    with Tuner({"x": range(6), "y": range(6), "idle": ["a", "b"]}, journal=journal) as tuner:
        assert main(["importance", str(journal)]) == 2
        assert "at least 3 distinct points" in capsys.readouterr().err
        for trial in tuner.ask(40):
            tuner.tell(
                trial,
                4.0 * trial.params["x"] + (trial.params["x"] - 2.5) * (trial.params["y"] - 2.5),
            )
        assert main(["importance", str(journal), "--plot", str(tmp_path / "i.png")]) == 0
        out = capsys.readouterr().out
        assert re.search(r"^x +8\d\.\d % \(8\d - 8\d %\) +(9\d\.\d|100\.0) % ", out, re.MULTILINE)
        assert "x x y" in out and "idle x" not in out
        assert main(["effects", str(journal), "--plot", str(tmp_path / "e.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 6 + 6 + 2
    assert re.match(r"x +0 +-(9\.\d+|10\.?\d*) ", lines[2])
    assert (tmp_path / "i.png").exists() and (tmp_path / "e.png").exists()


def test_step_reports_a_point_and_says_when_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSICE_DIR", str(tmp_path))
    assert main(["step", "3", "0.41"]) == 0
    assert json.loads((tmp_path / "steps").read_text()) == {"step": 3, "value": 0.41}
    (tmp_path / "stop").touch()
    assert main(["step", "4", "nan"]) == 3
    assert main(["step", "-1", "0"]) == 2
    monkeypatch.delenv("DSICE_DIR")
    assert main(["step", "5", "0.4"]) == 0  # by hand, outside of a trial


def test_a_shell_command_reports_its_curve(tmp_path: Path) -> None:
    step = f"{sys.executable} -m dsice.cli step"
    (tmp_path / "s.toml").write_text(
        f"[study]\ncommand = '{step} 1 0.5 && {step} 2 0.25 && echo {{x}}'\nslots = 1\n"
        "[space]\nx = [1]\n[goal]\n"
    )
    assert main(["run", str(tmp_path / "s.toml"), "--no-progress"]) == 0
    assert Tuner.read(tmp_path / "s.jsonl").history[0].curve == ((1, 0.5), (2, 0.25))


def test_status_watch_goes_on_until_ctrl_c(study: Path) -> None:
    write_study(study.parent, 2)
    assert main(["run", str(study), "--no-progress"]) == 0
    command = [sys.executable, "-u", "-m", "dsice.cli", "status", str(study), "--watch", "0.1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "  2/2 trials, 0 pending, best " in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert main(["status", str(study), "--watch", "0"]) == 2


def test_limits_and_preparations_of_a_study_file(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = study.read_text()
    study.write_text(
        text.replace(
            "slots = 2",
            "slots = 2\nmax_cost = 1e-9\nprepare = {data = 'touch data', build = 'touch build'}",
        )
    )
    assert main(["run", str(study), "--no-progress"]) == 0
    assert (study.parent / "data").exists() and (study.parent / "build").exists()
    # as many as start before a first run time is known
    assert len(Tuner.read(study.with_suffix(".jsonl")).history) == 2
    for wrong in ("max_cost = -1", "prepare = 3", "prepare = {A = 'true'}", "prepare = ''"):
        study.write_text(text.replace("slots = 2", wrong))
        assert main(["run", str(study)]) == 2
        assert wrong.partition(" ")[0] in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert f"usage: dsice {name}" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--help"], ["step", "--help"]])
def test_nothing_heavy_is_imported_for_help_or_a_step(argv: list[str]) -> None:
    code = (
        "import sys; from dsice.cli.main import main\n"
        f"try:\n    main({argv})\n"
        "except SystemExit:\n    print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "pandas", "rich", "dsice.tuner", "dsice.launchers"}.intersection(
        done.stdout.split()
    )
