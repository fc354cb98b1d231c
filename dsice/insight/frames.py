"""Main effects with bands (`effects`) and variance shares (`importance`), as DataFrames.

Both are in closed form (`dsice.spline.anova`) and in units of the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.history import History
from dsice.insight.model import Model, TunerLike, model_of
from dsice.space import Space
from dsice.typing import Floats

if TYPE_CHECKING:
    import pandas as pd

BAND: Final = 1.959964
"""Half width of a 95 % band, in standard deviations."""


def effects(
    search: TunerLike | History, space: Space | Mapping[str, Any] | None = None
) -> pd.DataFrame:
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
        One row for each parameter and level: ``parameter``, ``level``, ``value``; ``effect``, the
        expected score at that level minus that over all levels, both averaged over the whole grid
        (less is better, as in the score itself; where the goal maximises, the score is minus the
        metric); ``low`` and ``high``, a 95 % band; ``count``, the number of measurements with that
        level. A parameter that exists only sometimes is averaged over the part of the grid where
        it exists; NaN where there is none. ``frame.attrs["mean"]`` is the expected score over the
        grid.

    Raises
    ------
    OptionError
        A history without its space, or a space that is not that of the history.
    FitError
        Fewer than 3 distinct points have a score.

    Notes
    -----
    Scores further above the 90 % quantile than 5 times its distance from the 10 % quantile count
    like the highest of the others, so that a few runs that went astray do not drown the rest.
    Failed trials are left out. The average goes over all combinations of levels, those that rules
    forbid too. Of more than 1000 points an even choice by rank is used.

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

    model = model_of(search, space)
    rows = []
    for j, (name, axis) in enumerate(model.space.axes.items()):
        effect, half = main_effect(model, j)
        low = effect - half
        high = effect + half
        count = np.bincount(model.points[:, j], weights=model.counts, minlength=len(axis) + 1)
        rows += [
            (name, level, value, effect[level], low[level], high[level], int(count[level]))
            for level, value in enumerate(axis.values)
        ]
    columns = ["parameter", "level", "value", "effect", "low", "high", "count"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["value"] = pd.Series([row[2] for row in rows], dtype=object)  # None is a value too
    frame.attrs["mean"] = model.mean + model.unit * model.anova.overall()
    return frame


def main_effect(model: Model, axis: int) -> tuple[Floats, Floats]:
    """Main effect of one axis at each level, and the half width of its band, both as scores."""
    mean, variance = model.anova.main_effect(axis)
    return mean * model.unit, BAND * np.sqrt(variance * model.scale) * model.unit


def importance(
    search: TunerLike | History, space: Space | Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Which parameters matter: shares of the variance of the score over the grid (Sobol indices).

    Parameters
    ----------
    search, space
        As for `effects`.

    Returns
    -------
    pandas.DataFrame
        ``parameter``; ``other``, None in the rows of single parameters, the partner in those of
        pairs; ``share``, of the variance over the grid that the parameter explains alone, or the
        interaction of the pair on top of both; ``total``, the share in which the parameter has a
        part, with all its interactions (NaN for pairs); ``low`` and ``high``, ``total_low`` and
        ``total_high``: intervals of both. Single parameters come first, by falling total, then the
        pairs by falling share. In ``frame.attrs``: ``higher``, the share left to
        interactions of three and more; ``noise``, the share of noise in the variance of the
        measurements; ``noise_sd`` and ``sd``, the standard deviations of the noise of one
        measurement and of the score over the grid, in units of the score; ``early``, why it is too
        early to trust the shares, empty where it is not. Where a parameter does
        not exist it makes no difference. All shares are 0 where all scores are alike.

    Raises
    ------
    OptionError, FitError
        As for `effects`.

    Notes
    -----
    The shares are those of the model's mean. What the measurements leave open is in the intervals:
    the 5 % and 95 % quantiles of the shares when the model, with its smoothness and noise, is
    fitted to each of 40 random halves of the measured points (resampling), moved on by as much as
    shares drift from halves to all. The upper ends of total shares also hold half of what the model
    misses of points that are left out of it. They are intervals of at least 90 %, nominally;
    docs/insight.md has how often they held the truth. It is too early where fewer than 9 of 10
    halves agree on the first parameter, or the interval of its total is wider than 0.5. See also
    the notes of `effects`.

    Examples
    --------
    >>> import dsice
    >>> tuner = dsice.Tuner({"x": range(5), "y": range(4)})
    >>> for trial in tuner.ask(12):
    ...     told = tuner.tell(trial, 3.0 * trial.params["x"])
    >>> dsice.importance(tuner)["parameter"].head(2).tolist()
    ['x', 'y']
    """
    import pandas as pd

    from dsice.insight.resampling import share_intervals

    model = model_of(search, space)
    shares = model.anova.sobol_indices()
    sure = share_intervals(model, shares)
    names = model.space.names
    alone = [
        (names[j], None, shares.first[j], shares.total[j], *sure.first.at(j), *sure.total.at(j))
        for j in np.argsort(-shares.total, kind="stable")
    ]
    pairs = [
        (names[j], names[k], shares.pairs[j, k], np.nan, *sure.pairs.at((j, k)), np.nan, np.nan)
        for j in range(len(names))
        for k in range(j + 1, len(names))
    ]
    pairs.sort(key=lambda row: -row[2])
    rows = [*alone, *pairs]
    columns = ["parameter", "other", "share", "total", "low", "high", "total_low", "total_high"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["other"] = pd.Series([row[1] for row in rows], dtype=object)
    frame.attrs |= {
        "higher": shares.higher,
        "noise": _noise_share(model),
        "noise_sd": model.unit * model.noise**0.5,
        "sd": model.unit * shares.variance**0.5,
        "early": sure.early,
    }
    return frame


def _noise_share(model: Model) -> float:
    """Share of the noise in the variance of the measurements, at most 1."""
    return min(1.0, model.noise / model.spread) if model.spread else 0.0
