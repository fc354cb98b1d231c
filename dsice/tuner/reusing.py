"""What a tuner was given to reuse, beside what its journal has of it already."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from dsice.errors import DsiceWarning
from dsice.history import History
from dsice.history.sources import SourceTrials
from dsice.journal.loader import JournalLoader
from dsice.journal.sources import reuse_line
from dsice.reuse import MatchedSource, Source, match
from dsice.reuse.source import Given, as_sources
from dsice.space import Space
from dsice.strategies import SupportsAsk, as_strategy
from dsice.tuner.options import StudyOptions
from dsice.typing import Record

Reusable: TypeAlias = "Source | Given"
"""What `Tuner` takes in a list as sources."""


class NewLines(NamedTuple):
    """What a journal does not say yet of the sources that count from now on."""

    new: list[Record]
    options: Record


class Reuse:
    """The sources that a tuner was given.

    Parameters
    ----------
    study
        What is searched.
    given
        The sources.

    Attributes
    ----------
    remarks
        What is to be known of the reading of each, by its name.

    Raises
    ------
    OptionError
        Something is no source, or two have one name.
    """

    def __init__(self, study: StudyOptions, given: Iterable[Any]) -> None:
        self._study = study
        self._given = as_sources(given)
        self.remarks: dict[str, tuple[str, ...]] = {}
        strategy = as_strategy(study.strategy)
        if self._given and strategy.source_weights(study.space, study.history()) is None:
            kind = type(study.strategy).__name__
            _say(f"{kind} takes nothing from sources, which DSICE does; they are kept only", 5)

    def read(self) -> None:
        """Read all of them; DsiceError for one that cannot be used."""
        for source in self._given:
            self._trials(source)

    def history(self, journal: Path | None = None) -> History:
        """A new history with all sources, for a study that begins in this journal or without one.

        Raises
        ------
        DsiceError
            One cannot be used.
        """
        history = self._study.history()
        history.sources = _once([self._trials(source, journal) for source in self._given])
        return history

    def go_on(self, loader: JournalLoader, history: History) -> NewLines:
        """Give a loaded history the sources that count from now on; what is to be written of it.

        A source that the journal has is not read again: a `DsiceWarning` says where it changed,
        moved or is gone.

        Raises
        ------
        DsiceError
            A new one cannot be used.
        """
        known = dict(loader.sources.known)
        before = [source.name for source in loader.sources.in_force]
        new: list[SourceTrials] = []
        names: list[str] = []
        for source in self._given:
            stored = self._stored(source, known, loader.path)
            if stored is None:
                stored = self._trials(source, loader.path, loader.identity)
                new.append(stored)
            names.append(stored.name)
        in_force = [source for name, source in known.items() if name in names]
        new = list(_once([*in_force, *new])[len(in_force) :])
        history.sources = (*in_force, *new)
        after = [source.name for source in in_force]
        options: Record = {} if after == before else {"reuse": [s.name for s in history.sources]}
        if left := [name for name in before if name not in after]:
            _say(f"from here on {_quoted(left)} {'is' if len(left) == 1 else 'are'} left out", 5)
        return NewLines([reuse_line(source) for source in new], options)

    def _trials(
        self, source: Source, journal: Path | None = None, identity: str = ""
    ) -> SourceTrials:
        space, goal = self._study.space, self._study.goal
        if journal is not None:
            source.require_other(journal, "")
        found = source.trials(space, goal)
        if journal is not None:
            source.require_other(journal, identity)
        self.remarks[source.name] = source.remarks(space, goal)
        return found

    def _stored(
        self, source: Source, known: Mapping[str, SourceTrials], journal: Path
    ) -> SourceTrials | None:
        """What the journal has of a source; None: nothing."""
        source.require_other(journal, "")
        now = source.sha256(self._study.space, self._study.goal)
        stored = known.get(source.name)
        if stored is None:
            moved = (one for one in known.values() if one.sha256 == now and _agree(source, one))
            stored = next(moved, None)
            if stored is not None:
                _say(f"{source.name!r} is what the journal has as {stored.name!r}")
            return stored
        reading = "what the journal has of it counts, and it is not read again"
        if now is None:
            _say(f"{source.name!r} is gone or cannot be read; {reading}")
        elif now != stored.sha256:
            _say(f"{source.name!r} has changed; {reading} (under another name it would be)")
        elif not _agree(source, stored):
            _say(f"{source.name!r} has other options; {reading} (under another name it would be)")
        return stored


def _once(sources: Iterable[SourceTrials]) -> tuple[SourceTrials, ...]:
    """Those that differ in what they say; a `DsiceWarning` names the others."""
    found: dict[str, SourceTrials] = {}
    for source in sources:
        own = (source.metric, source.maximize, source.params, source.values, source.states)
        first = found.setdefault(repr(own), source)
        if first is not source:
            _say(f"{source.name!r} has the same content as {first.name!r}, and counts once", 7)
    return tuple(found.values())


def _agree(source: Source, stored: SourceTrials) -> bool:
    """Whether what the journal has was read with the options of a source."""
    return (
        source.metric in (None, stored.metric)
        and source.maximize in (None, stored.maximize)
        and all(
            params.get(name) == value
            for params in stored.params
            for name, value in source.fixed.items()
        )
    )


def _say(what: str, stacklevel: int = 6) -> None:
    warnings.warn(f"reuse: {what}", DsiceWarning, stacklevel=stacklevel)


def _quoted(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def matched_sources(
    strategy: SupportsAsk,
    space: Space,
    history: History,
    remarks: Mapping[str, tuple[str, ...]],
) -> tuple[MatchedSource, ...]:
    """How much of each source of a history lies in a space, with its weight in the search."""
    sources = history.sources
    weights = as_strategy(strategy).source_weights(space, history) if sources else None
    return tuple(
        match(
            source,
            space,
            weight=None if weights is None else float(weights[place]),
            remarks=remarks.get(source.name, ()),
        )
        for place, source in enumerate(sources)
    )
