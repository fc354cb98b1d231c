"""Opening a study: with a journal to write, to go on with or to look at, or in memory only.

A journal is compared with the study. Format and space must be the same; strategy, goal, stopper,
budget and seed may change, and what changed is noted in the journal.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NoReturn, Self
from weakref import WeakValueDictionary

import numpy as np

from dsice.checks import expanded
from dsice.errors import CopyError
from dsice.journal.format import header_line, options_line, study_identity
from dsice.journal.loader import JournalLoader
from dsice.journal.reader import resolved
from dsice.journal.revisions import Revisions
from dsice.journal.sources import reuse_line
from dsice.journal.writer import Journal
from dsice.reuse import MatchedSource
from dsice.trial import State, Trial
from dsice.tuner.asking import Handout
from dsice.tuner.options import (
    Orphans,
    Rules,
    StudyOptions,
    check_orphans,
    only_rank_zero,
)
from dsice.tuner.recorder import Recorder
from dsice.tuner.reusing import Reuse, matched_sources
from dsice.tuner.runs import Runs
from dsice.tuner.stored import (
    check_goal,
    check_space,
    lacks_rules,
    stored_options,
    stored_stopper,
    warn_of_conditions,
    warn_of_means,
    warn_of_time,
)
from dsice.typing import PathLike, Record


class OpenStudy:
    """A study with its history and, if it has one, the journal that it writes.

    It is the part of `Tuner` that opens and closes.

    Attributes
    ----------
    space, strategy, stopper, max_trials, seed
        As in `Tuner`.
    lacks_rules
        Whether rules of the space are Python functions that are not here: nothing can be asked.
    identity
        Letters and digits by which the study is told from all others; the same as long as its
        journal is kept, random without one.
    """

    _remarks: Mapping[str, tuple[str, ...]] = {}  # on the reading of sources, by their names
    _noted_end: tuple[Record, object] | None  # the end line, and how the study stood then
    lacks_rules = False
    _working = 0  # runs and `with` blocks that need the journal

    def _begin(
        self,
        study: StudyOptions,
        recorder: Recorder,
        loaded: JournalLoader | None = None,
        orphans: Orphans = "keep",
    ) -> None:
        """Take over a study; `loaded` is what its journal held."""
        with _closed_on_error(recorder.journal):
            self.space = study.space
            self.strategy = study.strategy
            self.stopper = study.stopper
            self.max_trials = study.max_trials
            self.seed = study.seed
            self._recorder = recorder
            self._mutex = recorder.mutex
            self.identity = os.urandom(32).hex()
            if loaded is not None:
                self.identity = loaded.identity
            elif recorder.journal is not None:  # just begun
                header = recorder.journal.content().partition(b"\n")[0]
                self.identity = study_identity(header, {})
            self._queue = [] if loaded is None else loaded.queue
            if loaded is not None:
                warn_of_means(recorder.history)
            self._lost_runs = Counter[int]() if loaded is None else loaded.lost_runs
            self._prepared = {} if loaded is None else loaded.preparations
            self._revisions = Revisions() if loaded is None else loaded.revisions
            self._decided = {} if loaded is None else loaded.decisions
            end = None if loaded is None else loaded.end
            self._noted_end = None if end is None else (end, self._standing())
            self._imports = [] if loaded is None else loaded.imports
            pending = [t.id for t in recorder.history.pending()]
            self._handout = Handout(pending if orphans == "again" else ())

    @classmethod
    def read(cls, journal: PathLike, *, rules: Rules = None) -> Self:
        """The study of a journal as it stands, to look at only, also while another process writes.

        Parameters
        ----------
        journal
            The file.
        rules
            Callable rules of the space by name. Nothing is asked, so none need be given; parameters
            whose condition is one are then shown as if they were always active.

        Raises
        ------
        JournalError
            There is no such file, it is damaged, or no study was started in it yet.
        """
        loader = JournalLoader.open(journal)
        study = stored_options(loader, rules, to_ask=False)
        history = study.history()
        loader.fill(history, study.space)
        opened = cls.__new__(cls)
        warn_of_conditions(loader, rules)
        opened._begin(study, Recorder(history, read_from=loader.path), loader)
        opened.lacks_rules = lacks_rules(loader, rules)
        return opened

    @classmethod
    def resume(
        cls,
        journal: PathLike | Journal,
        *,
        orphans: Orphans = "again",
        rules: Rules = None,
    ) -> Self:
        """Go on with the study of a journal, with the options in force there.

        The arguments and errors are those of `Tuner` and `Tuner.read`; the journal must exist, and
        a function that `rules` lacks is a SpaceError.
        """
        return cls._resumed(journal, orphans, rules, to_ask=True)

    @classmethod
    def to_record(cls, journal: PathLike | Journal) -> Self:
        """Open the study of a journal to tell, withdraw and retry, not to ask.

        Rules and a strategy of somebody's own, which are Python, need not be here. The journal must
        exist; the errors are those of `resume`.
        """
        return cls._resumed(journal, "keep", None, to_ask=False)

    @classmethod
    def _resumed(
        cls, journal: PathLike | Journal, orphans: Orphans, rules: Rules, *, to_ask: bool
    ) -> Self:
        only_rank_zero()
        check_orphans(orphans)
        by_path = not isinstance(journal, Journal)
        writer = journal if isinstance(journal, Journal) else open_by_path(journal, create=False)
        reader = writer.claim()
        with _closed_on_error(writer):
            loader = JournalLoader(reader)
            study = stored_options(loader, rules, to_ask=to_ask)
            history = study.history()
            loader.fill(history, study.space)
            study = replace(study, stopper=stored_stopper(loader))
            writer.begin()
        opened = cls.__new__(cls)
        opened._begin(study, Recorder(history, writer), loader, orphans)
        if by_path:
            opened._hold()
        opened.lacks_rules = lacks_rules(loader, rules)
        return opened

    @cached_property
    def runs(self) -> Runs:
        """Learning curves, lost runs and preparations, for whoever launches trials."""
        return Runs(self._recorder, self._lost_runs, self._prepared, self._decided)

    @property
    def journal(self) -> Path | None:
        """The file that everything is written to; None without one."""
        journal = self._recorder.journal
        return None if journal is None else journal.path

    @property
    def preparations(self) -> dict[str, str]:
        """Directories of what was prepared, by name."""
        return self.runs.preparations

    @property
    def sources(self) -> tuple[MatchedSource, ...]:
        """The sources that inform the search: what of each lies in the space, and its weight."""
        with self._mutex:
            return matched_sources(self.strategy, self.space, self._recorder.history, self._remarks)

    @property
    def orphans(self) -> list[Trial]:
        """Pending trials that an earlier run left; the next asks hand them out again."""
        with self._mutex:
            ids = self._handout.ids(self._recorder)
            return [self._recorder.history[id] for id in ids]

    def adopt(self, id: int) -> None:
        """Take over an orphan whose run is followed again; the next asks do not hand it out."""
        with self._mutex:
            self._handout.remove([id])

    def give_back(self, ids: Iterable[int]) -> None:
        """Let the next asks hand out trials again, unless they were told."""
        with self._mutex:
            self._handout.add(ids)

    def _standing(self) -> object:
        """All that the end of a search follows from and that may change while it is open."""
        states = self._recorder.history.states().tobytes()
        return states, tuple(self._queue), self._revisions.tries.total()

    def pending_ids(self) -> list[int]:
        """Ids of the trials that are asked and not told."""
        return np.flatnonzero(self._recorder.history.in_state(State.PENDING)).tolist()

    @property
    def run_seconds(self) -> float:
        """Run time of all trials that this study ran, seconds; those of added ones do not count.

        What was run before a trial was tried again, or withdrawn, counts.
        """
        history = self._recorder.history
        own = history.seconds()[~history.added()]
        return float(np.nansum(own)) + self._revisions.seconds

    def tries(self, id: int) -> int:
        """How often `Tuner.retry` made a trial pending again."""
        return self._revisions.tries[id]

    @property
    def requested(self) -> bool:
        """Whether another process asked for something (`Tuner.take_requests`)."""
        return self._recorder.requested

    @property
    def unwritten(self) -> int:
        """How many results are in hand that the journal could not take yet."""
        return self._recorder.unwritten

    def flush(self) -> None:
        """Write what the journal could not take before; every other call that writes does it first.

        Raises
        ------
        JournalError
            It still cannot be written; nothing is lost.
        """
        with self._mutex:
            self._recorder.flush()

    @contextmanager
    def working(self) -> Iterator[None]:
        """A block in which no newer tuner of this process may have the journal."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def _hold(self) -> None:
        """Note that this tuner opened its journal by its path: a newer one may take it over."""
        if self._recorder.journal is not None:
            _HOLDERS[self._recorder.journal.path] = self

    def __reduce__(self) -> NoReturn:
        raise CopyError(_NO_COPY)

    def __enter__(self) -> Self:
        self._working += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._working -= 1
        self.close()

    def close(self) -> None:
        """Let go of the journal; a second call does nothing.

        What could not be written is tried once more.
        """
        with self._mutex:
            self._recorder.close()


