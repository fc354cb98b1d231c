"""The fault bench: short in ``make test-long``, full and with a table in ``make test-faults``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.faults.bench import FULL


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Even in short the bench takes two minutes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("long")


class Note(Protocol):
    """Puts a figure into the table.

    It is summed over the tests that note it; where `most` is true, the largest is taken.
    """

    def __call__(
        self, bar: str, what: str, value: float, wanted: str = "", *, most: bool = False
    ) -> None: ...


@pytest.fixture
def note(record_property: Any) -> Note:
    def note(bar: str, what: str, value: float, wanted: str = "", *, most: bool = False) -> None:
        # travels with the report, also from a worker of xdist
        record_property("figure", [bar, what, value, wanted, most])

    return note


def table(figures: Iterable[list[Any]]) -> list[str]:
    """The figures by the names of their bars; those of one name are one row."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for bar, what, value, wanted, most in figures:
        row = rows.setdefault((bar, what), [0, wanted])
        row[0] = max(row[0], value) if most else row[0] + value
    lines, before = [f"{'':52}{'measured':>12}  wanted"], ""
    for (bar, what), (value, wanted) in sorted(rows.items(), key=lambda row: row[0][0]):
        if bar != before:
            lines.append(bar)
        before = bar
        lines.append(f"   {what:<49}{value:>12.5g}  {wanted}".rstrip())
    return lines


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not FULL:
        return
    reports = [
        r
        for kind in ("passed", "failed")
        for r in terminalreporter.stats.get(kind, [])
        if r.when == "call"
    ]
    figures = [value for r in reports for name, value in r.user_properties if name == "figure"]
    terminalreporter.section("fault bench")
    for line in table(figures):
        terminalreporter.write_line(line)
