"""Coordinators that are killed and come back on another node, whose clock is another."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.bench import Orphans, linux_only, observe, scaled, start, subreaper
from tests.faults.conftest import Note

BAR = "3.9 coordinator killed, and started on another node"
MOVES = scaled(1, 15)
HOUR = 3600.0


def lines(folder: Path, what: str) -> Counter[int]:
    """How often each trial wrote a line of that kind."""
    path = folder / "runs"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return Counter(int(row[1]) for row in rows if row[0] == what)


def move(folder: Path, moves: int, *, node_dies: bool, seed: int, orphans: Orphans) -> None:
    """Kill the coordinator at random moments, each time coming back on another node."""
    rng = random.Random(seed)
    for node in range(moves):
        coordinator = start("nodes", folder, node, rng.choice([-HOUR, 0.0, HOUR]), 10_000)
        begun = sum(lines(folder, "begin").values())
        until = time.monotonic() + 60
        while sum(lines(folder, "begin").values()) < begun + 2:
            assert time.monotonic() < until, "nothing begins"
            time.sleep(0.02)
        time.sleep(rng.uniform(0.0, 0.7))
        coordinator.kill()
        coordinator.wait()
        if node_dies:
            orphans.kill()
    coordinator = start("nodes", folder, moves, 0.0, len(lines(folder, "begin")))
    assert coordinator.wait(120) == 0


@linux_only
@pytest.mark.parametrize("node_dies", [False, True])
def test_the_same_script_goes_on_on_another_node(
    node_dies: bool, tmp_path: Path, note: Note
) -> None:
    with subreaper() as orphans:
        move(tmp_path, MOVES, node_dies=node_dies, seed=7, orphans=orphans)
        left = orphans.gone(5.0)
    seen = observe(tmp_path / "run.jsonl")
    begun = lines(tmp_path, "begin")
    beside = sum(lines(tmp_path, "beside").values())
    twice = 0 if node_dies else sum(n > 1 for n in begun.values())
    lost = len(set(seen.points) - set(seen.told))
    failed = sum("error" in r for r in seen.records if r["kind"] == "tell")
    note(BAR, "moves to another node", MOVES)
    note(BAR, "trials that ran beside themselves", beside, "0")
    note(BAR, "trials of living nodes that began twice", twice, "0")
    note(BAR, "trials lost, failed or left running", lost + failed + len(left), "0")
    assert (beside, twice, lost, failed, left) == (0, 0, 0, 0, [])
