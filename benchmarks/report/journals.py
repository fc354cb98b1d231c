"""Journals of every kind that a report must show well, made in a few seconds each.

`python -m benchmarks.report.journals FOLDER` makes all of them.
"""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsice import Choice, Goal, Ordinal, Require, Space, Tuner, When, run
from dsice.launchers import Table
from dsice.strategies import DSICE, Population, Random

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "benchmarks/digits/digits_5x5x5x5x5.csv.gz"
AXES = ["lr", "batch", "momentum", "dropout", "l2"]
NOON = 1_750_000_000.0  # of the first trial
OUT_OF_MEMORY = """exit code 1
last lines of stderr:
Traceback (most recent call last):
  File "train.py", line 88, in <module>
RuntimeError: CUDA out of memory. Tried to allocate {size}.00 MiB
logs: /scratch/study/trials/{id}/stderr and /scratch/study/trials/{id}/stdout"""


def replay(path: Path) -> None:
    """The digits table, 160 of its 3125 points in rounds of 40, on a virtual clock."""
    table = Table(DIGITS, objective="loss", params=AXES, workers=40)
    start = {"lr": 0.01, "batch": 64, "momentum": 0.9, "dropout": 0.4, "l2": 0.0001}
    tuner = Tuner(
        table.space, DSICE(start=start), goal=Goal("loss"), journal=path, max_trials=160, seed=1
    )
    with tuner:
        run(tuner, table, mode="rounds", progress=False)


def noisy(path: Path) -> None:
    """Bounds, repeats, conditions, words; failures of all kinds, curves, and trials that wait."""
    space = Space(
        {
            "optimizer": Choice(["sgd", "adam", "lion"]),
            "learning rate": Ordinal.log(1e-5, 1e-1, 9),
            "batch": [16, 32, 64, 128, 256, 512],
            "momentum": [0.0, 0.5, 0.9, 0.99],
            "amp": Choice([True, False]),
        },
        where=[When("optimizer == 'sgd'", "momentum"), Require("batch >= 32 or amp == True")],
    )
    goal = Goal("accuracy", maximize=True, at_most={"memory": 11.0})
    start = {"optimizer": "adam", "learning rate": 1e-2, "batch": 64, "amp": True}
    rng = random.Random(3)
    with Tuner(space, DSICE(start=start, noise=True), goal=goal, journal=path, seed=2) as tuner:
        for asked in range(6):
            for trial in tuner.ask(20):
                if asked == 5 and trial.id % 3 == 0:
                    continue
                _noisy_trial(tuner, trial.id, dict(trial.params), rng)


