"""A journal that cannot be written: nothing that was measured is lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsice import DsiceWarning, State, Tuner, run
from dsice.errors import JournalError, LockedError, TellError
from dsice.launchers.base import Job, Result, Step
from dsice.strategies import Grid
from tests.conftest import fill, small, state
from tests.running.test_run import InMemory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "run.jsonl"


class Disk:
    """A disk that fails on demand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.error, self._write = 0, os.write
        monkeypatch.setattr("dsice.journal.writer.os.write", self.write)
        opened = os.open

        def open(file: Any, flags: int, *args: Any, **named: Any) -> int:
            if flags & os.O_CREAT and Path(file).parent == folder:
                self.fail()
            return opened(file, flags, *args, **named)

        monkeypatch.setattr(os, "open", open)

    def fail(self) -> None:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))

    def write(self, fd: int, data: bytes) -> int:
        self.fail()
        return self._write(fd, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, path: Path, tmp_path: Path) -> Disk:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return Disk(monkeypatch, path.parent)


def saved(tmp_path: Path) -> list[dict[str, Any]]:
    files = list((tmp_path / "tmp").iterdir())
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO], ids=errno.errorcode.get
)
def test_results_in_hand_are_kept_saved_elsewhere_and_written_when_it_works_again(
    path: Path, tmp_path: Path, disk: Disk, code: int
) -> None:
    tuner = fill(Tuner(small(), Grid(), journal=path), 2)
    tuner.ask(3)
    before = path.read_bytes()
    disk.error = code
    for id in (2, 3):
        with pytest.raises(
            JournalError,
            match=rf"cannot write \({os.strerror(code)}\).*{tmp_path}/tmp/.*`dsice tell .*--from",
        ):
            tuner.tell(id, 10.0 + id, seconds=2.0)
    with pytest.raises(JournalError, match=r"The 2 results in hand stay .*do not give them again"):
        tuner.ask()
    assert (
        path.read_bytes() == before
        and [t.id for t in tuner.pending] == [2, 3, 4]
        and tuner.unwritten == 2
    )
    assert [(r["id"], r["values"], r["seconds"]) for r in saved(tmp_path)] == [
        (2, [12.0], 2.0),
        (3, [13.0], 2.0),
    ]
    disk.error = 0
    assert tuner.tell(4, 14.0).value == 14.0 and tuner.unwritten == 0
    assert [t.value for t in tuner.history][2:] == [12.0, 13.0, 14.0] and saved(tmp_path) == []
    tuner.close()
    assert state(Tuner.read(path)) == state(tuner)


def test_everything_told_is_kept_in_order_with_ids_that_fit(path: Path, disk: Disk) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask(2)
    disk.error = errno.ENOSPC
    calls: list[Callable[[], object]] = [
        lambda: tuner.step(0, 1, 0.5),
        lambda: tuner.step(0, 2, 0.25),
        lambda: tuner.add(small().params((3, 2, 2)), 7.0),
        lambda: tuner.tell(1, 1.0),
        lambda: tuner.add(small().params((3, 2, 2)), 8.0),
        lambda: tuner.tell(1, 2.0),  # told anew: this one counts
    ]
    for call in calls:
        with pytest.raises(JournalError):
            call()
    with pytest.raises(TellError, match="could not be written yet"):
        tuner.step(1, 3, 0.1)
    with pytest.raises(TellError):  # what is wrong is wrong now, not later
        tuner.add(small().params((0, 0, 0)), "x")  # type: ignore[arg-type]
    assert tuner.unwritten == 5
    disk.error = 0
    tuner.flush()
    assert tuner.history[0].curve == ((1, 0.5), (2, 0.25)) and tuner.history[1].value == 2.0
    assert [(t.id, t.repeat, t.value) for t in tuner.history][2:] == [(2, 0, 7.0), (3, 1, 8.0)]
    tuner.close()
    assert state(Tuner.read(path)) == state(tuner)


def test_a_failed_ask_asks_nothing(path: Path, disk: Disk) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    disk.error = errno.EDQUOT
    with pytest.raises(JournalError, match="quota"):
        tuner.ask(3)
    disk.error = 0
    assert [t.id for t in tuner.ask(3)] == [0, 1, 2]


def test_what_could_not_be_written_up_to_the_end_is_told_from_the_file(
    path: Path, tmp_path: Path, disk: Disk
) -> None:
    from dsice.cli.main import main

    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask(3)
    disk.error = errno.ENOSPC
    with pytest.raises(JournalError):
        tuner.tell(1, [1.0, 2.0], metrics={"m": 3.0}, seconds=4.0, tags={"a": 1})
    with pytest.warns(DsiceWarning, match="The result in hand stays in this tuner"):
        tuner.close()
    disk.error = 0
    (file,) = (tmp_path / "tmp").iterdir()
    for _ in range(2):  # the second time it is there already
        assert main(["tell", str(path), "--from", str(file)]) == 0
    told = Tuner.read(path).history[1]
    assert (told.values, told.metrics, told.seconds, told.tags) == (
        (1.0, 2.0),
        {"m": 3.0},
        4.0,
        {"a": 1},
    )


