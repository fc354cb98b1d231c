"""Many trials: the time of loading, telling and asking, and the memory they take."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.faults.bench import FULL, linux_only, scaled, start
from tests.faults.conftest import Note
from tests.faults.large import write

TRIALS = scaled(5_000, 100_000)
BAR = f"7 {TRIALS} trials"
PIECES = scaled(1, 3)  # the best of so many processes counts: another program may take the core


@linux_only
def test_many_trials(tmp_path: Path, note: Note) -> None:
    path = tmp_path / "run.jsonl"
    write(path, TRIALS)
    size, data = path.stat().st_size / 1e6, path.read_bytes()
    found = []
    for _ in range(PIECES):
        path.write_bytes(data)
        process = start("large", path, stdout=subprocess.PIPE)
        found.append(json.loads(process.communicate(timeout=600)[0]))
    assert {f["trials"] for f in found} == {TRIALS}
    best = {name: min(f[name] for f in found) for name in found[0]}
    wanted = (
        {"load": "<= 2 s", "tell": "<= 5 ms", "ask": "<= 20 ms", "memory": "<= 400 MB"}
        if FULL
        else {}
    )
    note(BAR, "load (s)", best["load"], wanted.get("load", ""))
    note(BAR, "   of which on the processor", best["processor"])
    note(BAR, "tell, synced (ms)", 1e3 * best["tell"], wanted.get("tell", ""))
    note(BAR, "ask of 1, Random, synced (ms)", 1e3 * best["ask"], wanted.get("ask", ""))
    note(BAR, "ask of 40, Random, synced (ms)", 1e3 * best["batch"])
    note(BAR, "best (ms)", 1e3 * best["best"])
    note(BAR, "memory at its peak (MB)", best["memory"], wanted.get("memory", ""))
    note(BAR, "journal (MB)", size, "<= 200 MB" if FULL else "")
    assert size <= 200
    # the times are only for the table: a test that fails on a busy machine helps nobody
    assert best["memory"] <= 800
