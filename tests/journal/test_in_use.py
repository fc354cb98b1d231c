"""What happens to the files of a journal in use: named, and all of it saved or mended."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsice import DsiceWarning, Journal, Tuner
from dsice.errors import JournalError, LockedError
from dsice.strategies import Random
from tests.conftest import fill, small, state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "run.jsonl"


def begun(path: Path) -> Tuner:
    """A tuner with everything that a journal may hold, opened once before."""
    with Tuner(small(), Random(), journal=path, max_trials=20) as tuner:
        fill(tuner, 4)
        tuner.runs.prepared("data", "/data")
    tuner = fill(Tuner(small(), Random(), journal=path, max_trials=20), 4)
    tuner.ask(3)
    tuner.step(8, 1, 0.5)
    enqueue(tuner)
    return tuner


def enqueue(tuner: Tuner) -> None:
    """A point that is no trial and does not wait yet."""
    known = {trial.point for trial in tuner.history} | set(tuner._queue)
    points = map(tuple, small().points().tolist())
    tuner.enqueue(small().params(next(p for p in points if p not in known)))


def changed_in_place(path: Path) -> None:
    data = path.read_bytes()
    place = data.rindex(b'"values":[') + 10
    path.write_bytes(data[:place] + b"7" + data[place + 1 :])


def of_same_size(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(reversed(path.read_bytes())))
    other.replace(path)


def restored(path: Path, *, in_place: bool) -> None:
    data = path.read_bytes()
    older = path.with_name("older")
    older.write_bytes(data[: data.index(b"\n", len(data) // 2) + 1])
    shutil.copyfile(older, path) if in_place else older.replace(path)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"id":2', b'"id":222'))


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "emptied": (lambda path: path.write_bytes(b""), "is damaged: it was cut from"),
    "cut in a line": (lambda path: os.truncate(path, 900), "is damaged: it was cut from"),
    "nuls": (
        lambda path: path.write_bytes(b"\0" * path.stat().st_size),
        "is damaged: it was changed",
    ),
    "changed": (changed_in_place, "is damaged: it was changed"),
    "longer": (longer, "is damaged: it was changed"),
    "of the same size": (of_same_size, "was replaced by another file"),
    "restored": (lambda path: restored(path, in_place=True), "is damaged: it was cut from"),
    "exchanged": (lambda path: restored(path, in_place=False), "was replaced by another file"),
    "removed": (lambda path: path.unlink(), "was removed"),
}

CALLS: dict[str, Callable[[Tuner], object]] = {
    "tell": lambda tuner: tuner.tell(8, 0.25),
    "ask": lambda tuner: tuner.ask(2),
    "step": lambda tuner: tuner.step(9, 1, 0.125),
    "enqueue": enqueue,
}


@pytest.mark.parametrize("harm", sorted(HARMS))
@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_journal_that_is_harmed_is_named_and_saved_whole(
    path: Path, harm: str, call: str
) -> None:
    tuner = begun(path)
    before, known = path.read_bytes(), state(tuner)
    do, message = HARMS[harm]
    do(path)
    left = path.read_bytes() if path.exists() else None
    with pytest.raises(JournalError, match=f"{message}.*whole journal as it was.* is saved in"):
        CALLS[call](tuner)
    assert (path.read_bytes() if path.exists() else None) == left and state(tuner) == known
    (file,) = path.parent.glob("run.jsonl.unwritten-*")
    assert file.read_bytes().startswith(before)
    with Tuner(small(), Random(), journal=file, max_trials=20) as again:
        assert again.preparations == {"data": "/data"}
        if call == "tell":
            assert again.history[8].value == 0.25 and again.history[8].curve == ((1, 0.5),)
        if call == "step":
            assert again.history[9].curve == ((1, 0.125),)
        else:
            assert state(again)[:8] == state(tuner)[:8]


@pytest.mark.parametrize("harm", sorted(HARMS))
def test_harm_after_the_last_line_is_found_on_closing(path: Path, harm: str) -> None:
    tuner = begun(path)
    before = path.read_bytes()
    HARMS[harm][0](path)
    with pytest.warns(DsiceWarning, match="whole journal as it was is saved in"):
        tuner.close()
    (file,) = path.parent.glob("run.jsonl.unwritten-*")
    assert file.read_bytes() == before


@pytest.mark.parametrize("touch", [lambda p: os.utime(p), lambda p: p.chmod(0o600)])
def test_other_times_or_permissions_are_no_damage(
    path: Path, touch: Callable[[Path], object]
) -> None:
    tuner = begun(path)
    for id in (8, 9, 10):
        touch(path)
        tuner.tell(id, 1.0)
    tuner.close()
    assert state(Tuner.read(path))[8:11] == state(tuner)[8:11]


# ------------------------------------------------------------------ lock file and owner record
SECOND = """
import sys
from dsice import Journal
from dsice.errors import LockedError
try:
    Journal(sys.argv[1])
    print("in")
