"""What the measurements say of the parameters: main effects with bands (`effects`), variance shares (`importance`).

Both come from a d-spline surface of their own through all scored trials, in closed form (`dsice.spline.anova`). The
search works on ranks; here the scores themselves are modelled, so that the answers are in units of the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dsice.errors import DsiceWarning, FitError, OptionError
from dsice.history import History
from dsice.space import Space, When

if TYPE_CHECKING:
    import pandas as pd

    from dsice.spline.anova import Anova

Array = np.ndarray[Any, np.dtype[Any]]
LEAST = 3  # distinct points
FIT, DRAWN = 300, 1000  # points that smoothness is fitted to, and that the surface is drawn through
CELLS = 512  # combinations of the axes that conditions mention
FENCE = 5.0  # times the way from the 10 % to the 90 % quantile; a nearer one cuts what a search saw of bad settings
WIDTH = 1.959964  # standard deviations of a 95 % band


class Search(Protocol):
    """What has a history and knows its space: a tuner."""

    @property
    def history(self) -> History:
        """All trials."""

    @property
    def space(self) -> Space:
        """The grid they lie on."""


def effects(search: Search | History, space: Space | Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Main effect of every parameter: how the score depends on it, averaged over all others.

    Parameters
    ----------
    search
        A tuner (also one from ``Tuner.read(journal)``), or a history.
    space
        The space of a bare history, or the mapping of its axes; a tuner knows its own.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter and level: ``parameter``, ``level``, ``value``; ``effect``, the expected score at that
        level less that over all levels, both averaged over the whole grid (less is better, as in the score itself; where
        the goal maximises, the score is minus the metric); ``low`` and ``high``, a 95 % band; ``count``, the number of
        measurements with that level. A parameter that exists only sometimes is averaged over the part of the grid where
        it exists; NaN where there is none. ``frame.attrs["mean"]`` is the expected score over the grid.

    Raises
    ------
    OptionError
        A history without its space, or a space that is not that of the history.
    FitError
        Fewer than 3 distinct points have a score.

    Notes
    -----
    Scores further above the 90 % quantile than 5 times the way there from the 10 % quantile count like the highest of the
    others, so that a few runs that went astray do not drown the rest. Failed trials are left out. The average goes over all combinations of
    levels, those that rules forbid too. Of more than 1000 points an even choice by rank is used.

    Examples
    --------
    >>> import dsice
    >>> tuner = dsice.Tuner({"x": range(5), "y": range(4)})
    >>> for trial in tuner.ask(12):
    ...     told = tuner.tell(trial, 3.0 * trial.params["x"])
    >>> frame = dsice.effects(tuner)
    >>> frame[frame["parameter"] == "x"]["effect"].round().astype(int).tolist()
    [-6, -3, 0, 3, 6]
    """
    import pandas as pd

    model = _model(search, space)
    rows = []
    for j, (name, axis) in enumerate(model.space.axes.items()):
        mean, variance = model.anova.main(j)
        effect, half = mean * model.unit, WIDTH * np.sqrt(variance * model.scale) * model.unit
        count = np.bincount(model.points[:, j], weights=model.counts, minlength=len(axis) + 1)
        rows += [
            (name, level, value, effect[level], effect[level] - half[level], effect[level] + half[level], int(count[level]))
            for level, value in enumerate(axis.values)
        ]
    frame = pd.DataFrame(rows, columns=["parameter", "level", "value", "effect", "low", "high", "count"])
    frame["value"] = pd.Series([row[2] for row in rows], dtype=object)  # None is a value too
    frame.attrs["mean"] = model.mean + model.unit * model.anova.overall()
    return frame


