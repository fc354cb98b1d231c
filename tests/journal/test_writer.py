"""The journal file: its lines, and writing that fails."""

from __future__ import annotations

import errno
import gc
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsice import Goal, Journal, Ordinal, State, Tuner
from dsice.errors import DsiceWarning, JournalError, LockedError, OtherStudyError
from dsice.strategies import Grid, Random
from tests.conftest import fill, small, state


def lines(path: Path) -> list[dict[str, Any]]:
    assert path.read_bytes().endswith(b"\n")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "run.jsonl"


def test_one_line_for_each_ask_and_tell(path: Path) -> None:
    with Tuner(
        small(),
        Random(),
        goal=Goal("loss"),
        journal=path,
        max_trials=9,
        seed=4,
    ) as tuner:
        tuner.ask(3)
        tuner.tell(1, [0.5, 1.5], seconds=2.0, tags={"k": "v"})
        tuner.step(0, 7, float("nan"))
        tuner.tell(0, error="crash", times=(1.0, None, 2.0))
        tuner.add(tuner.space.params((0, 0, 0)), 3.0)
        tuner.enqueue(tuner.space.params((3, 2, 1)))
    header, ask, tell, step, fail, add, queue = lines(path)
    assert (header["kind"], header["format"], header["seed"], header["max_trials"]) == (
        "header",
        1,
        4,
        9,
    )
    assert header["strategy"] == {"name": "Random"} and header["goal"]["metric"] == "loss"
    assert [a["name"] for a in header["space"]["axes"]] == ["a", "b", "c"]
    assert (ask["kind"], ask["round"], [t["id"] for t in ask["trials"]]) == ("ask", 0, [0, 1, 2])
    assert {
        k: tell[k] for k in ("kind", "id", "state", "values", "seconds", "tags", "metrics")
    } == {
        "kind": "tell",
        "id": 1,
        "state": "done",
        "values": [0.5, 1.5],
        "seconds": 2.0,
        "tags": {"k": "v"},
        "metrics": {"loss": 1.0},
    }
    assert tell["point"] == ask["trials"][1]["point"]  # so that it survives without the ask line
    assert step == {"kind": "step", "id": 0, "step": 7, "value": None}
    assert (fail["state"], fail["error"], fail["times"]) == ("failed", "crash", [1.0, None, 2.0])
    assert (add["kind"], add["trial"]["id"], add["trial"]["values"]) == ("add", 3, [3.0])
    assert queue == {"kind": "enqueue", "point": [3, 2, 1]}
    assert all(isinstance(line.get("at", 0), (int, float)) for line in lines(path)[1:])


def test_every_line_is_synced_before_the_call_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync
    with Tuner(small(), Grid(), journal=path) as tuner:

        def noted(fd: int) -> None:
            synced.append(path.stat().st_size)
            fsync(fd)

        monkeypatch.setattr(os, "fsync", noted)
        tuner.ask(2)
        assert synced == [path.stat().st_size]
        tuner.tell(0, 1.0)
        assert len(synced) == 2 and synced[-1] == path.stat().st_size


