"""Figures in a notebook, each shown once.

A notebook shows the value of a cell's last line, and after it all figures that pyplot still has: a
figure that is both would stand there twice.
"""

from __future__ import annotations

import base64
import io
from importlib import import_module

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that leaves pyplot when it has been shown."""

    def _ipython_display_(self) -> None:
        import matplotlib
        from matplotlib import pyplot

        number = getattr(self, "number", None)
        if number is not None and pyplot.fignum_exists(number):
            if "inline" not in str(matplotlib.get_backend()):
                return  # it has a window, or a place of its own in the notebook
            pyplot.close(number)
        picture = io.BytesIO()
        self.savefig(picture, format="png", bbox_inches="tight")
        png = base64.b64encode(picture.getvalue()).decode()
        display = import_module("IPython.display").display
        display({"image/png": png, "text/plain": repr(self)}, raw=True)
