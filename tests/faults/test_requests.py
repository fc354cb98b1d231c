"""Commands against a coordinator with 8 slots at full speed: withdraw, retry, import, and looks.

Each request is taken in once, whatever becomes of the coordinator meanwhile.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dsice import State, Tuner
from dsice.cli.main import main
from dsice.journal import requests
from dsice.reuse.tables.files import read_frame
from dsice.strategies import Random
from tests.faults.bench import FULL, observe, scaled, start, subreaper, wait_until
from tests.faults.conftest import Note
from tests.faults.coordinator import AXES

BAR = "12 commands against a coordinator at full speed"
CALLS = scaled(40, 500)
KILLS = scaled(2, 12)
BLOCKED = 2.0  # seconds that a command may wait for others
MANY = 5000  # trials: more than there is time for


def hash_of(text: str) -> int:
    """A number of a text, the same in every process."""
    return zlib.crc32(text.encode())


def worked() -> float:
    """Seconds that this thread has worked, or could have if there were a processor for it."""
    try:
        running, ready, _ = map(int, Path("/proc/thread-self/schedstat").read_text().split())
    except (OSError, ValueError):  # not every system says so
        return time.thread_time()
    return (running + ready) / 1e9


class Asking:
    """Somebody who withdraws and retries trials, and looks, by commands."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.path = folder / "run.jsonl"
        self.chance = random.Random(seed)
        self.folder = folder
        self.withdrawn: dict[int, str] = {}
        self.imported: Counter[str] = Counter()  # the keys of rows
        self.retried: Counter[int] = Counter()
        self.slowest: dict[str, float] = {}
        self.blocked = self.slow = 0
        self.failed = 0

    def call(self, *arguments: str) -> None:
        began, working = time.monotonic(), worked()
        self.failed += main(list(arguments)) != 0
        seconds = time.monotonic() - began
        self.slow += seconds > 2.0
        seconds -= worked() - working
        self.slowest[arguments[0]] = max(self.slowest.get(arguments[0], 0.0), seconds)
        self.blocked += seconds > BLOCKED

    def next(self, number: int) -> None:
        """One command; what it asks for can be done."""
        history = Tuner.read(self.path).history
        done = np.flatnonzero(history.in_state(State.DONE)).tolist()
        left = [i for i in done[-100:] if i not in self.withdrawn]
        withdrawn = np.flatnonzero(history.in_state(State.WITHDRAWN)).tolist()
        gone = [i for i in withdrawn if not self.retried[i]]
        looks = ["status", "best", "export"]
        what = self.chance.choice(["withdraw", "withdraw", "retry", "import", *looks])
        if what == "withdraw" and left:
            id = self.chance.choice(left)
            self.withdrawn[id] = f"call {number}"
            self.call("withdraw", str(self.path), str(id), "--reason", self.withdrawn[id])
        elif what == "retry" and gone:
            id = self.chance.choice(gone)
            self.retried[id] += 1
            self.call("retry", str(self.path), str(id))
        elif what == "import":
            self.call("import", str(self.log(number)), str(self.path), "--key", "key")
        elif what == "export":
            table = self.folder / f"all.{self.chance.choice(['csv', 'jsonl', 'parquet'])}"
            self.call("export", str(self.path), "-o", str(table))
            assert len(read_frame(table)) >= len(history)
        else:
            self.call("status" if what == "status" else "best", str(self.path))

    def log(self, number: int) -> Path:
        """A log with new rows, and with some that were imported before."""
        known = list(self.imported)[-2:]
        keys = [*known, *(f"call {number}, row {row}" for row in range(3))]
        for key in keys[len(known) :]:
            self.imported[key] += 1
        path = self.folder / "log.csv"
        rows = [
            f'"{key}",{len(key) % 9},1,2,{abs(hash_of(key)) % 9},{hash_of(key)}' for key in keys
        ]
        path.write_text("\n".join(["key,a,b,c,d,value", *rows]) + "\n")
        return path

    def lost(self) -> int:
        """Requests that are not in the journal, or not once; trials that were not tried again."""
        records = observe(self.path).records
        withdrawn = Counter((r["id"], r["reason"]) for r in records if r["kind"] == "withdraw")
        retried = Counter(r["id"] for r in records if r["kind"] == "retry")
        told = Counter(r["id"] for r in records if r["kind"] == "tell")
        told += Counter(r["trial"]["id"] for r in records if r["kind"] == "add")
        wrong = (withdrawn - Counter(self.withdrawn.items())) + (
            Counter(self.withdrawn.items()) - withdrawn
        )
        added = Counter(r["trial"]["tags"]["key"] for r in records if r["kind"] == "add")
        again = (retried - self.retried) + (self.retried - retried)
        pending = {t.id for t in Tuner.read(self.path).pending}
        ended = sum(told[id] != 2 for id in self.retried if id not in pending)
        rows = (added - self.imported) + (self.imported - added)
        return wrong.total() + again.total() + rows.total() + ended


def begun(folder: Path) -> subprocess.Popen[str]:
    """A coordinator that has told some trials."""
    before = len(observe(folder / "run.jsonl").told)
    process = start("coordinator", folder, "random", MANY)
    wait_until(lambda: len(observe(folder / "run.jsonl").told) > before + 10)
    return process


def settled(path: Path) -> None:
    """What was left for a coordinator that is gone is taken in by the next."""
    with Tuner(AXES, Random(), journal=path, orphans="keep") as tuner:
        tuner.take_requests()
    assert not requests.folder(path).exists()


def test_no_request_is_lost_and_none_waits_long(
    tmp_path: Path, note: Note, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = Asking(tmp_path)
    with subreaper():
        coordinator = begun(tmp_path)
        try:
            for number in range(CALLS):
                asking.next(number)
        finally:
            coordinator.send_signal(signal.SIGTERM)
            coordinator.wait(60)
    capsys.readouterr()
    settled(asking.path)
    note(BAR, "calls", CALLS, "500" if FULL else "")
    note(BAR, "requests lost or done twice", asking.lost(), "0")
    note(BAR, "calls that failed", asking.failed, "0")
    for name, seconds in asking.slowest.items():
        note(BAR, f"longest wait of {name}, seconds", seconds, "2", most=True)
    note(BAR, "calls that waited over 2 s", asking.blocked, "0")
    note(BAR, "calls over 2 s, with their work on a busy machine", asking.slow)
    assert (asking.lost(), asking.failed, asking.blocked) == (0, 0, 0)


def test_a_coordinator_that_is_killed_does_each_request_once(
    tmp_path: Path, note: Note, capsys: pytest.CaptureFixture[str]
) -> None:
    asking, number = Asking(tmp_path, 2), 0
    with subreaper():
        for _ in range(KILLS):
            coordinator = begun(tmp_path)
            for _ in range(4):
                asking.next(number)
                number += 1
            # more of them than it has time for
            history = Tuner.read(asking.path).history
            left = [t.id for t in history if t.state == "done" and t.id not in asking.withdrawn]
            for id in left[:6]:
                asking.withdrawn[id] = "left"
                requests.leave(asking.path, "withdraw", [id], "left")
            time.sleep(asking.chance.uniform(0.0, 0.05))
            coordinator.kill()
            coordinator.wait(60)
    capsys.readouterr()
    settled(asking.path)
    note(BAR, "kills with requests left", KILLS)
    note(BAR, "requests lost or done twice", asking.lost(), "0")
    assert (asking.lost(), asking.failed) == (0, 0)