_HOLDERS: WeakValueDictionary[Path, OpenStudy] = WeakValueDictionary()
_NO_COPY = (
    "a Tuner cannot be copied or pickled: it alone writes its history and its journal. Give a "
    "function or another process trial.params, and tell the result here; Tuner.read(journal) looks "
    "at the same study anywhere, and Tuner(space, journal=...) with another journal begins anew"
)


def open_by_path(journal: PathLike, *, create: bool = True) -> Journal:
    """Open a journal to write; an earlier tuner of this process that idles lets go of it.

    So a cell of a notebook that runs again takes its own journal over. The errors are those of
    `Journal`.
    """
    holder = _HOLDERS.get(resolved(journal))
    held = None if holder is None else holder._recorder.journal
    if holder is not None and held is not None and held.open and not holder._working:
        holder.close()  # what it has in hand is written first
        held.taken_over = True
    return Journal(journal, create=create)


def open_journal(
    study: StudyOptions, journal: PathLike | Journal, reuse: Reuse | None = None
) -> tuple[Recorder, JournalLoader | None]:
    """Go on with a journal under these options, or begin an empty one with them.

    Returns
    -------
    recorder, loader
        The recorder writes the journal, and its history has the trials; the loader knows what else
        the journal holds. None: the journal was empty.

    Raises
    ------
    OtherStudyError
        The journal is about another space, or its trials lack what the goal needs.
    LockedError, JournalError
        It cannot be used.
    """
    if reuse and not isinstance(journal, Journal) and not expanded(journal).exists():
        reuse.read()  # a source that is wrong leaves no journal behind
    writer = journal if isinstance(journal, Journal) else open_by_path(journal)
    reader = writer.claim()
    with _closed_on_error(writer):
        if reader.header is None:
            history = reuse.history(writer.path) if reuse else study.history()
            header = header_line(study.space.to_dict(), study.to_dict())
            writer.append(header, *map(reuse_line, history.sources))
            writer.begun()
            return Recorder(history, writer), None
        check_space(writer.path, study.space, reader.header)
        loader = JournalLoader(reader)
        history = study.history()
        loader.fill(history, study.space)
        check_goal(writer.path, history)
        writer.begin()
        known = {"stopper": None} | loader.options
        warn_of_time(history, known)
        changed = {
            name: value
            for name, value in study.to_dict().items()
            if name not in known or known[name] != value
        }
        lines, left_out = reuse.go_on(loader, history) if reuse else ([], {})
        if changed := changed | left_out:
            lines.append(options_line(changed))
        if lines:
            writer.append(*lines)
            loader.end = None
        if "stopper" in changed:
            loader.decisions.clear()
    return Recorder(history, writer), loader


@contextmanager
def _closed_on_error(journal: Journal | None) -> Iterator[None]:
    """Let go of a journal that cannot be used, or whose opening was interrupted."""
    try:
        yield
    except BaseException:
        if journal is not None:
            journal.close()
        raise
