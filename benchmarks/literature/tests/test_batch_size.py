"""The batch-size sweep in small: what it keeps, and how its searches are judged."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.literature.batch_size import judging, pictures
from benchmarks.literature.batch_size.search import replay, sweep_elapsed
from benchmarks.literature.batch_size.sweep import FULL, QUICK, Scale

pytestmark = pytest.mark.literature

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "benchmarks" / "literature" / "batch_size" / "results"
SMALL = Scale(range(1, 101), budget=20, workers=5, seeds=2, repeats=4, top=3)


@pytest.fixture(scope="module")
def valley() -> pd.DataFrame:
    """A sweep with its lowest loss at size 32; the largest is the fastest, and size 1 diverged."""
    batch = np.arange(1, 101)
    loss = 0.1 + (np.log(batch) - np.log(32)) ** 2
    loss[0] = np.nan
    return pd.DataFrame(
        {"batch": batch, "loss": loss, "cpu_seconds": 0.01 + 1.0 / batch, "seconds": 2.0 / batch}
    )


@pytest.fixture(scope="module")
def found(valley: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [replay(valley, objective, SMALL) for objective in ("loss", "cpu_seconds")],
        ignore_index=True,
    )


def repeated(batches: list[int], loss: dict[int, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"batch": b, "repeat": i, "loss": v} for b in batches for i, v in enumerate(loss[b], 1)]
    )


# ------------------------------------------------------------------ the searches on the table
def test_every_search_keeps_to_the_budget_and_measures_nothing_twice(found: pd.DataFrame) -> None:
    counts = found.groupby(["objective", "search"]).size()
    assert set(counts) == {1, SMALL.seeds} and len(counts) == 8
    for row in found.to_dict("records"):
        asked = [int(batch) for batch in row["asked"].split()]
        assert len(asked) == row["runs"] == len(set(asked)) <= SMALL.budget
        assert row["batch"] in asked


def test_the_strided_sweep_has_as_many_trainings_as_a_search(found: pd.DataFrame) -> None:
    strided = found[found.search == "every 5th"]
    assert list(strided.asked) == [" ".join(map(str, range(1, 101, 5)))] * 2
    assert FULL.stride == 20 and len(range(0, 700, FULL.stride)) == FULL.budget
    assert FULL.budget <= 0.05 * len(FULL.batches)


def test_the_search_finds_the_bottom_of_a_smooth_valley_and_the_fastest(
    found: pd.DataFrame,
) -> None:
    assert found.loc[found.search == "DSICE", "rank"].max() <= 3


def test_ranks_and_seconds_are_those_of_the_table(
    valley: pd.DataFrame, found: pd.DataFrame
) -> None:
    seconds = valley.set_index("batch").cpu_seconds
    for row in found.to_dict("records"):
        assert row["rank"] == 1 + int((valley[row["objective"]] < row["value"]).sum())
        assert row["trained"] == pytest.approx(
            sum(seconds[int(batch)] for batch in row["asked"].split())
        )
        assert row["trained"] / SMALL.workers <= row["elapsed"] <= row["trained"]


def test_the_whole_sweep_on_the_virtual_clock(valley: pd.DataFrame) -> None:
    total = valley.cpu_seconds.sum()
    assert sweep_elapsed(valley, 1) == pytest.approx(total)
    assert total / 5 < sweep_elapsed(valley, 5) < total / 5 + valley.cpu_seconds.max()


# ------------------------------------------------------------------ noise and judgement
def test_noise_is_the_standard_deviation_of_one_training() -> None:
    rng = np.random.default_rng(0)
    batches = list(range(1, 401))
    loss = {b: (b + 0.3 * rng.normal(size=8)).tolist() for b in batches}
    found = judging.noise(repeated(batches, loss), "loss", batches)
    # a little low with 8 values a size, which makes the judgement stricter
    assert 0.85 * 0.3 < found < 1.02 * 0.3


def test_one_wild_training_does_not_change_the_noise() -> None:
    calm = {b: [b, b + 0.1, b - 0.1, b + 0.05, b - 0.05] for b in (1, 2, 3)}
    wild = calm | {2: [2, 2.1, 1.9, 2.05, 500.0]}
    assert judging.noise(repeated([1, 2, 3], wild), "loss", [1, 2, 3]) < 2 * judging.noise(
        repeated([1, 2, 3], calm), "loss", [1, 2, 3]
    )


def test_as_good_is_judged_by_fresh_trainings_and_not_by_the_lucky_one() -> None:
    sweep = pd.DataFrame(
        {
            "batch": [1, 2, 3, 4],
            "loss": [0.10, 0.12, 0.11, 0.50],
            "cpu_seconds": [4.0, 3.0, 2.0, 1.0],
        }
    )
    fresh = repeated(
        [1, 2, 3], {1: [0.20, 0.20, 0.20], 2: [0.21, 0.22, 0.23], 3: [0.30, 0.31, 0.32]}
    )
    rows = [
        ("loss", 1, 0.10),
        ("loss", 2, 0.12),
        ("loss", 3, 0.11),
        ("cpu_seconds", 3, 2.0),
        ("cpu_seconds", 4, 1.0),
    ]
    found = pd.DataFrame(rows, columns=["objective", "batch", "value"])
    judged = judging.judge(found, sweep, fresh, {"loss": 0.03, "cpu_seconds": 0.1})
    # 3 was lucky in the sweep; times are judged in the table
    assert judged.as_good.tolist() == [True, True, False, False, False]
    assert judged.in_table.tolist() == [True, True, True, False, True]
    assert judged.fresh.tolist()[:3] == [0.20, 0.22, 0.31] and judged.fresh.isna().tolist()[3:] == [
        True,
        True,
    ]


def test_shares_with_their_intervals(found: pd.DataFrame) -> None:
    judged = found.assign(in_table=True, fresh=0.1, as_good=found.seed == 0)
    shares = {
        (row["objective"], row["search"]): row for row in judging.shares(judged).to_dict("records")
    }
    dsice = shares["loss", "DSICE"]
    assert (dsice["seeds"], dsice["in_table"], dsice["as_good"]) == (2, 1.0, 0.5)
    assert dsice["as_good_low"] < 0.5 < dsice["as_good_high"]
    assert np.isnan(shares["cpu_seconds", "DSICE"]["as_good"])


def test_sizes_asked_beside_earlier_ones() -> None:
    assert judging.near("100 102 99 300 200 303") == pytest.approx(2 / 6)
    assert judging.near("7") == 0.0


def test_what_is_trained_again(valley: pd.DataFrame, found: pd.DataFrame) -> None:
    again = judging.sizes_to_repeat(valley, found, SMALL)
    assert again == sorted(set(again))
    assert {1, 31, 32, 33, 100} <= set(again)
    assert set(found.loc[found.objective == "loss", "batch"]) <= set(again)


# ------------------------------------------------------------------ the command
def test_quick(tmp_path: Path) -> None:
    pytest.importorskip(
        "torch", reason="the batch-size sweep trains with torch: pip install 'dsice[literature]'"
    )
    pytest.importorskip("sklearn", reason="its images are those of scikit-learn")
    command = [
        sys.executable,
        "-m",
        "benchmarks.literature.batch_size",
        "--quick",
        "--workers",
        "1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    named = re.search(r"results in (.+)$", done.stdout, re.MULTILINE)
    assert named, done.stdout
    folder = Path(named[1])
    check(folder, QUICK)
    assert KEPT not in folder.parents and folder != KEPT


def test_the_results_that_are_kept_are_of_a_full_run() -> None:
    check(KEPT, FULL)


def check(folder: Path, scale: Scale) -> None:
    """What must hold in the results of any run."""
    sweep, repeats, searches = (
        pd.read_csv(folder / f"{name}.csv") for name in ("sweep", "repeats", "searches")
    )
    assert list(sweep.batch) == list(scale.batches)
    assert (sweep.cpu_seconds > 0).all() and (sweep.loss.dropna() > 0).all()
    assert repeats.groupby("batch").size().eq(scale.repeats).all()
    assert set(searches.loc[searches.objective == "loss", "batch"]) <= set(repeats.batch)
    values = {row["batch"]: row for row in sweep.to_dict("records")}
    for row in searches.to_dict("records"):
        assert row["value"] == pytest.approx(values[row["batch"]][row["objective"]], rel=1e-4)
        assert row["runs"] <= scale.budget
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["quick"] is (scale is QUICK) and summary["figures"]["sizes"] == len(sweep)
    assert summary["machine"] and summary["date"]
    for name in ("sweep.png", "courses.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_pictures_of_a_search_that_ended_early(
    tmp_path: Path, valley: pd.DataFrame, found: pd.DataFrame
) -> None:
    judged = found.assign(in_table=True, fresh=0.1, as_good=True)
    fresh = valley.loc[[1, 31], ["batch", "loss", "cpu_seconds"]]
    pictures.sweep(tmp_path / "sweep.png", valley, fresh, judged)
    pictures.courses(tmp_path / "courses.png", valley, judged, 0.1)
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("sweep.png", "courses.png"))
