"""What a tuner writes: to the journal first, then to the history; what the journal cannot take is kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dsice.errors import DsiceWarning, JournalError
from dsice.history import History
from dsice.journal import Journal
from dsice.signals import uninterrupted
from dsice.trial import Trial
from dsice.tuner.unwritten import Made, Result, Unwritten


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
