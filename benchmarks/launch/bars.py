"""Measured figures beside the bars they have to keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """One figure.

    Attributes
    ----------
    what, launcher
        What was measured, and with which launcher.
    bar
        The figure asked for, in words.
    measured
        The figure found, in words.
    holds
        Whether it is good enough.
    """

    what: str
    launcher: str
    bar: str
    measured: str
    holds: bool


def at_most(what: str, launcher: str, limit: float, found: Iterable[float], unit: str = "s") -> Bar:
    """A bar that the median of `found` has to keep."""
    values = sorted(found)
    median = values[len(values) // 2]
    others = f" (of {', '.join(f'{value:.2f}' for value in values)})" if len(values) > 1 else ""
    return Bar(
        what, launcher, f"<= {limit:g} {unit}", f"{median:.2f} {unit}{others}", median <= limit
    )


def table(bars: Iterable[Bar]) -> str:
    """The bars as lines of text."""
    rows = [
        ("what", "launcher", "bar", "measured", ""),
        *((b.what, b.launcher, b.bar, b.measured, _word(b)) for b in bars),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _word(bar: Bar) -> str:
    return "holds" if bar.holds else "MISSED"
