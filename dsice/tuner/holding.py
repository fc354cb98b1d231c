"""Who has a journal in this process: a cell of a notebook that runs again takes its own over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from weakref import WeakValueDictionary

from dsice.errors import CopyError
from dsice.journal.reader import resolved
from dsice.journal.writer import Journal
from dsice.tuner.recorder import Recorder
from dsice.typing import PathLike


class JournalHolder:
    """The part of a tuner that has a journal to itself.

    A tuner that opened a journal by its path lets go of it for a newer one of the same process,
    unless trials of it run (`working`) or it is in a ``with`` block.
    """

    _recorder: Recorder
    _working = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """A block in which no newer tuner of this process may have the journal."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def close(self) -> None:
        """Let go of the journal."""
        raise NotImplementedError

    def _hold(self) -> None:
        """Note that this tuner opened its journal by its path."""
        if self._recorder.journal is not None:
            _HOLDERS[self._recorder.journal.path] = self

    def _gives_way(self) -> bool:
        """Whether a newer tuner may have the journal."""
        journal = self._recorder.journal
        return journal is not None and journal.open and not self._working

    def __copy__(self) -> NoReturn:
        raise CopyError(_NO_COPY)

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise CopyError(_NO_COPY)

    def __reduce__(self) -> NoReturn:
        raise CopyError(_NO_COPY)


_HOLDERS: WeakValueDictionary[Path, JournalHolder] = WeakValueDictionary()
_NO_COPY = (
    "a Tuner cannot be copied or pickled: it alone writes its history and its journal. Give a "
    "function or another process trial.params, and tell the result here; Tuner.read(journal) looks "
    "at the same study anywhere, and Tuner(space, journal=...) with another journal begins anew"
)


def open_by_path(journal: PathLike, *, create: bool = True) -> Journal:
    """Open a journal to write; an earlier tuner of this process that idles lets go of it.

    Raises
    ------
    LockedError, JournalError
        As `Journal`.
    """
    holder = _HOLDERS.get(resolved(journal))
    if holder is not None and holder._gives_way():
        kept = holder._recorder.journal
        holder.close()  # what it has in hand is written first
        if kept is not None:
            kept.taken_over = True
    return Journal(journal, create=create)
