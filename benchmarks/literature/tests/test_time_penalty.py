"""The reproduction of tuning with a time penalty: its figures and its command."""

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

from benchmarks.literature.time_penalty.compare import all_pairs, equal_loss, means, paired
from benchmarks.literature.time_penalty.design import Sizes, other_weights, ratio, searches
from benchmarks.literature.time_penalty.study import Search, replay, table_of, target
from dsice import Goal, Share, Trials
from dsice.strategies import DSICE, Grid, Random

pytestmark = pytest.mark.literature

ROOT = Path(__file__).parents[3]
AXES: dict[str, Any] = {"x": list(range(1, 9)), "y": list(range(1, 6))}


def trainings() -> pd.DataFrame:
    """Low losses take long; one training diverged."""
    grid = [(x, y) for x in AXES["x"] for y in AXES["y"]]
    frame = pd.DataFrame(grid, columns=["x", "y"])
    frame["loss"] = 0.1 + (frame["x"] - 6) ** 2 / 10 + (frame["y"] - 3) ** 2 / 10
    frame["error"], frame["seconds"] = frame["loss"] / 5, 0.5 + 0.25 * frame["x"]
    frame["wall"] = frame["seconds"]
    frame.loc[(frame["x"] == 8) & (frame["y"] == 1), "loss"] = np.nan
    return frame


def test_the_figures_of_a_search_one_after_the_other_are_sums_over_the_table() -> None:
    frame = trainings()
    outcome = replay(Search(Grid(), 1, "async", 40), frame, AXES, 0)
    figures, good = outcome.figures, frame["loss"].dropna()
    assert (figures["trials"], figures["reached"]) == (40, 1.0) and figures[
        "utilisation"
    ] == pytest.approx(1.0)
    assert (
        figures["total"]
        == pytest.approx(figures["elapsed"])
        == pytest.approx(frame["seconds"].sum())
    )
    assert figures["final"] == good.min() and figures["of_the_way"] == 0.0
    assert figures["per_loss"] == pytest.approx(
        frame["seconds"].sum() / (good.median() - good.min())
    )
    bound = good.min() + 0.05 * (good.median() - good.min())
    assert target(table_of(frame, AXES, 1)) == pytest.approx(bound)
    # the grid is asked in the order of the table
    upto = int(frame["loss"].le(bound).to_numpy().argmax())
    assert figures["to_target_total"] == pytest.approx(frame["seconds"][: upto + 1].sum())
    assert outcome.course["best"].tolist() == frame["loss"].cummin().ffill().tolist()


def test_a_search_that_does_not_arrive_counts_with_all_of_its_time() -> None:
    figures = replay(Search(Grid(), 2, "async", 5), trainings(), AXES, 0).figures
    assert (
        figures["reached"] == 0.0
        and figures["to_target_total"] == figures["total"]
        and figures["of_the_way"] > 0.05
    )


def test_workers_and_modes_differ_in_elapsed_time_only_where_the_points_are_the_same() -> None:
    frame = trainings()
    one, rounds, stream = (
        replay(Search(Grid(), workers, mode, 40), frame, AXES, 0).figures  # type: ignore[arg-type]
        for workers, mode in ((1, "async"), (3, "rounds"), (3, "async"))
    )
    assert one["total"] == pytest.approx(rounds["total"]) == pytest.approx(stream["total"])
    assert stream["elapsed"] < rounds["elapsed"] < one["elapsed"]


def test_time_that_counts_makes_the_first_half_cheaper() -> None:
    frame = trainings()
    plain, timed = (
        replay(Search(DSICE(tolerance=None), 2, "async", 24, goal), frame, AXES, 1).tuner.history[
            8:16
        ]
        for goal in (Goal("loss"), Goal("loss", time_weight=10.0, until=Trials(16)))
    )
    assert sum(t.seconds or 0.0 for t in timed) < sum(t.seconds or 0.0 for t in plain)


def runs_of(**values: list[float]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame({"search": name, "seed": range(len(v)), "total": v, "of_the_way": v})
            for name, v in values.items()
        ]
    ).sample(frac=1.0, random_state=0)


