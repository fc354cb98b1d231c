"""The example that tunes a network on another data set goes through, and goes on."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dsice import Tuner

TUNE = Path(__file__).parents[2] / "examples" / "reuse" / "tune.py"


@pytest.mark.long
@pytest.mark.skipif(not find_spec("sklearn"), reason="its data sets are scikit-learn's")
def test_it_reuses_the_digits_and_goes_on(tmp_path: Path) -> None:
    budget = ["--digits", "12", "--trials", "8", "--batch", "4", "--epochs", "1"]
    command = [sys.executable, str(TUNE), *budget, "--directory", str(tmp_path)]
    first = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert "12 of 12 points, 5 of 5 parameters, minimising loss" in first.stdout
    assert first.stdout.count("reusing the digits") == 1
    tuner = Tuner.read(tmp_path / "wine-reuse.jsonl")
    assert len(tuner.history) == 8 and len(tuner.sources) == 1
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert again.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]
