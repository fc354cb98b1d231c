"""Every measurement over the values of each parameter: slices through the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.insight.model import TunerLike
from dsice.plots.given import Given, HistoryLike, given, levels_of
from dsice.plots.scale import scale_of
from dsice.plots.small_multiples import add_panels, label_levels
from dsice.plots.style import MANY, RING, save
from dsice.plots.texts import text
from dsice.space import Space
from dsice.typing import Bools, Floats, Ints, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GOLDEN: Final = 0.6180339887
"""Multiples of it, modulo 1, spread evenly: dots of one level stand side by side."""


def slices(
    search: HistoryLike | TunerLike,
    path: PathLike | None = None,
    *,
    space: Space | Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the value of every trial over the value of each parameter.

    A panel for each parameter, all with the same scale; later trials are darker, the best one is
    ringed. Dots of one value stand side by side. A trial without the parameter is left out of its
    panel.

    Parameters
    ----------
    search, path
        As for `progress`.
    space, ax
        As for `effects`.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        No trial has a value yet, or the file's ending is unknown.
    """
    seen = given(search, space)
    seen.require_values("slices")
    history, grid = seen.history, seen.require_space("slices")
    levels = levels_of(history, grid, "slices")
    ids = np.sort(history.order())
    goal = history.goal
    values = np.array([goal.metric_of(history[i]) for i in ids.tolist()])
    scale = scale_of(values, less_is_better=not goal.maximize)
    title = "every trial, the later the darker"
    title += f"; {scale.said}" if scale.said else ""
    figure, panels = add_panels(ax, list(grid.names), ylabel=text(goal.metric), title=title)
    heights = scale.drawn(values)
    for j, (panel, name) in enumerate(zip(panels, grid.names, strict=True)):
        there = np.array([name in history[i].params for i in ids.tolist()])
        _draw(panel, ids[there], levels[ids[there], j], heights[there])
        _mark_best(panel, seen, j, name, ids, heights)
        label_levels(panel, grid.axes[name].values)
    scale.apply(panels[0].yaxis)
    save(figure, path, "slices")
    return figure


def _draw(panel: Axes, ids: Ints, levels: Ints, heights: Floats) -> None:
    """A dot for each trial, aside from its level by a part that its number gives."""
    if not len(ids):
        return
    many = len(ids) > MANY
    panel.scatter(
        aside(levels, ids),
        heights,
        c=0.35 + 0.65 * ids / max(1, int(ids.max())),
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
        s=5 if many else 14,
        alpha=0.5 if many else 0.8,
        linewidths=0,
        rasterized=many,
    )


def aside(levels: Ints, ids: Ints) -> Floats:
    """Where dots of levels stand, so that those of one level do not hide one another."""
    crowded: Bools = np.bincount(levels)[levels] > 1 if levels.max() < 10**6 else levels >= 0
    return np.asarray(levels + np.where(crowded, 0.5 * ((ids * GOLDEN) % 1.0 - 0.5), 0.0))


def _mark_best(panel: Axes, seen: Given, axis: int, name: str, ids: Ints, heights: Floats) -> None:
    best = seen.best
    if best is None or name not in best.params or best.id not in ids:
        return
    place = int(np.searchsorted(ids, best.id))
    every = np.sort(ids[[name in seen.history[i].params for i in ids.tolist()]])
    levels = seen.history.points()[every, axis]
    at = aside(levels, every)[np.searchsorted(every, best.id)]
    panel.scatter([at], [heights[place]], **{**RING, "s": 90})
