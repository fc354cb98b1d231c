"""The super-resolution reproduction: its measures, its accounts, its results and a short run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.literature.super_resolution import clock, comparing, quality

pytestmark = pytest.mark.literature

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "benchmarks" / "literature" / "super_resolution" / "results"
AXES = ["learning_rate", "feature", "gradient", "texture"]
FILES = {
    "summary.json",
    *(f"{name}.csv" for name in ("trials", "bests", "front", "confirmation", "repeats", "savings")),
    *(f"{name}.png" for name in ("front", "timeline_rounds", "timeline_async", "enlarged")),
}


def texture(seed: int, side: int = 200) -> np.ndarray:
    """An image with detail at all scales, 16 to 235."""
    rng = np.random.default_rng(seed)
    image = np.zeros((side, side))
    for scale in (0.6, 1.5, 4, 10):
        image += scale * gaussian_filter(rng.normal(size=(side, side)), scale)
    return 125 + 30 * image / image.std()


def test_the_rmse_leaves_the_border_out() -> None:
    true = np.zeros((2, 20, 20))
    found = true.copy()
    found[:, :4] = 100  # only rows 4 to 15 are judged
    assert quality.rmse(found, true) == 0
    assert quality.rmse(true + 3, true) == pytest.approx(3)
    found[0, 10, 10] = 12  # one pixel of 2 x 12 x 12
    assert quality.rmse(found, true) == pytest.approx(12 / np.sqrt(288))


def test_the_index_is_least_for_images_like_those_it_knows_and_grows_with_blur_and_with_noise() -> (
    None
):
    natural = quality.Naturalness.of(tuple(texture(seed) for seed in range(6)))
    true = np.stack([texture(seed) for seed in (10, 11, 12, 13)])
    rng = np.random.default_rng(0)
    blurred = [natural(gaussian_filter(true, (0, width, width))) for width in (0.7, 1.5)]
    noisy = [natural(true + noise * rng.normal(size=true.shape)) for noise in (10, 30)]
    assert natural(true) < blurred[0] < blurred[1]
    assert natural(true) < noisy[0] < noisy[1]


def test_the_shape_of_known_distributions_is_found() -> None:
    rng = np.random.default_rng(1)
    gauss, left, right = quality._asymmetric(rng.normal(scale=2.0, size=(1, 400_000)))
    laplace, _, _ = quality._asymmetric(rng.laplace(size=(1, 400_000)))
    assert gauss[0] == pytest.approx(2, abs=0.05)
    assert laplace[0] == pytest.approx(1, abs=0.05)
    assert (left[0], right[0]) == (pytest.approx(2, rel=0.02), pytest.approx(2, rel=0.02))


def test_the_savings_of_a_case_counted_by_hand() -> None:
    saved = clock.Savings(trials=100, short=1.0, full=5.0, pretraining=4.0, elapsed=5.0)
    assert saved.two_step == pytest.approx(500 / 104)
    assert saved.parallel == pytest.approx(20)
    assert saved.product == pytest.approx(10_000 / 104)
    assert saved.in_all == pytest.approx(500 / 9)


def test_searches_are_compared_after_equally_many_trials() -> None:
    rows = [
        ("bounded", 0, 9.0, 5.0),
        ("bounded", 1, 11.0, 3.0),
        ("bounded", 9, 9.0, 1.0),
        ("free", 0, 10.0, 4.0),
        ("free", 1, 12.0, 2.0),
    ]
    figures = comparing.beside(
        pd.DataFrame(rows, columns=["search", "id", "rmse", "index"]), 10.0, 2
    )
    assert list(figures.values()) == [0.5, 5.0, 3.0, 0.5, 4.0, 2.0]


def test_a_replay_takes_the_trials_in_their_order_and_waits_for_the_slowest_of_each_round() -> None:
    axes = {"a": [0.0, 1.0, 2.0], "b": [0.0, 1.0]}
    rows = [(2, 1, 3), (0, 0, 1), (1, 0, 1), (0, 1, 1)]
    trials = pd.DataFrame(
        [
            {"a": float(a), "b": float(b), "index": 1.0, "rmse": 2.0, "cpu_seconds": float(s)}
            for a, b, s in rows
        ]
    )
    rounds = clock.replayed(trials, axes, workers=2, mode="rounds")
    assert [(t.params["a"], t.params["b"]) for t in rounds.history] == [(a, b) for a, b, _ in rows]
    assert clock.elapsed(rounds) == pytest.approx(4)
    assert clock.elapsed(clock.replayed(trials, axes, workers=2, mode="async")) == pytest.approx(3)
    uneven = trials.assign(round=[0, 1, 1, 2])  # as they were asked: one, two, one
    assert clock.elapsed(clock.replayed(uneven, axes, workers=2, mode="rounds")) == pytest.approx(5)


def check(folder: Path) -> dict[str, Any]:
    """Check what must hold for the results of every run, short or full; return the figures."""
    assert {path.name for path in folder.iterdir()} == FILES
    trials, bests = pd.read_csv(folder / "trials.csv"), pd.read_csv(folder / "bests.csv")
    bounded = trials[trials["search"] == "bounded"].sort_values("id")
    assert not any(of.duplicated(AXES).any() for _, of in trials.groupby("search"))
    for row in bests.to_dict("records"):
        seen = (
            bounded.iloc[: int(row["trials"])]
            if np.isfinite(row["bound"])
            else trials[trials["search"] == "free"]
        )
        assert len(seen) == row["trials"]
        assert row["index"] == pytest.approx(
            seen.loc[seen["rmse"] <= row["bound"], "index"].min(), rel=1e-5
        )
    assert bests["index"].iloc[:-1].is_monotonic_decreasing
    front = pd.read_csv(folder / "front.csv")
    assert front["rmse"].is_monotonic_increasing
    assert front["index"].is_monotonic_decreasing
    assert front["index"].iloc[-1] == pytest.approx(bounded["index"].min(), rel=1e-5)
    savings: Any = pd.read_csv(folder / "savings.csv").set_index("mode")
    assert savings["product"].to_numpy() == pytest.approx(
        (savings["two_step"] * savings["parallel"]).to_numpy(), rel=1e-4
    )
    assert savings.loc["async", "elapsed"] <= savings.loc["rounds", "elapsed"]
    assert savings.loc["rounds", "parallel"] <= 40
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["machine"]
    assert len(pd.read_csv(folder / "confirmation.csv")) == summary["figures"]["confirmed"]
    return summary


def test_what_is_kept_is_consistent() -> None:
    summary = check(KEPT)
    assert summary["quick"] is False
    assert sum(path.stat().st_size for path in KEPT.iterdir()) < 300_000


def test_the_short_form_does_all_of_it() -> None:
    for package in ("torch", "skimage", "sklearn"):
        pytest.importorskip(
            package, reason=f"the super-resolution needs {package}: pip install 'dsice[literature]'"
        )
    before = {path: path.read_bytes() for path in KEPT.glob("*")}
    command = [
        sys.executable,
        "-m",
        "benchmarks.literature.super_resolution",
        "--quick",
        "--workers",
        "1",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    summary = check(Path(done.stdout.splitlines()[-1].split("results in ")[1]))
    assert summary["quick"] is True
    assert summary["figures"]["confirmed"] == 3
    assert "rank correlation" in done.stderr
    assert {path: path.read_bytes() for path in KEPT.glob("*")} == before
