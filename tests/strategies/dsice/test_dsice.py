"""The default search: what it does beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest

from dsice import Choice, DsiceError, Goal, Space, Tuner
from dsice.strategies import DSICE, Random, Strategy
from dsice.strategies.dsice.initial_design import InitialDesign
from tests.conftest import bowl, conditional, fill, holes


def rounds_to(
    strategy: Strategy,
    objective: object,
    shape: tuple[int, ...],
    target: float,
    seed: int,
    batch: int = 20,
) -> int:
    tuner = Tuner({f"x{j}": range(m) for j, m in enumerate(shape)}, strategy, seed=seed)
    for number in range(1, 16):
        fill(tuner, batch, batch, objective)  # type: ignore[arg-type]
        if tuner.best is not None and tuner.best.value is not None and tuner.best.value <= target:
            return number
    return 16


def coupled(params: dict[str, object]) -> float:
    """A narrow valley oblique to the axes, and a second, worse one elsewhere."""
    x, y, z = (float(v) for v in params.values())  # type: ignore[arg-type]
    return min(
        (x - y) ** 2 + 0.1 * (x + y - 9) ** 2 + (z - 2) ** 2,
        3.0 + (x - 1) ** 2 + (y - 8) ** 2 + (z - 5) ** 2,
    )


@pytest.mark.parametrize("objective, target", [(bowl, None), (coupled, 0.1)])
def test_it_needs_far_fewer_rounds_than_random_search(
    objective: object, target: float | None
) -> None:
    shape = (10, 10, 8)
    if target is None:
        target = min(objective({f"x{j}": v for j, v in enumerate(p)}) for p in np.ndindex(shape))  # type: ignore[operator]
    ours = [rounds_to(DSICE(), objective, shape, target, seed) for seed in range(5)]
    theirs = [rounds_to(Random(), objective, shape, target, seed) for seed in range(5)]
    assert np.median(ours) <= 4 and np.median(ours) <= 0.5 * np.median(theirs)


def test_the_first_batch_covers_every_level_of_every_axis_evenly() -> None:
    tuner = Tuner({"a": range(5), "b": range(5), "c": Choice(["p", "q", "r", "s"])})
    points = np.array([t.point for t in tuner.ask(40)])
    for axis, levels in enumerate((5, 5, 4)):
        assert np.ptp(np.bincount(points[:, axis], minlength=levels)) <= 2
    pairs = np.bincount(points[:, 0] * 5 + points[:, 1], minlength=25)
    assert (pairs > 0).mean() >= 0.9  # 40 random points leave a fifth of the pairs out


def test_the_kernel_of_the_spread_design_is_centred_with_mean_one() -> None:
    from dsice.strategies.dsice.initial_design import _kernel

    for m in (2, 3, 7, 100):
        levels = np.arange(m)
        for ordered in (True, False):
            table = _kernel(m, ordered)(levels[:, None], levels[None, :])
            assert np.allclose(table.sum(axis=0), 0, atol=1e-9) and np.isclose(
                np.diag(table).mean(), 1
            )
            assert np.linalg.eigvalsh(table).min() > -1e-9


def test_the_start_is_measured_first_and_once() -> None:
    start = {"x": 3, "y": 2, "z": 0}
    tuner = fill(Tuner(holes(), DSICE(start=start)), 30)
    assert tuner.history[0].params == start and tuner.history[0].note["phase"] == "start"
    assert sum(t.params == start for t in tuner.history) == 1
    several = Tuner(holes(), DSICE(start=[start, {"x": 0, "y": 0, "z": 1}]))
    phases = [t.note["phase"] for t in several.ask(12)]
    assert phases[:2] == ["start", "start"] and phases == sorted(
        phases, key=["start", "probe", "end", "spread"].index
    )


def test_around_the_start_its_neighbours_and_the_ends_of_its_axis_lines_are_measured() -> None:
    tuner = Tuner(
        {"x": range(9), "kind": Choice(["a", "b", "c"]), "y": range(9)},
        DSICE(start={"x": 8, "kind": "b", "y": 4}),
    )
    asked = [tuple(t.params.values()) for t in tuner.ask(10)]
    probes = [(7, "b", 4), (8, "a", 4), (8, "c", 4), (8, "b", 5), (8, "b", 3)]
    assert asked[:9] == [(8, "b", 4), *probes, (0, "b", 4), (8, "b", 8), (8, "b", 0)]


def test_a_start_off_the_grid_is_named() -> None:
    with pytest.raises(DsiceError, match="x"):
        Tuner(holes(), DSICE(start={"x": 99, "y": 2, "z": 0})).ask(1)


def test_notes_say_why_each_trial_was_chosen() -> None:
    tuner = fill(Tuner({"x": range(20), "y": range(20)}, DSICE()), 120, batch=20)
    phases = {t.note["phase"] for t in tuner.history}
    assert {"spread", "line"} <= phases <= {"spread", "line", "distant"}
    for trial in tuner.history:
        if trial.note["phase"] == "line":
            step = np.array(trial.point) - np.array(trial.note["through"])
            direction = np.array(trial.note["direction"])
            assert trial.note["width"] == np.abs(direction).sum()
            first = np.flatnonzero(direction)[0]
            assert np.array_equal(step, step[first] * direction[first] * direction)
            assert trial.note["sd"] >= 0


def test_predictions_are_in_units_of_the_score() -> None:
    axes = {"x": range(30), "y": range(30)}
    one = fill(Tuner(axes), 100, batch=20, objective=bowl)
    two = fill(Tuner(axes), 100, batch=20, objective=lambda p: 500 + 3 * bowl(p))
    for a, b in zip(one.history, two.history, strict=True):
        assert b.note.get("predicted", 0.0) == pytest.approx(
            500 + 3 * a.note["predicted"] if "predicted" in a.note else 0.0, rel=1e-5
        )
        assert b.note.get("sd", 0.0) == pytest.approx(3 * a.note.get("sd", 0.0), rel=1e-4)
    promising = sorted(one.history[60:], key=lambda t: t.note.get("predicted", 0.0))
    first, last = promising[: len(promising) // 4], promising[-len(promising) // 4 :]
    assert np.median([t.value for t in first]) < np.median([t.value for t in last])


def test_max_width_keeps_the_lines_on_the_axes() -> None:
    tuner = fill(
        Tuner({"x": range(9), "y": range(9), "z": range(9)}, DSICE(max_width=1)),
        200,
        batch=20,
        objective=lambda p: 1.0,
    )
    assert {t.note["width"] for t in tuner.history if t.note["phase"] == "line"} == {1}


def test_it_is_no_local_search_from_one_start() -> None:
    """The start is in a wide basin; the better basin is far away, and no slope leads there."""

    def two_basins(p: dict[str, object]) -> float:
        x, y = (float(v) for v in p.values())  # type: ignore[arg-type]
        return min(5.0 + 0.2 * ((x - 3) ** 2 + (y - 3) ** 2), 0.2 * ((x - 24) ** 2 + (y - 22) ** 2))

    found = []
    for seed in range(5):
        tuner = fill(
            Tuner({"x": range(28), "y": range(28)}, DSICE(start={"x": 3, "y": 3}), seed=seed),
            120,
            batch=20,
            objective=two_basins,
        )
        found.append(tuner.best.value == 0.0)  # type: ignore[union-attr]
    assert sum(found) >= 4


def test_bounds_lead_to_the_best_feasible_point() -> None:
    goal = Goal(at_most={"memory": 6.0})
    tuner = Tuner({"x": range(12), "y": range(12)}, goal=goal)
    for _ in range(6):
        for trial in tuner.ask(12):
            x, y = trial.params["x"], trial.params["y"]
            tuner.tell(trial, (x - 9) ** 2 + (y - 9) ** 2, metrics={"memory": x + y / 2})
    truth = min((x - 9) ** 2 + (y - 9) ** 2 for x in range(12) for y in range(12) if x + y / 2 <= 6)
    assert tuner.best is not None and tuner.best.value == truth


def test_steps_on_inactive_parameters_are_no_moves() -> None:
    tuner = fill(Tuner(conditional()), 100, batch=4)
    for trial in tuner.history:
        assert ("momentum" in trial.params) == (trial.params["opt"] == "sgd")


def test_unordered_axes_are_never_part_of_an_oblique_direction() -> None:
    space = Space({"kind": Choice(["a", "b", "c"]), "x": range(9), "y": range(9)})
    tuner = fill(Tuner(space), 200, batch=20, objective=lambda p: 1.0)
    widths = [t.note for t in tuner.history if t.note["phase"] == "line"]
    assert any(n["width"] == 2 for n in widths)
    assert all(n["direction"][0] == 0 for n in widths if n["width"] > 1)


WRONG = [
    {"max_width": 0},
    {"max_width": 1.5},
    {"alpha": 0},
    {"alpha": "gcv"},
    {"tolerance": -1},
    {"noise": 3},
    {"pending": "no"},
]


@pytest.mark.parametrize("options", WRONG)
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    with pytest.raises(DsiceError, match=next(iter(options))):
        DSICE(**options)  # type: ignore[arg-type]


def test_the_spread_design_stays_away_from_what_is_there() -> None:
    space = Space({"x": range(21), "y": range(21)})
    there = [(x, y) for x in range(10) for y in range(21)]
    design = InitialDesign(space, np.array(there))
    picks = []
    for i in range(8):
        found = design.pick(set(there), np.random.default_rng(i))
        assert found is not None
        design.choose(found[0])
        picks.append(found[0])
    assert np.mean([x for x, _ in picks]) > 14


def noisy(params: dict[str, object], g: np.random.Generator) -> float:
    return 0.02 * sum((float(v) - 4) ** 2 for v in params.values()) + float(g.normal(0, 0.24))  # type: ignore[arg-type, misc]


def test_under_noise_points_are_measured_again_and_the_best_is_the_models() -> None:
    true_of_best, luckiest = [], []
    for seed in range(12):
        g = np.random.default_rng(seed)
        tuner = Tuner(
            {"x": range(9), "y": range(9), "z": range(9)},
            DSICE(noise=True, tolerance=None),
            seed=seed,
        )
        for _ in range(4):
            trials = tuner.ask(40)
            assert sum(t.repeat > 0 for t in trials) <= 10
            for trial in trials:
                tuner.tell(trial, noisy(dict(trial.params), g))
        identities = [(*t.point, t.repeat) for t in tuner.history]
        assert len(set(identities)) == len(identities) and any(t.repeat for t in tuner.history)
        lowest = min(tuner.history, key=lambda t: t.value or 0.0)
        best = tuner.best
        assert best is not None and best.value == pytest.approx(
            np.mean([t.value for t in tuner.history if t.point == best.point])
        )
        true_of_best.append(sum((level - 4) ** 2 for level in best.point))
        luckiest.append(sum((level - 4) ** 2 for level in lowest.point))
    assert np.mean(true_of_best) < 0.7 * np.mean(luckiest)


def test_without_repeats_the_best_is_the_lowest_score() -> None:
    tuner = fill(Tuner({"x": range(9), "y": range(9)}), 60, batch=20)
    assert tuner.best is not None and tuner.best.value == min(t.value for t in tuner.history)  # type: ignore[type-var]


def test_it_stops_when_nothing_better_is_to_be_expected_and_goes_on_without_a_tolerance() -> None:
    space = {"x": range(12), "y": range(12), "z": range(12)}
    tuner = fill(Tuner(space, seed=1), 600, batch=20)
    assert tuner.finished and len(tuner.history) < 400
    lowest = min(bowl(dict(zip("xyz", p, strict=True))) for p in np.ndindex(12, 12, 12))
    assert tuner.best is not None and tuner.best.value == lowest
    assert len(fill(Tuner(space, DSICE(tolerance=None), seed=1), 600, batch=20).history) == 600
