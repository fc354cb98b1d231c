"""What all figures share: colours, axes without a frame, and whose history is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsice.history import History
from dsice.tuner import Tuner

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which everybody can tell apart
BLUE, ORANGE, VERMILLION, BLACK, GREY = "#0072B2", "#E69F00", "#D55E00", "#1a1a1a", "#8c8c8c"
PALE, BAND = "#a9cfe6", "#f1f1f1"


def history_of(search: History | Tuner) -> History:
    """The history itself, or that of a tuner."""
    return search.history if isinstance(search, Tuner) else search


def without_frame(axes: Axes) -> None:
    """Only the lines that carry the scales."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
