"""The d-spline surface behind insight: fitted to the scores of a history, not to their ranks.

The model is that of docs/method.md, sections "The grid: a smoothing-spline analysis of variance"
and "How smooth, how noisy". The search fits normal scores, which keep ranks and no distances;
insight is in units of the score, so it fits the scores themselves, with those far above the others
clipped.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from dsice.errors import DsiceWarning, FitError, OptionError
from dsice.history import History
from dsice.space import Space, When
from dsice.space.names import as_parsed
from dsice.typing import Floats, Ints

if TYPE_CHECKING:
    from dsice.spline.anova import Anova
    from dsice.spline.evidence import Hyperparameters
    from dsice.spline.surface import Surface

MIN_POINTS: Final = 3
"""Distinct points that a surface needs."""
MAX_FOR_HYPERPARAMETERS: Final = 300
"""Points that the hyperparameters are fitted to, at most."""
MAX_POINTS: Final = 1000
"""Points that the surface is fitted to, at most."""
MAX_CELLS: Final = 512
"""Combinations of the axes that conditions mention, at most."""
FENCE: Final = 5.0
"""Scores are clipped so many interquantile ranges (10 % to 90 %) above the 90 % quantile.

A nearer fence would cut what a search saw of bad settings.
"""


class TunerLike(Protocol):
    """What has a history and knows its space, as a tuner does."""

    @property
    def history(self) -> History:
        """All trials."""

    @property
    def space(self) -> Space:
        """The grid they lie on."""


@dataclass(frozen=True, eq=False)
class Model:
    """The surface of a history.

    Attributes
    ----------
    points
        All measured points, shape (k, axes), with the level after the last where a parameter does
        not exist.
    counts
        How often each was measured, shape (k,).
    values, information
        Their standardised scores, and how many single measurements tell as much as what is known
        of each (`Goal.information`), shape (k,).
    deciding, cells
        As in `Anova`.
    surface
        Fitted to standardised scores; it takes points as `Space.coded` has them.
    anova
        Its means and variances over the grid.
    mean, unit
        A score is ``mean + unit * (value of the surface)``.
    scale
        Turns variances of the surface into those of the standardised scores.
    noise
        Variance of the noise of one measurement, in standardised scores.
    spread
        Variance of all standardised scores.
    missed
        Share of the variance of the scores that the surface misses where a point is left out of it,
        without the noise where points that were measured several times show it.
    """

    space: Space
    points: Ints
    counts: Floats
    values: Floats
    information: Floats
    deciding: list[int]
    cells: Ints | None
    surface: Surface
    anova: Anova
    mean: float
    unit: float
    scale: float
    noise: float
    spread: float
    missed: float


def model_of(search: TunerLike | History, space: Space | Mapping[str, Any] | None) -> Model:
    """Fit the surface; the arguments and errors are those of `effects`."""
    from dsice.spline.anova import Anova

    history, grid = history_and_space(search, space)
    points, scores, counts = _measured(history)
    points = grid.coded(points)
    values, mean, unit = _standardise(scores)
    information = history.goal.information(counts)
    surface, hyperparameters = fit(grid, points, values, information)
    deciding, cells = _condition_cells(grid)
    # where predictions of points left out miss by more than the model says, its bands are widened
    widening = max(1.0, float(np.mean(surface.loo_residuals() ** 2)))
    noise = hyperparameters.noise_variance * surface.scale
    return Model(
        space=grid,
        points=points,
        counts=counts,
        values=values,
        information=information,
        deciding=deciding,
        cells=cells,
        surface=surface,
        anova=Anova(surface, grid.shape, deciding=deciding, cells=cells),
        mean=mean,
        unit=unit,
        scale=surface.scale * widening,
        noise=noise,
        spread=float(np.var(np.repeat(values, counts.astype(np.int64)))),
        missed=_missed(surface, values, noise if (counts > 1).any() else 0.0),
    )


def _missed(surface: Surface, values: Floats, noise: float) -> float:
    """`Model.missed`, of a surface through some of the values."""
    kept = values[even_subset(values, MAX_POINTS)]
    whole = surface.coefficients
    standardised = surface.loo_residuals() ** 2 * surface.scale
    errors = np.divide(standardised, whole, out=np.zeros_like(whole), where=whole != 0.0)
    variance = float(np.var(kept))
    unexplained = float(np.mean(errors**2)) - noise
    return min(max(unexplained / variance, 0.0), 1.0) if variance > 0.0 else 0.0


def fit(
    grid: Space, points: Ints, values: Floats, information: Floats, *, share: int = 1
) -> tuple[Surface, Hyperparameters]:
    """The surface through some points, and its hyperparameters.

    Parameters
    ----------
    points, values, information
        As in `Model`, shapes (n, axes), (n,) and (n,).
    share
        By what the largest numbers of points are divided.
    """
    from dsice.spline.numerics import one_thread
    from dsice.spline.surface import fit_hyperparameters, fit_surface

    few = even_subset(values, MAX_FOR_HYPERPARAMETERS // share)
    subset = even_subset(values, MAX_POINTS // share)
    axes = (grid.shape, grid.ordered)
    with one_thread():
        found = fit_hyperparameters(points[few], values[few], *axes, counts=information[few])
        surface = fit_surface(
            points[subset],
            values[subset],
            *axes,
            counts=information[subset],
            hyperparameters=found,
            max_points=MAX_POINTS,
        )
    return surface, found


def history_and_space(
    search: TunerLike | History, space: Space | Mapping[str, Any] | None
) -> tuple[History, Space]:
    """The history of what the user gave, and its space.

    Raises
    ------
    OptionError
        No history, no space, or a space that is not that of the history.
    """
    history = search if isinstance(search, History) else getattr(search, "history", None)
    if not isinstance(history, History):
        raise OptionError(
            f"expected a tuner or a history, got {search!r}; "
            "of a journal, read the tuner: Tuner.read(path)"
        )
    if space is None:
        space = getattr(search, "space", None)
    if space is None:
        raise OptionError(
            "a history does not know its space: give the tuner, or the space too, "
            "as in effects(tuner.history, tuner.space)"
        )
    grid = space if isinstance(space, Space) else Space(space)
    points = history.points()
    if len(points) and (points.shape[1] != grid.ndim or (points >= np.array(grid.shape)).any()):
        raise OptionError(
            f"space: expected that of the history, whose points have {points.shape[1]} levels "
            f"up to {tuple(points.max(axis=0).tolist())}; got one of {grid.shape} levels"
        )
    return history, grid


def _measured(history: History) -> tuple[Ints, Floats, Floats]:
    """Distinct points with a score.

    Returns
    -------
    points, scores, counts
        Levels, shape (k, axes); scores and numbers of measurements, shape (k,).

    Raises
    ------
    FitError
        There are fewer than `MIN_POINTS`.
    """
    ids = np.sort(history.order())
    weights = np.maximum(history.counts()[ids], 1).astype(float)
    points, place = np.empty((0, 0), dtype=np.int64), ids
    if len(ids):
        points, place = np.unique(history.points()[ids], axis=0, return_inverse=True)
        place = place.ravel()
    if len(points) < MIN_POINTS:
        raise FitError(
            f"effects and importance need at least {MIN_POINTS} distinct points with a score, "
            f"this history has {len(points)}; measure and tell more (failed trials do not count)"
        )
    counts = np.bincount(place, weights=weights).astype(np.float64)
    shares = weights / counts[place]  # before the product: scores may be near the largest float
    each = history.scores() if history.goal.of == "mean" else history.point_scores()
    scores = np.bincount(place, weights=each[ids] * shares)
    return points, scores.astype(np.float64), counts


def _standardise(scores: Floats) -> tuple[Floats, float, float]:
    """Clip scores from above and scale them to mean 0 and standard deviation 1.

    Returns
    -------
    values, mean, unit
        The values, shape (k,); a clipped score is ``mean + unit * value``.
    """
    largest = float(np.abs(scores).max()) or 1.0
    small = scores / largest  # so that nothing overflows
    low, high = np.quantile(small, [0.1, 0.9])
    if high > low:
        small = np.minimum(small, small[small <= high + FENCE * (high - low)].max())
    mean = float(small.mean())
    sd = float(small.std())
    if sd <= 1e-13:
        return np.zeros(len(small)), mean * largest, largest
    return (small - mean) / sd, mean * largest, sd * largest


def even_subset(values: Floats, most: int) -> Ints:
    """Places of at most `most` values, ascending, chosen evenly by rank.

    The lowest and the highest are among them.
    """
    if len(values) <= most:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    return np.sort(order[np.linspace(0, len(values) - 1, most).astype(np.int64)])


def _condition_cells(space: Space) -> tuple[list[int], Ints | None]:
    """Axes that conditions mention, and all combinations of their levels.

    Returns
    -------
    deciding
        The axes; no axis, with a warning, where they have more than `MAX_CELLS` combinations.
    cells
        Coded points, shape (combinations, axes); None where no condition counts.
    """
    rules = [rule for rule in space.where if isinstance(rule, When)]
    mentioned: set[str] = set()
    for rule in rules:
        if rule.expression is None:  # a function may look at anything else
            mentioned |= set(space.names) - set(rule.names)
        else:
            mentioned |= set(rule.expression.bound(space.names).names)
    mentioned = set(map(as_parsed, mentioned))
    deciding = [j for j, name in enumerate(space.names) if as_parsed(name) in mentioned]
    shape = [space.shape[j] for j in deciding]
    if not deciding:
        return [], None
    if np.prod(shape, dtype=float) > MAX_CELLS:
        names = ", ".join(space.names[j] for j in deciding)
        warnings.warn(
            f"conditions depend on more than {MAX_CELLS} combinations of {names}: "
            "parameters are averaged as if they existed everywhere "
            "(a condition that is a string names what it depends on)",
            DsiceWarning,
            stacklevel=4,
        )
        return [], None
    cells = np.zeros((int(np.prod(shape)), space.ndim), dtype=np.int64)
    cells[:, deciding] = np.stack(np.unravel_index(np.arange(len(cells)), shape), axis=1)
    return deciding, space.coded(cells)
