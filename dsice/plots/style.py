"""What all figures share: colours, axes without a frame, whose history is drawn, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from dsice.checks import expanded
from dsice.errors import OptionError
from dsice.history import History
from dsice.trial import Trial
from dsice.typing import PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which everybody can tell apart
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
BLACK: Final = "#1a1a1a"
GREY: Final = "#8c8c8c"
PALE_BLUE: Final = "#a9cfe6"
PALE_GREY: Final = "#f1f1f1"


class HasHistory(Protocol):
    """What figures are drawn of: a tuner, or anything else that has a history."""

    @property
    def history(self) -> History:
        """All trials of the search."""


def history_of(search: History | HasHistory) -> History:
    """The history itself, or that of a tuner."""
    return search if isinstance(search, History) else search.history


def best_of(search: History | HasHistory) -> Trial | None:
    """The best trial: the one that a tuner recommends, else the best of the history."""
    best: Trial | None = getattr(search, "best", history_of(search).best)
    return best


def remove_frame(axes: Axes) -> None:
    """Keep only the lines that carry the scales."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def save(figure: Figure, path: PathLike | None, function: str) -> None:
    """Write a figure, if there is a path; missing folders are made.

    Parameters
    ----------
    function
        Name of the function that the user called, for the message.

    Raises
    ------
    OptionError
        The ending of the file is unknown.
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
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)
