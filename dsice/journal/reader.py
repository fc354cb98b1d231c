"""Reading a journal file, whole or damaged, without changing it."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dsice.errors import JournalError
from dsice.journal.format import KINDS, Ledger
from dsice.typing import Record

FORMAT = 1
_BEGIN = b'{"kind":"header"'
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Contents:
    """What a journal file holds.

    Attributes
    ----------
    header
        The first line, None for an empty file.
    records, numbers
        The lines after it that could be read, and their line numbers.
    bad
        (line number, what is wrong) of every line in the middle that could not be read or
        that does not fit the lines before it. After an unreadable line the fit is not judged.
    good_bytes
        Length of the file without a torn last line.
    torn
        The bytes of a torn last line, ``b""`` where there is none.
    """

    header: Record | None
    records: list[Record]
    numbers: list[int]
    bad: list[tuple[int, str]]
    good_bytes: int
    torn: bytes

    def require_good(self, path: Path) -> None:
        """Raise JournalError if there is a bad line."""
        require_good(path, self.bad)


def require_good(path: Path, bad: Sequence[tuple[int, str]]) -> None:
    """Raise JournalError if there is a bad line."""
    if bad:
        raise JournalError(
            f"journal {path} is damaged in the middle ({described(bad)}); nothing was changed. Look at these lines, "
            f"then run `dsice journal repair {path}`, which keeps a copy and all that can be saved"
        )


def described(bad: Sequence[tuple[int, str]]) -> str:
    """The first bad lines, for a message."""
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    return "; ".join(f"line {number}: {problem}" for number, problem in bad[:5]) + more


class Line(NamedTuple):
    """A good line: its number, where its text stands in `Reading.text`, and what it says."""

    number: int
    start: int
    stop: int
    record: Record


class Reading:
    """One pass over a journal file, without locking or changing it, also while another process writes.

    Iterate over it once: it gives the good lines after the header; `bad` is complete afterwards.

    Attributes
    ----------
    path, text
        The file, and its whole lines.
    header, bad, good_bytes, torn
        As in `Contents`.
    bytes
        Length of the file.
    read
        Whether it was gone through.

    Raises
    ------
    JournalError
        The file is missing, unreadable, no journal, or of another format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise JournalError(
                f"journal {self.path}: cannot be read ({error.strerror or error})"
            ) from error
        check_beginning(self.path, data[: len(_BEGIN)])
        self.bad: list[tuple[int, str]] = []
        self.bytes, self.read = len(data), False
        self.good_bytes = data.rfind(b"\n") + 1
        self.torn = data[self.good_bytes :]  # empty unless a write was cut short
        if (
            self.torn and parse(self.torn)[0] is not None
        ):  # cut between the line and its newline: nothing is missing
            self.torn, self.good_bytes = b"", len(data)
        whole = data[: self.good_bytes] if self.torn else data
        try:
            self.text, self._all_utf8 = whole.decode(), True
        except UnicodeDecodeError:
            self.text, self._all_utf8 = whole.decode(errors="surrogateescape"), False
        self._body = self.text.find("\n") + 1 or len(self.text)
        self.header = (
            _header(self.path, self.text[: self._body].encode(errors="surrogateescape"))
            if self.text
            else None
        )

    def require_good(self) -> None:
        """Raise JournalError if a bad line was found."""
        require_good(self.path, self.bad)

    def __iter__(self) -> Iterator[Line]:
        ledger, whole, number, start = Ledger(), True, 1, self._body
        text, length, find, decode = self.text, len(self.text), self.text.find, _DECODER.raw_decode
        while start < length:
            number, stop = number + 1, find("\n", start)
            stop = length if stop < 0 else stop
            try:  # a good line is read where it stands, which takes half the time of `parse`
                record, end = decode(text, start)
                good = (
                    end == stop
                    and type(record) is dict
                    and type(record.get("kind")) is str
                    and self._all_utf8
                )
            except (ValueError, RecursionError):
                good = False
            problem = ""
            if not good:
                record, problem = parse(text[start:stop].encode(errors="surrogateescape"))
                whole = whole and record is not None
            if record is not None and whole:
                problem = ledger.problem(record)
            if record is None or problem:
                self.bad.append((number, problem))
            else:
                yield Line(number, start, stop, record)
            start = stop + 1
        self.read = True


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection inside the block: a journal makes many small objects and no garbage, and each round looks at all."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a journal without locking or changing it, also while another process writes.

    Raises
    ------
    JournalError
        The file is missing, unreadable, no journal, or of another format.
    """
    reading = Reading(path)
    with uncollected():
        lines = list(reading)
    records, numbers = [line.record for line in lines], [line.number for line in lines]
    return Contents(reading.header, records, numbers, reading.bad, reading.good_bytes, reading.torn)


def parse(line: bytes) -> tuple[Record | None, str]:
    """A line as a record, or None and what is wrong with it."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, "NUL bytes" if b"\0" in line else f"not JSON: {error}"
    good = isinstance(record, dict) and isinstance(record.get("kind"), str)
    return (record, "") if good else (None, "not a record: no 'kind'")


def check_beginning(file: Path, data: bytes) -> None:
    """Raise JournalError for a file that starts like no journal; an empty one, also one of NULs, may become one."""
    start = data[: len(_BEGIN)]
    if start.strip(b"\0") and start != _BEGIN[: len(start.rstrip(b"\0"))].ljust(len(start), b"\0"):
        second = file.read_bytes().partition(b"\n")[2].partition(b"\n")[0]
        if (parse(second)[0] or {}).get("kind") in KINDS:
            raise JournalError(
                f"journal {file}: line 1, the header, is damaged, the lines after it are not; nothing was changed. Put a good "
                "header in its place: the first line of the journal that the same script starts under another name"
            )
        raise JournalError(
            f"{file} is no dsice journal: it starts with {start!r}; give another file name, or move this file away"
        )


def _header(file: Path, line: bytes) -> Record:
    header, problem = parse(line)
    if header is None:
        raise JournalError(
            f"journal {file}: line 1, the header, is damaged ({problem}); nothing was changed"
        )
    version = header.get("format")
    if version != FORMAT:
        raise JournalError(
            f"journal {file} has format {version!r}, and this dsice reads format {FORMAT}; "
            "open it with the dsice that wrote it, or update dsice"
        )
    if not isinstance(header.get("space"), dict):
        raise JournalError(
            f"journal {file}: line 1, the header, is damaged (it has no space); nothing was changed"
        )
    return header
