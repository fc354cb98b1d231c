"""Every measurement over the values of each parameter: slices through the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dsice.insight.model import TunerLike
from dsice.plots.given import HistoryLike, given, levels_of, values_of
from dsice.plots.scale import scale_of
from dsice.plots.small_multiples import add_panels, label_levels
from dsice.plots.style import MANY, RING, save
from dsice.space import Space
from dsice.typing import Floats, Ints, PathLike

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

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> tuner = Tuner({"x": range(5), "y": range(5)})
    >>> for trial in tuner.ask(12):
    ...     _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.slices(tuner, "slices.png")
    """
    seen = given(search, space)
    seen.require_values("slices")
    history, grid = seen.history, seen.require_space("slices")
    ids = np.sort(history.order())
    goal, values = history.goal, values_of(history, ids)
    scale = scale_of(values, less_is_better=not goal.maximize)
    title = "every trial, the later the darker"
    title += f"; {scale.said}" if scale.said else ""
    figure, panels = add_panels(ax, list(grid.names), ylabel=goal.metric, title=title)
    heights = scale.drawn(values)
    coded = grid.coded(levels_of(history, grid, "slices")[ids])
    for j, (panel, name) in enumerate(zip(panels, grid.names, strict=True)):
        there = coded[:, j] < grid.shape[j]  # where the trial has the parameter
        at = aside(coded[there, j], ids[there])
        _draw(panel, ids[there], at, heights[there])
        best = np.flatnonzero(ids[there] == (-1 if seen.best is None else seen.best.id))
        panel.scatter(at[best], heights[there][best], **{**RING, "s": 90})
        label_levels(panel, grid.axes[name].values)
    scale.apply(panels[0].yaxis)
    save(figure, path, "slices")
    return figure


def _draw(panel: Axes, ids: Ints, at: Floats, heights: Floats) -> None:
    """A dot for each trial, the later the darker."""
    many = len(ids) > MANY
    panel.scatter(
        at,
        heights,
        c=0.35 + 0.65 * ids / max(1, int(ids.max(initial=1))),
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
        s=5 if many else 14,
        alpha=0.25 if many else 0.8,
        linewidths=0,
        rasterized=many,
    )


def aside(levels: Ints, ids: Ints) -> Floats:
    """Where dots of levels stand, so that those of one level do not hide one another."""
    _, place, counts = np.unique(levels, return_inverse=True, return_counts=True)
    crowded = counts[place.ravel()] > 1
    return np.asarray(levels + np.where(crowded, 0.5 * ((ids * GOLDEN) % 1.0 - 0.5), 0.0))
