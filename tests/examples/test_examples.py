"""The examples run as written."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def example(arguments: list[str], place: Path) -> str:
    """Output of an example that is run in a directory of its own."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # several spin where much runs
    env = {**os.environ, **one, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "examples" / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sweep_finds_a_good_batch_size_with_a_tenth_of_the_trials(tmp_path: Path) -> None:
    _, grid, search = (line.split() for line in example(["sweep/sweep.py"], tmp_path).splitlines())
    assert grid[:2] == ["all", "700"] and int(grid[-1]) == 1
    assert search[:2] == ["search", "70"] and int(search[-1]) <= 35  # of 700


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
)
def test_dask_measures_stops_and_finds(tmp_path: Path) -> None:
    shown = example(["dask/tune.py", "--trials", "40"], tmp_path)
    assert shown.startswith("40 trials, ") and "stopped early" in shown
    assert "0 of them" not in shown and "best: {'lr'" in shown
    assert len(list((tmp_path / "demo" / "dask").iterdir())) == 40
