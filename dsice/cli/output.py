"""Output of the commands: tables on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """Print rows under a header; numbers to the right."""
    texts = [[cell(value) for value in row] for row in rows]
    right = [
        all(isinstance(row[j], (int, float)) or row[j] in (None, "") for row in rows)
        for j in range(len(header))
    ]
    if sys.stdout.isatty():
        _rich(header, texts, right, title)
        return
    if title:
        print(title)
    widths = [max(len(text) for text in column) for column in zip(header, *texts, strict=True)]
    for line in (header, *texts):
        cells = (
            t.rjust(w) if r else t.ljust(w) for t, w, r in zip(line, widths, right, strict=True)
        )
        print("  ".join(cells).rstrip())


def _rich(
    header: Sequence[str], texts: Sequence[Sequence[str]], right: Sequence[bool], title: str
) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title or None, title_justify="left", box=SIMPLE)
    for name, numbers in zip(header, right, strict=True):
        grid.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for line in texts:
        grid.add_row(*map(Text, line))  # Text: a value in square brackets is no markup
    Console(highlight=False).print(grid)


def facts(pairs: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        print(f"{name.ljust(width)}  {cell(value)}")


def cell(value: object) -> str:
    """Text of a value: floats with 6 digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def params(named: Mapping[str, Any]) -> str:
    """Params on one line."""
    return ", ".join(f"{name} = {value}" for name, value in named.items())


def warn(message: object) -> None:
    """One line on stderr."""
    print(f"dsice: warning: {message}", file=sys.stderr)
