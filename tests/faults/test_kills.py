"""Coordinators with 8 workers, killed or interrupted at random moments and started again."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dsice import Tuner
from dsice.errors import DsiceError
from tests.faults.bench import (
    FULL,
    Orphans,
    Seen,
    linux_only,
    observe,
    scaled,
    start,
    subreaper,
    wait_until,
)
from tests.faults.conftest import Note
from tests.faults.coordinator import SLOTS, value

BAR = "1 coordinator killed with -9, 8 local workers"
PRESSED = "1 coordinator interrupted (Ctrl-C), 8 local workers"
ASKED = "1 coordinator ended by SIGTERM or SIGHUP, 8 workers"
RUNS = [
    ("random", "coordinator", "local"),
    ("random", "machine", "local"),
    ("dsice", "coordinator", "local"),
    ("random", "coordinator", "local"),
][: scaled(2, 4)]
RUNS.append(("random", "ctrl-c", "local"))
RUNS += [
    ("random", "SIGTERM", "local"),
    ("random", "SIGHUP", "futures"),
    ("random", "SIGTERM", "batch"),
    ("random", "SIGHUP", "local"),
    ("random", "SIGTERM", "futures"),
    ("random", "SIGHUP", "batch"),
][: scaled(3, 6)]
KILLS = scaled(4, 50)
SIGNALS = {"ctrl-c": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
ENDLESS = 6000


@dataclass
class Study:
    """A study on disk, seen from outside, and the losses found in it."""

    folder: Path
    strategy: str
    launcher: str = "local"
    told: dict[int, list[float]] = field(default_factory=dict)
    lost: int = 0
    again: int = 0
    unreadable: int = 0

    def start(self, trials: int) -> subprocess.Popen[str]:
        with (self.folder / "errors.txt").open("a") as errors:  # they complain that they are ended
            return start(
                "coordinator", self.folder, self.strategy, trials, self.launcher, stderr=errors
            )

    def journal(self) -> Seen:
        return observe(self.folder / "run.jsonl")

    def lines(self) -> int:
        path = self.folder / "run.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def noted(self, kind: str) -> list[list[int]]:
        """Id and levels of every run of a trial that began or ended."""
        path = self.folder / "runs.txt"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [list(map(int, row[1:])) for row in rows if row[0] == kind]

    def begun(self) -> Counter[int]:
        return Counter(row[0] for row in self.noted("begin"))

    def returned(self) -> dict[int, list[float]]:
        """Trials for which `tell` had returned, as the coordinator noted."""
        path = self.folder / "told.txt"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return {int(id): [float(v)] for id, v in rows}

    def look(self, begun: Counter[int]) -> None:
        """Compare with what was told before; `begun`: how often each trial had begun by then."""
        seen = self.journal()
        known = self.told | self.returned()
        self.lost += sum(seen.told.get(id) != values for id, values in known.items())
        now = self.begun()
        self.again += sum(now[id] != begun[id] for id in self.told)
        self.told = seen.told
        try:
            history = Tuner.read(self.folder / "run.jsonl").history if seen.records else ()
            self.lost += sum(list(history[id].values) != values for id, values in self.told.items())
        except (DsiceError, IndexError):
            self.unreadable += 1
        self.unreadable += seen.unreadable


def kill(study: Study, orphans: Orphans, who: str, chance: random.Random) -> None:
    """End one life: any time after its start, or as soon as something was written."""
    lines = study.lines() + chance.randint(1, 12)
    late = chance.random() < 0.6
    process = study.start(ENDLESS)
    if late:
        wait_until(lambda: study.lines() >= lines or process.poll() is not None)
    time.sleep(chance.uniform(0.0, 0.03 if late else 1.0))
    process.send_signal(SIGNALS.get(who, signal.SIGKILL))
    try:
        ended = process.wait(60)
    finally:  # one that hangs fails this test only
        process.kill()
        process.wait()
    assert ended != 0 if who in SIGNALS else ended == -signal.SIGKILL
    if who == "machine":
        orphans.kill()


@linux_only
@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("strategy", "who", "launcher", "seed"), [(*run, seed) for seed, run in enumerate(RUNS)]
)
def test_killed_at_random_moments(
    tmp_path: Path, note: Note, strategy: str, who: str, launcher: str, seed: int
) -> None:
    study, chance = Study(tmp_path, strategy, launcher), random.Random(seed)
    with subreaper() as orphans:
        for _ in range(KILLS):
            begun = study.begun()
            kill(study, orphans, who, chance)
            study.look(begun)
        killed, told, begun = len(study.journal().points), len(study.told), study.begun()
        assert study.start(killed + SLOTS).wait(600) == 0
        study.look(begun)
        left = orphans.gone(5.0)
    ends = Counter(row[0] for row in study.noted("end"))
    bar = {"ctrl-c": PRESSED, "SIGTERM": ASKED, "SIGHUP": ASKED}.get(who, BAR)
    note(bar, "kills", KILLS, {BAR: "200", ASKED: "300"}.get(bar, "") if FULL else "")
    note(bar, "trials told when killed", told)
    note(bar, "told results lost", study.lost, "0")
    note(bar, "told points measured again", study.again, "0")
    note(bar, "unreadable journals", study.unreadable, "0")
    note(bar, "processes left behind", len(left), "0")
    note(
        bar,
        f"not told, measured to the end twice ({who}, {launcher})",
        sum(n - 1 for n in ends.values()),
    )
    assert (study.lost, study.again, study.unreadable, left) == (0, 0, 0, [])
    points = study.journal().points
    assert told and sorted(study.told) == list(range(killed + SLOTS)) == sorted(points)
    assert len(set(points.values())) == len(points)
    assert study.told == {id: [value(*point)] for id, point in points.items()}