def importance(search: Search | History, space: Space | Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Which parameters matter: shares of the variance of the score over the grid (Sobol indices).

    Parameters
    ----------
    search, space
        As for `effects`.

    Returns
    -------
    pandas.DataFrame
        ``parameter``; ``other``, None in the rows of single parameters, the partner in those of pairs; ``share``, of the
        variance over the grid that the parameter explains alone, or the interaction of the pair on top of both; ``total``,
        the share in which the parameter has a part, with all its interactions (NaN for pairs). Single parameters come
        first, by falling total, then the pairs by falling share. In ``frame.attrs``: ``higher``, the share left to
        interactions of three and more; ``noise``, the share of noise in the variance of the measurements; ``noise_sd`` and
        ``sd``, the standard deviations of the noise of one measurement and of the score over the grid, in units of the
        score. Where a parameter does not exist it makes no difference. All shares are 0 where all scores are alike.

    Raises
    ------
    OptionError, FitError
        As for `effects`.

    Notes
    -----
    The shares are those of the model's mean: what the measurements leave open is not in them. See also the notes of
    `effects`.
    """
    import pandas as pd

    model = _model(search, space)
    shares, names = model.anova.shares(), model.space.names
    alone = [(names[j], None, shares.first[j], shares.total[j]) for j in np.argsort(-shares.total, kind="stable")]
    pairs = [(names[j], names[k], shares.pairs[j, k], np.nan) for j in range(len(names)) for k in range(j + 1, len(names))]
    pairs.sort(key=lambda row: -row[2])
    rows = [*alone, *pairs]
    frame = pd.DataFrame(rows, columns=["parameter", "other", "share", "total"])
    frame["other"] = pd.Series([row[1] for row in rows], dtype=object)
    frame.attrs |= {
        "higher": shares.higher,
        "noise": min(1.0, model.noise / model.spread) if model.spread else 0.0,
        "noise_sd": model.unit * model.noise**0.5,
        "sd": model.unit * shares.variance**0.5,
    }
    return frame


@dataclass(frozen=True, eq=False)
class _Model:
    """The surface of a history: scores are mean + unit * (what it says).

    `points` int of shape (k, axes), with the level after the last where a parameter does not exist, and `counts` (k,) are
    all measured ones; `scale` and `noise` are those of the surface, `spread` is the variance of what it was fitted to.
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


def _model(search: Search | History, space: Space | Mapping[str, Any] | None) -> _Model:
    from dsice.spline.anova import Anova
    from dsice.spline.surface import fit_surface, smoothness_of

    history, grid = _read(search, space)
    points, scores, counts = _measured(history)
    points = grid.coded(points)
    values, mean, unit = _standard(scores)
    few, some = _even(values, FIT), _even(values, DRAWN)
    axes = (grid.shape, grid.ordered)
    smoothness = smoothness_of(points[few], values[few], *axes, counts=counts[few])
    surface = fit_surface(points[some], values[some], *axes, counts=counts[some], smoothness=smoothness, most=DRAWN)
    deciding, cells = _cells(grid)
    anova = Anova(surface, grid.shape, deciding=deciding, cells=cells)
    spread = float(np.var(np.repeat(values, counts.astype(np.int64))))
    wider = max(1.0, float(np.mean(surface.left_out() ** 2)))  # what the errors at points left out say of the variances
    return _Model(grid, points, counts, anova, mean, unit, surface.scale * wider, smoothness.noise * surface.scale, spread)


def _read(search: Search | History, space: Space | Mapping[str, Any] | None) -> tuple[History, Space]:
    """The history and its space; OptionError where they do not fit."""
    history = search if isinstance(search, History) else getattr(search, "history", None)
    if not isinstance(history, History):
        raise OptionError(f"expected a tuner or a history, got {search!r}; of a journal, read the tuner: Tuner.read(path)")
    if space is None:
        space = getattr(search, "space", None)
    if space is None:
        raise OptionError("a history does not know its space: give it, as in effects(tuner.history, space), or give the tuner")
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
    points, place = np.unique(history.points()[ids], axis=0, return_inverse=True) if len(ids) else (np.empty((0, 0)), ids)
    if len(points) < LEAST:
        raise FitError(
            f"effects and importance need at least {LEAST} distinct points with a score, this history has {len(points)}; "
            "measure and tell more (failed trials do not count)"
        )
    counts = np.bincount(place.ravel(), weights=weights)
    shares = weights / counts[place.ravel()]  # before the product: scores may be near the largest float
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
    import warnings

    rules = [rule for rule in space.where if isinstance(rule, When)]
    mentioned: set[str] = set()
    for rule in rules:
        mentioned |= set(space.names) - set(rule.names) if rule.expression is None else set(rule.expression.names)
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
