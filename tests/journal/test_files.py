"""A file is replaced in one step, or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from dsice.journal.files import read_file, replace_file


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


@pytest.mark.parametrize("target", ["file", "nothing", "directory"])
def test_a_link_at_the_name_of_the_temporary_file_is_never_followed(
    tmp_path: Path, target: str
) -> None:
    precious = tmp_path / "precious"
    if target == "file":
        precious.write_text("precious")
    if target == "directory":
        precious.mkdir()
    path = tmp_path / "a.json"
    for name in ("a.json.new", "own"):
        (tmp_path / name).symlink_to(precious)
        replace_file(path, name, temporary=None if name == "a.json.new" else tmp_path / name)
        assert path.read_text() == name and not path.is_symlink()
        assert not (tmp_path / name).is_symlink()
    assert not precious.is_file() or precious.read_text() == "precious"
    assert precious.exists() == (target != "nothing")


def test_half_a_file_of_a_killed_process_is_written_anew_also_while_somebody_has_it_open(
    tmp_path: Path,
) -> None:
    path, half = tmp_path / "a.json", tmp_path / "a.json.new"
    half.write_text("half of something longer")
    with half.open("a") as other:
        replace_file(path, "new")
        other.write("late")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_the_file_before_or_those_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    mask = os.umask(0o027)
    try:
        replace_file(path, "1")
        assert path.stat().st_mode & 0o7777 == 0o640
        for mode in (0o600, 0o664, 0o606):
            path.chmod(mode)
            replace_file(path, "2")
            assert path.stat().st_mode & 0o7777 == mode
        for mode in (0o600, 0o660):
            replace_file(path, "3", mode=mode)
            assert path.stat().st_mode & 0o7777 == mode
    finally:
        os.umask(mask)


def test_the_group_of_the_file_before_is_kept_where_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("1")
    path.chmod(0o640)
    others = [g for g in os.getgroups() if g != path.stat().st_gid] or [54321]
    try:
        os.chown(path, -1, others[0])
    except PermissionError:
        pytest.skip("no other group may be given to a file here")
    replace_file(path, "2")
    assert path.stat().st_gid == others[0] and path.stat().st_mode & 0o7777 == 0o640


def test_an_interrupt_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "a.json", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_larger_than_the_memory_is_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Huge(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise MemoryError

    path = tmp_path / "run.jsonl"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "fdopen", lambda fd, mode: Huge())
    with pytest.raises(OSError, match="Cannot allocate memory"):
        read_file(path)
