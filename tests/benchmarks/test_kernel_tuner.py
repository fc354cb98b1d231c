"""The comparison with the strategies of Kernel Tuner runs on tables and on cache files."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from dsice.reuse.results import read_results

pytest.importorskip("kernel_tuner")


def test_a_table_becomes_a_cache_and_the_strategies_are_compared_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.kernel_tuner import caches, run

    sizes = [16, 32, 64, 128]
    rows = [(x, t, x / 32 + (t - 3) ** 2) for x in sizes for t in range(6) if x * t <= 256]
    frame = pd.DataFrame(rows, columns=["block_size_x", "tile", "objective"])
    frame.loc[frame["tile"] == 5, "objective"] = None  # these fail
    frame.to_csv(tmp_path / "mine.csv", index=False)
    content = caches.cache_of(*caches.read_table(tmp_path / "mine.csv"), device="a GPU")
    caches.write_cache(tmp_path / "cached.json", content)
    found = read_results(tmp_path / "cached.json").frame
    assert found["time"].round(12).equals(frame["objective"].round(12).rename("time"))

    options = ["--seeds", "2", "--strategies", "dsice,random_sample"]
    monkeypatch.setattr(sys, "argv", ["run", str(tmp_path), *options])
    run.main()
    shown = capsys.readouterr().out
    for name in ("mine", "cached"):
        _, _, table = shown.partition(f"{name}: % from the optimum")
        lines = table.splitlines()[1:3]
        assert {line.split()[0] for line in lines} == {"dsice", "random_sample"}
        # 200 evaluations are the whole table
        assert all(line.split()[7] == "0.00" for line in lines)
