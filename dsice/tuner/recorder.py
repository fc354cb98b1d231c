"""What a tuner writes: to the journal first, then to the history; what the journal cannot take is kept."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsice.errors import DsiceWarning, JournalError
from dsice.history import History
from dsice.journal import Journal
from dsice.journal.files import replace_file
from dsice.signals import uninterrupted
from dsice.trial import Trial

Made = tuple[dict[str, Any], list[Trial]]


@dataclass(frozen=True)
class Result:
    """Something told: `make` gives its journal line and trials as they follow from the history of the moment.

    Attributes
    ----------
    id
        The trial that was told; None for one that was added, and for a step.
    """

    make: Callable[[], Made]
    id: int | None = None


@dataclass
class Unwritten:
    """Results in hand, in the order told, and the file that has them too."""

    results: list[Result] = field(default_factory=list)
    file: Path | None = None

    def has(self, id: int) -> bool:
        """Whether the end of that trial is in hand."""
        return any(result.id == id for result in self.results)

    def forget(self, id: int) -> None:
        """A result that is told anew."""
        self.results = [result for result in self.results if result.id != id]

    def save(self, journal: Journal) -> str:
        """Write all results to a file, wherever there is room; a sentence that says where."""
        text = "".join(
            json.dumps(result.make()[0], separators=(",", ":")) + "\n" for result in self.results
        ).encode()
        left = journal.left() if journal.gone else b""
        old, name = self.file, f"{journal.path.name}.unwritten-{os.getpid()}.jsonl"
        for folder in dict.fromkeys(
            [journal.path.parent, Path(tempfile.gettempdir()), Path.home()]
        ):
            if _written(folder / name, left + text):
                self.file = folder / name
                break
        else:
            return f"The {_count(self.results)} in hand could be saved nowhere else and stay in the memory of this process"
        if old is not None and old != self.file:
            old.unlink(missing_ok=True)
        if left:
            return f"The whole journal as it was, with the {_count(self.results)} in hand, is saved in {self.file}"
        return (
            f"The {_count(self.results)} in hand stay in this tuner and are written as soon as the journal can be; until then "
            f"{self.file} has them too, and after the end of this process `dsice tell {journal.path} --from {self.file}` takes "
            "them"
        )

    def written(self) -> None:
        """Everything is in the journal now."""
        self.results = []
        if self.file is not None:
            with suppress(OSError):
                self.file.unlink(missing_ok=True)
            self.file = None


def _count(results: Sequence[Result]) -> str:
    return "result" if len(results) == 1 else f"{len(results)} results"


def _written(file: Path, data: bytes) -> bool:
    """Whether all of it is on the disk; half a file is taken away again."""
    try:
        replace_file(file, data)
    except OSError:
        return False
    return True


class Recorder:
    """The writer of one history and its journal, if it has one.

    Attributes
    ----------
    journal
        Where everything is written first; None: only in memory.
    read_from
        The journal of a history that is only looked at.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.journal: Journal | None = None
        self.read_from: Path | None = None
        self._unwritten = Unwritten()

    def check(self) -> None:
        """Raise JournalError for a history that is only looked at."""
        if self.read_from is not None:
            raise JournalError(
                f"journal {self.read_from} was opened to look at (Tuner.read); open it with Tuner(..., journal=...) to write it"
            )

    def commit(self, record: dict[str, Any], trials: Sequence[Trial]) -> None:
        """Written before remembered, and no Ctrl-C between the two."""
        self.check()
        with uninterrupted():
            if self.journal is not None:
                self.journal.append(record)
            for trial in trials:
                self.history.write(trial)

    def tell(self, make: Callable[[], Made], id: int | None = None) -> list[Trial]:
        """Write something told, after what could not be written before; what cannot be written now is kept."""
        self.check()
        if (
            self.journal is not None and not self.journal.open
        ):  # closed, or of another process: nothing to wait for
            self.commit(*make())
        if id is not None:
            self._unwritten.forget(id)
        self._unwritten.results.append(Result(make, id))
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
        """Write all results in hand; the trials of the last."""
        results, trials = self._unwritten.results, list[Trial]()
        try:
            while results:
                with (
                    uninterrupted()
                ):  # what is in the journal must not stay in hand, or it would be written again
                    record, trials = results[0].make()
                    self.commit(record, trials)
                    del results[0]
        except JournalError as error:
            where = "" if self.journal is None else self._unwritten.save(self.journal)
            raise type(error)(f"{error}. {where}") from error
        self._unwritten.written()
        return trials

    def close(self) -> None:
        """Let go of the journal; what could not be written is tried once more, and else stays in its file."""
        if self.journal is not None:
            try:
                self.flush()
            except JournalError as error:
                warnings.warn(str(error), DsiceWarning, stacklevel=3)
            self.journal.close()
