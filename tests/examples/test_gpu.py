"""The matrix product on a GPU: without one it says so; in numba's simulator it is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsice import Tuner

ROOT = Path(__file__).parents[2]


def matmul(place: Path, *arguments: str, simulated: bool) -> str:
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    env |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    if simulated:
        env["NUMBA_ENABLE_CUDASIM"] = "1"
    command = [sys.executable, str(ROOT / "examples" / "gpu" / "matmul.py"), *arguments]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_gpu_it_says_why_it_is_skipped(tmp_path: Path) -> None:
    assert matmul(tmp_path, simulated=False).startswith("skipped: numba ")
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_the_kernels_are_right_in_the_simulator(tmp_path: Path) -> None:
    out = matmul(tmp_path, "--size", "19", "--trials", "3", "--repeats", "1", simulated=True)
    assert "times faster" in out
    history = Tuner.read(tmp_path / "matmul.jsonl").history
    assert [trial.state for trial in history] == ["done"] * 3  # a wrong product would be invalid
    assert history[0].params["rows"] == 16
