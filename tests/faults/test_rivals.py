"""Two coordinators started at the same moment on one journal: exactly one runs."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from dsice import Tuner
from tests.faults.bench import FULL, observe, scaled, start, wait_until
from tests.faults.conftest import Note

BAR = "4 two coordinators started at once"
ROUNDS = scaled(3, 50)


def rivals(folder: Path, round: int, locks: str, gap: float = 0.0) -> list[dict[str, Any]]:
    """The outcomes of two rivals, the second started `gap` seconds later."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    both = [start("rival", folder, round, locks, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(gap)
    first = [process.stdout.readline() for process in both if process.stdout is not None]
    if first == ["got it\n"] * 2:  # where both get the lock: until one of them notices
        wait_until(lambda: any(process.poll() is not None for process in both))
    (folder / f"end-{round}").touch()
    # not communicate(), which would lose what is already buffered
    rest = [process.stdout.read() for process in both if process.stdout is not None]
    for process in both:
        process.wait(300)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
    return [
        json.loads((line + more).splitlines()[-1]) for line, more in zip(first, rest, strict=True)
    ]


def test_exactly_one_of_two_runs(tmp_path: Path, note: Note) -> None:
    path, both_ran, none_ran, named, told = tmp_path / "run.jsonl", 0, 0, 0, 0
    for round in range(ROUNDS):
        if round % 5 == 0:  # sometimes a new journal, else one that goes on
            for file in tmp_path.glob("run.jsonl*"):
                file.unlink()
        found = rivals(tmp_path, round, "real")
        got = [r for r in found if r["got"]]
        both_ran += len(got) == 2
        none_ran += not got
        refused = [r["refused"] for r in found if not r["got"]]
        assert all("being written by another coordinator" in reason for reason in refused)
        named += sum(f"process {r['pid']}," in reason for r in got for reason in refused)
        seen = observe(path)
        assert not seen.unreadable and all(id in seen.told for r in found for id in r["told"])
        told += len(Tuner.read(path).history)
    note(BAR, "times", ROUNDS, "50" if FULL else "")
    note(BAR, "both ran", both_ran, "0")
    note(BAR, "none ran", none_ran, "0")
    note(BAR, "refused and told the winner's process", named)
    assert (both_ran, none_ran) == (0, 0)
    assert told


def test_where_both_get_the_lock_the_journal_stays_whole(tmp_path: Path, note: Note) -> None:
    path, unreadable, lost, both = tmp_path / "run.jsonl", 0, 0, 0
    rounds = scaled(2, 30)
    for round in range(rounds):
        found = rivals(tmp_path, round, "granted", gap=round % 10 * 0.003)
        both += all(r["got"] and r["told"] for r in found)
        assert not all(r["got"] and not r["refused"] for r in found)  # one of two at least stops
        seen = observe(path)
        unreadable += seen.unreadable
        lost += sum(id not in seen.told for r in found for id in r["told"])
        Tuner.read(path)
    note(BAR, "where the lock is granted to both: times", rounds)
    note(BAR, "   both told something before one was stopped", both)
    note(BAR, "   told results lost, lines unreadable", lost + unreadable, "0")
    assert (unreadable, lost) == (0, 0)
