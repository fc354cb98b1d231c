"""A journal carried over to another space: new levels, new axes, other rules.

It is possible where all that was measured means the same in the new space. What breaks a rule of
the new space stays in the log, and the new header says which trials these are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsice.errors import JournalError, OptionError, OtherStudyError, SpaceError
from dsice.journal.emptied import no_study
from dsice.journal.files import keep_copy, read_file, replace_file
from dsice.journal.format import Kind, encode, stopped_line
from dsice.journal.reader import JournalReader, garbage_uncollected
from dsice.journal.stored_space import stored_space
from dsice.journal.writer import Journal
from dsice.space import Among, Space
from dsice.space.values import as_json
from dsice.typing import Params, PathLike, Point, Record

_BREAKS_A_RULE = "it breaks a rule that was learnt later, and is not measured any more"


@dataclass(frozen=True)
class Extension:
    """What `extend` did.

    Attributes
    ----------
    trials
        How many trials were carried over.
    copy
        The journal as it was; None if the space is the same and nothing was done.
    forbidden
        Ids of the trials that break a rule of the new space.
    """

    trials: int
    copy: Path | None
    forbidden: tuple[int, ...] = ()


def extend(
    journal: PathLike,
    space: Space,
    *,
    given: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    wait: float = 0.0,
) -> Extension:
    """Rewrite a journal for another space in which everything that was measured means the same.

    Axes may have more levels (fewer too, where nothing was measured), axes may be new, and rules
    may be others. Trials that break a `Require` of the new space, a rule that was learnt later,
    stay in the log and inform the search; their points are never asked again, and none of them is
    the best. Those of them that are pending are recorded as stopped. The journal as it was is kept
    beside it. A tuner with the new space then goes on with it.

    Parameters
    ----------
    journal
        The file.
    space
        The new space.
    given
        For each new axis the value that the old trials were measured with, whatever it was called
        then.
    rules
        Functions of the old space's rules by name, where the new space no longer has them.
    wait
        Seconds to wait for another writer.

    Raises
    ------
    OtherStudyError
        The old measurements do not mean the same in the new space; the message says which and why.
    OptionError
        `given` names an axis that is not new.
    SpaceError
        A value of `given` is not on its axis, or a function of an old rule is missing.
    JournalError
        The journal cannot be read or written; it is as it was.

    Examples
    --------
    >>> from dsice import Space, Tuner, extend
    >>> with Tuner({"x": [1, 2]}, journal="run.jsonl") as tuner:
    ...     trial = tuner.add({"x": 1}, 0.5)
    >>> extend("run.jsonl", Space({"x": [1, 2, 4], "y": [0, 1]}), given={"y": 0}).trials
    1
    """
    writer = Journal(journal, wait=wait, create=False)
    try:
        reader = writer.claim()
        if reader.header is None:
            raise no_study(writer.path)
        old = _old_space(writer.path, reader.header, space, rules or {})
        mapping = SpaceMapping(writer.path, old, space, dict(given or {}))
        if not space.difference(reader.header["space"]):
            return Extension(0, None)
        with garbage_uncollected():
            lines = mapping.lines(reader)
        reader.require_good()
        writer.begin()  # a torn last line goes now
        copy = _replace(writer.path, "\n".join(lines) + "\n")
        return Extension(mapping.trials, copy, tuple(mapping.forbidden))
    finally:
        writer.close()


class SpaceMapping:
    """The map from points of the old space to points of the new one.

    Parameters
    ----------
    path
        The journal, for messages.
    old, new
        The two spaces.
    given
        Values of new axes that the old trials were measured with.

    Attributes
    ----------
    trials
        How many trials were carried over so far.
    forbidden
        Those of them that break a rule of the new space, in the order of their ids.
    """

    def __init__(self, path: Path, old: Space, new: Space, given: dict[str, Any]) -> None:
        self._path = path
        self._old = old
        self._new = new
        self._given = given
        self.trials = 0
        self.forbidden: list[int] = []
        self._anywhere = new.without_requirements()
        self._known: dict[Point, Point] = {}
        self._allowed: dict[Point, bool] = {}
        self._pending: dict[int, None] = {}
        for name in given:
            if name not in new.names or name in old.names:
                what = "is no new axis" if name in new.names else "is no axis"
                raise OptionError(
                    f"the value of {name!r} for the old trials: {name!r} {what} of the new space"
                )
            try:
                given[name] = new.axes[name].values[new.axes[name].level(given[name])]
            except SpaceError as error:
                raise SpaceError(f"the value of {name!r} for the old trials: {error}") from error
        if missing := [name for name in old.names if name not in new.names]:
            raise self._refused(
                f"axis {missing[0]!r} is missing in the new space, and its values are part of "
                "every measurement"
            )

    def lines(self, reader: JournalReader) -> list[str]:
        """Lines of the journal for the new space; what is unknown stays as it is."""
        moved = [encode(line) for line in self._moved(reader)]
        now = time.time()
        dropped = [id for id in self.forbidden if id in self._pending]
        moved += [encode(stopped_line(id, now, _BREAKS_A_RULE)) for id in dropped]
        header = dict(reader.header or {})
        before = {"at": now, "space": header["space"], "given": as_json(self._given)}
        before["identity"] = reader.identity  # that of the first line as it was at first
        if self.forbidden:
            before["forbidden"] = self.forbidden
        header |= {"space": self._new.to_dict(), "extended": [*header.get("extended", ()), before]}
        return [encode(self._options(header)), *moved]

    def _moved(self, reader: JournalReader) -> Iterator[Record]:
        """The lines after the header; points that wait and break a rule are left out."""
        for number, _, _, record in reader:
            kind = record["kind"]
            if kind in (Kind.IMPORT, Kind.END):
                continue  # rows that were off the grid may be on it now, and there is more to ask
            try:
                if kind == Kind.ASK:
                    record["trials"] = [self._asked(asked) for asked in record["trials"]]
                    self._pending |= dict.fromkeys(asked["id"] for asked in record["trials"])
                elif kind == Kind.ADD:
                    record["trial"] = self._asked(record["trial"])
                elif kind == Kind.TELL:
                    self._pending.pop(record["id"], None)
                    if "point" in record:
                        record["point"] = self._point(record["point"], record.get("stage", 0))
                elif kind == Kind.RETRY:
                    self._pending[record["id"]] = None
                elif kind == Kind.ENQUEUE:
                    record["point"] = self._point(record["point"], 0)
                    if not self._allows(record["point"]):
                        continue
            except SpaceError as error:
                what = f"trial {record.get('id')}" if kind == Kind.TELL else f"line {number}"
                raise self._refused(f"{what}: {error}") from error
            yield self._options(record) if kind == Kind.OPTIONS else record

    def _asked(self, asked: Record) -> Record:
        """Map a trial of an ask or add line; the direction in its note has an entry per axis."""
        self.trials += 1
        try:
            moved = asked | {"point": self._point(asked["point"], asked.get("stage", 0))}
        except SpaceError as error:
            raise self._refused(
                f"trial {asked['id']} at {self._shown(asked['point'])}: {error}"
            ) from error
        if asked.get("stage", 0) >= 0 and not self._allows(moved["point"]):
            self.forbidden.append(asked["id"])
        if "note" in asked:
            moved["note"] = self._note(asked["note"])
        return moved

    def _allows(self, levels: list[int]) -> bool:
        """Whether the rules of the new space allow a point of it."""
        point = tuple(levels)
        if point not in self._allowed:
            self._allowed[point] = self._new.is_valid(point)
        return self._allowed[point]

    def _note(self, note: Record) -> Record:
        """Map the line of a note; a point of it that the new space has not is left out."""
        direction, through = note.get("direction"), note.get("through")
        if isinstance(direction, list) and len(direction) == len(self._old.names):
            along = dict(zip(self._old.names, direction, strict=True))
            note = note | {"direction": [along.get(name, 0) for name in self._new.names]}
        if through is not None:
            note = {key: value for key, value in note.items() if key != "through"}
            with suppress(SpaceError, TypeError):
                note["through"] = self._point(through, 0)
        return note

    def _point(self, levels: list[int], stage: int) -> list[int]:
        if stage < 0:  # a trial of which nothing but the id is known (`dsice journal repair`)
            return [0] * len(self._new.names)
        point = tuple(levels)
        if point not in self._known:
            self._known[point] = self._anywhere.point(self._params(self._old.params(point)))
        return list(self._known[point])

    def _params(self, params: Params) -> dict[str, Any]:
        """Old params with the given values of the new axes that are active there."""
        known = {**self._given, **params}  # None is a value, too
        levels = [
            self._level(name, known[name]) if name in known else 0 for name in self._new.names
        ]
        active = dict(zip(self._new.names, self._new.active(levels), strict=True))
        for name in self._new.names:
            if active[name] and name not in params and name not in self._given:
                kind = "is new" if name not in self._old.names else "had no value there"
                raise SpaceError(
                    f"parameter {name!r} {kind}; state the value that the old trials were "
                    "measured with"
                )
        return {**params, **{name: v for name, v in self._given.items() if active[name]}}

    def _level(self, name: str, value: object) -> int:
        try:
            return self._new.axes[name].level(value)
        except SpaceError as error:
            raise SpaceError(f"parameter {name!r}: {error}") from error

    def _shown(self, levels: list[int]) -> str:
        try:
            return str(self._old.params(levels))
        except SpaceError:
            return str(levels)

    def _options(self, record: Record) -> Record:
        """Add the given values to the start of a strategy that has one."""
        strategy = record.get("strategy")
        start = strategy.get("start") if isinstance(strategy, dict) else None
        if not start:
            return record
        moved: Any
        given = as_json(self._given)
        if isinstance(start, dict):
            moved = self._start(given | start)
        else:
            moved = [found for params in start if (found := self._start(given | params))] or None
        return record | {"strategy": {**record["strategy"], "start": moved}}

    def _start(self, params: Params) -> Params | None:
        """The start of a strategy; None where a rule forbids it."""
        with suppress(SpaceError):
            levels = self._anywhere.point(self._anywhere.nearest(params))
            return params if self._allows(list(levels)) else None
        return params

    def _refused(self, reason: str) -> OtherStudyError:
        return OtherStudyError(
            f"journal {self._path} cannot be extended to the new space: {reason}. Nothing was "
            "changed; change the space so that the old measurements mean the same in it, or give "
            "the new study a journal of its own"
        )


def _old_space(path: Path, header: Record, space: Space, rules: Mapping[str, Any]) -> Space:
    """Rebuild the space of the journal, with the functions of the new space and `rules`."""
    known = {
        # a set of points of the new grid need not be one of the old
        name: rule
        for name, rule in space.named_rules.items()
        if not isinstance(rule, Among)
    }
    try:
        return stored_space(header["space"], known | dict(rules), to_measure=False)
    except SpaceError as error:
        raise SpaceError(f"journal {path}: {error}") from error


def _replace(path: Path, text: str) -> Path:
    """Replace the content of the journal; the old content is in the file that is returned."""
    copy: Path | None = None
    temporary = path.with_name(f"{path.name}.extended-{os.getpid()}")
    try:
        copy = keep_copy(path, "before-extend", read_file(path))
        replace_file(path, text, temporary=temporary)
    except OSError as error:
        if copy is not None:
            with suppress(OSError):  # a copy of a journal that did not change
                copy.unlink(missing_ok=True)
        raise JournalError(
            f"journal {path}: cannot be extended ({error.strerror}); it is as it was"
        ) from error
    return copy
