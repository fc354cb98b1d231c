"""Exceptions at every line of every public call: a user's handler, SIGTERM, SIGHUP, Ctrl-C."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner
from dsice.errors import DsiceError, JournalError
from dsice.history import History
from dsice.journal import requests
from dsice.stopping import Curve, Decision, Stopper
from dsice.strategies import Grid
from tests.conftest import all_fields, fill, small, state
from tests.faults.bench import observe, scaled
from tests.faults.conftest import Note
from tests.faults.interrupting import RAISED, Handlers, Interruption, in_thread

BAR = "a raising signal at every line of a public call, then the journal opened anew"
ORPHANS, QUEUED = 3, (3, 2, 2)


class Never(Stopper):
    """A stopper that decides on each step, against stopping."""

    def stop(self, curve: Curve, history: History) -> bool:
        return False

    def decide(self, curve: Curve, history: History) -> Decision:
        return Decision(False, {"seen": len(curve)})


@dataclass
class Study:
    """A study that was left and is gone on with, and what the caller holds of it."""

    path: Path
    tuner: Tuner = field(init=False)
    handed: list[int] = field(default_factory=list)

    def open(self) -> None:
        self.tuner = Tuner(
            small(), Grid(), journal=self.path, stopper=Never(), orphans="again", max_trials=30
        )

    def hold(self) -> None:
        """A result in hand that could not be written."""

        def full(fd: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.MonkeyPatch.context() as patch, suppress(JournalError):
            patch.setattr(os, "write", full)
            self.tuner.tell(self.tuner.pending[-1], 3.0)

    def ask(self) -> None:
        self.handed += [trial.id for trial in self.tuner.ask(2)]

    def drain(self) -> None:
        """Take all that waits, as a loop does."""
        while self.tuner.orphans:
            self.ask()


def drained(study: Study) -> None:
    study.drain()


def held(study: Study) -> None:
    study.drain()
    study.hold()


def withdrawn(study: Study) -> None:
    study.drain()
    for id in (2, 3):
        study.tuner.withdraw(id, "a broken node")


def asked_by_others(study: Study) -> None:
    study.drain()
    requests.leave(study.path, "withdraw", [1, 2], "a broken node")
    requests.leave(study.path, "retry", [2])


def nothing(study: Study) -> None:
    pass


def params(*levels: int) -> dict[str, Any]:
    return small().params(levels)


CALLS: dict[str, tuple[Callable[[Study], Any], Callable[[Study], Any]]] = {
    "ask": (drained, Study.ask),
    "ask for orphans": (nothing, Study.ask),
    "tell": (nothing, lambda s: s.tuner.tell(8, 4.0, metrics={"m": 1.0}, tags={"a": 1})),
    "tell failed": (drained, lambda s: s.tuner.tell(8, error="no")),
    "add": (nothing, lambda s: s.tuner.add(params(3, 2, 1), 2.0)),
    "add a queued point": (nothing, lambda s: s.tuner.add(params(*QUEUED), 2.0)),
    "step": (nothing, lambda s: s.tuner.step(9, 2, 0.5)),
    "steps": (nothing, lambda s: s.tuner.runs.steps([(9, 2, 0.5), (9, 3, 0.4), (8, 1, 1.0)], None)),
    "enqueue": (nothing, lambda s: s.tuner.enqueue(params(3, 0, 2))),
    "confirm": (nothing, lambda s: s.tuner.confirm(2)),
    "lose": (nothing, lambda s: s.tuner.runs.lose(8, "gone")),
    "prepared": (nothing, lambda s: s.tuner.runs.prepared("data", "/data")),
    "withdraw": (nothing, lambda s: s.tuner.withdraw(2, "a broken node")),
    "retry": (withdrawn, lambda s: s.tuner.retry([2, 3])),
    "take requests": (asked_by_others, lambda s: s.tuner.take_requests()),
    "flush": (held, lambda s: s.tuner.flush()),
    "tell after a full disk": (held, lambda s: s.tuner.tell(8, 4.0)),
    "close": (held, lambda s: s.tuner.close()),
}


@dataclass
class Losses:
    what: str
    refused: int = 0
    doubled: int = 0
    lost: int = 0
    different: int = 0
    dead: int = 0
    positions: int = 0

    def note(self, note: Note) -> None:
        note(BAR, f"positions ({self.what}s)", self.positions)
        note(BAR, "refused journals", self.refused, "0")
        note(BAR, "doubled lines", self.doubled, "0")
        note(BAR, "lost or not handed out", self.lost, "0")
        note(BAR, "memory and journal differ", self.different, "0")
        note(BAR, "dead signals", self.dead, "0")

    def none(self) -> bool:
        bad = (self.refused, self.doubled, self.lost, self.different, self.dead)
        return bad == (0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with told trials, one with a curve, orphans and a queue."""
    path = tmp_path_factory.mktemp("begun") / "run.jsonl"
    study = Study(path)
    study.open()
    fill(study.tuner, 8)
    study.tuner.ask(ORPHANS)
    study.tuner.step(9, 1, 0.7)
    study.tuner.enqueue(params(*QUEUED))
    study.tuner.close()
    return path


