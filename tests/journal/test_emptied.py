"""A journal without a header: where a study was it is damage, elsewhere a beginning."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import Journal, Tuner, extend
from dsice.cli.main import main
from dsice.errors import JournalError
from dsice.journal import repair
from dsice.strategies import Grid
from tests.conftest import fill, small

LEFT = [b"", b"\0" * 300, b"{", b'{"kind":"header","format":1,"spa', b'{"kind"\0\0\0\0\0\0\0\0\0']


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "run.jsonl"


def beside(path: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in path.parent.iterdir() if f.is_file() and f != path}


OPEN: dict[str, Callable[[Path], object]] = {
    "Tuner": lambda path: Tuner(small(), Grid(), journal=path),
    "resume": Tuner.resume,
    "read": Tuner.read,
    "Journal": Journal,
    "repair": repair,
    "extend": lambda path: extend(path, small()),
}


@pytest.mark.parametrize("how", sorted(OPEN))
@pytest.mark.parametrize("data", LEFT)
def test_where_a_study_was_it_is_named_as_damage_and_left_alone(
    path: Path, how: str, data: bytes
) -> None:
    fill(Tuner(small(), Grid(), journal=path), 3).close()
    saved = path.with_name("run.jsonl.unwritten-1-abcd.jsonl")
    shutil.copy(path, saved)
    path.write_bytes(data)
    files = beside(path)
    with pytest.raises(JournalError, match=r"(is empty|no whole header).*damaged") as caught:
        OPEN[how](path)
    assert str(saved) in str(caught.value) and "rm run.jsonl" in str(caught.value)
    assert path.read_bytes() == data and beside(path).keys() == files.keys()
    path.unlink()  # as the message says
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    assert len(Tuner.read(path).history) == 2


@pytest.mark.parametrize("kept", ["owner", "lock", "torn-20260101-000000", "trials"])
def test_each_trace_of_a_study_counts(path: Path, kept: str) -> None:
    fill(Tuner(small(), Grid(), journal=path), 3).close()
    for name in ("owner", "lock"):
        if name != kept:
            path.with_name(f"run.jsonl.{name}").unlink()
    trace = path.with_name(f"run.jsonl.{kept}")
    if kept.startswith("torn"):
        trace.write_bytes(b"{")
    if kept == "trials":
        (trace / "0").mkdir(parents=True)
    path.write_bytes(b"")
    for _ in range(2):  # the first try leaves no trace that the second would go by
        with pytest.raises(JournalError, match=r"is empty, though .* is damaged"):
            Tuner(small(), Grid(), journal=path)
    if kept == "owner":
        assert not path.with_name("run.jsonl.lock").exists()


@pytest.mark.parametrize("data", LEFT)
def test_a_file_without_traces_begins_a_study(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    assert len(Tuner.read(path).history) == 2


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("room", [0, 20, 100])
def test_a_disk_that_is_full_at_the_very_beginning_keeps_no_study_from_beginning_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int, touched: bool
) -> None:
    if touched:
        path.touch()
    for fault in ("raised", "killed"):
        written, left, patch = os.write, [room], pytest.MonkeyPatch()

        def full(fd: int, data: bytes, written=written, left=left) -> int:  # type: ignore[no-untyped-def]
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            part, left[0] = data[: left[0]], left[0] - len(data[: left[0]])
            return written(fd, part)

        patch.setattr(os, "write", full)
        if fault == "killed":  # the part that was written stays
            patch.setattr(os, "ftruncate", full)
        with patch.context(), pytest.raises(JournalError, match="No space left"):
            Tuner(small(), Grid(), journal=path)
        patch.undo()
        assert json.loads(path.with_name("run.jsonl.owner").read_text())["begun"] is False
        with pytest.raises(
            JournalError, match=r"(is empty|no whole header.*): no study was started in it yet"
        ):
            Tuner.read(path)
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    assert "begun" not in json.loads(path.with_name("run.jsonl.owner").read_text())
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="is damaged"):
        Tuner(small(), Grid(), journal=path)


def test_commands_name_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.touch()
    assert main(["journal", "check", str(path)]) == 0
    assert "no study was started in it yet" in capsys.readouterr().out
    fill(Tuner(small(), Grid(), journal=path), 3).close()
    path.write_bytes(b"")
    assert main(["journal", "check", str(path)]) == 1
    assert "is damaged" in capsys.readouterr().out
    for command in (["journal", "repair"], ["status"], ["best"], ["ask"]):
        assert main([*command, str(path)]) == 2
        assert "is damaged" in capsys.readouterr().err
    study = path.with_name("run.toml")
    study.write_text('[study]\ncommand = "true"\n[space]\nx = [1, 2]\n')
    for command in (["resume", str(study)], ["run", str(study)], ["replay", str(path)]):
        assert main(command) == 2
        assert "is damaged" in capsys.readouterr().err
