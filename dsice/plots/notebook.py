"""Figures in a notebook, each shown once.

A notebook shows pyplot's figures at the end of a cell, and the value of the cell's last line
before it: a figure that is both would stand there twice.
"""

from __future__ import annotations

import io
from importlib import import_module

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that says nothing while pyplot is still to show it."""

    def _ipython_display_(self) -> None:
        from matplotlib import pyplot

        number = getattr(self, "number", None)
        if number is not None and pyplot.fignum_exists(number) and _shows_at_the_end():
            return
        display = import_module("IPython.display").display
        picture = io.BytesIO()
        self.savefig(picture, format="png", bbox_inches="tight")
        display({"image/png": picture.getvalue(), "text/plain": repr(self)}, raw=True)


def _shows_at_the_end() -> bool:
    """Whether pyplot draws into the notebook when a cell ends, rather than into a window."""
    import matplotlib

    return "inline" in str(matplotlib.get_backend())
