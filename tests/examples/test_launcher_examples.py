"""The examples run unchanged; those for batch schedulers on a real Slurm or a fake of PJM."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launchers.fixtures import Fake
from tests.launchers.slurm import Slurm

pytestmark = pytest.mark.usefixtures("temporary")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the examples for batch schedulers, for their journals to be written beside them."""
    return shutil.copytree(ROOT / "examples" / "batch", tmp_path / "batch")


def example(folder: Path, *command: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_one_gpu_for_each_trial_on_slurm(slurm: Slurm, folder: Path) -> None:
    assert "#SBATCH --gres=gpu:1" in example(folder, "slurm_gpu.py", "--dry-run")
    assert not (folder / "slurm_gpu.trials").exists()
    said = example(folder, "slurm_gpu.py")
    assert re.search(r"best loss \S+ at \{'lr'", said)
    outputs = [path.read_text() for path in (folder / "slurm_gpu.trials").glob("*/stdout")]
    assert len(outputs) == 16 and {text.splitlines()[0][-1] for text in outputs} == set("0123")


def test_a_plain_loop_over_sbatch(slurm: Slurm, folder: Path) -> None:
    assert "8 trials" in example(folder, "sbatch_loop.py", "--trials", "8")


@pytest.mark.parametrize("fake", ["pjm"], indirect=True)
def test_a_study_on_a_fujitsu_machine(fake: Fake, folder: Path) -> None:
    said = example(folder, "-m", "dsice.cli", "run", "pjm.toml")
    assert "best loss" in said and "20 trials" in said
    script = next((folder / "pjm.jsonl.trials" / "jobs").glob("*.sh")).read_text()
    assert (
        '#PJM -L "rscgrp=small"\n' in script
        and "#PJM -g hp123456\n" in script
        and "export OMP_NUM_THREADS=12\n" in script
    )
