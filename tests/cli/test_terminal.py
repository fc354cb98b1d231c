"""Whatever stands in a journal or comes from a program gives no orders to a terminal."""

from __future__ import annotations

import json
import os
import pty
import unicodedata
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceWarning, Goal, Tuner
from dsice.cli.main import main
from dsice.errors import VISIBLE, DsiceError, JournalError, LaunchError, UnknownTrialError
from dsice.launchers import Futures, Job, Local
from dsice.running.display import Bar
from dsice.running.options import RunOptions
from dsice.running.progress import Progress
from dsice.running.starting import Postponed
from tests.by_value import by_value
from tests.launchers.helpers import drain

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x00\b\r\x7f\x85\u202etxt\u2066\u200f\u2028\udc80"


def orders(text: str) -> list[str]:
    """The characters of a text that a terminal would obey, or that hide what is there."""
    return [
        c
        for c in text
        if (unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t")
        or unicodedata.bidirectional(c)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]


def test_every_character_that_a_terminal_obeys_is_made_visible() -> None:
    assert orders(EVIL)
    everything = "".join(map(chr, range(0x11000)))
    assert orders(everything.translate(VISIBLE)) == []
    good = "lr \u00e4\u00f6\u00fc \u4e2d\u6587 \u05d0\u05d1 \U0001f600 \u200d a\tb\nc"
    assert good.translate(VISIBLE) == good


@pytest.mark.parametrize("kind", [DsiceError, JournalError, LaunchError, UnknownTrialError])
def test_errors_and_warnings_are_safe_to_print(kind: type[Exception]) -> None:
    assert orders(str(kind(f"there is {EVIL}"))) == []
    assert str(kind("line 1\nline 2")) == "line 1\nline 2"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(EVIL, DsiceWarning, stacklevel=1)
    assert orders(str(caught[0].message)) == []


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of somebody whose names, values, errors and tags give orders."""
    path = tmp_path / "run.jsonl"
    name = EVIL.replace("\udc80", "")
    space: dict[str, Any] = {name: ["a", f"b{name}"], "n": [1, 2, 3, 4]}
    with Tuner(space, goal=Goal(f"loss{name}"), journal=path, max_trials=6) as tuner:
        for trial in tuner.ask(5)[:4]:
            if trial.id % 2:
                tuner.tell(trial, error=f"it failed {name}\nsecond {name}")
            else:
                metrics = {f"loss{name}": float(trial.id), f"other{name}": 1.0}
                tuner.tell(trial, metrics=metrics, tags={f"tag{name}": name})
    return path


COMMANDS: list[list[str]] = [
    ["status", "{journal}"],
    ["best", "{journal}"],
    ["importance", "{journal}"],
    ["effects", "{journal}"],
    ["replay", "{journal}", "--trials", "4"],
    ["journal", "check", "{journal}"],
    ["tell", "{journal}", "0", "1"],
    ["tell", "{journal}", "77", "1"],
    ["tell", "{journal}", "4", "x" + EVIL],
    ["ask", "{journal}"],
    ["status", "/nowhere" + EVIL[:-1].replace("\0", "")],
    ["status", "{journal}", "--unknown" + EVIL],
    ["unknown" + EVIL],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_no_command_prints_an_order_to_the_terminal(
    journal: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        main([word.replace("{journal}", str(journal)) for word in command])
    except SystemExit as left:
        assert left.code == 2
    printed = "".join(capsys.readouterr())
    assert printed.strip() and orders(printed) == []


def test_a_line_of_a_table_stays_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Tuner({"x": ["a\ndsice: all is well", "b"]}, journal=tmp_path / "j") as tuner:
        tuner.ask(2)
    assert main(["status", str(tmp_path / "j")]) == 0
    assert "\\ndsice: all is well" in capsys.readouterr().out


def test_tables_on_a_terminal_are_safe_too(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        main(["status", str(journal)])
    printed = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert "owned" in printed
    assert "\x1b]" not in printed and "\x1b[2J" not in printed and "\u202e" not in printed


def test_the_reason_of_a_failed_trial_is_shown_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "exit code 1: kernel.c:3:5: error: " + "unknown type name " * 20 + "did you mean int?"
    more = "last lines of stderr:\n1 error generated.\nlast lines of stdout:\nbye\nlogs: a and b"
    with Tuner({"x": [1, 2, 3, 4]}, journal=tmp_path / "j") as tuner:
        trials = tuner.ask(4)
        tuner.tell(trials[0], error=f"{reason}\n{more}")
        tuner.tell(trials[1], error=f"exit code 3\n{more}")
        tuner.tell(trials[2], error="ValueError: a\nb\nTraceback (most recent call last):\n  x")
        tuner.tell(trials[3], error="killed by signal 9 (SIGKILL)\nit printed nothing\nlogs: a")
    main(["status", str(tmp_path / "j")])
    shown = capsys.readouterr().out
    assert f"failed  {reason}\n" in shown
    assert "failed  exit code 3: 1 error generated.\n" in shown
    assert "failed  ValueError: a | b\n" in shown
    assert "failed  killed by signal 9 (SIGKILL)\n" in shown


def test_json_stays_json(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(journal), "--json"]) == 0
    printed = capsys.readouterr().out
    assert orders(printed) == []
    assert any("\x1b]0;owned\x07" in name for name in json.loads(printed)["params"])


@by_value
def fails(text: str) -> float:
    raise ValueError(text)


@pytest.mark.parametrize("launcher", ["shell", "function", "futures"])
def test_the_last_words_of_a_program_are_safe(tmp_path: Path, launcher: str) -> None:
    evil = EVIL.replace("\0", "").replace("\udc80", "")
    made: dict[str, Callable[[], Local | Futures]] = {
        "shell": lambda: Local("printf %s {text} >&2; exit 1", slots=1),
        "function": lambda: Local(fails, slots=1),
        "futures": lambda: Futures(fails, ThreadPoolExecutor(1), directory=tmp_path),
    }
    with made[launcher]() as running:
        running.submit([Job(0, {"text": f"first {evil} last"})])
        error = drain(running, 1)[0].error
    assert error is not None and "first " in error and " last" in error
    assert orders(error) == []


def test_a_pipe_of_the_function_in_place_of_its_traceback_is_not_opened(tmp_path: Path) -> None:
    def function() -> float:
        import os

        os.mkfifo(os.path.join(dsice_dir(), "traceback"))  # noqa: PTH118
        raise ValueError("lone \udc80")

    def dsice_dir() -> str:
        import dsice

        return str(dsice.trial_dir())

    with Futures(function, ThreadPoolExecutor(1), directory=tmp_path) as launcher:
        launcher.submit([Job(0)])
        assert "lone" in str(drain(launcher, 1)[0].error)
    assert "lone" in (tmp_path / "0" / "traceback").read_text()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_run_waits_for_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR" if terminal else "NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(Progress, "EVERY", 0.0)
    monkeypatch.setattr(Progress, "OFTEN", 0.0)
    waiting = Postponed(60.0)
    monkeypatch.setattr(Postponed, "text", f"sbatch: :x: [/etc/slurm.conf] [red]{EVIL}")
    with Progress(Tuner({"x": range(3)}), RunOptions()) as shown:
        shown.update(1, waiting)
        if isinstance(shown.display, Bar):
            shown.display.progress.refresh()
    said = capsys.readouterr().err
    assert "sbatch: :x: [/etc/slurm.conf] [red]\\x1b]0;owned\\x07" in said
    assert "\x1b]0" not in said and "\u202e" not in said
