"""Only a regular file is a journal, a lock file, an owner record, a study file: nothing hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import Journal, Tuner, extend
from dsice.cli.main import main
from dsice.errors import JournalError, TableError
from dsice.journal import repair
from dsice.launchers import Table
from dsice.strategies import Grid
from tests.conftest import fill, small


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)
        server.bind(path.name)  # the whole path may be too long


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a named pipe"),
    "socket": (bound, "a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "directory": (lambda path: path.mkdir(), "Is a directory"),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # and back


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_no_regular_file_is_no_journal(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.jsonl"
    make, message = KINDS[kind]
    make(path)
    for open in (
        lambda: Tuner(small(), Grid(), journal=path),
        lambda: Tuner.read(path),
        lambda: Tuner.resume(path),
        lambda: repair(path),
        lambda: extend(path, small()),
    ):
        with pytest.raises(JournalError, match=message):
            open()
    with pytest.raises(TableError, match="no table"):
        Table(path)
    commands = (["status"], ["best"], ["ask"], ["journal", "check"], ["journal", "repair"])
    for command in (*commands, ["tell", "--from", "/dev/null"]):
        assert main([*command, str(path)]) == 2
        assert message in capsys.readouterr().err
    assert main(["replay", str(path)]) == 2 and "no table" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_no_regular_file_is_no_study_file(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.toml"
    KINDS[kind][0](path)
    for command in ("run", "status", "ask"):
        assert main([command, str(path)]) == 2
        assert KINDS[kind][1] in capsys.readouterr().err


@pytest.mark.parametrize("kind", [*sorted(KINDS), "link"])
def test_a_lock_file_of_another_kind_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run.jsonl"
    lock = path.with_name("run.jsonl.lock")
    KINDS[kind][0](lock) if kind in KINDS else lock.symlink_to(tmp_path / "precious")
    message = "link" if lock.is_symlink() else KINDS[kind][1]
    with pytest.raises(JournalError, match=rf"lock file run\.jsonl\.lock .*{message}"):
        Tuner(small(), Grid(), journal=path)
    assert list(tmp_path.iterdir()) == [lock]


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_an_owner_record_of_another_kind_is_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run.jsonl"
    owner = path.with_name("run.jsonl.owner")
    KINDS[kind][0](owner)
    tuner = fill(Tuner(small(), Grid(), journal=path), 2)
    assert owner.is_file() and not owner.is_symlink()
    owner.unlink()
    KINDS[kind][0](owner)
    fill(tuner, 2).close()
    assert owner.is_file() and len(Tuner.read(path).history) == 4


def test_copies_and_new_journals_are_as_private_as_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    fill(Tuner(small(), Grid(), journal=path), 3).close()
    lines = path.read_bytes().splitlines(keepends=True)
    space = small().to_dict()
    for mode in (0o600, 0o640):
        path.chmod(mode)
        path.write_bytes(b"".join([*lines[:2], b"x\n", *lines[2:], b'{"kind"']))
        assert repair(path).copy is not None
        Tuner(small(), Grid(), journal=path).close()  # cuts the last line off
        larger = {axis["name"]: axis["values"] for axis in space["axes"]} | {"new": [1, 2]}
        extend(path, Tuner(larger).space, given={"new": 1})
        kept = [f for f in tmp_path.iterdir() if not f.name.endswith((".owner", ".lock"))]
        assert len(kept) == 4 and {f.stat().st_mode & 0o777 for f in kept} == {mode}
        for file in set(kept) - {path}:
            file.unlink()


def test_what_is_saved_among_others_is_private_and_not_to_be_foreseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    path = tmp_path / "data" / "run.jsonl"
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in (f"run.jsonl.unwritten-{os.getpid()}.jsonl", "run.jsonl.new"):
        (tmp_path / "tmp" / name).symlink_to(precious)
        (tmp_path / "tmp" / f"{name}.new").symlink_to(precious)
    planted = set((tmp_path / "tmp").iterdir())
    tuner = fill(Tuner(small(), Grid(), journal=path), 3)
    tuner.ask()
    path.with_name("data").exists()
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with pytest.raises(JournalError, match="whole journal"):
        tuner.tell(3, 1.0)
    (saved,) = set((tmp_path / "tmp").iterdir()) - planted
    assert saved.stat().st_mode & 0o777 == 0o600 and precious.read_text() == "precious"
    assert len(Tuner.read(saved).history) == 4


def test_without_a_handle_left_nothing_is_called_removed(tmp_path: Path) -> None:
    program = """
import os, resource, sys
from dsice import Tuner
from dsice.errors import JournalError
tuner = Tuner({"x": range(9)}, journal=sys.argv[1])
tuner.ask(2)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
try:
    tuner.tell(0, 1.0)
except JournalError as error:
    print(error)
os.close(held.pop())
print(tuner.tell(1, 2.0).value, tuner.history[0].value)
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", program, str(tmp_path / "run.jsonl")]
    said = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120)
    assert said.returncode == 0, said.stderr
    assert "cannot be read now (Too many open files)" in said.stdout
    assert said.stdout.endswith("2.0 1.0\n")


@pytest.mark.parametrize("name", ["a\0b", "half a pair \ud800", "circle", "x" * 300])
def test_what_no_file_can_be_called_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "circle":
        path.symlink_to(path)
    for call in (Journal, Tuner.read, repair):
        with pytest.raises(JournalError, match=r"cannot be (opened|read) "):
            call(path)
    assert [file.name for file in tmp_path.iterdir()] == [name] * (name == "circle")
