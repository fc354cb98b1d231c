"""Related tasks in the search: their weights, the first batch, what holds whatever they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dsice import Goal, Space, Trial, Tuner
from dsice.history import History
from dsice.history.sources import SourceTrials
from dsice.strategies import DSICE, stream
from dsice.strategies.dsice import strategy as kept_search
from dsice.strategies.dsice.model import normal_scores
from dsice.strategies.dsice.search import SearchModel
from dsice.strategies.dsice.sources import (
    FACTOR,
    FACTOR_SD,
    INFORMS,
    Sources,
    posterior_weights,
)

LEVELS, AXES = 8, 4


def grid() -> Space:
    return Space({f"x{j}": range(LEVELS) for j in range(AXES)})


def valley(params: Mapping[str, Any], at: float = 2.0) -> float:
    """A valley with interactions, whose lowest point lies near level `at` of each axis."""
    x = np.array([params[f"x{j}"] for j in range(AXES)], dtype=float) - at
    return float((x**2).sum() + 0.7 * (np.diff(x) ** 2).sum() + np.cos(2.0 * x).sum())


def log(
    objective: Callable[[Mapping[str, Any]], float],
    *,
    name: str = "old",
    points: int = 300,
    seed: int = 5,
    change: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> SourceTrials:
    """Random points of another task on the same grid, changed for the log."""
    params = [grid().params(p) for p in grid().sample(np.random.default_rng(seed), points)]
    values = [objective(p) for p in params]
    return SourceTrials(
        name,
        "",
        "value",
        False,
        tuple(change(dict(p)) for p in params),
        tuple(values),
        ("done",) * points,
        normal_scores(np.array(values)),
    )


def tuner(*sources: SourceTrials, seed: int = 0, **options: Any) -> Tuner:
    made = Tuner(grid(), DSICE(tolerance=None, **options), seed=seed)
    made.history.sources = sources
    return made


def rounds(made: Tuner, n: int, batch: int) -> list[Trial]:
    """Batches asked and told."""
    for _ in range(n):
        for trial in made.ask(batch):
            made.tell(trial, valley(trial.params))
    return list(made.history)


def weights(made: Tuner) -> list[float]:
    found = DSICE().source_weights(made.space, made.history)
    assert found is not None
    return found


# ------------------------------------------------------------------ the regression
@pytest.mark.parametrize("count", [1, 2, 3])
def test_weights_are_those_of_dense_linear_algebra(count: int) -> None:
    """Every set of sources, weighed by a multivariate t density of the values."""
    rng = np.random.default_rng(count)
    n = 30
    means = rng.standard_normal((n, count))
    values = means @ np.linspace(0.2, 0.9, count) + 0.3 * rng.standard_normal(n)
    prior = FACTOR_SD**2 / (values @ values / n)
    chances, factors = [], []
    for informs in product((False, True), repeat=count):
        kept = np.flatnonzero(informs)
        h, b = means[:, kept], np.full(len(kept), FACTOR / max(1, len(kept)))
        spread = np.eye(n) + prior * h @ h.T
        rest = values - h @ b
        # the scale profiled out: a normal density at its most likely scale
        scale = rest @ np.linalg.solve(spread, rest) / n
        density = multivariate_normal.logpdf(rest, np.zeros(n), scale * spread)
        chances.append(
            density + len(kept) * np.log(INFORMS) + (count - len(kept)) * np.log(1 - INFORMS)
        )
        factor = np.zeros(count)
        factor[kept] = np.maximum(b + prior * h.T @ np.linalg.solve(spread, rest), 0.0)
        factors.append(factor)
    chance = np.exp(np.array(chances) - max(chances))
    expected = (chance[:, None] * np.array(factors)).sum(axis=0) / chance.sum()
    np.testing.assert_allclose(posterior_weights(means, values), expected, rtol=1e-9)


def test_of_three_sources_one_misleads_and_counts_for_next_to_nothing_after_80_trials() -> None:
    noise = np.random.default_rng(1)
    for seed in range(3):
        made = tuner(
            log(lambda p: valley(p, 2.3), name="near"),
            log(lambda p: 3.0 * valley(p, 1.8) + 50.0, name="other units", seed=6),
            log(lambda p: float(noise.normal()), name="misleads", seed=7),
            seed=seed,
        )
        rounds(made, 2, 40)
        near, units, misleads = weights(made)
        assert near + units > 0.2
        assert misleads < 0.1


def test_a_log_of_another_task_finds_the_valley_in_the_first_batch() -> None:
    def best_of_first_batch(*sources: SourceTrials) -> float:
        found = [min(valley(t.params) for t in tuner(*sources, seed=s).ask(20)) for s in range(5)]
        return float(np.mean(found))

    informed = best_of_first_batch(log(lambda p: valley(p, 2.2)))
    assert informed < 0.5 * best_of_first_batch()


# ------------------------------------------------------------------ what holds whatever they say
@pytest.mark.parametrize("told", [0, 1, 2])
def test_a_batch_in_parts_is_the_batch(told: int) -> None:
    sources = (log(valley), log(lambda p: valley(p, 4.0), name="far", seed=8))
    one, parts = tuner(*sources), tuner(*sources)
    for made in (one, parts):
        rounds(made, told, 12)
    kept_search._KEPT.clear()
    whole = [trial.point for trial in one.ask(20)]
    found = []
    for size in (1, 7, 12):
        kept_search._KEPT.clear()  # also without the kept search
        found += [trial.point for trial in parts.ask(size)]
    assert found == whole


def test_a_kept_search_proposes_what_a_cold_one_does() -> None:
    kept, cold = tuner(log(valley)), tuner(log(valley))
    found = [kept.ask(1)[0] for _ in range(12)]
    again = []
    for _ in range(12):
        kept_search._KEPT.clear()
        again += cold.ask(1)
    assert [(t.point, t.note) for t in found] == [(t.point, t.note) for t in again]


def test_another_log_is_another_search() -> None:
    def asked(source: SourceTrials) -> list[Any]:
        return [trial.point for trial in tuner(source).ask(10)]

    assert asked(log(valley)) != asked(log(lambda p: valley(p, 5.0)))


def test_sources_block_no_point_and_are_never_best() -> None:
    made = tuner(log(valley, points=LEVELS**AXES))  # every point of the grid
    asked = rounds(made, 4, 40)
    assert len({trial.point for trial in asked}) == 160
    best = made.history.best
    assert best is not None and best.value == min(t.value for t in asked if t.value is not None)


def test_the_users_start_comes_first() -> None:
    start = {f"x{j}": 7 for j in range(AXES)}
    first = tuner(log(valley), start=start).ask(3)
    assert first[0].params == start and first[0].note == {"phase": "start"}
    assert "reuse" in {trial.note["phase"] for trial in tuner(log(valley)).ask(3)}


def test_a_log_without_a_point_on_the_grid_changes_nothing() -> None:
    off = log(valley, change=lambda p: p | {"x0": "elsewhere"})
    assert [t.point for t in tuner(off).ask(30)] == [t.point for t in tuner().ask(30)]
    assert weights(tuner(off)) == [0.0]


def test_notes_say_what_a_proposal_owes_to_which_source() -> None:
    made = tuner(log(valley, name="good"), log(lambda p: 1.0, name="flat", seed=9))
    owed = [t.note.get("sources", {}) for t in rounds(made, 2, 40)]
    assert sum("good" in note for note in owed) > 40
    assert not any("flat" in note for note in owed)


def test_a_parameter_that_a_log_lacks_is_averaged_over() -> None:
    def without(p: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in p.items() if name != "x3"}

    made = tuner(log(valley, change=without))
    model = Sources.of(made.space, made.history)
    assert model is not None
    along = np.array([[2, 2, 2, level] for level in range(LEVELS)])
    np.testing.assert_allclose(model.mean(along), model.mean(along)[0])
    assert len(made.ask(40)) == 40  # no point of the log is one of the grid


def test_a_search_with_noise_or_bounds_takes_sources_too() -> None:
    made = Tuner(
        grid(), DSICE(tolerance=None, noise=True), goal=Goal(at_most={"memory": 12}), seed=2
    )
    made.history.sources = (log(valley),)
    for _ in range(3):
        for trial in made.ask(20):
            made.tell(trial, valley(trial.params), metrics={"memory": sum(trial.point)})
    best = made.history.best
    assert best is not None and best.metrics["memory"] <= 12
    assert any(trial.repeat for trial in made.history)


# ------------------------------------------------------------------ values
@pytest.mark.parametrize(
    ("levels", "value", "expected"),
    [
        ([1, 2, 4, 8], 1.5, 0),
        ([1, 2, 4, 8], 1.6, 1),
        ([1, 2, 4, 8], 2.9, 1),
        ([1, 2, 4, 8], 10, 3),
        ([1, 2, 4, 8], 10.5, None),
        ([1, 2, 4, 8], 0.4, None),
        ([8, 4, 2, 1], 2.9, 2),
        ([8, 4, 2, 1], 10.5, None),
        ([5], 5, 0),
        ([5], 5.1, None),
        (["a", "b"], "b", 1),
        (["a", "b"], "c", None),
        ([1, 2, 4, 8], True, None),
        ([1, 2, 4, 8], 10**400, None),
        ([1, 2, 4, 8], "4", None),
        ([1, 2, 4, 8], float("nan"), None),
    ],
)
def test_a_number_stands_for_the_nearest_level_within_half_a_step(
    levels: Sequence[Any], value: Any, expected: int | None
) -> None:
    params = {"x": value, "y": 0}
    source = SourceTrials("s", "", "value", False, (params,), (1.0,), ("done",), np.zeros(1))
    points, scores = source.on(Space({"x": levels, "y": [0, 1]}))
    assert points.tolist() == ([] if expected is None else [[expected, 0]])
    assert len(scores) == len(points)


# ------------------------------------------------------------------ stages
STAGES = Goal(stage=1)


def staged(short: Callable[[Mapping[str, Any]], float], full: int = 0) -> History:
    """60 short trainings, and some full ones."""
    drawn = grid().sample(np.random.default_rng(4), 60 + full)
    values = [
        short(grid().params(p)) if i < 60 else valley(grid().params(p)) for i, p in enumerate(drawn)
    ]
    return History.of(grid(), drawn, values, stages=[0] * 60 + [1] * full, goal=STAGES)


def test_short_trainings_inform_full_ones() -> None:
    def best(history: History) -> float:
        found = DSICE(tolerance=None).ask(10, grid(), history, stream(0))
        assert all(proposal.stage == 1 for proposal in found)
        return min(valley(grid().params(proposal.point)) for proposal in found)

    assert best(staged(lambda p: valley(p, 2.3) + 5.0)) < best(History(STAGES))


def test_a_stage_that_does_not_inform_gets_weight_near_0() -> None:
    noise = np.random.default_rng(5)
    history = staged(lambda p: float(noise.normal()), full=80)
    sources = Sources.of(grid(), history)
    assert sources is not None and sources.names == ["stage 0"]
    model = SearchModel.of(grid(), history, None, sources)
    assert model.sources is None or model.sources.says().max() < 0.1