def test_a_paired_test_is_that_of_the_differences() -> None:
    from scipy.stats import t as student
    from scipy.stats import ttest_1samp, wilcoxon

    rng = np.random.default_rng(0)
    a, b = rng.random(10), rng.random(10) + 0.2
    test, d = paired(runs_of(a=a.tolist(), b=b.tolist()), "a", "b", "total"), b - a
    half = student.ppf(0.975, 9) * d.std(ddof=1) / 10**0.5
    assert (test.change, test.low, test.high) == pytest.approx(
        (d.mean(), d.mean() - half, d.mean() + half)
    )
    assert (
        test.t_p == pytest.approx(ttest_1samp(d, 0).pvalue)
        and test.wilcoxon_p == wilcoxon(d).pvalue
    )
    assert f"({100 * d.mean() / a.mean():+.1f} %" in str(test)


def test_pairs_that_are_equal_have_no_difference_and_unlike_seeds_are_refused() -> None:
    runs = runs_of(a=[1.0, 2.0], b=[1.0, 2.0], c=[1.0, 2.0, 3.0], d=[1.2, 2.3])
    assert (paired(runs, "a", "b", "total").change, paired(runs, "a", "b", "total").t_p) == (
        0.0,
        1.0,
    )
    assert equal_loss(runs, "a", "b") and not equal_loss(runs, "a", "d")
    with pytest.raises(ValueError, match=r"same seeds of both, two at least; got 2, 3"):
        paired(runs, "a", "c", "total")


def test_the_design_pairs_searches_that_are_in_it_and_differ_in_what_is_compared() -> None:
    frame, sizes = trainings(), Sizes()
    plan = searches(sizes) | other_weights(frame, sizes)
    columns = (
        "total",
        "elapsed",
        "final",
        "of_the_way",
        "per_loss",
        "to_target_total",
        "to_target_elapsed",
    )
    runs = pd.DataFrame(
        [
            {"search": n, "seed": s, **dict.fromkeys(columns, float(s))}
            for n in plan
            for s in range(2)
        ]
    )
    pairs = all_pairs(runs)
    assert len(pairs) == 15 * 7 and set(pairs["change"]) == {0.0} and len(means(runs)) == len(plan)
    for who in ("gp", "dsice"):
        plain, timed = plan[f"{who} async"], plan[f"{who} async time"]
        assert (plain.strategy, plain.workers, plain.mode, plain.trials) == (
            timed.strategy, timed.workers, timed.mode, timed.trials,
        )  # fmt: skip
        assert not plain.goal.time_weight and timed.goal == Goal(
            "loss", time_weight="auto", until=Share(0.5)
        )
    assert plan["gp async"].strategy.pending == "ignore"  # type: ignore[attr-defined]
    good = frame.dropna()
    assert ratio(frame) == pytest.approx(good["loss"].std() / good["seconds"].std())


def test_random_search_is_a_yardstick_of_the_same_size() -> None:
    figures = replay(Search(Random(), 8, "async", 20), trainings(), AXES, 0).figures
    assert figures["trials"] == 20 and figures["moved"] == 0.0 and figures["asking"] < 1.0


def test_the_command_in_its_short_form(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the trainings need torch: pip install 'dsice[literature]'")
    pytest.importorskip(
        "optuna", reason="Bayesian optimisation needs Optuna: pip install 'dsice[optuna]'"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "benchmarks.literature.time_penalty",
        "--quick",
        "--workers",
        "1",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=220
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (folder,) = tmp_path.glob("dsice-literature-*")
    names = {path.name for path in folder.iterdir()}
    pictures = {
        "trainings.png",
        "penalty.png",
        "modes.png",
        "timeline_async.png",
        "timeline_rounds.png",
    }
    assert names == pictures | {
        "trainings.csv",
        "runs.csv",
        "means.csv",
        "pairs.csv",
        "summary.json",
    }
    frame, runs = pd.read_csv(folder / "trainings.csv"), pd.read_csv(folder / "runs.csv")
    # it learns something
    assert len(frame) == 12 and (frame["seconds"] > 0).all() and frame["loss"].min() < 1.0
    assert set(runs["trials"]) == {8} and runs.groupby("search").size().eq(2).all()
    assert (runs["final"] >= frame["loss"].min() * 0.9999).all()
    sequential = runs[runs["search"].str.endswith("sequential")]
    assert np.allclose(sequential["elapsed"], sequential["total"])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["quick"] and summary["figures"]["trainings"] == 12
