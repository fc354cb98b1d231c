"""`dsice ask` and `dsice tell`: short-lived processes that share a journal."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsice import Tuner
from dsice.cli.main import main
from dsice.journal import Journal
from dsice.strategies import Random

AT_ONCE = int(os.environ.get("DSICE_TELL_AT_ONCE", "6"))  # 40 take half a minute

STUDY = """
[study]
command = "true"
max_trials = 45
[space]
x = [1, 2, 3, 4, 5, 6, 7, 8]
y = [1, 2, 3, 4, 5, 6, 7, 8]
[goal]
metric = "loss"
at_most = {memory = 10.0}
[strategy]
name = "random"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


def asked(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, object]]:
    assert main(["ask", *map(str, arguments), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_ask_and_tell_make_a_study_without_a_coordinator(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = asked(capsys, study, "-n", 2)
    assert [t["id"] for t in first] == [0, 1] and all(set(t["params"]) == {"x", "y"} for t in first)  # type: ignore[call-overload]
    journal = study.with_suffix(".jsonl")
    assert [t["id"] for t in asked(capsys, journal)] == [2]  # what is out stays out
    assert asked(capsys, study, "--again", 1) == [first[1]]
    assert main(["tell", str(study), "1", "0.5", "--metric", "memory=3", "--seconds", "2.5"]) == 0
    assert main(["tell", str(journal), "0", "--error", "diverged"]) == 0
    assert main(["tell", str(journal), "2", "-1.5", "2", "--metric", "memory=3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trial 1: done, 0.5",
        "trial 0: failed",
        "trial 2: done, 0.25",
    ]
    seen = Tuner.read(journal)
    assert [(str(t.state), t.values, t.seconds, t.error) for t in seen.history] == [
        ("failed", (), None, "diverged"),
        ("done", (0.5,), 2.5, None),
        ("done", (-1.5, 2.0), None, None),
    ]
    assert seen.best is not None and seen.best.id == 2


def test_a_lost_trial_can_be_handed_out_again_and_told_late(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, study)
    assert main(["tell", str(study), "0", "--state", "lost", "--error", "node died"]) == 0
    capsys.readouterr()
    assert asked(capsys, study, "--again", 0)[0]["id"] == 0
    assert main(["tell", str(study), "0", "7", "--metric", "memory=1"]) == 0
    assert Tuner.read(study.with_suffix(".jsonl")).history[0].value == 7.0


WRONG = [
    (["tell", "{study}", "9", "1"], "no trial 9"),
    (["tell", "{study}", "0", "x"], "VALUE 'x': expected a number"),
    (["tell", "{study}", "0", "1"], "the goal has a bound on 'memory', not told"),
    (["tell", "{study}", "0", "1", "--metric", "memory"], "expected NAME=VALUE"),
    (["tell", "{study}", "0", "1", "--metric", "memory=1", "--state", "gone"], "state='gone'"),
    (["tell", "{study}"], "give either the id of a trial"),
    (["tell", "{study}", "0", "--from", "-"], "give either the id of a trial"),
    (["tell", "{study}", "--from", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    (["tell", "{folder}/none.jsonl", "0", "1"], "No such file"),
    (["ask", "{folder}/none.jsonl"], "No such file"),
    (["ask", "{study}", "--again", "3"], "--again 3: no such trial"),
    (["ask", "{study}", "-n", "0"], "expected a whole number >= 1"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_is_named_and_changes_nothing(
    study: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, study)
    data = study.with_suffix(".jsonl").read_bytes()
    assert main([a.format(study=study, folder=study.parent) for a in arguments]) == 2
    assert message in capsys.readouterr().err
    assert (
        study.with_suffix(".jsonl").read_bytes() == data
        and not (study.parent / "none.jsonl").exists()
    )


def test_nothing_left_to_ask(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study.write_text(STUDY.replace("45", "2"))
    assert len(asked(capsys, study, "-n", 9)) == 2
    assert main(["ask", str(study)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("finished: the budget") and said.endswith("; 2 trials are pending\n")
    for id in "01":
        main(["tell", str(study), id, "1", "--metric", "memory=1"])
    assert main(["ask", str(study)]) == 1
    assert capsys.readouterr().err == (
        "finished: the budget of 2 trials is used up; a larger max_trials goes on from here\n"
    )


def test_a_damaged_journal_is_no_search_that_has_finished(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, study, "-n", 3)
    journal = study.with_suffix(".jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    for damaged, said in (
        ([b"{no header}\n", *lines[1:]], "dsice: journal"),
        ([lines[0], b"{no line}\n", *lines[2:]], "dsice: journal"),
    ):
        journal.write_bytes(b"".join(damaged))
        code = main(["ask", str(study)])
        err = capsys.readouterr().err
        assert code == 2 and err.startswith(said) and "finished" not in err


def test_results_from_lines_of_json(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(capsys, study, "-n", 3)
    lines = [
        {"id": 2, "value": 1.5, "metrics": {"memory": 1.0}, "seconds": 3.0},
        {"id": 0, "error": "no memory"},
        {"id": 1, "value": [1.0, 2.0], "metrics": {"memory": 2.0}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    for said in ("3 recorded", "0 recorded, 3 were known"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert main(["tell", str(study), "--from", "-"]) == 0
        assert said in capsys.readouterr().out
    assert [t.value for t in Tuner.read(study.with_suffix(".jsonl")).history] == [None, 1.5, 1.5]
    for wrong, message in (
        ('{"id": 2, "value": 9.0}', "told 1.5 already"),
        ("[]", "line 1"),
        ("nonsense", "line 1"),
        ("{}", "'id'"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(wrong))
        assert main(["tell", str(study), "--from", "-"]) == 2
        assert message in capsys.readouterr().err


def test_a_study_with_a_strategy_of_somebodys_own_can_be_told(tmp_path: Path) -> None:
    from tests.tuner.test_opening import Own

    path = tmp_path / "own.jsonl"
    with Tuner({"x": range(9)}, Own(), journal=path) as tuner:
        tuner.ask(2)
    before = path.read_text()
    assert main(["tell", str(path), "1", "0.5"]) == 0
    assert (
        path.read_text().startswith(before)
        and path.read_text().count("\n") == before.count("\n") + 1
    )
    assert main(["ask", str(path)]) == 2


def test_many_at_once_and_none_is_lost(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials = asked(capsys, study, "-n", AT_ONCE)
    journal = study.with_suffix(".jsonl")
    command = [sys.executable, "-m", "dsice.cli", "tell", str(journal)]
    holder = Journal(journal)  # all of them wait
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    told = [
        subprocess.Popen(
            [*command, str(t["id"]), str(t["id"]), "--metric", "memory=1"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for t in trials
    ]
    holder.close()
    errors = [process.communicate(timeout=120)[1] for process in told]
    assert [process.returncode for process in told] == [0] * AT_ONCE, errors
    assert [t.value for t in Tuner.read(journal).history] == [float(i) for i in range(AT_ONCE)]


def test_waiting_has_an_end_and_says_who_holds_it(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, study)
    program = (
        "import sys, time; from dsice import Journal; j = Journal(sys.argv[1]); "
        "print('held', flush=True); time.sleep(60)"
    )
    journal = str(study.with_suffix(".jsonl"))
    holder = subprocess.Popen([sys.executable, "-c", program, journal], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert main(["tell", journal, "0", "1", "--metric", "memory=1", "--wait", "0.2"]) == 2
        said = capsys.readouterr().err
        assert f"(host {os.uname().nodename}, process {holder.pid}, since " in said
        assert "), still after waiting 0.2 s; let it end" in said
    finally:
        holder.kill()
        holder.communicate()


def test_resume_goes_on_with_what_the_journal_says(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Tuner(
        {"x": range(9), "y": range(9)}, Random(), journal=path, max_trials=7, seed=3
    ) as tuner:
        tuner.tell(tuner.ask(3)[0], 1.0)
    before = path.read_bytes()
    with Tuner.resume(path) as again:
        assert (again.strategy, again.max_trials, again.seed, [t.id for t in again.orphans]) == (
            Random(),
            7,
            3,
            [1, 2],
        )
    assert path.read_bytes() == before


def test_a_study_on_a_file_system_without_locks(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert (
        main(["ask", str(study)]) == 2 and "lock = false in a study file" in capsys.readouterr().err
    )
    study.write_text(STUDY.replace("[study]", "[study]\nlock = false"))
    assert (
        main(["ask", str(study)]) == 0
        and main(["tell", str(study), "0", "1", "--metric", "memory=1"]) == 0
    )
    study.write_text(STUDY.replace("[study]", "[study]\nlock = 3"))
    assert (
        main(["ask", str(study)]) == 2
        and "lock = 3; expected true or false" in capsys.readouterr().err
    )


NEGATIVE = ("-5", "-0.5", "-5e-05", "-1e-3", "-.5", "-1.E+2", "-1_000.5")


@pytest.mark.parametrize("number", NEGATIVE)
def test_a_negative_number_is_a_value_on_every_command_line(
    study: Path, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, study)
    journal = study.with_suffix(".jsonl")
    metric = ["--metric", f"memory={number}"]
    assert main(["tell", str(journal), "0", number, number, *metric, "--seconds", "3"]) == 0
    told = Tuner.read(journal).history[0]
    assert told.metrics["memory"] == float(number)
    assert told.values == (float(number), float(number))


@pytest.mark.parametrize("number", [*NEGATIVE, "-inf", "-Infinity"])
def test_a_step_may_be_any_negative_number(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSICE_DIR", str(tmp_path))
    assert main(["step", "2", number]) == 0
    step = json.loads((tmp_path / "steps").read_text())
    assert step == {"step": 2, "value": float(number)}


@pytest.mark.parametrize("word", ["-x", "-5x", "--5", "-e5", "-"])
def test_what_is_no_number_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["step", "2", word])
    assert left.value.code == 2 and "VALUE" in capsys.readouterr().err