def disk_full(after: int) -> Callable[[int, bytes], int]:
    """os.write for a disk with that many bytes left."""
    write, left = os.write, [after]

    def limited(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = data[: left[0]]
        left[0] -= len(part)
        return write(fd, part)

    return limited


CALLS: dict[str, Callable[[Tuner], object]] = {
    "ask": lambda t: t.ask(2),
    "tell": lambda t: t.tell(0, 1.0),
    "add": lambda t: t.add(t.space.params((3, 2, 2)), 1.0),
    "enqueue": lambda t: t.enqueue(t.space.params((3, 2, 2))),
    "step": lambda t: t.step(0, 0, 1.0),
}


@pytest.mark.parametrize("call", sorted(CALLS))
@pytest.mark.parametrize("fault", ["full", "nearly full", "quota", "fsync", "truncate too"])
def test_what_cannot_be_written_is_not_remembered_and_works_later(
    path: Path, call: str, fault: str
) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask(3)
    before, data = state(tuner), path.read_bytes()

    def fail(*_: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with pytest.MonkeyPatch.context() as patch:
        if fault in ("full", "nearly full", "truncate too"):
            patch.setattr(os, "write", disk_full(0 if fault == "full" else 10))
        if fault == "truncate too":
            patch.setattr(os, "ftruncate", fail)
        if fault in ("quota", "fsync"):
            patch.setattr(os, "write" if fault == "quota" else "fsync", fail)
        with pytest.raises(
            JournalError,
            match=r"run.jsonl: cannot write \((No space|Disk quota).*before is lost.*then go on",
        ):
            CALLS[call](tuner)
    assert state(tuner) == before
    assert path.read_bytes() == data or fault == "truncate too"
    if call == "add":  # it is in hand, is written now, and not once more
        with pytest.warns(DsiceWarning, match=r"trial 3 \(done\) is that measurement"):
            CALLS[call](tuner)
        assert len(tuner.history) == 4
    else:
        CALLS[call](tuner)
    tuner.close()
    assert state(Tuner.read(path)) == state(tuner)
    with Tuner(small(), Grid(), journal=path, orphans="keep") as again:
        assert [t.id for t in again.ask(2)] == [t.id for t in tuner.history][-1:] or len(
            again.history
        ) > len(before)


@pytest.mark.parametrize("written", [0, 10, None], ids=["none", "part", "whole"])
def test_what_an_interrupt_left_of_a_line_is_found_out_before_anything_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    tuner, write = Tuner(small(), Grid(), journal=path), os.write
    data = path.read_bytes()

    def interrupted(fd: int, data: bytes) -> int:
        write(fd, data[:written])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tuner.ask(2)
    assert len(tuner.history) == (2 if written is None else 0)
    assert path.read_bytes().startswith(data) and path.read_bytes().endswith(b"\n")
    assert [t.id for t in tuner.ask(2)] == [0, 1]  # also those that nobody was handed
    assert path.read_bytes().count(b"\n") == data.count(b"\n") + 1
    tuner.close()
    assert state(Tuner.read(path)) == state(tuner)


def test_a_file_removed_or_replaced_underneath_stops_the_writer(path: Path) -> None:
    tuner = fill(Tuner(small(), Grid(), journal=path), 3)
    kept = path.with_name("kept")
    shutil.move(path, kept)
    with pytest.raises(
        JournalError,
        match=r"was removed or cannot be reached.*still in this tuner.*move it back",
    ):
        tuner.ask()
    shutil.copy(kept, path)
    with pytest.raises(JournalError, match="was replaced by another file"):
        tuner.ask()
    path.unlink()
    shutil.move(kept, path)
    assert tuner.ask()[0].id == 3


def test_another_owner_stops_the_writer_and_nothing_is_lost(path: Path) -> None:
    tuner = fill(Tuner(small(), Grid(), journal=Journal(path, lock=False)), 3)
    data = path.read_bytes()
    owner = path.with_name("run.jsonl.owner")
    record = json.loads(owner.read_text())
    owner.write_text(json.dumps(record | {"nonce": "other", "host": "login2", "pid": 77}))
    with pytest.raises(
        LockedError,
        match=r"taken over by another coordinator .*host login2, process 77, since .*nothing that",
    ):
        tuner.ask()
    owner.unlink()
    with pytest.raises(JournalError, match=r"its owner record run\.jsonl\.owner was removed"):
        tuner.ask()
    assert path.read_bytes() == data and len(tuner.history) == 3
    owner.write_text(json.dumps(record))
    assert tuner.ask()[0].id == 3


def _tell_in_child(tuner: Tuner, pipe: Any) -> None:
    try:
        tuner.tell(0, 1.0)
    except JournalError as error:
        pipe.send(str(error))
    tuner.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_may_not_write_and_takes_nothing_from_its_parent(path: Path) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.ask(2)
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_tell_in_child, args=(tuner, there))
    child.start()
    child.join(30)
    assert (
        f"belongs to process {os.getpid()}; this forked process ({child.pid}) may not write it"
        in here.recv()
    )
    assert tuner.tell(0, 2.0).state is State.DONE
    tuner.close()
    assert Tuner.read(path).history[0].value == 2.0


def test_a_closed_tuner_says_how_to_go_on(path: Path) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    tuner.close()
    tuner.close()
    with pytest.raises(JournalError, match=r"is closed; make a new Tuner with journal="):
        tuner.ask()
    assert len(tuner.history) == 0


def test_a_forgotten_tuner_lets_go_of_its_journal(path: Path) -> None:
    tuner = Tuner(small(), Grid(), journal=path)
    with pytest.raises(
        LockedError, match=r"is open in this process already; close\(\) the other Tuner"
    ):
        Journal(path)
    del tuner
    gc.collect()
    Tuner(small(), Grid(), journal=path).close()


def test_one_journal_object_belongs_to_one_tuner(path: Path) -> None:
    journal = Journal(path)
    first = Tuner(small(), Grid(), journal=journal)
    with pytest.raises(LockedError, match="belongs to another Tuner of this process"):
        Tuner(small(), Grid(), journal=journal)
    assert first.ask()[0].id == 0
    first.close()
    with pytest.raises(JournalError, match="is closed"):
        Tuner(small(), Grid(), journal=journal)


def test_a_path_that_cannot_be_a_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="Is a directory"):
        Tuner(small(), Grid(), journal=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"Not a directory|File exists"):
        Tuner(small(), Grid(), journal=tmp_path / "file" / "run.jsonl")
    with pytest.raises(JournalError, match="No such file"):
        Tuner.read(tmp_path / "none.jsonl")


def test_another_study_is_refused_and_the_first_difference_named(path: Path) -> None:
    fill(Tuner(small(), Grid(), journal=path), 2).close()
    data = path.read_bytes()
    other: dict[str, Any] = {"a": [1, 2, 4, 16], "b": Ordinal.linear(0.0, 1.0, 3), "c": range(3)}
    with pytest.raises(
        OtherStudyError,
        match=r"another study: axis 'a' is .*\(value 3: 16 and 8\).*journal of its own",
    ):
        Tuner(other, Grid(), journal=path)
    assert path.read_bytes() == data
    Tuner(small(), Grid(), journal=path).close()  # the refused one holds nothing
