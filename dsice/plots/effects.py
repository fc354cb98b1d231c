"""Main effects of the parameters, with bands and what was measured."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.history import History
from dsice.insight.frames import main_effect
from dsice.insight.model import Model, TunerLike, model_of
from dsice.plots.given import HistoryLike, given
from dsice.plots.scale import Scale, scale_of
from dsice.plots.small_multiples import TICKS, add_panels, label_levels
from dsice.plots.style import BLACK, BLUE, GREY, ORANGE, PALE_BLUE, save
from dsice.plots.texts import NAME, shortened
from dsice.space import Space
from dsice.typing import Floats, Ints, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Means = tuple[Ints, Floats, Floats]
"""Measured levels of an axis, the mean at each, and how many measurements there are."""
MOST_DRAWN = 400
"""Levels of a curve, at most; of a longer axis an even choice."""


def effects(
    search: HistoryLike | TunerLike,
    path: PathLike | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw how the result depends on each parameter, averaged over all others.

    One panel for each parameter, the one with the largest effect first, all with the same scale:
    the expected result at each level as a line (points where the levels have no order), its 95 %
    band, and the mean of the measurements with that level as a dot, the larger the more there are.
    It is the goal's metric, up where more is better; with run time in the score, the score. A
    search measures near the best, so its dots lie nearer to it than the average over the grid that
    the line shows. Values that lie far off count like the worst of the others, as in
    `dsice.effects`; the title says how many do.

    Parameters
    ----------
    search, path
        As for `progress`.
    space
        The space of a bare history.
    ax
        Axes of a grid of subplots, which make room for the panels.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError, FitError
        As `dsice.effects`; or the file's ending is unknown.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5), "y": range(5)})
    >>> for trial in tuner.ask(12):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.effects(tuner, "effects.png")
    """
    seen = given(search, space)
    model = model_of(seen.history, seen.require_space("effects"))
    grid, history = model.space, seen.history
    sign = sign_of(history)
    curves = [main_effect(model, j) for j in range(grid.ndim)]
    order = sorted(range(grid.ndim), key=lambda j: -float(np.ptp(np.nan_to_num(curves[j][0]))))
    title = "expected over the grid, 95 % band; dots: mean of the measurements there"
    if clipped := _n_clipped(history, model):
        title += f"; {clipped} far-off value{'s' if clipped > 1 else ''} counted like the next"
    figure, panels = add_panels(
        ax, [grid.names[j] for j in order], ylabel=label_of(history), title=title
    )
    mean = sign * (model.mean + model.unit * model.anova.overall())
    means = [_means(model, j, sign) for j in range(grid.ndim)]
    scale = _scale(mean, curves, means)
    for panel, j in zip(panels, order, strict=True):
        axis = grid.axes[grid.names[j]]
        effect, half = curves[j]
        _draw_effect(panel, (mean, mean + sign * effect, half), scale, ordered=axis.ordered)
        _draw_means(panel, means[j], scale)
        label_levels(panel, axis.values)
    scale.apply(panels[0].yaxis)
    save(figure, path, "effects")
    return figure


def sign_of(history: History) -> float:
    """-1 where more of the metric is better: scores are then minus the metric."""
    return -1.0 if history.goal.maximize and not history.weighs_time else 1.0


def label_of(history: History) -> str:
    """What effects are in units of, and which way is better."""
    goal = history.goal
    metric = shortened(goal.metric, NAME)
    if history.weighs_time:
        name = f"-{metric}" if goal.maximize else metric
        return f"{name} and weighted time (less is better)"
    return f"{metric} ({'more' if goal.maximize else 'less'} is better)"


def _scale(
    mean: float,
    curves: Sequence[tuple[Floats, Floats]],
    means: Sequence[tuple[Ints, Floats, Floats]],
) -> Scale:
    """An axis that holds all curves with their bands, and the means."""
    with np.errstate(over="ignore"):
        reach = [np.abs(effect) + half for effect, half in curves]
        ends = [mean + side * float(np.nanmax(r, initial=0.0)) for r in reach for side in (-1, 1)]
    values = np.concatenate([*(heights for _, heights, _ in means), ends, [mean]])
    values = np.clip(values, -sys.float_info.max, sys.float_info.max)
    return scale_of(values, linear=True, keep=[float(values.min()), float(values.max())])


def _n_clipped(history: History, model: Model) -> int:
    """How many measured values lie beyond the fence of the model."""
    most = model.mean + model.unit * float(model.values.max())
    scores = history.scores()[history.order()]
    return int(np.sum(scores > most + 1e-9 * max(abs(most), model.unit)))


def _draw_effect(
    panel: Axes, curve: tuple[float, Floats, Floats], scale: Scale, *, ordered: bool
) -> None:
    """The expected result at each level of a parameter, with its band.

    Parameters
    ----------
    curve
        The expected result over the grid, at each level, and the half width of its band.
    ordered
        Whether neighbouring levels are joined.
    """
    mean, middle, half = curve
    x = np.arange(len(middle))
    if len(x) > MOST_DRAWN:
        x = np.linspace(0, len(x) - 1, MOST_DRAWN).astype(np.int64)
    middle, half = middle[x], half[x]
    with np.errstate(over="ignore"):
        low, high = scale.drawn(middle - half), scale.drawn(middle + half)
    middle = scale.drawn(middle)
    panel.axhline(
        float(scale.drawn(mean)), color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1
    )
    if ordered and len(x) > 1:
        panel.fill_between(x, low, high, color=PALE_BLUE, linewidth=0, zorder=2)
        marker = "o" if len(x) <= 2 * TICKS else ""
        panel.plot(x, middle, color=BLUE, linewidth=1.8, marker=marker, markersize=3, zorder=4)
    else:
        bars = {"fmt": "none", "ecolor": PALE_BLUE, "elinewidth": 9}
        reach = (middle - low, high - middle)
        panel.errorbar(x, middle, reach, zorder=2, **bars)  # type: ignore[arg-type]
        panel.plot(x, middle, "_", color=BLUE, markersize=16, markeredgewidth=2.2, zorder=4)


def _means(model: Model, axis: int, sign: float) -> Means:
    """Measured levels of an axis, the mean of the measurements at each, and their numbers."""
    n = len(model.space.axes[model.space.names[axis]])
    levels = model.points[:, axis]
    counts = np.bincount(levels, weights=model.counts, minlength=n)[:n]
    totals = np.bincount(levels, weights=model.counts * model.values, minlength=n)[:n]
    at = np.flatnonzero(counts)
    with np.errstate(over="ignore"):
        means = sign * (model.mean + model.unit * (totals[at] / counts[at]))
    return at, np.asarray(means), np.asarray(counts[at], dtype=float)


def _draw_means(panel: Axes, means: Means, scale: Scale) -> None:
    """Mean of the measurements at each level, the area by their number."""
    at, heights, counts = means
    sizes = 8 + 52 * counts / counts.max(initial=1)
    style = {"facecolor": ORANGE, "edgecolor": BLACK, "linewidth": 0.5, "alpha": 0.8}
    panel.scatter(at, scale.drawn(heights), s=sizes, zorder=3, **style)  # type: ignore[arg-type]
