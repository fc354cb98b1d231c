"""The demo, killed with -9 ten times and resumed, loses nothing and measures nothing twice."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dsice import Tuner
from dsice.trial import Trial

TUNE = Path(__file__).parents[2] / "examples" / "digits" / "tune.py"
KILLS = 10
TRAIN = """
import json, os, sys, time
with open({runs!r}, "a") as file:
    # one short write to an append-only file: whole lines
    file.write(os.environ["DSICE_TRIAL"] + "\\n")
named = dict(zip(sys.argv[1::2], map(float, sys.argv[2::2])))
time.sleep({seconds})
lr, batch = named["--lr"], named["--batch"]
loss = abs(lr - 0.1) + batch / 1000 + abs(named["--dropout"] - 0.2)
print(json.dumps({{"loss": loss, "test_error": lr / 10}}))
"""


class Demo:
    """tune.py with a stand-in for the training that notes each of its runs."""

    def __init__(self, folder: Path, *, slots: int, trials: int, seconds: float) -> None:
        folder.mkdir()
        self.runs = folder / "runs.txt"
        (folder / "train.py").write_text(TRAIN.format(runs=str(self.runs), seconds=seconds))
        self.journal = folder / "demo" / "digits.jsonl"
        self.picture = folder / "demo" / "progress.png"
        train = shlex.join([sys.executable, "-S", "-E", str(folder / "train.py")])
        options = [
            "--trials",
            str(trials),
            "--slots",
            str(slots),
            "--directory",
            str(folder / "demo"),
            "--command",
            train,
        ]
        self.command = [sys.executable, str(TUNE), *options]
        self.env = {**os.environ, "NO_COLOR": "1"}

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def finish(self) -> str:
        done = subprocess.run(
            self.command, env=self.env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def told(self) -> dict[int, Trial]:
        """Trials that the journal has a result of."""
        if not self.journal.exists() or not self.journal.read_bytes().count(b"\n"):
            return {}
        return {t.id: t for t in Tuner.read(self.journal).history if t.value is not None}

    def counts(self) -> Counter[int]:
        """How often each trial was started."""
        return Counter(map(int, self.runs.read_text().split())) if self.runs.exists() else Counter()

    def lines(self) -> int:
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0


@pytest.mark.long
@pytest.mark.parametrize(("slots", "trials"), [(1, 36), (2, 64)])
def test_killed_ten_times(tmp_path: Path, slots: int, trials: int) -> None:
    demo = Demo(tmp_path / "cut", slots=slots, trials=trials, seconds=0.05)
    chance = random.Random(slots)
    told: dict[int, Trial] = {}
    for _ in range(KILLS):
        before, counts = demo.lines(), demo.counts()
        process = demo.start()
        _wait_until(partial(_grown, demo, before + 2), process)
        time.sleep(chance.uniform(0.0, 0.1))  # anywhere: while asking, starting, training, writing
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = demo.told()
        assert {id: now[id] for id in told} == told  # no told result lost or changed
        assert all(demo.counts()[id] == counts[id] for id in told)  # nor measured again
        told = now
    assert 0 < len(told) < trials
    counts = demo.counts()
    out = demo.finish()
    assert f"going on where it was: {len(told)} of {trials}" in out
    assert {id: demo.told()[id] for id in told} == told
    assert sorted(demo.told()) == list(range(trials))
    assert all(demo.counts()[id] == counts[id] for id in told)
    assert set(demo.counts()) == set(range(trials))
    # only trials that ran at a kill run again
    assert demo.counts().total() <= trials + KILLS * slots
    if slots == 1:  # one at a time: the order of asks and tells is the same, so the points are
        uncut = Demo(tmp_path / "uncut", slots=1, trials=trials, seconds=0.0)
        uncut.finish()
        assert [(t.point, t.value) for t in uncut.told().values()] == [
            (t.point, t.value) for t in demo.told().values()
        ]
        assert set(uncut.counts().values()) == {1}


def _grown(demo: Demo, lines: int) -> bool:
    return demo.lines() >= lines


def _wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not happened() and process.poll() is None:
        if time.monotonic() > until:
            raise TimeoutError("the demo does not get on")
        time.sleep(0.002)


@pytest.mark.long
def test_what_the_demo_prints_and_that_it_measures_once(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "whole", slots=2, trials=24, seconds=0.0)
    out = demo.finish()
    assert "24 of the 3125 points" in out
    told = demo.told()
    best = min(told.values(), key=lambda t: (t.value or 0.0, t.id))
    rows = {
        words[0]: words
        for words in map(str.split, out.splitlines())
        if words and words[0] in ("initial", "best")
    }
    assert rows["initial"][1:3] == [f"{told[0].value:.4f}", f"{told[0].metrics['test_error']:.1%}"]
    assert rows["best"][1:3] == [f"{best.value:.4f}", f"{best.metrics['test_error']:.1%}"]
    better = sum((t.value or 0.0) < (told[0].value or 0.0) for t in told.values())
    assert f"{better / 24:.0%} of 24 trials are better" in out
    assert str(demo.journal) in out
    assert demo.picture.read_bytes().startswith(b"\x89PNG")

    before, journal = demo.counts(), demo.journal.read_bytes()
    out = demo.finish()
    assert "all 24 trials were measured before" in out
    assert rows["best"] in list(map(str.split, out.splitlines()))
    assert demo.counts() == before
    assert demo.journal.read_bytes() == journal


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "stopped", slots=2, trials=60, seconds=0.1)
    process = subprocess.Popen(
        demo.command, env=demo.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _wait_until(lambda: len(demo.told()) >= 2, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "run it again to go on where it was" in err
    assert "Traceback" not in err
    assert process.returncode == 130


@pytest.mark.long
def test_the_real_training_once(tmp_path: Path) -> None:
    """The demo's own command line fits the training script: two real trainings."""
    pytest.importorskip("sklearn")
    command = [sys.executable, str(TUNE), "--trials", "2", "--directory", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    lines = [
        json.loads(line) for line in (tmp_path / "demo" / "digits.jsonl").read_text().splitlines()
    ]
    metrics = [record["metrics"] for record in lines if record["kind"] == "tell"]
    assert len(metrics) == 2
    assert all(0 < m["loss"] < 3 and 0 < m["test_error"] < 1 for m in metrics)