def doubled(path: Path) -> int:
    """Lines that say the same as one before: ends, steps, asked and added trials, the queue."""
    seen: Counter[Any] = Counter()
    for record in observe(path).records:
        match record["kind"]:
            case "tell" | "add":
                what = record.get("id", record.get("trial", {}).get("point"))
                seen[record["kind"], str(what), str(record.get("values"))] += 1
            case "step":
                decided = "stop" in record or "decision" in record
                seen["step", record["id"], record["step"], decided, len(record)] += 1
            case "ask":
                seen.update(("ask", trial["id"]) for trial in record["trials"])
            case "withdraw" | "retry":
                seen[record["kind"], record["id"]] += 1
            case "enqueue" | "prepared" | "again":
                seen[record["kind"], str(record)[:200]] += 1
    return sum(n - 1 for n in seen.values())


def look(study: Study, losses: Losses, *, closed: bool) -> None:
    """Compare memory with the journal, from this thread and another; then open it anew."""
    tuner, path = study.tuner, study.path
    try:
        memory = state(tuner)
        on_disk = Tuner.read(path)
        losses.different += memory != state(on_disk) or tuner._queue != on_disk._queue
        losses.different += tuner.preparations != on_disk.preparations
        losses.different += tuner.runs.losses(8) != on_disk.runs.losses(8)
        losses.different += tuner.tries(2) != on_disk.tries(2)
        losses.different += list(map(all_fields, tuner.told_before(2))) != list(
            map(all_fields, on_disk.told_before(2))
        )
        in_thread(lambda: tuner.best)
        if not closed:
            tuner.take_requests()  # as the next ask would
            pending = {trial.id for trial in tuner.pending}
            waits = {id for id in pending if not tuner._recorder.has(id)}
            study.drain()
            losses.lost += len(waits - set(study.handed))
            told = pending | set(study.handed)
            for id in sorted(told):
                if id in {trial.id for trial in tuner.pending} and not tuner._recorder.has(id):
                    tuner.tell(id, float(id))
        tuner.close()
        tuner.close()
        losses.doubled += doubled(path)
        again = Tuner.resume(path)
        losses.different += state(again) != state(tuner)
        again.close()
    except (DsiceError, TimeoutError):
        losses.refused += 1
        tuner.close()


def play(
    begun: Path, folder: Path, name: str, interruption: Interruption, losses: Losses, *, off: bool
) -> bool:
    """One call with one interruption; whether it came."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    study = Study(Path(shutil.copy(begun, folder)))
    prepare, call = CALLS[name]
    study.open()
    prepare(study)
    if off:
        in_thread(lambda: interruption.call(lambda: call(study)))
    else:
        interruption.call(lambda: call(study))
    if interruption.came:
        losses.positions += 1
        look(study, losses, closed=name == "close")
    study.tuner.close()
    return interruption.came


WAYS = [*RAISED, None]
WHERE = [("line", scaled(83, 1)), ("opcode", scaled(1499, 41))]


@pytest.mark.filterwarnings("ignore::dsice.DsiceWarning")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("what", "stride"), [("line", scaled(83, 1)), ("opcode", scaled(1499, 41))]
)
def test_an_exception_anywhere(
    tmp_path: Path, begun: Path, note: Note, name: str, what: str, stride: int
) -> None:
    losses = Losses(what)
    at, came = len(name) % stride, True
    with Handlers() as handlers:
        while came:
            # the signals take turns, and so do one that comes alone and two
            turn = at // stride
            number = WAYS[turn % len(WAYS)]
            again = turn % 7 if turn % 2 and what == "line" else None
            place = Interruption(at, number, again, opcodes=what == "opcode")
            came = play(begun, tmp_path / "study", name, place, losses, off=number is None)
            losses.dead += handlers.dead()
            at += stride
    losses.note(note)
    assert losses.none(), losses
