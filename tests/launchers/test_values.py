"""Values in functions and on command lines: the same from every launcher, and on resuming."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Choice, Space, Tuner, run
from dsice.launchers import Batch, Futures, Job, Launcher, Local, Result, Table
from dsice.launchers.command import Command
from dsice.space.values import same_params
from dsice.strategies import Grid
from tests.by_value import by_value
from tests.launchers.fixtures import Fake
from tests.launchers.helpers import drain, eventually

ROOT = Path(__file__).parents[2]
AXES: dict[str, Any] = {
    "tile": [(16, 16), [32, [8]]],
    "opt": [{"lr": 0.1 + 0.2, "on": [True]}],
    "x": [0.1 + 0.2],
    "none": Choice([None, 1]),
}


class Optimizer(str, Enum):  # noqa: UP042 (a StrEnum writes itself otherwise)
    SGD = "sgd"


@by_value
def kinds(tile: Any, opt: Any, x: float, none: Any) -> dict[str, float]:
    """What a function got, as numbers."""
    opt["lr"] = 0.5  # a dict of its own
    return {
        "tuple": type(tile) is tuple,
        "inner": type(tile[1]) in (tuple, int) and type(opt["on"]) is tuple,
        "dict": type(opt) is dict and opt["on"] == (True,),
        "exact": x == 0.1 + 0.2,
        "none": none is None or none == 1,
    }


MAKE: dict[str, Callable[[Path], Launcher]] = {
    "local": lambda here: Local(kinds, slots=2),
    "threads": lambda here: Futures(kinds, ThreadPoolExecutor(2)),
    "processes": lambda here: Futures(kinds, ProcessPoolExecutor(1)),
    "batch": lambda here: Batch(
        kinds, scheduler="pbs", slots=2, poll=0.2, throttle=0.0, python=sys.executable
    ),
}


@pytest.mark.parametrize("name", MAKE)
def test_functions_get_tuples_and_dicts_of_their_own(
    name: str, tmp_path: Path, commands: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = Space(AXES)
    points = [tuple(point) for point in space.points().tolist()]
    with MAKE[name](tmp_path) as launcher:
        jobs = [Job(i, space.params(point)) for i, point in enumerate(points)]
        found: dict[int, Result] = {}
        for job in jobs:
            launcher.submit([job])
            found |= drain(launcher, 1)
    for id, result in found.items():
        assert result.state == "done", result.error
        assert result.metrics and set(result.metrics.values()) == {1.0}, (id, result.metrics)
    assert all(job.params["opt"]["lr"] == 0.1 + 0.2 for job in jobs)


def test_lists_that_are_no_values_of_an_axis_stay_lists() -> None:
    def is_list(x: Any, y: Any) -> list[float]:
        return [float(type(x) is list), float(type(y) is tuple)]

    with Local(is_list, slots=1) as launcher:
        launcher.submit([Job(0, {"x": [1, 2], "y": (1, 2)})])
        assert drain(launcher, 1)[0].value == [1.0, 1.0]


def test_the_words_of_a_command() -> None:
    params = Space(
        {**AXES, "kind": [Optimizer.SGD], "model.lr": [1e-05], "tile": [(16, (0.1 + 0.2,))]}
    ).params((0,) * 6)
    command = Command.parse("prog {tile} {opt} {x} {none} {kind} {model.lr}", list(params))
    assert command.render(params) == (
        "prog '[16,[0.3]]' '{\"lr\":0.3,\"on\":[true]}' 0.3 None sgd 1e-05"
    )


def test_a_program_reads_lists_and_objects_as_json(tmp_path: Path) -> None:
    text = "import json, sys; a, b = map(json.loads, sys.argv[1:]); print(a[0] + b['lr'])"
    program = tmp_path / "prog.py"
    program.write_text(text)
    axes: dict[str, Any] = {"tile": [(16, 16), (32, 8)], "opt": [{"lr": 1}, {"lr": 2}]}
    tuner = Tuner(axes, Grid(), journal=tmp_path / "run.jsonl")
    with Local(f"{sys.executable} {program} {{tile}} {{opt}}", slots=2) as launcher:
        run(tuner, launcher, progress=False)
    assert sorted(t.value or 0 for t in tuner.history) == [17, 18, 33, 34]
    tuner.close()
    table = Table(tmp_path / "run.jsonl")  # and the log is replayed
    assert table.optimum() == ({"tile": (16, 16), "opt": {"lr": 1}}, 17.0)
    assert table.rank({"tile": [32, 8], "opt": {"lr": 1}}) == 3


def test_params_json_has_arrays_and_all_digits(tmp_path: Path) -> None:
    with Local("cat $DSICE_DIR/params.json > kept; echo 1", slots=1, directory="t") as launcher:
        launcher.submit([Job(0, Space(AXES).params((1, 0, 0, 0)))])
        drain(launcher, 1)
    assert json.loads(Path("kept").read_text()) == {
        "tile": [32, [8]],
        "opt": {"lr": 0.1 + 0.2, "on": [True]},
        "x": 0.1 + 0.2,
        "none": None,
    }


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ------------------------------------------------------------------ found again
BEFORE = """
import sys
sys.path.insert(0, {code!r})
from enum import Enum
import dsice
from dsice.launchers import Local
from dsice.strategies import Grid
assert dsice.__file__.startswith({code!r})
class Optimizer(str, Enum):
    SGD = "sgd"
    ADAM = "adam"
