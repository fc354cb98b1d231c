"""Nobody waits for one greedy trial, nor for a journal, a rule or an option that asks for hours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import Require, Space, Trial, Tuner, run
from dsice.launchers import Local
from dsice.strategies import Grid
from tests.faults.bench import ROOT, scaled
from tests.faults.conftest import Note

BAR = "starvation"
STEPS, OTHERS = scaled((4_000, 7), (50_000, 39))
FLOOD = """
import sys, time
import dsice
x, steps = map(int, sys.argv[1:])
if x:
    time.sleep(0.1 * x)
else:
    for i in range(steps):
        dsice.step(i, 1 / (i + 1))
print(x)
"""


def test_a_flood_of_steps_keeps_no_other_trial_waiting(tmp_path: Path, note: Note) -> None:
    (tmp_path / "program.py").write_text(FLOOD)
    late: dict[int, float] = {}

    def ended(tuner: Tuner, trial: Trial) -> None:
        late[trial.id] = time.time() - (trial.times[2] or 0.0)

    tuner = Tuner({"x": range(OTHERS + 1)}, Grid(), journal=tmp_path / "run.jsonl")
    command = f"{sys.executable} {tmp_path / 'program.py'} {{x}} {STEPS}"
    launcher = Local(
        command, slots=OTHERS + 1, directory=tmp_path / "trials", env={"PYTHONPATH": str(ROOT)}
    )
    run(tuner, launcher, progress=False, callbacks=[ended], max_trials=OTHERS + 1)
    assert len(tuner.history[0].curve) == STEPS
    assert [trial.value for trial in tuner.history] == [float(x) for x in range(OTHERS + 1)]
    began = time.process_time()
    tuner.close()
    assert Tuner.read(tmp_path / "run.jsonl").history[0].curve == tuner.history[0].curve
    loaded = time.process_time() - began
    others = max(late[id] for id in range(1, OTHERS + 1))
    note(BAR, f"s until others are told beside {STEPS} steps", others, "< 2", most=True)
    note(BAR, "CPU s to load these steps", loaded, "< 2", most=True)
    assert others < 2 and loaded < 2


def test_a_hundred_rules_over_a_million_cells(note: Note) -> None:
    count, levels = scaled((30, 6), (100, 10))
    rules = [
        f"x0 + x1 * x2 - x3 <= {300 + k} and (x4 * x5 != {200 + k} or x0 > x1)"
        for k in range(count)
    ]
    began = time.process_time()
    space = Space(
        {f"x{i}": range(levels) for i in range(6)}, where=[Require(rule) for rule in rules]
    )
    assert space.count == levels**6
    seconds = time.process_time() - began
    note(BAR, f"CPU s of {count} rules over {levels**6} cells", seconds, "< 5", most=True)
    assert seconds < 5


# ------------------------------------------------------------------ somebody else's journal
def axes(n: int, levels: int) -> list[dict[str, Any]]:
    values = list(range(1, levels + 1))
    return [{"name": f"x{i}", "kind": "ordinal", "values": values} for i in range(n)]


def space(of: list[dict[str, Any]], *rules: str) -> dict[str, Any]:
    return {"axes": of, "where": [{"kind": "require", "rule": rule} for rule in rules]}


HUGE = [{"name": "x0", "kind": "ordinal", "values": [10**300 + k * 10**290 for k in range(9)]}]
SIX = axes(6, 10)
DEEP: Any = json.loads("[" * 900 + "]" * 900)
ASK = {"kind": "ask", "round": 0, "trials": [{"id": 0, "point": [0]}]}
TELL = {"kind": "tell", "id": 0, "state": "done", "values": [1.0]}


def asked(**fields: Any) -> dict[str, Any]:
    return {"kind": "ask", "round": 0, "trials": [{"id": 0, "point": [0], **fields}]}


TPE = {"name": "OptunaSampler", "options": {"n_ei_candidates": 10**8, "n_startup_trials": 0}}
HOSTILE: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "80 kB of blanks in a rule": (
        {"space": space(axes(2, 3), "x0 > 1" + " " * 80_000 + "and x1 > 0")}, []),
    "80 kB of newlines in a rule": (
        {"space": space(axes(2, 3), "x0 > 1" + "\n" * 80_000 + "and x1 > 0")}, []),
    "products": ({"space": space(HUGE, "*".join(["x0"] * 55) + " > 0")}, []),
    "powers": ({"space": space(SIX, "+".join(["x0 ** 1200"] * 55) + " < 0")}, []),
    "rules that nothing satisfies": (
        {"space": space(SIX, *(f"x0*x1*x2*x3*x4*x5 > {10**7 + k}" for k in range(100)))}, []),
    "10,000 rules": ({"space": space(SIX, *(f"x0*x1 > {-k}" for k in range(10_000)))}, []),
    "equal values": ({"space": space(
        [{"name": "x", "kind": "ordinal", "values": [*range(100_000), 99_999]}])}, []),
    "candidates": ({"strategy": TPE}, []),
    "members": ({"strategy": {"name": "Population", "members": 10**9}}, []),
    "a Latin hypercube": ({"strategy": {"name": "Radial2024", "latin": 10**10}}, []),
    "deep options": ({"strategy": {"name": "DSICE", "start": DEEP}}, []),
    "a deep note": ({}, [asked(note={"a": DEEP}), TELL]),
    "deeper than the stack": ({}, ['{"kind":"ask","a":' + "[" * 10**5 + "]" * 10**5 + "}"]),
    "digits": ({}, ['{"kind":"ask","round":' + "9" * 5000 + ',"trials":[{"id":0,"point":[0]}]}']),
    "a stage": ({}, [asked(stage=10**30)]),
    "parents in a circle": ({}, [asked(parent=0), TELL]),
    "a parent that is not there": ({}, [asked(parent=10**9), TELL]),
    "seconds": ({}, [ASK, {**TELL, "seconds": 10**400}]),
    "enqueued points": ({}, [
        *({"kind": "enqueue", "point": [i]} for i in range(40_000)),
        {"kind": "ask", "round": 0, "trials": [
            {"id": i, "point": [39_999 - i]} for i in range(40_000)]}]),
    "one step again and again": ({}, [
        ASK, *({"kind": "step", "id": 0, "step": i, "value": 0.5} for i in range(20_000)),
        *({"kind": "step", "id": 0, "step": 19_999, "value": i} for i in range(20_000))]),
}  # fmt: skip
SHORT = ("80 kB of blanks in a rule", "products", "10,000 rules", "candidates", "enqueued points")
LOOK = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
import dsice
from dsice.cli.main import main
began = time.process_time()
for act in ("status", "best"):
    main([act, sys.argv[1]])
main(["journal", "check", sys.argv[1]])
try:
    with dsice.Tuner.resume(sys.argv[1]) as tuner:
        tuner.ask(2)
        [tuner.history.lineage(trial) for trial in tuner.history][:0]
except dsice.DsiceError:
    pass
print("took", time.process_time() - began)
"""


@pytest.mark.parametrize("name", scaled(SHORT, tuple(HOSTILE)))
def test_a_hostile_journal_is_opened_or_refused_in_a_few_seconds(
    name: str, tmp_path: Path, note: Note
) -> None:
    header = {"kind": "header", "format": 1, "space": space([{**axes(1, 40_000)[0]}])}
    header |= {"strategy": {"name": "Random"}, "goal": {}, "seed": 0, "max_trials": None}
    options, lines = HOSTILE[name]
    texts = [header | options, *lines]
    (tmp_path / "run.jsonl").write_text(
        "".join(
            (t if isinstance(t, str) else json.dumps(t, separators=(",", ":"))) + "\n"
            for t in texts
        )
    )
    command = [sys.executable, "-c", LOOK, str(tmp_path / "run.jsonl")]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert "Traceback" not in found.stderr and found.returncode == 0, found.stderr[-2000:]
    seconds = float(found.stdout.split("took")[1])
    note(BAR, "CPU s to look at and to resume a hostile journal", seconds, "< 15", most=True)
    assert seconds < 15
