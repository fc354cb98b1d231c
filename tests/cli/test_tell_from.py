"""`dsice tell --from`: the same lines may be given again, and no line is dropped for another."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from dsice import Goal, Tuner
from dsice.cli.main import main
from dsice.strategies import Grid
from tests.conftest import all_fields, fill, small, state

NAN = math.nan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), goal=Goal("loss"), journal=path) as tuner:
        tuner.ask(12)
    return path


def told(path: Path, capsys: pytest.CaptureFixture[str], *lines: object) -> tuple[int, str]:
    """Tell lines from a file; the exit code and what was said."""
    file = path.with_name("lines.jsonl")
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code = main(["tell", str(path), "--from", str(file)])
    said = capsys.readouterr()
    return code, said.out + said.err


ENDS: list[dict[str, Any]] = [
    {"id": 0, "state": "invalid"},
    {"id": 0, "state": "timed_out", "error": "too slow"},
    {"id": 0, "state": "stopped", "value": 3.0},
    {"id": 0, "state": "lost"},
    {"id": 0, "state": "lost", "error": "node died"},
    {"id": 0, "error": "crash"},
    {"id": 0, "error": ""},
    {"id": 0, "state": "failed"},
    {"id": 0, "state": "done", "value": 1.0},
    {"id": 0, "value": NAN},
    {"id": 0, "value": [1.0, NAN]},
    {"id": 0, "value": None, "metrics": {"loss": [1.0, 2.0], "other": 3.0}},
    {"id": 0, "value": 1.0, "seconds": 3, "tags": {"a": [1]}, "times": [1.0, None, 2.0]},
    {"kind": "tell", "id": 0, "state": "failed", "values": [None], "metrics": {"loss": None}},
    {"kind": "tell", "id": 0, "state": "failed", "values": ["inf"], "metrics": {"loss": "inf"}},
    {"kind": "add", "trial": {"id": 12, "point": [0, 1, 2], "state": "done", "values": [1.0]}},
    {"kind": "add", "trial": {"id": 12, "point": [0, 1, 2], "state": "failed", "values": [None]}},
    {"kind": "add", "trial": {"id": 12, "point": [0, 1, 2], "state": "failed", "error": "x"}},
    {"kind": "step", "id": 0, "step": 1, "value": None},
    {"kind": "step", "id": 0, "step": 1, "value": "inf"},
]


@pytest.mark.filterwarnings("ignore::dsice.errors.DsiceWarning")
@pytest.mark.parametrize("line", ENDS, ids=json.dumps)
def test_a_second_time_it_is_known_and_the_lines_after_it_are_told(
    path: Path, capsys: pytest.CaptureFixture[str], line: dict[str, Any]
) -> None:
    code, said = told(path, capsys, line)
    assert code == 0 and said.endswith("1 recorded\n")
    once = path.read_bytes()
    assert told(path, capsys, line) == (0, "0 recorded, 1 were known\n")
    assert path.read_bytes() == once
    assert told(path, capsys, line, {"id": 5, "value": 1.0}) == (0, "1 recorded, 1 were known\n")
    assert Tuner.read(path).history[5].value == 1.0


OTHERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"value": 1.0}, {"value": 2.0}, "another value"),
    ({"value": 1.0}, {"value": [1.0, 1.0]}, "another value"),
    ({"value": 1.0}, {"error": "crash"}, "another error"),
    ({"value": 1.0}, {"state": "invalid"}, "another state"),
    ({"error": "crash"}, {"value": 1.0}, "another value"),
    ({"state": "invalid"}, {"state": "timed_out"}, "another state"),
    ({"value": 1.0}, {"value": 1.0, "metrics": {"other": 1.0}}, "another metric 'other'"),
    ({"value": 1.0}, {"tags": {"late": 1}}, "another tags"),
    ({"value": NAN}, {"value": 1.0}, "another value"),
]


@pytest.mark.filterwarnings("ignore::dsice.errors.DsiceWarning")
@pytest.mark.parametrize(("first", "second", "message"), OTHERS)
def test_what_contradicts_is_named_and_the_other_lines_are_told(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    first: dict[str, Any],
    second: dict[str, Any],
    message: str,
) -> None:
    assert told(path, capsys, {"id": 0} | first)[0] == 0
    before = all_fields(Tuner.read(path).history[0])
    lines = [{"id": 1, "value": 1.0}, {"id": 0} | second, [], {"id": 99}, {"id": 2, "value": 2.0}]
    code, said = told(path, capsys, *lines)
    assert code == 2 and f"line 2: trial 0 was told {Tuner.read(path).history[0].value}" in said
    assert message in said and "line 3: no JSON object; line 4: no trial 99" in said
    assert "all other lines were taken (2 recorded)" in said
    history = Tuner.read(path).history
    assert (history[1].value, history[2].value, all_fields(history[0])) == (1.0, 2.0, before)


def test_equal_measurements_in_one_file_are_two_and_stay_two(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"kind": "add", "trial": {"point": [0, 1, 2], "state": "done", "values": [1.0]}}
    assert told(path, capsys, line, line) == (0, "2 recorded\n")
    assert told(path, capsys, line, line) == (0, "0 recorded, 2 were known\n")
    assert told(path, capsys, line, line, line) == (0, "1 recorded, 2 were known\n")
    assert len(Tuner.read(path).history) == 15


def test_steps_of_a_run_that_began_anew_are_told_once(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [(1, 5.0), (2, 4.0), (3, 3.0), (1, 0.5), (2, 0.25)]
    lines: list[Any] = [{"kind": "step", "id": 3, "step": n, "value": v} for n, v in steps]
    assert told(path, capsys, *lines)[0] == 0
    once = path.read_bytes()
    assert Tuner.read(path).history[3].curve == ((1, 0.5), (2, 0.25))
    assert told(path, capsys, *lines)[0] == 0 and path.read_bytes() == once
    assert told(path, capsys, *lines, {"id": 3, "value": 1.0})[0] == 0
    assert told(path, capsys, *lines, {"id": 3, "value": 1.0})[0] == 0
    assert Tuner.read(path).history[3].curve == ((1, 0.5), (2, 0.25))


def test_a_whole_journal_is_taken_as_lines_of_its_own_study_only(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole.jsonl"
    whole.write_bytes(path.read_bytes())
    with Tuner(small(), Grid(), goal=Goal("loss"), journal=whole) as tuner:
        tuner.enqueue(small().params((3, 2, 2)))
        tuner.runs.prepared("data", "/data")
        fill(tuner, 9)
        tuner.step(10, 1, 0.5)
    assert main(["tell", str(path), "--from", str(whole)]) == 0
    assert main(["tell", str(path), "--from", str(whole)]) == 0
    capsys.readouterr()
    assert state(Tuner.read(path)) == state(Tuner.read(whole))
    other = tmp_path / "other.jsonl"
    fill(Tuner({"x": range(9)}, Grid(), journal=other), 3).close()
    assert main(["tell", str(path), "--from", str(other)]) == 2
    assert "is the journal of another study" in capsys.readouterr().err


def test_a_line_of_another_measurement_is_not_told_to_the_trial_of_its_id(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    point = list(Tuner.read(path).history[1].point)
    code, said = told(path, capsys, {"kind": "tell", "id": 0, "point": point, "state": "invalid"})
    assert code == 2 and "it is from another journal" in said
    assert len(Tuner.read(path).pending) == 12


@pytest.mark.filterwarnings("ignore::dsice.errors.DsiceWarning")
def test_what_was_saved_in_part_before_is_completed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Tuner(small(), Grid(), goal=Goal("loss"), journal=path) as tuner:
        before = path.read_bytes()
        tuner.step(0, 1, NAN)
        tuner.tell(0, NAN, metrics={"other": NAN})
        tuner.add(small().params((0, 1, 2)), [1.0, 2.0], metrics={"other": NAN})
        tuner.tell(1, state="invalid")
        tuner.tell(2, 1.0)
        known = state(tuner)
    lines = path.read_bytes()[len(before) :].splitlines(keepends=True)
    for done in range(len(lines) + 1):
        path.write_bytes(before + b"".join(lines[:done]))
        path.with_name("lines.jsonl").write_bytes(b"".join(lines))
        assert main(["tell", str(path), "--from", str(path.with_name("lines.jsonl"))]) == 0
        assert capsys.readouterr().out.startswith(f"{len(lines) - done} recorded")
        assert state(Tuner.read(path)) == known


WRONG = {
    "[" * 100_000: "recursion",
    '{"kind":"tell","id":0,"state":"done","values":[1' + "0" * 400 + "]}": "too large",
    '{"kind":"step","id":0,"step":1,"value":1' + "0" * 400 + "}": "too large",
    '{"kind":{},"id":0,"value":1}': "its kind is no text",
    '{"value":1}': "it has no 'id'",
    "\0\0": "Expecting value",
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:24])
def test_no_line_keeps_the_others_from_being_taken(
    path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    file = path.with_name("lines.jsonl")
    file.write_text(
        "\ufeff" + json.dumps({"id": 4, "error": 5}) + f"\n{line}\n" + '{"id":5,"value":1}'
    )
    for said in ("2 recorded", "0 recorded, 2 were known"):
        assert main(["tell", str(path), "--from", str(file)]) == 2
        error = capsys.readouterr().err
        assert f"line 2: {WRONG[line]}" in error.replace("maximum ", "").replace("int ", "")
        assert said in error


def test_without_a_standard_input_the_message_says_so(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["tell", str(path), "--from", "-"]) == 2
    assert "there is no standard input" in capsys.readouterr().err


def test_thousands_of_steps_take_one_write(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    steps = [{"kind": "step", "id": 0, "step": n, "value": 1.0 / (n + 1)} for n in range(5000)]
    late = {"kind": "step", "id": 0, "step": 6000, "value": 1.0}
    code, said = told(path, capsys, *steps, {"id": 0, "value": 2.0}, late)
    assert code == 2 and "line 5002: trial 0 was told already" in said and "5001 recorded" in said
    assert len(Tuner.read(path).history[0].curve) == 5000 and len(syncs) < 20
