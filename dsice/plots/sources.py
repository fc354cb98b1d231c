"""The tasks whose measurements a search reuses, and how much each counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dsice.errors import OptionError
from dsice.plots import place
from dsice.plots.given import HistoryLike, given
from dsice.plots.style import BLACK, BLUE, GREY, head, remove_frame, save
from dsice.plots.texts import text
from dsice.typing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30
"""Sources that are drawn, at most: those that count most."""


def sources(search: HistoryLike, path: PathLike | None = None, *, ax: Axes | None = None) -> Figure:
    """Draw how much each reused task counts in the search now, and how much of it lies on the grid.

    A bar for each source, the heaviest first: its weight, from 0 (it says nothing of this task) to
    1, and beside it the numbers of points and parameters that the space has of it. A strategy that
    takes nothing from sources gives them no weight, which the title says.

    Parameters
    ----------
    search
        A tuner, or the path of a journal or study file; a bare history knows no weights.
    path
        As for `progress`.
    ax
        Axes to draw in; a figure of its own by default.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        The search reuses nothing, or `search` is a bare history.

    Examples
    --------
    >>> from dsice import History, Space, Tuner, plots
    >>> space = Space({"x": range(5)})
    >>> old = History.of(space, [(0,), (2,), (4,)], [3.0, 1.0, 2.0])
    >>> figure = plots.sources(Tuner(space, reuse=[old]), "sources.png")
    """
    seen = given(search)
    found = seen.sources
    if found is None:
        raise OptionError(
            "sources: only the tuner knows what its sources weigh; give it, or its journal"
        )
    if not found:
        raise OptionError(
            "sources: this search reuses no measurements of other tasks (Tuner(reuse=[...]))"
        )
    ordered = sorted(found, key=lambda source: -(source.weight or 0.0))[:MOST]
    rows = np.arange(len(ordered))
    weights = np.array([source.weight or 0.0 for source in ordered])
    weighed = any(source.weight is not None for source in ordered)
    figure, axes = place.panel(ax, (7.4, 1.6 + 0.42 * len(ordered)))
    axes.barh(rows, weights, height=0.62, color=BLUE)
    for row, source in zip(rows.tolist(), ordered, strict=True):
        weight = "" if source.weight is None else f"{source.weight:.2f}: "
        said = (
            f"{weight}{source.points} of {source.of_points} points, "
            f"{len(source.parameters)} of {source.of_parameters} parameters"
        )
        # outside a short bar, inside a long one
        inside = weights[row] > 0.5
        axes.text(
            weights[row] + (-0.01 if inside else 0.01),
            row,
            said,
            va="center",
            ha="right" if inside else "left",
            fontsize=8,
            color="white" if inside else BLACK,
        )
    axes.set_yticks(rows, labels=[text(source.name, 28) for source in ordered])
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("weight in the search")
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    remove_frame(axes)
    parts = [] if weighed else ["the strategy takes nothing from its sources"]
    parts += [f"{MOST} of {len(found)} sources"] if len(found) > MOST else []
    head(axes, "; ".join(parts))
    save(figure, path, "sources")
    return figure
