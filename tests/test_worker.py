"""`dsice.step`: a trial's learning curve."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dsice
from dsice.launchers.outcome import CurveReader
from dsice.worker import TrialContext, in_trial


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSICE_DIR", str(tmp_path))
    return tmp_path


def test_outside_of_a_trial_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSICE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert dsice.step(0, 1.0) is False
    assert list(tmp_path.iterdir()) == []


def test_a_trial_finds_its_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSICE_DIR", raising=False)
    monkeypatch.delenv("DSICE_PARENT_DIR", raising=False)
    assert dsice.trial_dir() is None and dsice.parent_dir() is None
    monkeypatch.setenv("DSICE_DIR", str(tmp_path / "4"))
    monkeypatch.setenv("DSICE_PARENT_DIR", str(tmp_path / "1"))
    assert (dsice.trial_dir(), dsice.parent_dir()) == (tmp_path / "4", tmp_path / "1")
    # one of several trials in a process: the environment variables are not its own
    with in_trial(TrialContext(str(tmp_path / "5"))):
        assert (dsice.trial_dir(), dsice.parent_dir()) == (tmp_path / "5", None)


def test_steps_arrive_as_they_were_given(directory: Path) -> None:
    given: list[Any] = [(0, 0.5), (1, np.float32(0.25)), (np.int64(2), math.inf), (3, 1)]
    assert not any(dsice.step(step, value) for step, value in given)
    assert [(s.step, s.value) for s in CurveReader(7, directory).new_steps()] == [
        (0, 0.5),
        (1, 0.25),
        (2, math.inf),
        (3, 1.0),
    ]
    dsice.step(4, math.nan)
    assert math.isnan(CurveReader(7, directory).new_steps()[-1].value)


def test_true_once_the_trial_is_to_stop(directory: Path) -> None:
    assert dsice.step(0, 1.0) is False
    (directory / "stop").touch()
    assert dsice.step(1, 1.0) is True
    assert [s.step for s in CurveReader(0, directory).new_steps()] == [0, 1]


@pytest.mark.parametrize(
    ("step", "value"),
    [(-1, 0.5), (1.5, 0.5), ("1", 0.5), (1, "0.5"), (1, None), (1, 1j), (1, [1.0])],
)
def test_what_is_no_step_is_refused_and_not_written(
    directory: Path, step: object, value: object
) -> None:
    with pytest.raises(dsice.DsiceError, match=r"step must|value must"):
        dsice.step(step, value)  # type: ignore[arg-type]
    assert list(directory.iterdir()) == []


def test_a_torn_line_waits_for_its_end_and_a_broken_one_is_passed_over(directory: Path) -> None:
    curve, path = CurveReader(3, directory), directory / "steps"
    assert curve.new_steps() == []
    path.write_text('{"step": 0, "value": 1.0}\n{"step": 1, "val')
    assert [s.step for s in curve.new_steps()] == [0]
    assert curve.new_steps() == []
    with path.open("a") as file:
        file.write('ue": 2.0}\n\0\0garbage\n{"step": "x"}\n[1]\n{"step": 2, "value": NaN}\n')
    assert [s.step for s in curve.new_steps()] == [1, 2]


def test_lines_of_many_threads_do_not_mix(directory: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: dsice.step(i, i / 3), range(400)))
    assert sorted((s.step, s.value) for s in CurveReader(0, directory).new_steps()) == [
        (i, i / 3) for i in range(400)
    ]


def test_the_worker_needs_the_standard_library_only() -> None:
    code = (
        "import importlib.util, sys, types; "
        "package = types.ModuleType('dsice'); package.__path__ = [sys.argv[1]];"
        "sys.modules['dsice'] = package; import dsice.worker;"
        "known = sys.stdlib_module_names | {'dsice', '__main__'};"
        "print([m for m in sys.modules if m.split('.')[0] not in known])"
    )
    package = str(Path(dsice.__file__).parent)
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, package],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(shown.replace("'", '"')) == []
