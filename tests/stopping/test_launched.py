"""Successive halving of 40 real processes at once, on each kind of launcher."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import dsice
from dsice import Tuner, run
from dsice.launchers import Batch, Futures, Launcher, Local, Result, Step
from dsice.stopping import SuccessiveHalving
from dsice.strategies import Random
from tests.stopping.test_halving import goes_on_in_the_paper
from tests.stopping.test_stopping import lines

pytestmark = pytest.mark.timeout(240)
COUNT = 40


def held(x: int, gate: str) -> float:
    """Report three steps; behind the first wait for the gate, or for the word to stop."""
    for step in (1, 2, 3):
        stop = dsice.step(step, x)
        while step == 1 and not stop and not Path(gate).exists():
            time.sleep(0.05)
            if (dsice.trial_dir() or Path()).joinpath("stop").exists():
                stop = dsice.step(step, x)  # again, to be told so
        if stop:
            break
    return x


COMMAND = """\
x={x}
for step in 1 2 3; do
  printf '{"step": %s, "value": %s}\\n' $step $x >> "$DSICE_DIR/steps"
  until test $step -gt 1 || test -e "$DSICE_DIR/stop" || test -e "@gate@"; do sleep 1; done
  test -e "$DSICE_DIR/stop" && touch "$DSICE_DIR/stopping" && break
done
echo $x
"""


def local(place: Path, gate: Path, request: Any) -> Launcher:
    return Local(COMMAND.replace("@gate@", str(gate)), slots=COUNT, directory=place)


def futures(place: Path, gate: Path, request: Any) -> Launcher:
    program = partial(held, gate=str(gate))
    return Futures(program, partial(ProcessPoolExecutor, COUNT), directory=place)


def batch(scheduler: str, place: Path, gate: Path, request: Any) -> Launcher:
    request.getfixturevalue("slurm" if scheduler == "slurm" else "commands")
    return Batch(
        COMMAND.replace("@gate@", str(gate)),
        scheduler=scheduler,
        slots=COUNT,
        directory=place,
        poll=1.0 if scheduler == "slurm" else 0.3,
        throttle=0.0,
        python=sys.executable,
    )


LAUNCHERS: dict[str, Callable[[Path, Path, Any], Launcher]] = {
    "local": local,
    "futures": futures,
    **{name: partial(batch, name) for name in ("pjm", "pbs", "slurm")},
}


@pytest.mark.parametrize(
    "launcher", ["local", "futures", pytest.param("pjm", marks=pytest.mark.long), "pbs", "slurm"]
)
def test_of_forty_at_once_the_best_third_goes_on(
    launcher: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, gate = tmp_path / "j.jsonl", tmp_path / "gate"
    stopper = SuccessiveHalving([1])
    tuner = Tuner({"x": range(COUNT)}, Random(), stopper=stopper, journal=path, max_trials=COUNT)
    with tuner, LAUNCHERS[launcher](tmp_path / "trials", gate, request) as running:
        collect = running.collect

        def opening(timeout: float = 0.0) -> Iterable[Result | Step]:
            if len(lines(path, "decision")) == COUNT:  # and what is to stop was cancelled
                gate.touch()
            return collect(timeout)

        monkeypatch.setattr(running, "collect", opening)
        run(tuner, running, progress=False)
    assert len(lines(path, "ask")) == 1  # all of them at once
    found = lines(path, "decision")
    assert len(found) == COUNT and {line["inputs"]["rung"] for line in found} == {1}
    known = [line["value"] for line in lines(path, "step") if line["step"] == 1]
    for line in found:
        before = known[: line["inputs"]["reached"]]
        before.remove(line["value"])
        assert line["stop"] is not goes_on_in_the_paper(before, line["value"], 1 / 3)
    stopped = {line["id"] for line in found if line["stop"]}
    for trial in tuner.history:
        assert str(trial.state) == ("stopped" if trial.id in stopped else "done")
        assert len(trial.curve) == (1 if trial.id in stopped else 3)
    # how many depends on the order in which the scheduler starts them
    assert COUNT // 4 < len(stopped) < COUNT and tuner.best is not None and tuner.best.value == 0.0
