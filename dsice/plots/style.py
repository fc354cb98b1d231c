"""What all figures share: colours, axes without a frame, legends, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dsice.checks import expanded
from dsice.errors import OptionError
from dsice.typing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which everybody can tell apart
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
BLACK: Final = "#1a1a1a"
GREY: Final = "#8c8c8c"
PALE_BLUE: Final = "#a9cfe6"
PALE_GREY: Final = "#f1f1f1"

MANY: Final = 2000
"""Marks from which a file holds them as a picture, also where it is a drawing (.svg, .pdf)."""
RING: Final[dict[str, Any]] = {
    "s": 150,
    "marker": "o",
    "facecolors": "none",
    "edgecolors": VERMILLION,
    "linewidths": 1.8,
    "zorder": 6,
    "clip_on": False,
}
"""How the best is marked in a scatter."""


def remove_frame(axes: Axes) -> None:
    """Keep only the lines that carry the scales."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def head(axes: Axes, title: str = "", *, columns: int = 4) -> None:
    """A legend above the axes, and the title above it."""
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D

    entries = len(axes.get_legend_handles_labels()[0])
    rows = -(-entries // columns)
    if entries:
        legend = axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=columns,
            fontsize=8,
            frameon=False,
            handletextpad=0.4,
            columnspacing=1.4,
        )
        for handle in legend.legend_handles:  # what is pale in a crowd is seen here, too
            if isinstance(handle, Line2D):
                handle.set_color(to_rgb(handle.get_color()))
            elif handle is not None and (handle.get_alpha() or 1.0) < 0.6:
                handle.set_alpha(0.8)
    axes.set_title(title, fontsize=10, pad=(10 if rows else 6) + 14 * rows)


def save(figure: Figure, path: PathLike | None, function: str) -> None:
    """Write a figure, if there is a path; missing folders are made.

    Parameters
    ----------
    function
        Name of the function that the user called, for the message.

    Raises
    ------
    OptionError
        The ending of the file is unknown, or it cannot be written.
    """
    if path is None:
        return
    file = expanded(path)
    known = figure.canvas.get_supported_filetypes()
    if file.suffix.lstrip(".").lower() not in known:
        raise OptionError(
            f"{function}(path={str(file)!r}): expected a file name that ends in one of "
            f".{', .'.join(sorted(known))}"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=150)
    except OSError as error:
        raise OptionError(
            f"{function}(path={str(file)!r}): cannot be written ({error.strerror or error}); "
            "give another path"
        ) from error
