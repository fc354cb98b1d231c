"""The search under bounds: a model of each, and what it is good for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dsice import Choice, Goal, Space, Trial, Tuner
from dsice.strategies import DSICE
from dsice.strategies.dsice.constraints import PENALTY, ConstraintModel
from dsice.strategies.dsice.model import Measurements

GRID = {f"x{i}": range(8) for i in range(3)}


def told(goal: Goal, count: int = 60, metrics: object = None) -> Tuner:
    """A random sample of the grid; the metric m grows along x0, n falls along x1."""
    tuner, rng = Tuner(GRID, goal=goal), np.random.default_rng(1)
    for point in rng.permutation(
        np.stack(np.meshgrid(*[np.arange(8)] * 3), axis=-1).reshape(-1, 3)
    )[:count].tolist():
        params = dict(zip(GRID, point, strict=True))
        tuner.add(params, float(point[2]), metrics={"m": 2.0 * point[0], "n": -3.0 * point[1]})
    return tuner


def bounds(tuner: Tuner) -> ConstraintModel:
    return ConstraintModel(tuner.space, tuner.history, Measurements.of(tuner.history), None)


def test_distances_are_signed_and_relative() -> None:
    tuner = Tuner({"x": range(4)}, goal=Goal(at_most={"m": 4.0, "z": 0.0}, at_least={"n": -2.0}))
    tuner.add({"x": 0}, 1.0, metrics={"m": 6.0, "z": -0.5, "n": -3.0})
    tuner.add({"x": 1}, 1.0, metrics={"m": 1.0, "z": 0.5, "n": 0.0})
    assert tuner.history.distances(np.arange(2)).tolist() == [[0.5, -0.5, 0.5], [-0.75, 0.5, -1.0]]


def test_the_edge_is_where_the_metrics_say() -> None:
    tuner = told(Goal(at_most={"m": 7.0}, at_least={"n": -13.0}))  # x0 <= 3 and x1 <= 4
    points = tuner.space.points()
    penalty = bounds(tuner).penalty(points)
    feasible = (points[:, 0] <= 3) & (points[:, 1] <= 4)
    assert (penalty[feasible] < PENALTY / 2).all() and (penalty[~feasible] > PENALTY / 2).all()
    inside = (points[:, 0] <= 2) & (points[:, 1] <= 3)
    assert (
        penalty[inside].max() < 0.05 * PENALTY and penalty[points[:, 0] >= 5].min() > 0.95 * PENALTY
    )


@pytest.mark.parametrize("factor", [1e-200, 1e-9, 1.0, 1e9, 1e200])
def test_the_unit_of_a_metric_does_not_matter(factor: float) -> None:
    def penalty(factor: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        tuner = Tuner(GRID, goal=Goal(at_most={"m": 0.0}))
        for point in told(Goal()).history:
            tuner.add(point.params, 1.0, metrics={"m": factor * (point.params["x0"] - 3.5)})
        return bounds(tuner).penalty(tuner.space.points())

    assert penalty(factor) == pytest.approx(penalty(1.0), abs=0.2 * PENALTY)


def test_a_metric_that_old_trials_lack_is_learned_from_the_new_ones() -> None:
    goal = Goal(at_most={"m": 7.0, "late": 3.5})
    tuner = Tuner(GRID, goal=goal)
    for trial in told(Goal()).history:
        tuner.history.write(trial if trial.id % 2 else _with(trial, late=float(trial.params["x2"])))
    penalty, points = bounds(tuner).penalty(tuner.space.points()), tuner.space.points()
    assert (
        penalty[(points[:, 0] <= 2) & (points[:, 2] <= 2)].max()
        < PENALTY / 2
        < penalty[points[:, 2] >= 5].min()
    )


def _with(trial: Trial, **metrics: float) -> Trial:
    return replace(trial, metrics={**trial.metrics, **metrics})


def study(seed: int) -> tuple[Tuner, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """The metric wants one place, the bound another, and a tenth of the grid is feasible."""
    rng = np.random.default_rng(seed)
    centre, other, weight = rng.uniform(1, 8, 4), rng.uniform(1, 8, 4), rng.uniform(0.5, 2, 4)
    grid = np.stack(np.meshgrid(*[np.arange(10)] * 4, indexing="ij"), -1).reshape(-1, 4)
    loss = ((grid - centre) ** 2 * weight).sum(-1) + 2 * np.sin(grid).sum(-1)
    over = np.sqrt(((grid - other) ** 2).sum(-1)) + 0.5 * np.cos(2 * grid).sum(-1)
    bound = float(np.quantile(over, 0.1))
    tuner = Tuner(
        {f"x{i}": range(10) for i in range(4)},
        DSICE(tolerance=None),
        goal=Goal(at_most={"m": bound}),
        seed=seed,
    )
    for _ in range(5):
        for trial in tuner.ask(10):
            place = int(np.ravel_multi_index(trial.point, (10,) * 4))
            tuner.tell(trial, float(loss[place]), metrics={"m": float(over[place])})
    return tuner, np.sort(loss[over <= bound])


def test_fifty_trials_find_one_of_the_best_feasible_points() -> None:
    ranks = []
    # ranks among 1000 feasible points; the median is 10 if infeasible trials only count as bad
    for seed in range(5):
        tuner, feasible = study(seed)
        assert tuner.best is not None and tuner.best.value is not None
        ranks.append(
            int(np.searchsorted(feasible, tuner.best.value)) + 1
            if tuner.history.goal.violation(tuner.best) == 0
            else 1000
        )
        notes = [t.note for t in tuner.history if t.note["phase"] == "line"]
        assert notes and all(
            math.isfinite(note["predicted"]) and note["sd"] >= 0
            for note in notes
            if "predicted" in note
        )
    assert sorted(ranks)[2] <= 3 and sorted(ranks)[3] <= 10


def test_a_batch_in_parts_is_the_batch_and_a_journal_goes_on_under_bounds() -> None:
    space = Space({"x": range(9), "y": range(9), "kind": Choice(["a", "b"])})
    whole, parts = (
        Tuner(space, DSICE(noise=True, tolerance=None), goal=Goal(at_most={"m": 5.0}), seed=3)
        for _ in "ab"
    )
    for _ in range(5):
        one, two = whole.ask(9), [*parts.ask(2), *parts.ask(4), *parts.ask(3)]
        assert [t.identity for t in one] == [t.identity for t in two]
        for tuner, batch in ((whole, one), (parts, list(reversed(two)))):
            for t in batch:
                value = (
                    (t.params["x"] - 6) ** 2
                    + (t.params["y"] - 2) ** 2
                    + 3.0 * (t.params["kind"] == "b")
                )
                tuner.tell(t, value, metrics={"m": float(t.params["x"] + t.params["y"])})
    assert whole.best is not None and whole.history.goal.violation(whole.best) == 0
    assert any(t.note["phase"] == "repeat" for t in whole.history)
