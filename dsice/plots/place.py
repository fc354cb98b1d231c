"""Where a figure is drawn: on a page of its own, or in the place of axes that the user gives.

A figure of its own knows nothing of pyplot, so that it can be drawn on a machine without a display
and is freed when nobody holds it. In a notebook, or where pyplot is interactive, it is pyplot's, so
that it shows by itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dsice.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def panel(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """The figure, and the one axes to draw in.

    Parameters
    ----------
    size
        Of a figure of its own, width and height in inches.
    """
    if ax is None:
        figure = new_figure(size)
        return figure, figure.add_subplot()
    _require_axes(ax)
    return root_of(ax), ax


def panels(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Figure | SubFigure]:
    """The figure, and what panels are added to; `ax` makes room for them.

    Raises
    ------
    OptionError
        `ax` is not part of a grid of subplots.
    """
    if ax is None:
        figure = new_figure(size)
        return figure, figure
    _require_axes(ax)
    spec = ax.get_subplotspec()
    if spec is None:
        raise OptionError(
            "ax: this figure has several panels and needs axes of a grid, "
            "such as plt.subplots(2, 2, layout='constrained') makes"
        )
    figure, parent = root_of(ax), ax.figure
    ax.remove()
    return figure, parent.add_subfigure(spec)


def root_of(ax: Axes) -> Figure:
    """The figure that axes are in, also inside a figure within it."""
    parent: Any = ax.figure
    while parent.figure is not parent:
        parent = parent.figure
    figure: Figure = parent
    return figure


def _require_axes(ax: Any) -> None:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise OptionError(
            f"ax: expected one matplotlib Axes, got {type(ax).__name__}; "
            "of an array of axes give one, such as axes[0]"
        )
    if ax.figure is None:
        raise OptionError("ax: these axes were removed from their figure; give others")


def new_figure(size: tuple[float, float]) -> Figure:
    """An empty figure: pyplot's where it shows by itself, else one that pyplot knows nothing of."""
    from matplotlib.figure import Figure

    if not is_interactive():
        return Figure(figsize=size, layout="constrained")
    from matplotlib import pyplot

    from dsice.plots.notebook import NotebookFigure

    made: Figure = pyplot.figure(figsize=size, layout="constrained", FigureClass=NotebookFigure)
    return made


def is_interactive() -> bool:
    """Whether figures show by themselves: in a notebook, or after ``pyplot.ion()``."""
    import matplotlib

    if matplotlib.is_interactive():
        return True
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")
