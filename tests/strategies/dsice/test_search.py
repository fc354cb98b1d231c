"""The search on lines: points of a line, wider lines, batches in parts, spaces of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice import Choice, Require, Space, Trial, Tuner, When
from dsice.spline import kernels
from dsice.strategies import DSICE
from dsice.strategies.dsice.search import NEW_CENTRES, LineSearch

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


def lies_on_its_line(tuner: Tuner, trial: Trial) -> bool:
    """The trial is a whole number of steps of its direction away from the centre in its note."""
    direction = np.array(trial.note["direction"])
    step = np.array(trial.point) - np.array(tuner.history[trial.note["centre"]].point)
    steps = {
        int(s)
        for s, d in zip(step * np.where(direction, direction, 1), direction, strict=True)
        if d
    }
    return (
        trial.note["centre"] < trial.id
        and not step[direction == 0].any()
        and len(steps) == 1
        and steps != {0}
        and trial.note["width"] == np.count_nonzero(direction)
    )


# ---------------------------------------------------------------------- from directions to a batch
def test_one_call_of_the_kernel_scores_all_lines_of_an_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, calls = kernels.grid_score, []

    def counted(offsets: np.ndarray, points: np.ndarray, *rest: Any) -> None:
        calls.append((len(offsets) - 1, len(points)))
        plain(offsets, points, *rest)

    monkeypatch.setattr(kernels, "grid_score", counted)
    tuner = rounds(Tuner(cube(8, 4)), 1)
    assert calls == []  # the spread design has no lines
    for number, n in enumerate((1, 10, 40, 7), start=1):
        for trial in tuner.ask(n):
            tuner.tell(trial, valley(trial.params))
        assert len(calls) == number
    assert all(lines > 20 and points > 100 for lines, points in calls)


@pytest.mark.parametrize(
    "space",
    [cube(16, 4), cube(700, 1), cube(2, 16), constrained()],
    ids=["16^4", "700", "2^16", "3^12"],
)
def test_at_least_four_of_five_proposals_lie_on_the_line_that_their_note_names(
    space: Space,
) -> None:
    tuner = rounds(Tuner(space), 4)
    later = tuner.history[40:]
    assert len(on_lines(later)) >= 0.8 * len(later)
    assert {t.note["phase"] for t in later} <= {"line", "distant"}
    assert all(lies_on_its_line(tuner, t) for t in on_lines(later))


def test_lines_are_oblique_too_and_open_for_centres_asked_in_the_same_batch() -> None:
    tuner = rounds(Tuner(cube(12, 4), seed=1), 5)
    found = on_lines(list(tuner.history))
    assert {t.note["width"] for t in found} >= {1, 2}
    assert any(-1 in t.note["direction"] for t in found)
    beside = [t for t in found if tuner.history[t.note["centre"]].round == t.round]
    assert beside and all(
        tuner.history[t.note["centre"]].note["phase"] == "distant" for t in beside
    )
    assert all(lies_on_its_line(tuner, t) for t in found)


def test_steps_to_levels_without_a_parameter_are_on_the_line_of_what_is_left() -> None:
    """If a step switches a parameter off, the line goes on at its first level."""
    space = conditional()
    tuner = rounds(Tuner(space), 4)
    for trial in on_lines(list(tuner.history)):
        centre, direction = (
            np.array(tuner.history[trial.note["centre"]].point),
            np.array(trial.note["direction"]),
        )
        steps = centre + np.arange(-20, 21)[:, None] * direction
        inside = steps[((steps >= 0) & (steps < space.shape)).all(axis=1)]
        assert trial.point in set(map(tuple, space.collapse(inside).tolist()))


# ----------------------------------------------------------------------- widening
@pytest.mark.parametrize("axes, batch", [(1, 7), (4, 40), (4, 3), (12, 40)])
def test_width_two_opens_after_two_proposals_per_axis(axes: int, batch: int) -> None:
    tuner = rounds(Tuner(cube(5, axes) if axes > 1 else cube(60, 1)), 180 // (4 * batch) + 3, batch)
    widths = [t.note["width"] for t in on_lines(list(tuner.history))]
    narrow = next((i for i, w in enumerate(widths) if w > 1), len(widths))
    assert narrow >= min(2 * axes, len(widths))
    assert axes == 1 or len(widths) > narrow


def test_width_three_opens_after_a_stretch_without_improvement() -> None:
    """After width 2 opened, at least 20 told trials in a row did not improve on the best before."""
    tuner = Tuner(cube(6, 5), seed=2)
    opened = None
    while opened is None:
        batch = tuner.ask(20)
        if any(t.note.get("width", 0) >= 3 for t in batch):
            opened = batch[0].id
        for trial in batch:
            tuner.tell(trial, valley(trial.params))
    told = list(tuner.history[:opened])
    start = next(i for i in range(len(told)) if len(on_lines(told[:i])) >= 10)
    values: list[Any] = [t.value for t in told]
    better = [i for i in range(1, len(told)) if values[i] < min(values[:i])]
    marks = [start, *(i for i in better if i >= start), len(told)]
    assert max(np.diff(marks)) > 20
    assert max((t.note["width"] for t in on_lines(told)), default=1) == 2


def test_the_widest_direction_is_the_users_to_set() -> None:
    tuner = rounds(Tuner(cube(5, 6), DSICE(max_width=2)), 6, objective=lambda p: 1.0)
    assert {t.note["width"] for t in on_lines(list(tuner.history))} == {1, 2}


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
    tuner = Tuner(cube(6, 4), seed=3)
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
    later = tuner.history[40:]
    assert len(on_lines(later)) >= 0.8 * len(later)


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
    assert len(on_lines(list(flat.history[40:]))) >= 0.8 * 160

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


def test_new_centres_can_be_chosen_however_few_points_are_measured() -> None:
    """With two values only, promising points of the scan and their lines are candidates."""
    tuner = Tuner(cube(30, 3))
    for x in range(12):
        params = {"x0": x, "x1": 2 * x, "x2": 29 - x}
        if x < 2:
            tuner.add(params, float(x))
        else:
            tuner.add(params, error="out of memory")
    search = LineSearch(
        tuner.space, tuner.history, lambda *key: np.random.default_rng(list(key)), 40
    )
    new = search.centres.points[2:]
    assert len(new) == NEW_CENTRES
    # each is a candidate alone, not on another centre's line
    assert all(search.candidates.widths[search.candidates.places[centre]] == 0 for centre in new)
    search.choose(new[0], 12, {"phase": "distant"})
    notes = []
    for id in range(13, 52):
        found = search.pick(id)
        assert found is not None
        search.choose(found[0], id, found[1])
        notes.append(found[1])
    assert 12 in [note.get("centre") for note in notes]


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
