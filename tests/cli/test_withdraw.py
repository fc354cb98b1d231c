"""`dsice withdraw` and `dsice retry`, with and without a coordinator at work."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsice import Tuner
from dsice.cli import in_use
from dsice.cli.main import main
from dsice.errors import DsiceWarning
from dsice.journal import Journal, requests
from dsice.strategies import Grid
from tests.conftest import small


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Trials 0 and 1 done, 2 and 3 failed, 4 stopped, 5 pending."""
    path = tmp_path / "run.jsonl"
    with Tuner(small(), Grid(), journal=path) as tuner:
        for trial in tuner.ask(6)[:5]:
            if trial.id < 2:
                tuner.tell(trial, float(trial.id))
            else:
                tuner.tell(trial, error="no", state="stopped" if trial.id == 4 else None)
    return path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    found = capsys.readouterr()
    return found.out + found.err


def states(path: Path) -> list[str]:
    return [str(trial.state) for trial in Tuner.read(path).history]


def test_what_is_asked_for_is_done_and_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["withdraw", str(path), "0", "1", "--reason", "a broken node"]) == 0
    assert said(capsys) == "trial 0: withdrawn\ntrial 1: withdrawn\n"
    assert main(["withdraw", str(path), "0", "--reason", "again"]) == 0
    assert said(capsys).endswith(
        "trial 0 is withdrawn already (a broken node); nothing was recorded\n"
    )
    assert main(["retry", str(path), "--failed"]) == 0
    assert said(capsys).startswith("trials 2, 3 are pending again\ngo on with: dsice ask ")
    assert main(["retry", str(path), "0", "4"]) == 0
    assert said(capsys).startswith("trials 0, 4 are pending again\n")
    assert states(path) == ["pending", "withdrawn", "pending", "pending", "pending", "pending"]
    assert main(["retry", str(path), "--failed"]) == 0
    assert said(capsys) == "nothing to try again\n"
    assert main(["status", str(path)]) == 0
    assert "withdrawn  a broken node" in said(capsys)


@pytest.mark.parametrize(
    ("program", "how"),
    [('command = "true"', "run {}"), ("", "ask {} --again 2")],
)
def test_how_to_go_on_depends_on_who_starts_the_trials(
    path: Path, capsys: pytest.CaptureFixture[str], program: str, how: str
) -> None:
    study = path.with_suffix(".toml")
    study.write_text(f"[study]\n{program}\n[space]\nx = [1, 2]\n")
    assert main(["retry", str(study), "--failed"]) == 0
    assert said(capsys).endswith(f"\ngo on with: dsice {how.format(study)}\n")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("withdraw PATH 0 5 --reason x", "trial 5 is pending"),
        ("withdraw PATH 0 9 --reason x", "no trial 9"),
        ("withdraw PATH 0", "--reason"),
        ("withdraw PATH 0 --reason", "--reason"),
        ("retry PATH 2 1", "trial 1 is done"),
        ("retry PATH 5", "dsice cancel"),
        ("retry PATH", "give either the ids of trials or --failed"),
        ("retry PATH 2 --failed", "give either the ids of trials or --failed"),
    ],
)
@pytest.mark.parametrize("at_work", [False, True])
def test_what_cannot_be_done_changes_nothing_and_is_named(
    path: Path, capsys: pytest.CaptureFixture[str], command: str, text: str, at_work: bool
) -> None:
    data = path.read_bytes()
    arguments = [str(path) if word == "PATH" else word for word in command.split()]
    coordinator = Journal(path) if at_work else None
    try:
        assert main(arguments) == 2
    except SystemExit as error:  # argparse
        assert error.code == 2
    if coordinator is not None:
        coordinator.close()
    assert text in said(capsys)
    assert path.read_bytes() == data and not requests.folder(path).exists()


@contextmanager
def coordinator(path: Path) -> Iterator[Tuner]:
    """A tuner in another thread that does what it is asked for."""
    ended = threading.Event()
    with Tuner.resume(path, orphans="keep") as tuner:

        def work() -> None:
            while not ended.wait(0.01):
                tuner.take_requests()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield tuner
        finally:
            ended.set()
            thread.join()


def test_a_coordinator_does_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with coordinator(path) as tuner:
        assert main(["withdraw", str(path), "0", "--reason", "a broken node"]) == 0
        assert said(capsys) == "trial 0: withdrawn, by the coordinator that is at work\n"
        assert main(["retry", str(path), "--failed"]) == 0
        assert said(capsys) == "trials 2, 3: pending again, by the coordinator that is at work\n"
        assert tuner.history[0].error == "a broken node" and tuner.tries(3) == 1
        assert main(["withdraw", str(path), "0", "--reason", "again"]) == 0
        assert "is withdrawn already" in said(capsys)
    assert not requests.folder(path).exists()


def test_what_a_coordinator_has_no_time_for_waits_and_is_shown(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "_PATIENCE", 0.3)
    with Tuner.resume(path, orphans="keep") as tuner:
        assert main(["withdraw", str(path), "0", "--reason", "a broken node"]) == 0
        assert "the coordinator was asked" in said(capsys)
        requests.leave(path, "retry", [1])
        assert main(["status", str(path)]) == 0
        assert "2 wait until somebody asks" in said(capsys)
        with pytest.warns(DsiceWarning, match="trial 1 is done"):
            tuner.ask(1)
        assert tuner.history[0].state == "withdrawn"
        assert main(["status", str(path)]) == 0
        assert "retry 1: trial 1 is done" in said(capsys)


def test_one_that_leaves_meanwhile_is_no_reason_to_wait(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "_PATIENCE", 60.0)
    tuner = Tuner.resume(path, orphans="keep")
    timer = threading.Timer(0.3, tuner.close)
    timer.start()
    assert main(["retry", str(path), "2"]) == 0
    timer.join()
    assert states(path)[2] == "pending" and not requests.folder(path).exists()


STUDY = """
[study]
command = "echo {{a}}"
journal = "run.jsonl"
lock = false
[space]
a = [1, 2, 4]
[strategy]
name = "grid"
"""


def test_a_coordinator_without_a_lock_is_not_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_use, "_PATIENCE", 0.3)
    path, file = tmp_path / "run.jsonl", tmp_path / "study.toml"
    file.write_text(STUDY.format())
    journal = Journal(path, lock=False)
    with Tuner({"a": [1, 2, 4]}, Grid(), journal=journal) as tuner:
        tuner.tell(tuner.ask(1)[0], -99.0)
        assert main(["withdraw", str(file), "0", "--reason", "wrong"]) == 0
        assert "the coordinator was asked" in said(capsys)
        tuner.ask(1)
        assert tuner.history[0].state == "withdrawn"
    owner = path.with_name("run.jsonl.owner")
    record = json.loads(owner.read_text())
    owner.write_text(json.dumps(record | {"pid": 2**22 + 5}))  # of a process that is gone
    assert main(["retry", str(file), "0"]) == 0
    assert said(capsys).startswith("trial 0 is pending again")
