"""Writing a figure to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dsice.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
