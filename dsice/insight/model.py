"""The d-spline surface that insight is drawn from: one of its own through the scores of a history, not their ranks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dsice.errors import DsiceWarning, FitError, OptionError
from dsice.history import History
from dsice.space import Space, When
from dsice.typing import Array

if TYPE_CHECKING:
    from dsice.spline.anova import Anova

LEAST = 3  # distinct points
FIT, DRAWN = 300, 1000  # points that smoothness is fitted to, and that the surface is drawn through
CELLS = 512  # combinations of the axes that conditions mention
FENCE = 5.0  # times the way from the 10 % to the 90 % quantile; a nearer one cuts what a search saw of bad settings


class Search(Protocol):
    """What has a history and knows its space: a tuner."""

    @property
    def history(self) -> History:
        """All trials."""

    @property
    def space(self) -> Space:
        """The grid they lie on."""


@dataclass(frozen=True, eq=False)
class Model:
    """The surface of a history: scores are mean + unit * (what it says).

    `points`, int of shape (k, axes), with the level after the last where a parameter does not exist, and `counts`, (k,),
    are all measured ones; `scale` turns variances of the surface into those of the values that it was fitted to, `noise`
    and `spread` are the variances of one measurement and of all of these values.
    """

    space: Space
    points: Array
    counts: Array
    anova: Anova
    mean: float
    unit: float
    scale: float
    noise: float
    spread: float


def model_of(search: Search | History, space: Space | Mapping[str, Any] | None) -> Model:
    """Fit the surface; the arguments and errors are those of `effects`."""
    from dsice.spline.anova import Anova
    from dsice.spline.numerics import one_thread
    from dsice.spline.surface import fit_hyperparameters, fit_surface

    history, grid = read(search, space)
    points, scores, counts = _measured(history)
    points = grid.coded(points)
    values, mean, unit = _standard(scores)
    few, some = _even(values, FIT), _even(values, DRAWN)
    axes = (grid.shape, grid.ordered)
    with one_thread():
        hyperparameters = fit_hyperparameters(points[few], values[few], *axes, counts=counts[few])
        surface = fit_surface(
            points[some],
            values[some],
            *axes,
            counts=counts[some],
            hyperparameters=hyperparameters,
            max_points=DRAWN,
        )
    deciding, cells = _cells(grid)
    anova = Anova(surface, grid.shape, deciding=deciding, cells=cells)
    spread = float(np.var(np.repeat(values, counts.astype(np.int64))))
    wider = max(
        1.0, float(np.mean(surface.loo_residuals() ** 2))
    )  # what the errors at points left out say of the variances
    return Model(
        grid,
        points,
        counts,
        anova,
        mean,
        unit,
        surface.scale * wider,
        hyperparameters.noise_variance * surface.scale,
        spread,
    )


def read(
    search: Search | History, space: Space | Mapping[str, Any] | None
) -> tuple[History, Space]:
    """The history and its space; OptionError where they do not fit."""
    history = search if isinstance(search, History) else getattr(search, "history", None)
    if not isinstance(history, History):
        raise OptionError(
            f"expected a tuner or a history, got {search!r}; of a journal, read the tuner: Tuner.read(path)"
        )
    if space is None:
        space = getattr(search, "space", None)
    if space is None:
        raise OptionError(
            "a history does not know its space: give the tuner, or the space too, as in effects(tuner.history, tuner.space)"
        )
    grid = space if isinstance(space, Space) else Space(space)
    points = history.points()
    if len(points) and (points.shape[1] != grid.ndim or (points >= np.array(grid.shape)).any()):
        raise OptionError(
            f"space: expected that of the history, whose points have {points.shape[1]} levels up to "
            f"{tuple(points.max(axis=0).tolist())}; got one of {grid.shape} levels"
        )
    return history, grid


def _measured(history: History) -> tuple[Array, Array, Array]:
    """Distinct points with a score (k, axes), their mean scores and numbers of measurements, both (k,)."""
    ids = np.sort(history.order())
    weights = np.array([len(history[int(i)].values) or 1 for i in ids], dtype=float)
    points, place = (
        np.unique(history.points()[ids], axis=0, return_inverse=True)
        if len(ids)
        else (np.empty((0, 0)), ids)
    )
    if len(points) < LEAST:
        raise FitError(
            f"effects and importance need at least {LEAST} distinct points with a score, this history has {len(points)}; "
            "measure and tell more (failed trials do not count)"
        )
    counts = np.bincount(place.ravel(), weights=weights)
    shares = (
        weights / counts[place.ravel()]
    )  # before the product: scores may be near the largest float
    return points, np.bincount(place.ravel(), weights=history.scores()[ids] * shares), counts


def _standard(scores: Array) -> tuple[Array, float, float]:
    """Clipped scores with mean 0 and standard deviation 1, and the mean and unit that give them back."""
    largest = float(np.abs(scores).max()) or 1.0
    small = scores / largest  # so that nothing overflows
    low, high = np.quantile(small, [0.1, 0.9])
    if high > low:
        small = np.minimum(small, small[small <= high + FENCE * (high - low)].max())
    mean, sd = float(small.mean()), float(small.std())
    if sd <= 1e-13:
        return np.zeros(len(small)), mean * largest, largest
    return (small - mean) / sd, mean * largest, sd * largest


def _even(values: Array, most: int) -> Array:
    """Places of at most `most` values, ascending: an even choice by rank, the lowest and the highest among them."""
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    return np.sort(order[np.linspace(0, len(values) - 1, most).astype(np.int64)])


def _cells(space: Space) -> tuple[list[int], Array | None]:
    """Axes that conditions mention, and all combinations of their levels, coded; a warning where they are too many."""
    rules = [rule for rule in space.where if isinstance(rule, When)]
    mentioned: set[str] = set()
    for rule in rules:
        mentioned |= (
            set(space.names) - set(rule.names)
            if rule.expression is None
            else set(rule.expression.names)
        )
    deciding = [j for j, name in enumerate(space.names) if name in mentioned]
    shape = [space.shape[j] for j in deciding]
    if not deciding:
        return [], None
    if np.prod(shape, dtype=float) > CELLS:
        warnings.warn(
            f"conditions depend on more than {CELLS} combinations of {', '.join(space.names[j] for j in deciding)}: "
            "parameters are averaged as if they existed everywhere (a condition that is a string names what it depends on)",
            DsiceWarning,
            stacklevel=4,
        )
        return [], None
    cells = np.zeros((int(np.prod(shape)), space.ndim), dtype=np.int64)
    cells[:, deciding] = np.stack(np.unravel_index(np.arange(len(cells)), shape), axis=1)
    return deciding, space.coded(cells)