def _noisy_trial(tuner: Tuner, id: int, params: dict[str, Any], rng: random.Random) -> None:
    far = abs(math.log10(params["learning rate"]) + 3) + 0.3 * abs(math.log2(params["batch"]) - 6)
    accuracy = 0.93 - 0.12 * far + 0.02 * (params["optimizer"] == "lion") + rng.gauss(0, 0.01)
    memory = 2 + params["batch"] / 48 + 3 * (not params["amp"])
    start = NOON + (id // 20) * 900 + rng.random() * 30
    seconds = 200 + 500 * rng.random()
    times = {"seconds": seconds, "times": (start - 20, start, start + seconds)}
    where = {"worker": f"gpu{id % 20:02}", "job": str(9000 + id)}
    ended: dict[str, Any] = {**times, "where": where}
    steps = 30 if accuracy > 0.8 else 8
    curve = [
        (id, step + 1, accuracy * (1 - math.exp(-(step + 1) / 7)) + rng.gauss(0, 0.004))
        for step in range(steps)
    ]
    tuner.runs.steps(curve, None)  # all in one write, as `run` does it
    if params["batch"] == 512 and not params["amp"]:
        tuner.tell(id, error=OUT_OF_MEMORY.format(size=512 + id, id=id), **ended)
    elif id % 29 == 7:
        text = "took longer than its time limit of 600 s\nlog: /scratch/study/limit.log"
        tuner.tell(id, error=text, state="timed_out", **ended)
    elif id % 31 == 5:
        tuner.tell(id, error="node gpu07 went down", state="lost", where=where)
    elif id % 37 == 11:
        tuner.tell(id, error="the checksum of the weights differs", state="invalid", **ended)
    elif steps < 30:
        tuner.tell(id, accuracy, metrics={"memory": memory}, state="stopped", **ended)
    else:
        repeats = [accuracy + rng.gauss(0, 0.006) for _ in range(3)]
        tuner.tell(id, metrics={"accuracy": repeats, "memory": memory}, **ended)


def many(path: Path, trials: int = 10_000, curves: int = 500) -> None:
    """Random settings of 8 parameters, with two metrics, times and learning curves of 20 steps."""
    space: dict[str, Any] = {
        "lr": Ordinal.log(1e-5, 1e-1, 9),
        "batch": [2**k for k in range(3, 11)],
        "optimizer": Choice(["adam", "sgd", "rms", "lion"]),
        "decay": Ordinal.log(1e-6, 1e-2, 9),
        "layers": list(range(1, 9)),
        "schedule": Choice(["flat", "cosine", "linear"]),
        "dropout": Ordinal.linear(0.0, 0.8, 9),
        "heads": [1, 2, 4, 8, 16],
    }
    rng = random.Random(1)
    with Tuner(space, Random(), journal=path, max_trials=trials, seed=1) as tuner:
        while asked := tuner.ask(500):
            for trial in asked:
                p = trial.params
                loss = (
                    0.4 * abs(math.log10(p["lr"]) + 3)
                    + 0.1 * abs(math.log2(p["batch"]) - 6)
                    + 0.2 * (p["optimizer"] == "sgd")
                    + 0.5 * (p["dropout"] - 0.2) ** 2 * p["layers"] / 4
                    + abs(rng.gauss(0, 0.1))
                )
                _timed_trial(tuner, trial.id, loss, rng, with_curve=trial.id < curves)


def _timed_trial(
    tuner: Tuner, id: int, loss: float, rng: random.Random, *, with_curve: bool
) -> None:
    start = NOON + id // 40 * 60 + 10 * rng.random()
    seconds = 5 + 40 * rng.random()
    if with_curve:
        curve = [(id, step, loss + 3 * math.exp(-step / 4)) for step in range(20)]
        tuner.runs.steps(curve, None)
    ended: dict[str, Any] = {"seconds": seconds, "times": (start - 1, start, start + seconds)}
    ended["where"] = {"worker": f"node{id % 40}"}
    if rng.random() < 0.05:
        tuner.tell(id, error=OUT_OF_MEMORY.format(size=id % 64, id=id), **ended)
    else:
        metrics = {"memory": 8 * rng.random(), "accuracy": 1 / (1 + loss)}
        tuner.tell(id, loss, metrics=metrics, **ended)


def one_parameter(path: Path) -> None:
    """A single parameter of a million values, with values from 1e-3 to 1e9."""
    space = {"n": Ordinal.linear(0, 10_000_000_000_000_000, 1_000_001)}
    with Tuner(space, Random(), journal=path, max_trials=24, seed=4) as tuner:
        while asked := tuner.ask(8):
            for trial in asked:
                x = trial.params["n"] / 1e16
                tuner.tell(trial, 1e-3 + (x - 0.3) ** 2 * (1e9 if x > 0.95 else 1), seconds=1.0)


def sixteen(path: Path) -> None:
    """Sixteen parameters, names of every length, none of them known to matter beforehand."""
    names = [
        f"compiler.flag_{k:02}_with_a_rather_long_name" if k % 3 else f"f{k}" for k in range(16)
    ]
    space = {name: [0, 1, 2, 3] if k % 2 else Choice(["off", "on"]) for k, name in enumerate(names)}
    rng = random.Random(9)
    with Tuner(space, journal=path, max_trials=150, seed=5) as tuner:
        while asked := tuner.ask(50):
            for trial in asked:
                values = list(trial.params.values())
                time = 10 - 2 * (values[0] == "on") + 0.7 * abs(values[1] - 2) + rng.gauss(0, 0.1)
                tuner.tell(trial, time + 0.2 * values[3], seconds=time)


def nothing_finished(path: Path) -> None:
    """Forty trials that were asked and not told."""
    with Tuner({"x": range(9), "y": range(9)}, journal=path, max_trials=200) as tuner:
        tuner.ask(40)


def population(path: Path) -> None:
    """Eight members over five stages, which copy one another."""
    rng = random.Random(6)
    space = {"lr": Ordinal.log(1e-4, 1e-1, 7), "dropout": Ordinal.linear(0.0, 0.5, 6)}
    strategy = Population(members=8, stages=5)
    with Tuner(space, strategy, journal=path, seed=3) as tuner:
        while asked := tuner.ask(8):
            for trial in asked:
                far = abs(math.log10(trial.params["lr"]) + 2.5) + trial.params["dropout"]
                tuner.tell(trial, far / (1 + trial.stage) + 0.05 * rng.random(), seconds=30.0)


HOSTILE = {
    "script": "<script>window.hacked = 1</script>",
    "end": "</script><script>window.hacked = 2</script>",
    "image": '"><img src=x onerror="window.hacked = 3">',
    "comment": "<!-- --> <!--<script>",
    "quotes": "'\"`${window.hacked = 4}`\"' \\ \\u003c",
    "direction": "\u202egnissim\u202c \u2066x\u2069 \u2028 \u0000 \x1b[31m",
    "long": "x" * 10_000,
}
"""Texts that would do harm if any of them were taken for more than letters."""


def hostile(path: Path) -> None:
    """Names, values, errors, workers, logs and phases that are markup, or very long."""
    texts = list(HOSTILE.values())
    space = {
        HOSTILE["script"]: [1, 2, 3, 4],
        HOSTILE["end"]: Choice(texts),
        HOSTILE["quotes"]: Choice([*texts[:4], 2**60, None]),
        "a, b|c=`d`": [2**53 + 1, 2**60, 2**62],
        "__proto__": [0.5, 1.5, 2.5],
    }
    goal = Goal(HOSTILE["image"], at_most={HOSTILE["comment"]: 5.0})
    rng = random.Random(8)
    with Tuner(space, journal=path, goal=goal, seed=6) as tuner:
        for _ in range(2):
            for trial in tuner.ask(20):
                text = texts[trial.id % len(texts)]
                start = NOON + 100 * trial.id
                ended: dict[str, Any] = {"times": (start, start, start + 90), "seconds": 90.0}
                ended["where"] = {"worker": text, "log": text}
                ended["tags"] = {text: text}
                if trial.id % 3 == 0:
                    tuner.tell(trial, error=text, **ended)
                    continue
                metrics = {HOSTILE["image"]: rng.random(), HOSTILE["comment"]: 9 * rng.random()}
                tuner.tell(trial, metrics={**metrics, text: 1.0}, **ended)


KINDS: dict[str, Callable[[Path], None]] = {
    "replay": replay,
    "noisy": noisy,
    "many": many,
    "one": one_parameter,
    "sixteen": sixteen,
    "nothing": nothing_finished,
    "population": population,
    "hostile": hostile,
}
"""All journals; the first six are those of the bars."""


def make(kind: str, folder: Path) -> Path:
    """The journal of a kind, made once in a folder."""
    path = folder / f"{kind}.jsonl"
    if not path.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            KINDS[kind](path)
    return path


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    for name in KINDS:
        print(make(name, place))
