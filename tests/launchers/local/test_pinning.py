"""`Local`: GPUs and cores by slot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dsice.errors import OptionError
from dsice.launchers import Job, Local
from tests.launchers.helpers import drain

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
linux = pytest.mark.skipif(not CORES, reason="only Linux binds processes to cores")
SHOW = (
    f'{sys.executable} -c "import os; '
    "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['HIP_VISIBLE_DEVICES'],"
    " os.environ['DSICE_SLOT'], sep='|')\" > $DSICE_DIR/seen; sleep 0.3; echo 1"
)


def seen(launcher: Local, n: int, directory: Path) -> list[list[str]]:
    with launcher:
        launcher.submit([Job(i) for i in range(n)])
        assert all(result.value == 1.0 for result in drain(launcher, n).values())
    return sorted((directory / str(i) / "seen").read_text().strip().split("|") for i in range(n))


def test_each_slot_has_its_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    launcher = Local(SHOW, gpus=2, directory=tmp_path)
    assert launcher.slots == 2
    assert seen(launcher, 2, tmp_path) == [["0", "0", "0"], ["1", "1", "1"]]


def test_named_gpus_are_shared_by_more_slots(tmp_path: Path) -> None:
    launcher = Local(SHOW, gpus=["2,3", "MIG-7"], slots=3, directory=tmp_path)
    assert seen(launcher, 3, tmp_path) == [
        ["2,3", "2,3", "0"],
        ["2,3", "2,3", "2"],
        ["MIG-7", "MIG-7", "1"],
    ]


def test_the_gpus_that_a_scheduler_gave_are_the_ones_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,4")
    assert [s[0] for s in seen(Local(SHOW, gpus=2, directory=tmp_path), 2, tmp_path)] == ["4", "6"]
    with pytest.raises(OptionError, match=r"gpus=3.*'6,4'.*2"):
        Local(SHOW, gpus=3)


def bound() -> dict[str, float]:
    """Cores of this process and of a program it starts, and how many threads it is told to use."""
    import subprocess

    text = "import os; print(min(os.sched_getaffinity(0)), len(os.sched_getaffinity(0)))"
    first, count = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True
    ).stdout.split()
    threads = [
        float(os.environ[name])
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    ]
    return {
        "first": float(first),
        "count": float(count),
        "omp": threads[0],
        "blas": threads[1],
        "numba": threads[2],
    }


@linux
@pytest.mark.skipif(len(CORES) < 2, reason="needs two cores")
@pytest.mark.parametrize("cpus", [1, [CORES[:1], CORES[1:2]]])
def test_each_slot_has_its_cores_and_as_many_threads(cpus: Any) -> None:
    with Local(bound, slots=2, cpus_per_trial=cpus, env={"NUMBA_NUM_THREADS": "7"}) as launcher:
        launcher.submit([Job(0), Job(1)])
        results = [result.metrics for _, result in sorted(drain(launcher, 2).items())]
    for slot in (0, 1):
        assert results[slot] == {"first": CORES[slot], "count": 1, "omp": 1, "blas": 1, "numba": 7}


@linux
def test_the_slots_follow_from_the_cores_of_a_trial() -> None:
    assert Local("echo 1", cpus_per_trial=1).slots == len(CORES)
    assert Local("echo 1", cpus_per_trial=len(CORES)).slots == 1
    assert Local("echo 1", cpus_per_trial=1, gpus=["0"]).slots == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"gpus": 0}, r"Local\(gpus=0\): expected a whole number >= 1 \(how many GPUs there are\)"),
        ({"gpus": []}, "list of devices"),
        ({"gpus": "0,1"}, "list of devices"),
        ({"gpus": [0], "env": {"CUDA_VISIBLE_DEVICES": "1"}}, "leave one of them out"),
        ({"cpus_per_trial": 0}, r"Local\(cpus_per_trial=0\): expected a whole number >= 1"),
        ({"cpus_per_trial": 1, "slots": 10**6}, "take fewer slots"),
        ({"cpus_per_trial": [[]]}, "list of cores for each slot"),
        ({"cpus_per_trial": [[10**6]]}, "may not use core"),
        ({"stop_grace": -1}, "stop_grace"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        Local("echo 1", **options)
