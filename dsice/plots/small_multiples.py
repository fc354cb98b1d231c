"""A panel for each parameter, all with the same vertical scale (small multiples; Tufte 1983)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from dsice.plots import place
from dsice.plots.style import remove_frame
from dsice.plots.texts import distinct, letters, shortened, text, value_texts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLUMNS: Final = 4
"""Panels in a row, at most."""
TICKS: Final = 9
"""Labels below one panel, at most."""
LETTERS: Final = 12
"""Letters of one label, at most."""
WIDTH: Final = 2.7
"""Of a panel, in inches."""


def shape_of(n: int) -> tuple[int, int]:
    """Rows and columns for `n` panels, none of the rows much shorter than the others."""
    rows = -(-n // COLUMNS)
    return rows, -(-n // rows)


def add_panels(
    ax: Axes | None, names: Sequence[str], *, ylabel: str, title: str
) -> tuple[Figure, list[Axes]]:
    """The figure, and a panel for each name, which is its title.

    Parameters
    ----------
    ax
        Axes that make room for the panels; None: a figure of its own.
    """
    rows, columns = shape_of(len(names))
    size = (1.2 + WIDTH * columns, 1.0 + 2.4 * rows)
    figure, room = place.panels(ax, size)
    made = room.subplots(rows, columns, sharey=True, squeeze=False).ravel().tolist()
    for panel in made[len(names) :]:
        panel.set_visible(False)
    most = letters(width_of(room) / columns, 10)
    for panel, name in zip(made, distinct(names, most), strict=False):
        panel.set_title(name, fontsize=10)
        panel.tick_params(labelsize=8)
        remove_frame(panel)
    room.supylabel(text(ylabel, letters(room.bbox.height / room.dpi, 10)), fontsize=10)
    room.suptitle(wrapped(title, letters(width_of(room), 10)), fontsize=10)
    return figure, made[: len(names)]


def width_of(room: Figure | SubFigure) -> float:
    """Width of a figure, or of a part of one, in inches."""
    return float(room.bbox.width / room.dpi)


def wrapped(title: str, most: int) -> str:
    """A title in lines of so many letters."""
    import textwrap

    return "\n".join(line for part in title.split("\n") for line in textwrap.wrap(part, most))


def label_levels(panel: Axes, values: Sequence[object]) -> None:
    """Values below the levels 0, 1, 2, ..., as many as there is space for."""
    label_places(panel, len(values), lambda few: value_texts([values[i] for i in few], LETTERS))


def label_places(panel: Axes, n: int, texts_of: Callable[[list[int]], list[str]]) -> None:
    """Texts below the places 0 to n - 1, as many as there is space for.

    Parameters
    ----------
    texts_of
        The texts of some places.
    """
    extent, figure = panel.get_window_extent(), panel.get_figure()
    space = letters(float(extent.width) / float(figure.dpi), 8)  # type: ignore[union-attr]
    for most in range(TICKS, 0, -1):
        few = _every(n, most)
        texts = texts_of(few)
        pitch = space * (few[1] - few[0] if len(few) > 1 else n) / n  # letters from one to the next
        if all((len(one) + len(other)) / 2 + 1.5 <= pitch for one, other in pairwise(texts)):
            break
    panel.set_xticks(few, labels=[shortened(t, LETTERS) for t in texts])
    panel.set_xlim(-0.5, n - 0.5)


def _every(n: int, most: int) -> list[int]:
    """Evenly spaced places, from the first on."""
    return list(range(0, n, -(-n // most)))
