"""A journal that is cut, emptied or exchanged while a tuner has it open: everything is saved.

Also what is planted at the names of its files, and a named pipe in the journal's place.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dsice import Tuner
from dsice.errors import JournalError
from dsice.journal import repair
from dsice.strategies import Random
from tests.conftest import all_fields, bowl, fill, small, state
from tests.faults.bench import scaled
from tests.faults.conftest import Note
from tests.journal.test_damage import no_sync

BAR = "11 journals in use"
TRIALS = 30
LENGTHS = scaled(12, 50)


def filled(path: Path) -> Tuner:
    """A tuner in the middle of a study, with trials told, pending and stepped."""
    tuner = Tuner(small(), Random(), journal=path)
    while len(tuner.history) < TRIALS:
        trials = tuner.ask(5)
        tuner.step(trials[0], 0, 1.0)
        for trial in trials[:-1]:
            tuner.tell(trial, bowl(dict(trial.params)), seconds=1.0)
    return tuner


@pytest.mark.parametrize("how", ["cut", "cut and another file of that size"])
def test_cut_to_any_length_while_open(
    tmp_path: Path, note: Note, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    no_sync(monkeypatch)
    chance, lost, unnamed = random.Random(3), 0, 0
    for number in range(LENGTHS):
        path = tmp_path / f"{number}" / "run.jsonl"
        path.parent.mkdir()
        tuner = filled(path)
        size = path.stat().st_size
        length = [0, 1, size - 1][number] if number < 3 else chance.randrange(size)
        if how == "cut":
            os.truncate(path, length)
        else:
            other = path.with_name("other")
            other.write_bytes(path.read_bytes()[:length].ljust(size, b"\0"))
            other.replace(path)
        told = tuner.pending[0]
        with pytest.raises(JournalError) as caught:
            tuner.tell(told, 0.5)
        unnamed += not any(word in str(caught.value) for word in ("cut from", "replaced"))
        (saved,) = path.parent.glob("run.jsonl.unwritten-*")
        history = Tuner.read(saved).history
        known = [all_fields(trial) for trial in history if trial.id != told.id]
        wanted = [all_fields(trial) for trial in tuner.history if trial.id != told.id]
        lost += sum(trial not in known for trial in wanted) + (history[told.id].value != 0.5)
        with pytest.warns():  # again on leaving
            tuner.close()
    note(BAR, f"journals {how} while open", LENGTHS, "50 lengths")
    note(BAR, "trials that are not in what was saved", lost, "0")
    note(BAR, "damage that is not named", unnamed, "0")
    assert lost == unnamed == 0


def test_planted_links_are_never_followed(tmp_path: Path, note: Note) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "run.jsonl"
    names = ["owner", "new", f"extended-{os.getpid()}", f"unwritten-{os.getpid()}.jsonl"]
    for name in names:
        for end in ("", ".new"):
            path.with_name(f"run.jsonl.{name}{end}").symlink_to(precious)
    tuner = fill(Tuner(small(), Random(), journal=path), 6)
    tuner.ask()
    path.write_bytes(b"")
    with pytest.raises(JournalError):
        tuner.tell(6, 1.0)
    with pytest.warns():
        tuner.close()
    lines = next(path.parent.glob("*.unwritten-*-*")).read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"x\n", *lines[2:]]))
    repair(path)
    wrong = precious.read_text() != "precious"
    note(BAR, "files behind planted links that were changed", wrong, "0")
    assert not wrong and len(state(Tuner.read(path))) == 7


@pytest.mark.parametrize("what", ["journal", "owner", "lock"])
def test_a_named_pipe_hangs_nobody(tmp_path: Path, note: Note, what: str) -> None:
    path = tmp_path / "run.jsonl"
    os.mkfifo(path if what == "journal" else path.with_name(f"run.jsonl.{what}"))
    program = "import sys; from dsice import Tuner; Tuner({'x': [1, 2]}, journal=sys.argv[1])"
    asked = [sys.executable, "-c", program, str(path)]
    status = [sys.executable, "-m", "dsice.cli", "status", str(path)]
    check = [sys.executable, "-m", "dsice.cli", "journal", "check", str(path)]
    hung = 0
    for command in (asked, status, check):
        root = Path(__file__).parents[2]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=root)
        try:
            said = process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            hung += 1
        else:
            named = what == "journal" or (what == "lock" and command is asked)
            assert ("named pipe" in said) == named
    note(BAR, "processes that hung at a named pipe", hung, "0")
    assert not hung
