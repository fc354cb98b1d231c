"""`dsice status --watch`: redrawn in place on a terminal, a line for each news in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsice import Goal, History, Space, Tuner
from dsice.cli.main import main
from dsice.cli.watch import sparkline
from dsice.strategies import Grid
from tests.cli.test_terminal import EVIL, orders

AXES = {"x": range(6), "y": range(6)}


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes each wait of the watch call the next of some functions, and the last press Ctrl-C."""

    def set_up(*acts: Callable[[], object]) -> None:
        left = iter(acts)

        def sleep(seconds: float) -> None:
            assert seconds == 0.25
            act = next(left, None)
            if act is None:
                raise KeyboardInterrupt
            act()

        monkeypatch.setattr("dsice.cli.watch.time.sleep", sleep)

    return set_up


def test_a_log_has_a_line_for_each_news_and_is_quiet_between(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stop_after: Callable[..., None]
) -> None:
    journal = tmp_path / "run.jsonl"
    tuner: list[Tuner] = []

    def begin() -> None:
        tuner.append(Tuner(AXES, Grid(), journal=journal, max_trials=20))
        tuner[0].ask(3)

    def tell() -> None:
        tuner[0].tell(0, 0.5, seconds=20.0)
        tuner[0].tell(1, error=f"no {EVIL}\nmore")

    stop_after(begin, tell, lambda: None, lambda: tuner[0].close())
    assert main(["status", str(journal), "--watch", "0.25"]) == 0
    printed = capsys.readouterr().out
    assert orders(printed) == []
    lines = [line.partition("  ")[2] for line in printed.splitlines()]
    assert len(lines) == 3
    assert "No such file" in lines[0] and lines[0].endswith("looking again")
    assert lines[1] == "0/20 trials, 3 pending, no best yet"
    assert lines[2].startswith("2/20 trials, 1 pending, 1 failed, about 6:00 left, best value 0.5")
    assert "; last error: trial 1 failed: no \\x1b]0;owned" in lines[2] and "more" not in lines[2]


def test_a_journal_that_is_not_a_study_is_waited_for_and_bad_input_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stop_after: Callable[..., None]
) -> None:
    (tmp_path / "run.jsonl").write_text('{"half a li')
    stop_after()
    assert main(["status", str(tmp_path / "run.jsonl"), "--watch", "0.25"]) == 0
    assert "looking again" in capsys.readouterr().out
    for seconds in ("0", "-1", "nan", "inf"):
        assert main(["status", str(tmp_path / "run.jsonl"), "--watch", seconds]) == 2
    assert main(["status", str(tmp_path / "none.toml"), "--watch"]) == 2


class Terminal:
    """A program on a terminal of a size, and what it printed."""

    def __init__(self, command: list[str], rows: int, columns: int) -> None:
        self._leader, follower = pty.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(follower, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            command,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "LINES": "", "COLUMNS": ""},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(follower)
        self.text = ""

    def wait_for(self, *texts: str) -> str:
        """Read until all of them stand in what was printed since the last call."""
        start, until = len(self.text), time.monotonic() + 60
        while not all(text in self.text[start:] for text in texts):
            assert time.monotonic() < until, self.text[start:][-3000:]
            self.text += os.read(self._leader, 1 << 16).decode()
        return self.text[start:]

    def press(self, key: bytes) -> int:
        os.write(self._leader, key)
        return self.process.wait(100)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._leader)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    command = [sys.executable, "-m", "dsice", "status", str(tmp_path / "run.jsonl")]
    made = Terminal([*command, "--watch", "0.2"], rows=24, columns=70)
    yield made
    made.close()


def test_a_terminal_is_redrawn_in_place_while_the_journal_is_written(
    tmp_path: Path, terminal: Terminal
) -> None:
    assert "No such file" in terminal.wait_for("again in 0.2 s", "looking")
    with Tuner(AXES, Grid(), journal=tmp_path / "run.jsonl", max_trials=20) as tuner:
        trials = tuner.ask(6)
        for trial in trials[:3]:
            tuner.tell(trial, 9.0 - trial.id, seconds=10.0)
        tuner.tell(trials[3], error=f"[red]no[/red] {EVIL} " + "long " * 50)
        drawn = terminal.wait_for("4/20 trials, 2 pending, 1 failed", "best value 7", "...")
        assert "\x1b[1A" in drawn  # up, over what stood there
        assert "█" in drawn and "trial 3 failed: [red]no[/red] \\x1b]0;owned" in drawn
        assert "\x1b]0" not in drawn and "\x1b[2J" not in drawn and "\u202e" not in drawn
        assert max(map(len, drawn.replace("\r", "").split("\n"))) < 70 + 200  # cut, not wrapped
        tuner.tell(trials[4], 1.5)
        terminal.wait_for("5/20 trials", "best value 1.5")
    assert terminal.press(b"\x03") == 0
    assert "Traceback" not in terminal.text


def history(values: list[float], *, maximize: bool = False) -> History:
    space = Space({"x": range(max(len(values), 1))})
    return History.of(
        space, [(i,) for i in range(len(values))], values, goal=Goal(maximize=maximize)
    )


def test_the_sparkline_falls_or_rises_to_the_best() -> None:
    assert sparkline(history([]), 10) == ""
    assert sparkline(history([5.0]), 10) == "▁"
    assert sparkline(history([8.0, 4.0, 9.0, 1.0]), 10) == "█▄▄▁"
    assert sparkline(history([1.0, 4.0, 0.0, 8.0], maximize=True), 10) == "▁▄▄█"
    assert len(sparkline(history([float(-i) for i in range(500)]), 60)) == 60
    # neither numbers near the largest float nor one bad start hide the rest
    assert sparkline(history([1.7e308, 8.0, 4.0, 1.0, 0.0]), 10)[0] == "█"
    assert len(set(sparkline(history([1e9, 8.0, 4.0, 1.0, 0.0]), 10))) > 3
    assert sparkline(history([3.0, 2.0, 1.0]), 10, "_#") == "#__"
