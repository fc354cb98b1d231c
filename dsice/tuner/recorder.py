"""What a tuner writes: to the journal first, then to the history.

A result is kept in hand until it is in the journal. What the journal cannot take, as on a full
disk, stays in hand and in a file of its own, and is written before anything told later.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from dsice.errors import DsiceWarning, JournalError
from dsice.history import History
from dsice.history.curve import NewSteps
from dsice.journal.requests import REQUESTS
from dsice.journal.writer import Journal
from dsice.trial import Trial
from dsice.tuner.saving import save
from dsice.typing import Record

LinesAndTrials = tuple[Sequence[Record], Sequence[Trial | NewSteps]]
"""Lines of the journal, and the trials and steps that they bring into the history."""


@dataclass(frozen=True)
class Entry:
    """Lines on their way into the journal, then the history.

    Attributes
    ----------
    lines, trials
        As in `LinesAndTrials`; the lines are written all or none.
    start
        The size of the journal before them.
    then
        Called when the trials are in the history. An exception may come at any line (Ctrl-C, a
        signal), and then it is called once more: the second call must change nothing.
    """

    lines: Sequence[Record]
    trials: Sequence[Trial | NewSteps]
    start: int
    then: Callable[[], object] | None


@dataclass(frozen=True)
class HeldResult:
    """Something that was told and is to be written.

    Attributes
    ----------
    make
        Makes its lines and trials, as they follow from the history of the moment.
    id
        The trial that was told; None for one that was added, and for a step.
    then
        Called with the trials when they are in the history, as `Entry.then`.
    """

    make: Callable[[], LinesAndTrials]
    id: int | None = None
    then: Callable[[Sequence[Any]], object] | None = None


@dataclass
class Unwritten:
    """Results in hand, in the order told, and the file that has them too.

    Attributes
    ----------
    results
        The results.
    file
        Where they were saved; None while all could be written.
    token
        Part of the file's name that nobody else can foresee.
    """

    results: list[HeldResult] = field(default_factory=list)
    file: Path | None = None
    token: str = field(default_factory=lambda: os.urandom(4).hex())

    def has(self, id: int) -> bool:
        """Whether the end of that trial is in hand."""
        return any(result.id == id for result in self.results)

    def hold(self, new: HeldResult) -> None:
        """Add a result; it replaces one that was told of the same trial before."""
        self.results = [r for r in self.results if r.id is None or r.id != new.id] + [new]

    def drop(self, written: HeldResult) -> None:
        """Forget a result, which is in the journal now."""
        self.results = [result for result in self.results if result is not written]

    def save(self, journal: Journal) -> str:
        """Write all results to a file that has room, with the whole journal if that is gone.

        Returns
        -------
        str
            A sentence that says where they are.
        """
        name = f"{journal.path.name}.unwritten-{os.getpid()}-{self.token}.jsonl"
        lines = [line for result in self.results for line in result.make()[0]]
        file, where = save(journal, name, lines, len(self.results))
        if file is not None:
            old, self.file = self.file, file
            if old is not None and old != file:
                with suppress(OSError):
                    old.unlink(missing_ok=True)
        return where

    def remove_file(self) -> None:
        """Remove the file of results that are in the journal now."""
        if self.file is not None:
            with suppress(OSError):
                self.file.unlink(missing_ok=True)
            self.file = None


class Mutex:
    """A reentrant lock of tuners that no exception leaves locked for good.

    An exception may come between taking the lock and the block that it guards, or before it is
    given back. Who waits for it then sees that no thread is at work in a tuner.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        lock = self._lock
        while not lock.acquire(timeout=_PATIENCE) or lock is not self._lock:
            if lock is self._lock and not _others_at_work():
                self._lock = threading.RLock()
            lock = self._lock

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_PATIENCE = 0.2  # seconds after which a lock is looked at more closely


def _others_at_work() -> bool:
    """Whether another thread is in a tuner, and not waiting for the lock itself."""
    own = threading.get_ident()
    others = [
        {frame.f_code for frame in frames(thread)}
        for thread in sys._current_frames()
        if thread != own
    ]
    return any(
        Mutex.__enter__.__code__ not in codes
        and any(code.co_filename.startswith(_HERE) for code in codes)
        for codes in others
    )


