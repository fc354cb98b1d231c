"""The closed form of effects and shares, beside sums over the whole grid."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from dsice import Choice, Space, When
from dsice.spline.anova import Anova
from dsice.spline.surface import Surface, fit_surface

Array = np.ndarray[Any, np.dtype[Any]]

CASES = {
    "plain": (Space({"a": [1, 2, 4, 8], "b": ["x", "y", "z"], "c": range(3)}), []),
    "one level": (Space({"a": [1, 2, 4, 8], "b": [1], "c": range(5)}), []),
    "one axis": (Space({"a": range(12)}), []),
    "conditional": (
        Space(
            {"opt": ["adam", "sgd"], "lr": range(4), "m": range(3)},
            where=[When("opt == 'sgd'", "m")],
        ),
        [0],
    ),
    "chain": (
        Space(
            {
                "w": range(3),
                "opt": Choice(["a", "b", "c"]),
                "depth": range(3),
                "m": range(3),
                "n": range(3),
                "k": range(2),
            },
            where=[
                When("opt != 'a'", "m"),
                When("m > 0 and depth > 0", "n"),
                When("depth == 1", "k"),
            ],
        ),
        [1, 2, 3],
    ),
}


def grid_of(space: Space) -> Array:
    return np.stack(np.unravel_index(np.arange(space.size), space.shape), axis=1)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Space, Surface, Anova]:
    space, deciding = CASES[request.param]
    rng = np.random.default_rng(4)
    points = np.unique(space.coded(grid_of(space)), axis=0)
    points = points[rng.permutation(len(points))[: max(6, min(40, len(points) // 2))]]
    values = rng.normal(size=len(points)) + points @ np.arange(1.0, space.ndim + 1)
    counts = rng.integers(1, 4, size=len(points)).astype(float)
    surface = fit_surface(
        points, (values - values.mean()) / values.std(), space.shape, space.ordered, counts=counts
    )
    levels = np.array(list(product(*(range(space.shape[j]) for j in deciding))), dtype=np.int64)
    cells = np.zeros((len(levels), space.ndim), dtype=np.int64)
    cells[:, deciding] = levels
    return space, surface, Anova(surface, space.shape, deciding=deciding, cells=space.coded(cells))


def test_shares_are_those_of_sums_over_the_grid(case: tuple[Space, Surface, Anova]) -> None:
    space, surface, anova = case
    f = surface.mean(space.coded(grid_of(space))).reshape(space.shape)
    every = set(range(f.ndim))

    def explained(axes: set[int]) -> float:
        return float(f.mean(axis=tuple(every - axes)).var())

    shares = anova.sobol_indices()
    assert anova.overall() == pytest.approx(f.mean(), abs=1e-8)
    assert shares.variance == pytest.approx(f.var(), abs=1e-8)
    first = [explained({j}) / f.var() for j in range(f.ndim)]
    np.testing.assert_allclose(shares.first, first, atol=1e-8)
    np.testing.assert_allclose(
        shares.total, [1 - explained(every - {j}) / f.var() for j in range(f.ndim)], atol=1e-8
    )
    for j, k in combinations(range(f.ndim), 2):
        assert shares.pairs[j, k] == pytest.approx(
            explained({j, k}) / f.var() - first[j] - first[k], abs=1e-8
        )
        assert shares.pairs[j, k] == shares.pairs[k, j]
    if f.ndim < 3:
        assert shares.higher == pytest.approx(0.0, abs=1e-8)


def test_effects_and_their_variance_are_those_of_sums_over_the_grid(
    case: tuple[Space, Surface, Anova],
) -> None:
    space, surface, anova = case
    grid = grid_of(space)
    points = space.coded(grid)
    at = surface.predict(points)
    prior = np.stack([surface.covariance(points, p[None, :])[:, 0] for p in points])
    posterior = prior - at.projected @ at.projected.T
    for j in range(space.ndim):
        exists = points[:, j] < space.shape[j]
        mean, variance = anova.main_effect(j)
        for level in range(space.shape[j]):
            here = exists & (grid[:, j] == level)
            weights = here / here.sum() - exists / exists.sum()
            assert mean[level] == pytest.approx(weights @ at.mean, abs=1e-8)
            assert variance[level] == pytest.approx(weights @ posterior @ weights, abs=1e-8)


def test_more_levels_than_nodes() -> None:
    """On an axis of 3000 levels the shares are close to those of all levels."""
    shape, rng = (3000, 3), np.random.default_rng(0)
    points = np.unique(np.stack([rng.integers(0, m, size=60) for m in shape], axis=1), axis=0)
    values = np.sin(points[:, 0] / 700) + 0.3 * points[:, 1]
    surface = fit_surface(points, (values - values.mean()) / values.std(), shape, (True, True))
    f = surface.mean(np.stack(np.unravel_index(np.arange(9000), shape), axis=1)).reshape(shape)
    anova = Anova(surface, shape)
    np.testing.assert_allclose(
        anova.sobol_indices().first,
        [f.mean(axis=1 - j).var() / f.var() for j in range(2)],
        atol=1e-3,
    )
    assert anova.main_effect(0)[0].shape == (3000,)
    np.testing.assert_allclose(anova.main_effect(0)[0], f.mean(axis=1) - f.mean(), atol=0.01)


def test_a_flat_surface_has_no_shares() -> None:
    points = np.array([[0, 0], [1, 2], [2, 1]])
    shares = Anova(fit_surface(points, np.zeros(3), (3, 3), (True, True)), (3, 3)).sobol_indices()
    assert shares.variance == shares.higher == 0.0
    assert not shares.first.any() and not shares.total.any() and not shares.pairs.any()


def test_errors_at_points_left_out(case: tuple[Space, Surface, Anova]) -> None:
    """Those of surfaces drawn through all other points."""
    surface = case[1]
    covariance = surface.tables.covariance(surface.points, surface.points) + np.diag(
        surface.noise_variance
    )
    values = covariance @ surface.coefficients
    for i, error in enumerate(surface.loo_residuals()):
        rest = np.delete(np.arange(len(values)), i)
        row = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, i])
        variance = (covariance[i, i] - row @ covariance[rest, i]) * surface.scale
        assert error == pytest.approx(
            (values[i] - row @ values[rest]) / np.sqrt(variance), abs=1e-7
        )
