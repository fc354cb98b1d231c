"""What a tuner writes: to the journal first, then to the history.

A result is kept in hand until it is in the journal. What the journal cannot take, as on a full
disk, stays in hand and in a file of its own, and is written before anything told later.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import getpid
from pathlib import Path
from typing import Any

from dsice.errors import DsiceWarning, JournalError
from dsice.history import History
from dsice.history.curve import NewSteps
from dsice.journal.files import replace_file
from dsice.journal.format import encode
from dsice.journal.writer import Journal
from dsice.trial import Trial
from dsice.typing import Record

LineAndTrials = tuple[Record | Sequence[Record], Sequence[Trial | NewSteps]]
"""One line of the journal, or many, and the trials and steps that they bring into the history."""


@dataclass(frozen=True)
class HeldResult:
    """Something that was told and is to be written.

    Attributes
    ----------
    make
        Makes its line and trials, as they follow from the history of the moment.
    id
        The trial that was told; None for one that was added, and for a step.
    """

    make: Callable[[], LineAndTrials]
    id: int | None = None


@dataclass
class Unwritten:
    """Results in hand, in the order told, and the file that has them too.

    Attributes
    ----------
    results
        The results.
    file
        Where they were saved; None while all could be written.
    """

    results: list[HeldResult] = field(default_factory=list)
    file: Path | None = None

    def has(self, id: int) -> bool:
        """Whether the end of that trial is in hand."""
        return any(result.id == id for result in self.results)

    def forget(self, id: int) -> None:
        """Drop the result of a trial that is told anew."""
        self.results = [result for result in self.results if result.id != id]

    def save(self, journal: Journal) -> str:
        """Write all results to a file, wherever there is room.

        Returns
        -------
        str
            A sentence that says where they are.
        """
        text = "".join(encode(line) + "\n" for r in self.results for line in _lines(r)).encode()
        left = journal.content() if journal.gone else b""
        old = self.file
        name = f"{journal.path.name}.unwritten-{getpid()}.jsonl"
        folders = dict.fromkeys([journal.path.parent, Path(tempfile.gettempdir()), Path.home()])
        for folder in folders:
            if _written(folder / name, left + text):
                self.file = folder / name
                break
        else:
            return (
                f"The {_count(self.results)} in hand could be saved nowhere else and stay in the "
                "memory of this process"
            )
        if old is not None and old != self.file:
            old.unlink(missing_ok=True)
        if left:
            return (
                f"The whole journal as it was, with the {_count(self.results)} in hand, is saved "
                f"in {self.file}"
            )
        return (
            f"The {_count(self.results)} in hand stay in this tuner and are written as soon as the "
            f"journal can be; until then {self.file} has them too, and after the end of this "
            f"process `dsice tell {journal.path} --from {self.file}` takes them"
        )

    def clear(self) -> None:
        """Forget all results, which are in the journal now, and remove the file."""
        self.results = []
        if self.file is not None:
            with suppress(OSError):
                self.file.unlink(missing_ok=True)
            self.file = None


def _count(results: Sequence[HeldResult]) -> str:
    return "result" if len(results) == 1 else f"{len(results)} results"


def _written(file: Path, data: bytes) -> bool:
    """Write a file; whether that could be done."""
    try:
        replace_file(file, data)
    except OSError:
        return False
    return True


def _lines(result: HeldResult) -> Sequence[Record]:
    line = result.make()[0]
    return [line] if isinstance(line, dict) else line


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
        self.history = history
        self.journal = journal
        self._read_from = read_from
        self._unwritten = Unwritten()

    def check(self) -> None:
        """Raise JournalError for a history that is only looked at."""
        if self._read_from is not None:
            raise JournalError(
                f"journal {self._read_from} was opened to look at (Tuner.read); open it with "
                "Tuner(..., journal=...) to write it"
            )

    def commit(self, line: Record | Sequence[Record], trials: Sequence[Trial | NewSteps]) -> None:
        """Write a line, then remember its trials, with no Ctrl-C between the two."""
        self.check()
        with uninterrupted():
            if self.journal is not None:
                self.journal.append(*([line] if isinstance(line, dict) else line))
            for trial in trials:
                self.history.write(trial)

    def tell(self, make: Callable[[], LineAndTrials], id: int | None = None) -> list[Trial]:
        """Write something told, after what could not be written before.

        What cannot be written now stays in hand.

        Parameters
        ----------
        make, id
            As in `HeldResult`.

        Returns
        -------
        list of Trial
            The trials that `make` gave.
        """
        self.check()
        if self.journal is not None and not self.journal.open:
            # It is closed, or belongs to another process: there is nothing to wait for.
            self.commit(*make())
        if id is not None:
            self._unwritten.forget(id)
        self._unwritten.results.append(HeldResult(make, id))
        return self._write_all()

    def has(self, id: int) -> bool:
        """Whether the end of that trial was told and could not be written yet."""
        return self._unwritten.has(id)

    @property
    def unwritten(self) -> int:
        """How many results could not be written yet."""
        return len(self._unwritten.results)

    def flush(self) -> None:
        """Write what could not be written before."""
        if self._unwritten.results and self.journal is not None and self.journal.open:
            self._write_all()

    def _write_all(self) -> list[Trial]:
        """Write all results in hand, and return the trials of the last."""
        results = self._unwritten.results
        trials: Sequence[Trial | NewSteps] = []
        try:
            while results:
                # What is in the journal must not stay in hand, or it would be written again.
                with uninterrupted():
                    line, trials = results[0].make()
                    self.commit(line, trials)
                    del results[0]
        except JournalError as error:
            where = "" if self.journal is None else self._unwritten.save(self.journal)
            raise type(error)(f"{error}. {where}") from error
        self._unwritten.clear()
        return [trial for trial in trials if isinstance(trial, Trial)]

    def close(self) -> None:
        """Let go of the journal, after one more try to write what is in hand."""
        if self.journal is not None:
            try:
                self.flush()
            except JournalError as error:
                warnings.warn(str(error), DsiceWarning, stacklevel=3)
            self.journal.close()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back to the end of the block; only the main thread ever gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        yield
        return
    came: list[Any] = []
    signal.signal(signal.SIGINT, lambda *what: came.append(what))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])