def frames(thread: int) -> Iterator[FrameType]:
    """The calls that a thread is in, the innermost first."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        yield frame
        frame = frame.f_back


_HERE = str(Path(__file__).parent)


class Recorder:
    """The writer of one history and its journal, if it has one.

    Parameters
    ----------
    history
        All trials.
    journal
        The journal that is written first; None: everything is only in memory.
    read_from
        The journal of a history that is only looked at.
    """

    def __init__(
        self, history: History, journal: Journal | None = None, *, read_from: Path | None = None
    ) -> None:
        self.mutex = Mutex()
        self.journal = journal
        self._history = history
        self.read_from = read_from
        self._unwritten = Unwritten()
        self._entry: Entry | None = None

    @property
    def history(self) -> History:
        """All trials: those that are in the journal, whatever interrupted the call that wrote them.

        Where the journal cannot be read now, what the last call wrote may be missing.
        """
        if self._entry is not None:
            with self.mutex, suppress(JournalError):
                self.settle()
        return self._history

    @property
    def requested(self) -> bool:
        """Whether another process left requests beside the journal."""
        return self.journal is not None and os.path.lexists(f"{self.journal.path}{REQUESTS}")

    def check(self) -> None:
        """Raise JournalError for a history that is only looked at."""
        if self.read_from is not None:
            raise JournalError(
                f"journal {self.read_from} was opened to look at (Tuner.read); open it with "
                "Tuner(..., journal=...) to write it"
            )

    def commit(
        self,
        lines: Sequence[Record],
        trials: Sequence[Trial | NewSteps],
        then: Callable[[], object] | None = None,
    ) -> None:
        """Write lines with one write, then take their trials into the history.

        Parameters
        ----------
        lines, trials, then
            As in `Entry`.

        Raises
        ------
        JournalError
            They cannot be written; nothing is recorded. A journal that is damaged is saved.
        """
        self.check()
        try:
            self._commit(lines, trials, then)
        except JournalError as error:
            if self.journal is None or not self.journal.gone:
                raise
            raise type(error)(f"{error}. {self._unwritten.save(self.journal)}") from error

    def _commit(
        self,
        lines: Sequence[Record],
        trials: Sequence[Trial | NewSteps],
        then: Callable[[], object] | None,
    ) -> None:
        self.settle()
        start = 0
        if self.journal is not None:
            self.journal.begin()
            start = self.journal.size
        self._write(Entry(lines, trials, start, then))

    def _write(self, entry: Entry) -> None:
        self._entry = entry
        if self.journal is not None and entry.lines:
            self.journal.append(*entry.lines)
        self._take_in(entry)

    def settle(self) -> None:
        """Complete or forget what an exception interrupted, by what the journal has of it.

        Lines that are in the journal as a whole are taken into the history; otherwise nothing was
        recorded.

        Raises
        ------
        JournalError
            The journal cannot be read, or is being written: a signal handler called.
        """
        entry = self._entry
        if entry is None or (self.journal is not None and not self.journal.open):
            return
        if self._is_writing():
            raise JournalError(
                "the tuner was called by a signal handler while it was writing, and nothing of "
                "that call was recorded; let the handler set a flag, and call when it has returned"
            )
        self._finish(entry)

    def _finish(self, entry: Entry) -> None:
        if self.journal is not None:
            self.journal.settle()
            if self.journal.size == entry.start:
                self._entry = None
                return
        self._take_in(entry)

    def _take_in(self, entry: Entry) -> None:
        for trial in entry.trials:
            self._history.write(trial)
        if entry.then is not None:
            entry.then()
        self._entry = None

    def _is_writing(self) -> bool:
        """Whether this was called in the middle of writing, which only a signal handler can."""
        return any(
            frame.f_code in _WRITING and frame.f_locals["self"] is self
            for frame in frames(threading.get_ident())
        )

    def tell(
        self,
        make: Callable[[], LinesAndTrials],
        id: int | None = None,
        then: Callable[[Sequence[Any]], object] | None = None,
    ) -> Sequence[Any]:
        """Write something told, after what could not be written before.

        What cannot be written now stays in hand.

        Parameters
        ----------
        make, id, then
            As in `HeldResult`.

        Returns
        -------
        sequence of Trial or NewSteps
            What `make` gave.
        """
        self.check()
        self.settle()
        if self.journal is not None and not self.journal.open:
            # It is closed, or belongs to another process: there is nothing to wait for.
            self.commit(*make())
        self._unwritten.hold(HeldResult(make, id, then))
        return self._write_all()

    def in_hand(self) -> list[Trial]:
        """The trials that were told or added and could not be written yet."""
        made = [trial for result in self._unwritten.results for trial in result.make()[1]]
        return [trial for trial in made if isinstance(trial, Trial)]

    def has(self, id: int) -> bool:
        """Whether the end of that trial was told and could not be written yet."""
        return self._unwritten.has(id)

    @property
    def unwritten(self) -> int:
        """How many results could not be written yet."""
        _ = self.history  # settled
        return len(self._unwritten.results)

    def flush(self) -> None:
        """Write what could not be written before, or was interrupted."""
        self.settle()
        if self._unwritten.results and self.journal is not None and self.journal.open:
            self._write_all()

    def _write_all(self) -> Sequence[Any]:
        """Write all results in hand, and return the trials of the last."""
        trials: Sequence[Any] = []
        try:
            while self._unwritten.results:
                held = self._unwritten.results[0]
                lines, trials = held.make()
                self._commit(lines, trials, partial(self._written, held, trials))
        except JournalError as error:
            where = "" if self.journal is None else self._unwritten.save(self.journal)
            raise type(error)(f"{error}. {where}") from error
        self._unwritten.remove_file()
        return trials

    def _written(self, held: HeldResult, trials: Sequence[Any]) -> None:
        if held.then is not None:
            held.then(trials)
        self._unwritten.drop(held)

    def close(self) -> None:
        """Let go of the journal, after one more try to write what is in hand."""
        if self.journal is not None:
            try:
                self.flush()
                if len(self.history) and self.journal.gone:
                    what = f"journal {self.journal.path} has no longer what was written to it. "
                    raise JournalError(what + self._unwritten.save(self.journal))
            except JournalError as error:
                with suppress(JournalError):  # no half of what was given up stays in the file
                    self.settle()
                warnings.warn(str(error), DsiceWarning, stacklevel=3)  # which may be an error
            self.journal.close()  # not after another exception: then there may be more to write


_WRITING = (Recorder._write.__code__, Recorder._finish.__code__)
