"""A file is replaced in one step, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsice.journal.files import replace_file


def test_the_new_content_takes_the_place_of_the_old_and_nothing_else_is_left(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.json"
    replace_file(path, "é")
    assert path.read_bytes() == "é".encode()
    replace_file(path, b"\xff", temporary=tmp_path / "own")
    assert path.read_bytes() == b"\xff" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_what_cannot_be_written_leaves_the_old_content_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.json"
    replace_file(path, "old")
    owner: object = os if fault == "fsync" else Path
    monkeypatch.setattr(owner, fault, full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