axes = {{"seed": dsice.Choice({seeds!r}), "opt": list(Optimizer), "lr": [0.1, 0.2, 0.3]}}
tuner = dsice.Tuner(axes, Grid(), journal="run.jsonl", max_trials=6)
dsice.run(tuner, Local({command!r}, slots=6, directory="t"), progress=False)
"""
WAITS = (
    'echo run >> "$DSICE_DIR/runs"; '
    "while test $DSICE_TRIAL -gt 0 -a ! -e go; do sleep 0.05; done; echo {seed}"
)
SEEDS = [1700000001, 1700000002, 1700000003]


@pytest.mark.parametrize("version", ["0.1.0", "today"])
def test_jobs_of_a_killed_coordinator_are_found_again_whatever_rounding_did(
    version: str, tmp_path: Path
) -> None:
    code = ROOT
    if version == "0.1.0":
        code = tmp_path / "old"
        with tarfile.open(ROOT / "tests" / "journal" / "dsice-0.1.0.tar.xz") as archive:
            archive.extractall(code, filter="data")
    script = BEFORE.format(code=str(code), seeds=SEEDS, command=WAITS)
    before = subprocess.Popen([sys.executable, "-I", "-c", script])
    try:
        started = [Path(f"t/{id}/runs") for id in range(6)]
        assert eventually(lambda: all(p.exists() for p in started), 20)
        assert eventually(Path("t/0/exit.json").exists)
    finally:
        before.kill()
        before.wait()
    axes: dict[str, Any] = {
        "seed": Choice(SEEDS),
        "opt": ["sgd", "adam"],
        "lr": np.arange(0.1, 0.35, 0.1),
    }
    assert axes["lr"][2] != 0.3
    with (
        Tuner(axes, Grid(), journal="run.jsonl", max_trials=6) as tuner,
        Local(WAITS, slots=6, directory="t") as launcher,
    ):
        Path("go").touch()
        run(tuner, launcher, progress=False)
        assert [t.value for t in tuner.history] == [t.params["seed"] for t in tuner.history]
    assert [path.read_text() for path in started] == ["run\n"] * 6


@pytest.mark.parametrize(
    ("written", "now", "same"),
    [
        ({"x": 0.3}, {"x": 0.1 + 0.2}, True),
        ({"x": 1}, {"x": 1.0}, True),
        ({"x": [1, 2]}, {"x": (1, 2)}, True),
        ({"x": True}, {"x": 1}, False),
        ({"x": [1]}, {"x": (True,)}, False),
        ({"x": 1700000001}, {"x": 1700000002}, False),
        ({"x": 1700000001.0}, {"x": 1700000001}, True),
        ({"x": "sgd"}, {"x": Optimizer.SGD}, True),
        ({"x": float("nan")}, {"x": float("nan")}, False),
        ({"x": 1}, {"x": 1, "y": 2}, False),
    ],
)
def test_which_params_are_the_same(written: Any, now: Any, same: bool) -> None:
    assert same_params(written, now) is same