def test_a_journal_deleted_underneath_is_saved_whole(path: Path, tmp_path: Path) -> None:
    tuner = fill(Tuner(small(), Grid(), journal=path), 4)
    tuner.ask(2)
    path.unlink()
    with pytest.raises(
        JournalError,
        match=r"was removed .*The whole journal as it was, with the result in hand, is saved in",
    ):
        tuner.tell(4, 0.5)
    (file,) = path.parent.glob("*.unwritten-*")
    with Tuner(small(), Grid(), journal=file) as again:
        assert [t.id for t in again.orphans] == [5] and again.history[4].value == 0.5
        assert state(again)[:4] == state(tuner)[:4]


def test_a_coordinator_that_was_replaced_saves_what_it_has(path: Path) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask(2)
    owner = path.with_name("run.jsonl.owner")
    owner.write_text(json.dumps(json.loads(owner.read_text()) | {"nonce": "other"}))
    before = path.read_bytes()
    with pytest.raises(
        LockedError, match=r"taken over by another coordinator.*`dsice tell .* --from "
    ):
        tuner.tell(0, 0.5)
    assert path.read_bytes() == before
    (file,) = path.parent.glob("*.unwritten-*")
    assert json.loads(file.read_text())["values"] == [0.5]


def test_without_any_room_results_stay_in_memory(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask()
    disk.error = errno.ENOSPC

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dsice.tuner.saving.replace_file", full)
    with pytest.raises(JournalError, match=r"nowhere else and stays in the memory .*Make room"):
        tuner.tell(0, 0.5)
    disk.error = 0
    tuner.flush()
    assert tuner.history[0].state is State.DONE


def test_a_closed_tuner_keeps_nothing(path: Path) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask()
    tuner.close()
    with pytest.raises(JournalError, match="is closed"):
        tuner.tell(0, 1.0)
    assert tuner.unwritten == 0 and not list(path.parent.glob("*.unwritten-*"))


def test_run_goes_on_with_what_runs_while_the_disk_is_full(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsice.running.loop.RETRY", 0.0)
    answered: list[int] = []

    def answer(job: Job) -> list[Result | Step]:
        answered.append(job.id)
        disk.error = errno.ENOSPC if 3 <= len(answered) < 6 else 0
        return [Step(job.id, 0, 1.0), Result(job.id, "done", value=float(job.id))]

    launcher = InMemory(answer)
    tuner = Tuner(small(), Grid(), journal=path, max_trials=12)
    with pytest.warns(
        DsiceWarning,
        match="What runs goes on; nothing new is started until the journal can be written",
    ) as warned:
        run(tuner, launcher, progress=False)
    assert len(warned) == 1 and not launcher.closed
    # nothing was measured twice
    assert sorted(launcher.submitted) == list(range(12)) == sorted(answered)
    tuner.close()
    seen = Tuner.read(path).history
    assert [(t.value, t.curve) for t in seen] == [(float(i), ((0, 1.0),)) for i in range(12)]


def test_run_ends_when_nothing_runs_and_the_disk_stays_full(
    path: Path, tmp_path: Path, disk: Disk
) -> None:
    def answer(job: Job) -> Result:
        disk.error = errno.ENOSPC
        return Result(job.id, "done", value=float(job.id))

    launcher = InMemory(answer)
    tuner = Tuner(small(), Grid(), journal=path)
    with (
        pytest.warns(DsiceWarning),
        pytest.raises(
            JournalError, match=r"No space left.*4 results in hand .*tmp/run\.jsonl\.unwritten"
        ),
    ):
        run(tuner, launcher, start_timeout=0.1, progress=False)
    assert launcher.closed and sorted(launcher.submitted) == [0, 1, 2, 3]
    assert sorted(r["id"] for r in saved(tmp_path)) == [0, 1, 2, 3]
    disk.error = 0
    tuner.close()
    assert [t.value for t in Tuner.read(path).history] == [0.0, 1.0, 2.0, 3.0]


def test_run_stops_at_once_when_another_coordinator_took_over(path: Path) -> None:
    owner = path.with_name("run.jsonl.owner")

    def answer(job: Job) -> Result:
        owner.write_text(json.dumps(json.loads(owner.read_text()) | {"nonce": "other"}))
        return Result(job.id, "done", value=1.0)

    launcher = InMemory(answer)
    with pytest.raises(LockedError, match="taken over"):
        run(Tuner(small(), Grid(), journal=path), launcher, progress=False)
    assert launcher.closed and len(launcher.running) == 3
