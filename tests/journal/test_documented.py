"""docs/journal-format.md names every kind of line and every field of the recorded journals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsice.history.sources import SourceTrials
from dsice.journal.format import end_line, retry_line, withdraw_line
from dsice.journal.imports import ImportedLog, import_line
from dsice.journal.sources import reuse_line

SOURCE = SourceTrials("old", "", "value", False, ({"x": 1},), (1.0,), ("done",), np.zeros(1))
HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "journal-format.md").read_text(encoding="utf-8")
FREE = (
    "note",
    "overrides",
    "metrics",
    "tags",
    "where",
    "inputs",
    "strategy",
    "goal",
    "stopper",
    "given",
    "figures",
)
RECORDS = [
    json.loads(line)
    for path in sorted((HERE / "fixtures").glob("*.jsonl"))
    for line in path.read_text().splitlines()
]


def fields(about: Any, path: str = "") -> Iterator[str]:
    """Dotted names of the fields of a line; objects with keys of the user's are not entered."""
    if isinstance(about, list):
        for item in about:
            if isinstance(item, dict):
                yield from fields(item, f"{path}[]")
        return
    for name, value in about.items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        ours = here == "space.where" or (name not in FREE and not here.startswith("extended[]."))
        if ours and isinstance(value, (dict, list)):
            yield from fields(value, here)


def described(section: str, heading: str) -> set[str]:
    """Names in the first column of tables with that heading, and the fields of an added trial."""
    found: set[str] = set()
    for table in re.findall(rf"^\| {heading} \|.*\n((?:\|.*\n)+)", section, re.MULTILINE):
        for row in table.splitlines():
            found.update(re.findall(r"`([^`]+)`", row.split(" | ")[0]))
            found.update(re.findall(r"`(trial\.\w+)`", row))
    return found


SECTIONS: dict[str, str] = dict(
    re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
)


def test_every_kind_has_a_section() -> None:
    assert set(SECTIONS) == {record["kind"] for record in RECORDS} | set(NEWER)


NEWER = {
    "withdraw": {*withdraw_line(0, 1.0, "why"), "repaired"},
    "reuse": set(reuse_line(SOURCE)),
    "retry": {*retry_line(0, 1.0), "repaired"},
    "end": set(end_line(1.0, "budget", {})),
    "import": set(import_line(ImportedLog("log.csv", 1, "0"), 1.0, 1)),
}
"""Fields of the kinds of lines that 0.1.0 did not write."""


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_fields_described_are_those_that_are_written(kind: str) -> None:
    written = {name for record in RECORDS if record["kind"] == kind for name in fields(record)}
    written |= NEWER.get(kind, set())
    newer = {"tell": {"repeats"}, "add": {"trial.repeats"}, "options": {"reuse"}}  # than 0.1.0
    newer["header"] = {"extended[].forbidden"}
    assert described(SECTIONS[kind], "field") == written - {"kind"} | newer.get(kind, set())


def test_every_key_of_a_note_is_described() -> None:
    notes = [trial.get("note", {}) for record in RECORDS for trial in record.get("trials", ())]
    notes = [note for note in notes if note.get("phase") != "zigzag"]
    keys = {"optuna.NAME" if key.startswith("optuna.") else key for note in notes for key in note}
    assert described(SECTIONS["ask"], "key") == keys | {"through"}  # which 0.1.0 did not write
    assert {note["phase"] for note in notes if note} <= set(re.findall(r"`(\w+)`", SECTIONS["ask"]))


@pytest.mark.parametrize("what", ["strategy", "stopper"])
def test_every_option_is_described_with_its_default(what: str) -> None:
    table = PAGE.partition(f"| `{what}` | options")[2].partition("\n\n")[0]
    rows = {
        name: row
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split(" | ")[0])
    }
    recorded = [record[what] for record in RECORDS if record.get(what)]
    for about in recorded:
        if about["name"] not in ("Zigzag", "TooHigh"):
            assert set(about) - {"name"} <= set(re.findall(r"`(\w+)`", rows[about["name"]])), about[
                "name"
            ]


def test_every_key_of_a_goal_is_described() -> None:
    keys = {key for record in RECORDS for key in record.get("goal", ())}
    assert keys | {"of"} == described(PAGE, "key of `goal`")  # 0.1.0 did not know it
