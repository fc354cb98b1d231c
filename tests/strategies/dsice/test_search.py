"""The search: points of a line, batches in parts, kept searches, spaces of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Choice, Goal, Require, Space, Trial, Tuner, When
from dsice.directions import line
from dsice.history import History
from dsice.strategies import DSICE
from dsice.strategies.dsice.search import Search, SearchModel

Objective = Callable[[Mapping[str, Any]], float]


def valley(params: Mapping[str, Any]) -> float:
    """Coupled and wavy over the levels of any space."""
    x = np.array([len(v) if isinstance(v, str) else v for v in params.values()], dtype=float)
    target = 2.0 + 0.37 * np.arange(len(x))
    return float(
        ((x - target) ** 2).sum() + 0.6 * (np.diff(x - target) ** 2).sum() + np.cos(3.0 * x).sum()
    )


def rounds(tuner: Tuner, n: int, batch: int = 40, objective: Objective = valley) -> Tuner:
    """n batches, asked and told."""
    for _ in range(n):
        for trial in tuner.ask(batch):
            tuner.tell(trial, objective(trial.params))
    return tuner


def cube(levels: int, axes: int) -> Space:
    return Space({f"x{j}": range(levels) for j in range(axes)})


def constrained() -> Space:
    rules = [Require("x0 + x1 + x2 + x3 <= 4"), Require("x4 * x5 != 2"), Require("x6 + x7 >= x8")]
    return Space({f"x{j}": range(3) for j in range(12)}, where=rules)


def rare_by_strings() -> Space:
    """1e9 points, one in a thousand allowed."""
    rules = [Require("x0 == x1"), Require("x2 == x3"), Require("x4 == x5")]
    return Space({f"x{j}": range(10) for j in range(9)}, where=rules)


def rare_by_function() -> Space:
    def pairs(p: Mapping[str, Any]) -> bool:
        return bool(p["x0"] == p["x1"] and p["x2"] == p["x3"] and p["x4"] == p["x5"])

    return Space({f"x{j}": range(10) for j in range(9)}, where=[Require(pairs, name="pairs")])


def conditional() -> Space:
    axes: dict[str, Any] = {
        "opt": Choice(["a", "bb", "ccc"]),
        "rate": range(20),
        "momentum": range(10),
        "batch": range(8),
    }
    return Space(axes, where=[When("opt == 'bb'", "momentum")])


def on_lines(trials: list[Trial]) -> list[Trial]:
    return [t for t in trials if t.note["phase"] == "line"]


def lies_on_its_line(space: Space, trial: Trial) -> bool:
    """Its point is on the line through the point in its note along the direction in its note."""
    through, direction = trial.note["through"], trial.note["direction"]
    on_line = space.collapse(line(through, direction, space.shape).points)
    return (
        trial.note["width"] == np.count_nonzero(direction) and list(trial.point) in on_line.tolist()
    )


def searched(tuner: Tuner, **options: Any) -> Search:
    return Search(
        tuner.space, tuner.history, lambda *key: np.random.default_rng(list(key)), **options
    )


# ---------------------------------------------------------------------- from directions to a batch
@pytest.mark.parametrize(
    "space",
    [cube(16, 4), cube(700, 1), cube(2, 16), constrained(), conditional()],
    ids=["16^4", "700", "2^16", "3^12", "conditional"],
)
def test_proposals_lie_on_the_line_that_their_note_names(space: Space) -> None:
    tuner = rounds(Tuner(space), 4)
    later = tuner.history[40:]
    assert len(on_lines(later)) >= 0.5 * len(later)
    assert {t.note["phase"] for t in later} <= {"line", "distant"}
    assert all(lies_on_its_line(space, t) for t in on_lines(later))
    for trial in on_lines(later):  # the line of a measured point names its trial
        measured = [t.id for t in tuner.history if t.point == tuple(trial.note["through"])]
        told = [id for id in measured if id < trial.id // 40 * 40]
        assert trial.note.get("centre") == (told[0] if told else None)


def test_lines_are_oblique_too() -> None:
    tuner = rounds(Tuner(cube(6, 5), DSICE(tolerance=None), seed=1), 8)
    found = on_lines(list(tuner.history))
    assert {t.note["width"] for t in found} >= {1, 2}
    assert any(min(t.note["direction"]) == -1 for t in found)


def test_the_widest_direction_is_the_users_to_set() -> None:
    for most in (1, 2):
        tuner = rounds(Tuner(cube(5, 6), DSICE(max_width=most)), 6, objective=lambda p: 1.0)
        assert max(t.note["width"] for t in on_lines(list(tuner.history))) <= most


def merits(model: SearchModel, points: np.ndarray, beta: float) -> np.ndarray:
    """Of any points, as the choice sees them."""
    prediction = model.surface.predict(model.space.coded(points))
    sd = np.sqrt(model.surface.scale * prediction.variance)
    return np.asarray(prediction.mean + model.penalty(points) - beta * sd)


@pytest.mark.parametrize("told", [40, 200])
@pytest.mark.parametrize(
    "space",
    [cube(6, 5), cube(16, 3), cube(2, 12), conditional()],
    ids=["6^5", "16^3", "2^12", "conditional"],
)
def test_the_exploration_finds_what_ranking_the_whole_grid_finds(space: Space, told: int) -> None:
    """The mean merit of the 40 lowest is that of the oracle, within 0.02 standard deviations."""
    tuner = Tuner(space)
    for point in space.sample(np.random.default_rng(told), told):
        params = space.params(point)
        tuner.add(params, valley(params))
    search = searched(tuner)
    measured = set(map(tuple, search.model.data.points.tolist()))
    rest = np.array([p for p in space.points().tolist() if tuple(p) not in measured])
    oracle = np.sort(merits(search.model, rest, 0.0))[:40]
    found = np.sort(merits(search.model, search.candidates.seen.points, 0.0))[:40]
    assert found.mean() - oracle.mean() < 0.02


def test_what_is_known_counts_however_it_came() -> None:
    """Added trials, and a history told to another tuner, search as asked ones do."""
    space = cube(6, 5)
    asked = rounds(Tuner(space, DSICE(tolerance=None), seed=3), 4)
    added = Tuner(space, DSICE(tolerance=None), seed=3)
    for trial in asked.history:
        added.add(trial.params, trial.value)
    assert [t.point for t in asked.ask(40)] == [t.point for t in added.ask(40)]


# ----------------------------------------------------------------------- the search is kept
def kept_and_cold(tuner: Tuner, sizes: Sequence[int]) -> tuple[list[Any], int]:
    """Points and notes of asks in a row, and how many searches they took."""
    built = []
    plain = Search.__init__

    def counted(self: Search, *args: Any, **options: Any) -> None:
        built.append(1)
        plain(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "__init__", counted)
        found = [(t.point, t.note) for n in sizes for t in tuner.ask(n)]
    return found, len(built)


def test_single_asks_share_one_search_until_something_is_told() -> None:
    one, many = (rounds(Tuner(cube(6, 5), seed=2), 3) for _ in range(2))
    (whole, _), (single, built) = kept_and_cold(one, [40]), kept_and_cold(many, [1] * 40)
    assert [point for point, _ in whole] == [point for point, _ in single] and built == 1
    many.tell(many.pending[5], 1.0)
    assert kept_and_cold(many, [1, 2])[1] == 1


def test_a_kept_search_proposes_what_a_cold_one_does() -> None:
    """After every ask the search of another tuner takes its place, so the next one is cold."""
    warm, cold = (rounds(Tuner(cube(6, 5), DSICE(noise=True), seed=2), 3) for _ in range(2))
    other = rounds(Tuner(cube(4, 3)), 1)
    for _ in range(12):
        (a,), (b,) = warm.ask(1), cold.ask(1)
        other.ask(1)
        assert (a.point, a.repeat, a.note["phase"]) == (b.point, b.repeat, b.note["phase"])
        assert a.note.get("sd", 0) == pytest.approx(b.note.get("sd", 0), rel=1e-5)


def test_a_history_made_anew_finds_the_kept_search() -> None:
    tuner = rounds(Tuner(cube(6, 5), seed=2), 3)
    stream = tuner_stream(2)
    strategy = DSICE()
    history, space = History(tuner.history.goal, trials=list(tuner.history)), cube(6, 5)
    (first,) = strategy.ask(1, tuner.space, history, stream)
    copied = History(
        tuner.history.goal,
        trials=[
            *tuner.history,
            Trial(len(history), 3, {}, first.point, note=first.note),
        ],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "__init__", lambda *_, **__: pytest.fail("searched once more"))
        (second,) = strategy.ask(1, space, copied, stream)
    assert [first, second] == DSICE().ask(2, tuner.space, history, stream)


@pytest.mark.parametrize("change", ["seed", "options", "goal", "value", "pending", "space"])
def test_a_kept_search_is_for_its_own_situation_only(change: str) -> None:
    tuner = rounds(Tuner(cube(6, 5), seed=2), 3)
    trials = list(tuner.history)
    strategy, space, goal, seed = DSICE(), cube(6, 5), Goal(), 2
    (first,) = strategy.ask(1, space, History(goal, trials=trials), tuner_stream(seed))
    trials.append(Trial(len(trials), 3, space.params(first.point), first.point, note=first.note))
    if change == "seed":
        seed = 3
    elif change == "options":
        strategy = DSICE(max_width=1)
    elif change == "goal":
        goal = Goal(maximize=True)
    elif change == "value":
        trials[7] = replace(trials[7], value=0.5)
    elif change == "pending":
        trials.pop()
    else:
        space = Space(dict(space.axes), where=[Require("x0 + x1 != 3")])
    built = []
    plain = Search.__init__

    def counted(self: Search, *args: Any, **options: Any) -> None:
        built.append(1)
        plain(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "__init__", counted)
        strategy.ask(1, space, History(goal, trials=trials), tuner_stream(seed))
    assert built


def tuner_stream(seed: int) -> Callable[..., np.random.Generator]:
    return lambda *key: np.random.default_rng([seed, *key])


@pytest.mark.parametrize("waiting", [499, 990, 1003])
def test_a_batch_in_parts_is_the_batch_beside_hundreds_that_run(waiting: int) -> None:
    """Of many pending points the last ones narrow the variance: the same in one ask or several."""
    found = []
    for sizes in ((30,), (7, 1, 22)):
        tuner = Tuner(cube(9, 5), seed=1)
        rounds(tuner, 1)
        there = tuner.history.points()
        for point in tuner.space.sample(np.random.default_rng(0), waiting, exclude=there):
            tuner.enqueue(tuner.space.params(point))
        tuner.ask(waiting)
        other = rounds(Tuner(cube(4, 3)), 1)
        points = []
        for n in sizes:
            points += [t.point for t in tuner.ask(n)]
            other.ask(1)  # the next ask is cold
        found.append(points)
    assert found[0] == found[1]


# ----------------------------------------------------------------------- batches in parts
@pytest.mark.parametrize(
    "space",
    [cube(16, 4), cube(700, 1), cube(2, 16), conditional(), constrained()],
    ids=["16^4", "700", "2^16", "conditional", "3^12"],
)
@pytest.mark.parametrize("parts", [(20, 20), (1, 3, 36)], ids=str)
def test_a_batch_in_parts_holds_the_same_points(space: Space, parts: tuple[int, ...]) -> None:
    """Also while others are pending, after failures, and with points measured several times."""
    points = []
    for sizes in ((40,), parts):
        tuner = Tuner(space, seed=5)
        for turn in range(3):
            batch = [trial for size in sizes for trial in tuner.ask(size)]
            for trial in batch[:-7]:
                if trial.id % 9 == 4:
                    tuner.tell(trial, error="out of memory")
                else:
                    value = valley(trial.params)
                    tuner.tell(trial, [value, value + 0.5] if trial.id % 5 == 0 and turn else value)
        points.append(
            [
                (t.point, t.note["phase"], t.note.get("centre"), t.note.get("width"))
                for t in tuner.history
            ]
        )
    assert points[0] == points[1]


def test_late_results_do_not_make_a_point_come_twice() -> None:
    tuner = Tuner(cube(6, 4), DSICE(tolerance=None), seed=3)
    running = tuner.ask(20)
    while len(tuner.history) < 200:
        done, running = running[::3], [t for i, t in enumerate(running) if i % 3]
        for trial in done:
            tuner.tell(trial, valley(trial.params))
        running += tuner.ask(len(done))
    points = [t.point for t in tuner.history]
    assert len(set(points)) == len(points)


# ----------------------------------------------------------------------- spaces
LARGE = {
    "100^20": lambda: cube(100, 20),
    "2^40": lambda: cube(2, 40),
    "3^12 with holes": constrained,
    "1e9, string rules": rare_by_strings,
    "conditional": conditional,
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_asks_are_full_of_valid_new_points(make: Callable[[], Space]) -> None:
    space = make()
    tuner = rounds(Tuner(space), 3)
    points = [t.point for t in tuner.history]
    assert len(points) == len(set(points)) == 120
    assert space.valid(np.array(points)).all()


def test_a_rare_feasible_region_behind_a_function_is_searched() -> None:
    """The first points are the user's: the design would try some millions."""
    space, rng = rare_by_function(), np.random.default_rng(0)
    tuner = Tuner(space)
    for _ in range(25):
        a, b, c, *rest = (int(v) for v in rng.integers(0, 10, 6))
        params = dict(zip(space.names, (a, a, b, b, c, c, *rest), strict=True))
        tuner.add(params, valley(params))
    before = min(t.value for t in tuner.history if t.value is not None)
    rounds(tuner, 2)
    points = [t.point for t in tuner.history if t.id >= 25]
    assert len(points) == len(set(points)) == 80 and space.valid(np.array(points)).all()
    assert tuner.best is not None and tuner.best.value < before  # type: ignore[operator]


