"""Figures in a notebook, each shown once.

A notebook shows pyplot's figures at the end of a cell, and the value of the cell's last line
before it: a figure that is both would stand there twice.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that says nothing while pyplot is still to show it."""

    def _ipython_display_(self) -> None:
        from matplotlib import pyplot

        number = getattr(self, "number", None)
        if number is not None and pyplot.fignum_exists(number) and _shows_at_the_end():
            return
        from IPython.core.display_functions import display
        from IPython.core.pylabtools import print_figure

        picture: Any = print_figure(self)
        display({"image/png": picture, "text/plain": repr(self)}, raw=True)


def _shows_at_the_end() -> bool:
    """Whether pyplot draws into the notebook when a cell ends, rather than into a window."""
    import matplotlib

    return "inline" in str(matplotlib.get_backend())
