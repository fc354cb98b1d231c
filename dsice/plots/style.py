"""What all figures share: colours, axes without a frame, and whose history is drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dsice.errors import OptionError
from dsice.history import History
from dsice.tuner import Tuner

if TYPE_CHECKING:
    from matplotlib.axes import Axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def save(figure: Figure, path: str | os.PathLike[str] | None, function: str) -> None:
    """Write a figure where there is a path; OptionError, in the name of the function called, for an unknown ending."""
    if path is None:
        return
    file, known = Path(path), figure.canvas.get_supported_filetypes()
    if file.suffix.lstrip(".").lower() not in known:
        raise OptionError(
            f"{function}(path={str(file)!r}): expected a file name that ends in one of .{', .'.join(sorted(known))}"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)
