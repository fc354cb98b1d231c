"""One writer: locks, owner records, and looking while another process writes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsice import Journal, Tuner
from dsice.errors import JournalError, LockedError
from dsice.strategies import Grid, Random
from tests.conftest import fill, small
from tests.faults.interrupting import Handlers, Interruption

HOLDER = """
import sys, time
from dsice import Journal, Tuner
from dsice.strategies import Random
from tests.conftest import bowl, small
path, lock = sys.argv[1], sys.argv[2] == "lock"
tuner = Tuner(small(), Random(), journal=Journal(path, lock=lock))
print("held", flush=True)
while True:
    for trial in tuner.ask(1):
        tuner.tell(trial, bowl(dict(trial.params)))
    time.sleep(0.005)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


class Holder:
    """Another process that writes the journal, one trial at a time."""

    def __init__(self, path: Path, lock: str) -> None:
        root = Path(__file__).parents[2]
        command = [sys.executable, "-c", HOLDER, str(path), lock]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def ended(self) -> str:
        return self.process.communicate(timeout=30)[1]


@pytest.fixture
def holders(path: Path) -> Iterator[Any]:
    started: list[Holder] = []

    def start(lock: str = "lock") -> Holder:
        started.append(Holder(path, lock))
        return started[-1]

    yield start
    for holder in started:
        holder.kill()
        holder.process.communicate()


def test_a_second_coordinator_is_told_who_holds_the_journal_until_that_one_is_killed(
    path: Path, holders: Any
) -> None:
    holder = holders()
    pid = holder.process.pid
    pattern = (
        f"being written by another coordinator .*host {socket.gethostname()}, process {pid}, "
        "since 20.*stop it"
    )
    with pytest.raises(LockedError, match=pattern):
        Tuner(small(), Random(), journal=path)
    with pytest.raises(LockedError, match=r"after waiting 0.2 s"):
        Journal(path, wait=0.2)
    holder.kill()
    with Tuner(small(), Random(), journal=path, seed=0) as tuner:
        told = [t for t in tuner.history if t.value is not None]
        assert told and len(tuner.history) - len(told) == len(tuner.orphans) <= 1


def test_waiting_for_the_lock_ends_when_it_is_free(path: Path, holders: Any) -> None:
    holder = holders()
    threading.Timer(0.3, holder.kill).start()
    Journal(path, wait=30.0).close()


def test_reading_while_another_process_writes(path: Path, holders: Any) -> None:
    holders()
    seen, deadline = 0, time.monotonic() + 30
    while seen < 12 and time.monotonic() < deadline:
        tuner = Tuner.read(path)
        assert len(tuner.history) >= seen and len(tuner.pending) <= 1
        assert all(t.value is not None for t in tuner.history if t not in tuner.pending)
        seen = len(tuner.history)
    assert seen >= 12


def test_a_tuner_that_reads_cannot_write(path: Path) -> None:
    fill(Tuner(small(), Random(), journal=path, max_trials=9, seed=3), 4).close()
    before = sorted(path.parent.iterdir()), path.read_bytes()
    with Tuner.read(path) as tuner:
        assert (tuner.max_trials, tuner.seed, tuner.strategy, len(tuner.history)) == (
            9,
            3,
            Random(),
            4,
        )
        assert tuner.best is not None and not tuner.finished
        for call in (lambda: tuner.ask(), lambda: tuner.add(tuner.space.params((0, 0, 0)), 1.0)):
            with pytest.raises(JournalError, match=r"was opened to look at \(Tuner.read\)"):
                call()
    assert (sorted(path.parent.iterdir()), path.read_bytes()) == before


def test_without_locks_the_owner_record_stops_the_first_of_two(path: Path, holders: Any) -> None:
    first = holders("no lock")
    for _ in range(5):  # the first may have written between two looks; then opening is refused
        with contextlib.suppress(LockedError):
            tuner = Tuner(small(), Random(), journal=Journal(path, lock=False))
            break
    with tuner:
        error = first.ended()
        assert (
            "LockedError" in error
            and "was taken over by another coordinator" in error
            and f"process {os.getpid()}" in error
        )
        # if the first wrote between two checks, this one stops, too
        with contextlib.suppress(LockedError):
            fill(tuner, 4)
    assert len(Tuner.read(path).history) >= len(tuner.history)


def test_what_somebody_else_wrote_is_neither_written_over_nor_after(path: Path) -> None:
    tuner = fill(Tuner(small(), Random(), journal=path), 3)
    late = json.dumps({"kind": "ask", "round": 3, "trials": [{"id": 3, "point": [3, 2, 2]}]})
    with path.open("a") as file:
        file.write(late + "\n")
    with pytest.raises(LockedError, match="somebody else changed it, and nothing was written"):
        tuner.ask()
    assert path.read_text().endswith(late + "\n") and len(tuner.history) == 3


def test_locks_that_are_always_granted_do_not_break_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "lockf", lambda *_: None)
    first = fill(Tuner(small(), Random(), journal=path), 3)
    monkeypatch.setattr("dsice.journal.lock._mine", {})  # as on another machine
    monkeypatch.setattr("dsice.tuner.opening._HOLDERS", {})
    second = fill(Tuner(small(), Random(), journal=path), 3)
    with pytest.raises(LockedError, match="taken over"):
        first.ask()
    second.close()
    assert [t.id for t in Tuner.read(path).history] == list(range(6))


def test_a_file_system_that_refuses_locks_is_named_with_the_way_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(
        JournalError, match=r"refuses locks \(No locks available\).*Journal\(path, lock=False\)"
    ) as caught:
        Tuner(small(), Grid(), journal=path)
    assert not isinstance(caught.value, LockedError)
    fill(Tuner(small(), Grid(), journal=Journal(path, lock=False)), 2).close()


def test_the_same_file_by_another_name_is_the_same_journal(path: Path, holders: Any) -> None:
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    with (
        Tuner(small(), Grid(), journal=path),
        pytest.raises(LockedError, match="open in this process already"),
    ):
        Journal(link)
    path.unlink()
    holders()
    with pytest.raises(LockedError, match="another coordinator"):
        Journal(link)


def test_of_many_threads_one_gets_the_journal(path: Path) -> None:
    got: list[Journal] = []
    refused: list[LockedError] = []

    def attempt() -> None:
        try:
            got.append(Journal(path))
        except LockedError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 15)
    got[0].close()


def test_a_damaged_owner_record_does_not_keep_anybody_out(path: Path) -> None:
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    for text in ("", "[]", "\0\0\0", "[" * 60_000, json.dumps({"host": "x"})):
        path.with_name("run.jsonl.owner").write_text(text)
        Journal(path).close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file dropped
def test_an_exception_at_any_line_of_opening_leaves_the_journal_free(path: Path) -> None:
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    at, came = 0, True
    with Handlers():
        while came:
            interruption = Interruption(at, signal.SIGINT)
            opened = interruption.call(lambda: Journal(path))
            came = interruption.came
            if opened is not None:
                opened.close()
            Journal(path).close()
            at += 1
    assert at > 100
