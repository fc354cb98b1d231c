"""Taking damage out of a journal: what can be saved stays, everything else is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsice.errors import JournalError
from dsice.journal.emptied import no_study, was_emptied
from dsice.journal.files import keep_copy, read_file, replace_file
from dsice.journal.format import Kind, encode, lost_line, repaired_ask_line
from dsice.journal.lock import JournalLock
from dsice.journal.reader import parse, read, resolved
from dsice.journal.sequence import LineSequence
from dsice.trial import State
from dsice.typing import PathLike, Record

MOST_GONE = 100_000  # trials that one unreadable line may have asked
_IDENTITY = ("point", "stage", "repeat", "member")


@dataclass
class Repair:
    """What `repair` did.

    Attributes
    ----------
    kept
        How many lines after the header were kept.
    removed
        (line number, why) of the lines taken out.
    restored
        Told trials whose ask line was gone; their points come from their tell lines.
    gone
        Ids of trials of which nothing but the id is known any more.
    copy
        The file as it was; None if nothing was wrong.
    """

    kept: int = 0
    removed: list[tuple[int, str]] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    copy: Path | None = None


def repair(path: PathLike) -> Repair:
    """Take damaged lines out of a journal; the file as it was is kept beside it.

    A torn last line is no damage in this sense: opening the journal cuts it off.

    Raises
    ------
    LockedError
        A coordinator is writing it.
    JournalError
        The file cannot be read or written, or its header is damaged.
    """
    file = resolved(path)
    reader = read(file)
    if reader.header is None and was_emptied(file):
        raise no_study(file)
    if not reader.bad:
        return Repair(kept=len(reader.records))
    lock = JournalLock(file, lock=True)
    try:
        lock.take(0.0)
        read(file)  # again, now that nobody else writes
        data = read_file(file)
        lines = data.split(b"\n")
        done = Repair(copy=keep_copy(file, "damaged", data))
        stored = {} if reader.header is None else reader.header["space"]
        axes = len(stored["axes"]) if isinstance(stored.get("axes"), list) else 0
        good = [lines[0], *_repaired(_readable(lines[1:-1], done), axes, done)]
        temporary = file.with_name(f"{file.name}.repair-{lock.nonce[:8]}")
        replace_file(file, b"\n".join(good) + b"\n" + lines[-1], temporary=temporary)
    except OSError as error:
        if isinstance(error, JournalError):
            raise
        raise JournalError(
            f"journal {file}: cannot be repaired ({error.strerror}); the file is as it was"
        ) from error
    finally:
        lock.release()
    return done


Numbered = tuple[int, bytes, Record]
"""A line: its number, its text, and what it says."""


def _readable(lines: Sequence[bytes], done: Repair) -> list[Numbered]:
    """Lines that are records, also those between NUL bytes and two on one line."""
    found = []
    for number, line in enumerate(lines, 2):
        pieces = _pieces(line.strip(b"\0"))
        found += [
            (number, piece, record) for piece in pieces if (record := parse(piece)[0]) is not None
        ]
        if not pieces or parse(pieces[-1])[0] is None:
            done.removed.append((number, parse(line)[1]))
    return found


def _pieces(line: bytes) -> list[bytes]:
    """Cut a line where one JSON value ends and the next begins.

    What cannot be read is the last piece.
    """
    pieces = []
    try:
        text = line.decode()
        while text:
            end = json.JSONDecoder().raw_decode(text)[1]
            pieces.append(text[:end].encode())
            text = text[end:].lstrip()
    except (ValueError, RecursionError):
        pieces.append(line)
    return pieces


def _repaired(lines: Sequence[Numbered], axes: int, done: Repair) -> Iterator[bytes]:
    """Keep the lines that fit together; put what is known of lost ask lines in their place."""
    sequence = LineSequence()
    round = 0
    told = {
        record["id"]: record
        for _, _, record in lines
        if record["kind"] == Kind.TELL and isinstance(record.get("id"), int) and "point" in record
    }
    unreadable = [number for number, _ in done.removed]
    ends = _Ends([*unreadable])
    for place, (number, line, record) in enumerate(lines):
        # Where the ids jump after an unreadable line, that line asked the trials between. Any
        # other jump is an error of its own.
        missing = _trials_before(record) - sequence.next_id
        if 0 < missing <= MOST_GONE and unreadable and unreadable[0] < number:
            unreadable = [n for n in unreadable if n > number]
            first = sequence.next_id
            gap = range(first, _next_asked(first, lines, place))
            for filler in _fill(gap, told, axes, round, done):
                sequence.accept(filler)
                yield encode(filler).encode()
            round += 1
        for filler in ends.missing_before(record, number, sequence):
            sequence.accept(filler)
            yield encode(filler).encode()
        if record["kind"] == Kind.IMPORT and any(n < number for n, _ in done.removed):
            continue  # a row of it may be among what was removed
        problem = sequence.accept(record)
        if problem:
            done.removed.append((number, problem))
            unreadable.append(number)
            continue
        if record["kind"] == Kind.ASK:
            unreadable = [n for n in unreadable if n > number]
            round = record["round"] + 1 if isinstance(record.get("round"), int) else round
        done.kept += 1
        yield line
    done.removed.sort()


class _Ends:
    """Where the lines that end trials stand, and which of them an unreadable line must have been.

    Parameters
    ----------
    unreadable
        Numbers of the unreadable lines; of a trial each stands for one line at most.
    """

    def __init__(self, unreadable: Sequence[int]) -> None:
        self._unreadable = unreadable
        self._last: dict[int, int] = {}

    def missing_before(
        self, record: Mapping[str, Any], number: int, sequence: LineSequence
    ) -> list[Record]:
        """Lines that fit a line to those before it, where enough unreadable ones lie between."""
        kind, id = record["kind"], record.get("id")
        if kind == Kind.ADD and type(record.get("trial")) is dict:
            id = record["trial"].get("id")
        if kind == Kind.ASK or type(id) is not int:
            return []
        before = self._last.get(id, 0)
        if kind in (Kind.TELL, Kind.ADD, Kind.WITHDRAW, Kind.RETRY):
            self._last[id] = number
        if not 0 <= id < sequence.next_id:
            return []
        found = _fitting(kind, id, sequence.states[id])
        between = sum(before < gone < number for gone in self._unreadable)
        return found if len(found) <= between else []


def _fitting(kind: str, id: int, state: str) -> list[Record]:
    """The lines after which a line of that kind may follow on a trial in that state."""
    damaged = "the journal line that {} this trial was damaged".format
    retry = {"kind": Kind.RETRY, "id": id, "repaired": True}
    withdraw = {"kind": Kind.WITHDRAW, "id": id, "reason": damaged("withdrew"), "repaired": True}
    pending, done = state == State.PENDING, state == State.DONE
    if kind in (Kind.WITHDRAW, Kind.RETRY) and pending:
        return [lost_line(id, damaged("told"))]
    if kind == Kind.RETRY and done:
        return [withdraw]
    if (kind == Kind.STEP and not pending) or (
        kind == Kind.TELL and not pending and state != State.LOST
    ):
        return [withdraw, retry] if done else [retry]
    return []


def _trials_before(record: Mapping[str, Any]) -> int:
    """How many trials there were before this line: -1 if it does not say."""
    match record:
        case {"kind": Kind.ASK, "trials": [{"id": int(id)}, *_]}:
            return id
        case {"kind": Kind.ADD, "trial": {"id": int(id)}}:
            return id
        case {"kind": Kind.TELL | Kind.STEP | Kind.WITHDRAW | Kind.RETRY, "id": int(id)}:
            return id + 1  # that trial was asked before
    return -1


def _next_asked(first: int, lines: Sequence[Numbered], place: int) -> int:
    """The id after `first` that a line from `place` on asks or adds; else the last told there."""
    last = first
    for number in range(place, len(lines)):
        record = lines[number][2]
        before = _trials_before(record)
        if record["kind"] in (Kind.TELL, Kind.STEP, Kind.WITHDRAW, Kind.RETRY):
            last = max(last, before)
        elif record["kind"] in (Kind.ASK, Kind.ADD) and before > first:
            return before
    return last


def _fill(
    ids: range, told: Mapping[int, Record], axes: int, round: int, done: Repair
) -> Iterator[Record]:
    """Lines for trials whose ask line is lost.

    Their tell lines, as far as there are any, say what was asked.
    """
    trials: list[Record] = []
    lost: list[int] = []
    for id in ids:
        if id in told:
            done.restored.append(id)
            trials.append(
                {"id": id} | {name: told[id][name] for name in _IDENTITY if name in told[id]}
            )
        else:  # a stage of its own: it blocks no point and is never scored
            done.gone.append(id)
            lost.append(id)
            trials.append({"id": id, "point": [0] * axes, "stage": -1, "repeat": id})
    yield repaired_ask_line(trials, round)
    for id in lost:
        yield lost_line(id, "the journal line that asked this trial was damaged")