except LockedError as error:
    print("out", "another coordinator" in str(error))
"""


def second(path: Path) -> str:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SECOND, str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, check=True).stdout


@pytest.mark.parametrize("gone", [["owner"], ["lock"], ["owner", "lock"]])
def test_what_a_purge_took_is_made_again_and_nobody_else_gets_in(
    path: Path, gone: list[str]
) -> None:
    tuner = begun(path)
    files = [path.with_name(f"run.jsonl.{name}") for name in gone]
    for file in files:
        file.unlink()
    assert second(path) == "out True\n"  # also before the next line
    assert tuner.tell(8, 1.0).value == 1.0
    assert all(file.exists() for file in files)
    assert second(path) == "out True\n"
    tuner.tell(9, 2.0)
    tuner.close()
    assert second(path) == "in\n"


def test_who_has_the_new_lock_file_stops_the_first(path: Path) -> None:
    tuner = begun(path)
    path.with_name("run.jsonl.lock").unlink()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
            "print('held', flush=True); sys.stdin.read()",
            str(path.with_name("run.jsonl.lock")),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=r"its lock file was removed.* has the new one"):
            tuner.tell(8, 1.0)
    finally:
        holder.communicate(b"")
    assert tuner.tell(9, 1.0).value == 1.0  # it is free again, and the first has it
    assert tuner.history[8].value == 1.0


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_an_owner_record_that_cannot_be_read_now_is_not_called_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    tuner = begun(path)
    opened = os.open

    def fail(file: str | Path, flags: int, *rest: int, **named: int) -> int:
        if str(file).endswith(".owner"):
            raise OSError(code, os.strerror(code))
        return opened(file, flags, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        with pytest.raises(JournalError, match=r"owner record .* cannot be read now \(") as caught:
            tuner.tell(8, 1.0)
    assert os.strerror(code) in str(caught.value) and not isinstance(caught.value, LockedError)
    assert tuner.tell(9, 2.0).value == 2.0 and tuner.history[8].value == 1.0


def test_a_damaged_owner_record_is_written_anew_while_the_lock_is_held(path: Path) -> None:
    tuner = begun(path)
    owner = path.with_name("run.jsonl.owner")
    for text in ("", "{", "[]", "[" * 60_000, json.dumps({"host": "x"})):
        owner.write_text(text)
        enqueue(tuner)
        assert json.loads(owner.read_text())["pid"] == os.getpid()
    owner.unlink()
    os.mkfifo(owner)  # reading it would wait for ever
    tuner.tell(8, 1.0)
    assert owner.is_file()


def test_a_lock_file_that_was_made_for_nothing_is_removed(path: Path) -> None:
    path.with_name("run.jsonl.owner").mkdir()
    with pytest.raises(JournalError, match=r"owner record run\.jsonl\.owner cannot be written"):
        Journal(path)
    assert not path.exists() and not path.with_name("run.jsonl.lock").exists()
