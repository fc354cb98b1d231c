"""A line that changes while a run goes on: on a terminal, or in the cell of a notebook."""

from __future__ import annotations

import html
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_BAR = "width: 12em; vertical-align: middle"


class Display(Protocol):
    """A line that changes as long as a run goes on."""

    def start(self) -> None:
        """Take the place of the line."""

    def show(self, text: str, share: float | None) -> None:
        """Show a text on one line and, unless it is None, how much is done, 0 to 1."""

    def stop(self) -> None:
        """Leave the line as it is."""


class Bar:
    """A bar on a terminal, by rich."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
        )
        self.progress = Progress(*columns, console=console, transient=False)
        self._task = self.progress.add_task("dsice", total=None, text="")

    def start(self) -> None:
        """Draw the bar."""
        self.progress.start()

    def show(self, text: str, share: float | None) -> None:
        """Set the bar and the text behind it."""
        total = None if share is None else 1.0
        self.progress.update(self._task, total=total, completed=share or 0.0, text=text)

    def stop(self) -> None:
        """Leave the bar where it is."""
        self.progress.stop()


class NotebookLine:
    """One line of the output of a notebook's cell, which is written anew.

    rich's own progress needs ipywidgets, and leaves nothing in a notebook that is saved; this line
    needs what every kernel of a notebook has.
    """

    def __init__(self) -> None:
        from IPython.display import DisplayHandle

        make: Any = DisplayHandle  # it has no types
        self._handle = make()

    def start(self) -> None:
        """Add the line to the output of the cell."""
        self._handle.display(self._content("", None), raw=True)

    def show(self, text: str, share: float | None) -> None:
        """Write the line anew."""
        self._handle.update(self._content(text, share), raw=True)

    def stop(self) -> None:
        """There is nothing to end."""

    @staticmethod
    def _content(text: str, share: float | None) -> dict[str, str]:
        value = "" if share is None else f' value="{share:.4f}"'
        bar = f'<progress max="1"{value} style="{_BAR}"></progress>'
        return {"text/plain": text, "text/html": f"{bar} <code>{html.escape(text)}</code>"}


def display_on(console: Console) -> Display:
    """The display for a notebook's kernel, or for a terminal."""
    if console.is_jupyter:
        with suppress(ImportError):  # rich knows other hosts, too
            return NotebookLine()
    return Bar(console)