@pytest.mark.parametrize(
    "space",
    [Space({"x": range(6), "y": range(5), "z": Choice(["p", "qq"])}), cube(90, 1)],
    ids=["6x5x2", "90"],
)
def test_a_space_that_runs_out_is_measured_once_and_whole(space: Space) -> None:
    tuner = rounds(Tuner(space, strategy=DSICE(tolerance=None)), 5, 25)
    assert sorted(t.point for t in tuner.history) == sorted(map(tuple, space.points().tolist()))
    assert tuner.ask(5) == [] and tuner.finished


def test_plateaus_are_left() -> None:
    """Equal values nearly everywhere: the search goes on, and finds the one slope there is."""
    flat = rounds(Tuner(cube(7, 4)), 5, objective=lambda p: 1.0)
    assert len({t.point for t in flat.history}) == 200

    def steps(p: Mapping[str, Any]) -> float:
        return float(min(3, sum(abs(v - 5) // 2 for v in p.values())))

    tuner = rounds(Tuner(cube(8, 4)), 6, objective=steps)
    assert tuner.best is not None and tuner.best.value == 0.0


def test_the_part_that_works_is_found_among_failures() -> None:
    """Nine of ten points fail; of random ones four in forty would work."""
    tuner = Tuner(cube(10, 4), seed=4)
    for _ in range(5):
        for trial in tuner.ask(40):
            works = trial.params["x0"] + trial.params["x1"] <= 3
            if works:
                tuner.tell(trial, valley(trial.params))
            else:
                tuner.tell(trial, error="out of memory")
    last = tuner.history[160:]
    assert sum(t.value is not None for t in last) > 0.5 * len(last)
    assert len({t.point for t in tuner.history}) == 200


def test_a_search_begins_however_few_points_are_measured() -> None:
    """With two values and ten failures there are candidates on lines, and in the whole grid."""
    tuner = Tuner(cube(30, 3))
    for x in range(12):
        params = {"x0": x, "x1": 2 * x, "x2": 29 - x}
        if x < 2:
            tuner.add(params, float(x))
        else:
            tuner.add(params, error="out of memory")
    batch = tuner.ask(40)
    assert len({t.point for t in batch}) == 40
    assert {t.note["phase"] for t in batch} == {"line", "distant"}


def test_the_grid_may_be_renamed_scaled_and_shifted() -> None:
    """Nothing depends on names, units or the size of the values."""
    runs = []
    for names, unit in (("abcd", 1.0), ("wxyz", 1e-7)):
        tuner = Tuner({name: [unit * (3 + level) for level in range(9)] for name in names})
        rounds(
            tuner,
            3,
            25,
            lambda p, unit=unit: 5.0 + 1e6 * valley({k: v / unit for k, v in p.items()}),  # type: ignore[misc]
        )
        runs.append([t.point for t in tuner.history])
    assert runs[0] == runs[1]


@pytest.mark.long
def test_switched_off_the_compiler_changes_no_trial() -> None:
    program = """
import sys
from dsice import Choice, Tuner
from tests.strategies.dsice.test_search import rounds
space = {"x": range(9), "y": range(8), "z": Choice(["p", "qq", "rrr"])}
tuner = rounds(Tuner(space, seed=1), 4, 15)
for t in tuner.history:
    print(t.point, t.note["phase"], t.note.get("centre"), t.note.get("direction"))
"""
    root = Path(__file__).parents[3]
    found = []
    for off in ("0", "1"):
        environment = os.environ | {"NUMBA_DISABLE_JIT": off, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.splitlines())
    assert found[0] == found[1] and len(found[0]) == 60


def test_linear_algebra_has_one_thread_while_asked_and_its_own_again_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small matrices are many times slower on several threads, and not bit for bit the same."""
    from scipy.linalg import lapack
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [
            library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
        ]

    seen: list[int] = []
    factorise = lapack.dpotrf

    def counted(*args: Any, **options: Any) -> Any:
        seen.extend(threads())
        return factorise(*args, **options)

    monkeypatch.setattr(lapack, "dpotrf", counted)
    tuner = rounds(Tuner(cube(7, 4)), 1)
    before = threads()
    tuner.ask(5)
    assert seen and set(seen) == {1} and threads() == before


@pytest.mark.parametrize("seed", range(3))
def test_failures_beside_it_do_not_hide_the_best_where_measurements_repeat(seed: int) -> None:
    """Without noise the recommended point is the lowest, however many trials failed around it."""
    space = Space({"x": range(12), "y": range(12), "z": range(5)})
    tuner, chance = Tuner(space, seed=seed), np.random.default_rng(seed)
    for _ in range(3):
        for trial in tuner.ask(20):
            value = (
                (trial.params["x"] - 4.3) ** 2 + (trial.params["y"] - 7.1) ** 2 + trial.params["z"]
            )
            if chance.random() < 0.5:
                tuner.tell(trial, error="out of memory")
            else:
                tuner.tell(trial, [value, value])
    assert tuner.best is not None
    assert tuner.best.value == min(t.value for t in tuner.history if t.value is not None)
