"""Reading a journal file, whole or damaged, without changing it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from dsice.checks import NO_FOLDER, expanded
from dsice.errors import JournalError
from dsice.journal.files import read_file
from dsice.journal.format import BEGINNING, FORMAT, KINDS, study_identity
from dsice.journal.sequence import LineSequence
from dsice.typing import PathLike, Record

_DECODER = json.JSONDecoder()
_SHOWN = 5  # bad lines that a message names


class JournalLine(NamedTuple):
    """A good line: its number, where its text stands in `JournalReader.text`, and what it says."""

    number: int
    start: int
    stop: int
    record: Record


class JournalReader:
    """One pass over a journal file, also while another process writes it.

    Iterating over it gives the good lines after the header; `bad` is complete afterwards.

    Attributes
    ----------
    path, text
        The file, and its whole lines.
    header
        The first line, None for an empty file.
    records
        The good lines after the header, where `read` made this reader; else empty.
    bad
        (line number, what is wrong) of every line in the middle that could not be read or
        that does not fit the lines before it. After an unreadable line the fit is not judged.
    good_bytes
        Length of the file without a torn last line.
    torn
        The bytes of a torn last line, ``b""`` where there is none.
    bytes
        Length of the file.
    exhausted
        Whether the pass came to the end of the file.

    Raises
    ------
    JournalError
        The file is missing, unreadable, no journal, or of another format.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = expanded(path)
        try:
            data = read_file(self.path)
        except (OSError, ValueError) as error:  # ValueError: no name that a file can have
            reason = getattr(error, "strerror", None) or error
            raise JournalError(
                f"journal {self.path}: cannot be read ({reason}). Put that right, or give the path "
                "of another file"
            ) from error
        check_beginning(self.path, data[: len(BEGINNING)])
        self.records: list[Record] = []
        self.bad: list[tuple[int, str]] = []
        self.bytes = len(data)
        self.exhausted = False
        self.good_bytes = data.rfind(b"\n") + 1
        self.torn = data[self.good_bytes :]  # empty unless a write was cut short
        if self.torn and parse(self.torn)[0] is not None:
            # It was cut between the line and its newline: nothing is missing.
            self.torn = b""
            self.good_bytes = len(data)
        whole = data[: self.good_bytes]
        try:
            self.text = whole.decode()
            self._all_utf8 = True
        except UnicodeDecodeError:
            self.text = whole.decode(errors="surrogateescape")
            self._all_utf8 = False
        self._body = self.text.find("\n") + 1 or len(self.text)
        first = self.text[: self._body].encode(errors="surrogateescape")
        self.header = _header(self.path, first) if first else None

    @property
    def identity(self) -> str:
        """Identity of the study (`study_identity`); empty for an empty file."""
        first = self.text[: self._body].encode(errors="surrogateescape")
        return "" if self.header is None else study_identity(first, self.header)

    def require_good(self) -> None:
        """Raise JournalError if a bad line was found."""
        if not self.bad:
            return
        shown = "; ".join(f"line {number}: {problem}" for number, problem in self.bad[:_SHOWN])
        if len(self.bad) > _SHOWN:
            shown += f"; and {len(self.bad) - _SHOWN} more"
        raise JournalError(
            f"journal {self.path} is damaged in the middle ({shown}); nothing was changed. Look at "
            f"these lines, then run `dsice journal repair {self.path}`, which keeps a copy and all "
            "that can be saved"
        )

    def __iter__(self) -> Iterator[JournalLine]:
        text = self.text
        length = len(text)
        start = self._body
        if start == length:
            self.exhausted = True
            return
        find = text.find
        decode = _DECODER.raw_decode
        all_utf8 = self._all_utf8
        accept = LineSequence().accept
        whole = True  # no unreadable line yet, so whether a line fits can be judged
        number = 1
        while start < length:
            number += 1
            stop = find("\n", start)
            if stop < 0:
                stop = length
            # A good line is read where it stands, which takes half the time of `parse`.
            try:
                record, end = decode(text, start)
                good = (
                    end == stop
                    and type(record) is dict
                    and type(record.get("kind")) is str
                    and all_utf8
                )
            except (ValueError, RecursionError):
                good = False
            problem = ""
            if not good:
                record, problem = parse(text[start:stop].encode(errors="surrogateescape"))
                whole = whole and record is not None
            if record is not None and whole:
                problem = accept(record)
            if record is None or problem:
                self.bad.append((number, problem))
            else:
                yield JournalLine(number, start, stop, record)
            start = stop + 1
        self.exhausted = True


def resolved(path: PathLike) -> Path:
    """The file of a journal, by one name whatever links lead to it.

    Raises
    ------
    JournalError
        Links lead in a circle, or it is no name that a file can have.
    """
    try:
        return expanded(path).resolve()
    except FileNotFoundError as error:
        raise JournalError(f"journal {path}: {NO_FOLDER}") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise JournalError(f"journal {path}: cannot be opened ({error})") from error


def read(path: PathLike) -> JournalReader:
    """Read a journal to its end, without locking or changing it; its lines are in `records`.

    Raises
    ------
    JournalError
        The file is missing, unreadable, no journal, or of another format.
    """
    reader = JournalReader(path)
    with garbage_uncollected():
        reader.records = [line.record for line in reader]
    return reader


@contextmanager
def garbage_uncollected() -> Iterator[None]:
    """Suspend garbage collection inside the block.

    Reading a journal makes many small objects and no garbage, and each collection would look at
    all of them: half of the time. (A faster JSON parser, orjson or msgspec, gained a tenth more,
    which is not worth a dependency.)
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def parse(line: bytes) -> tuple[Record | None, str]:
    """Decode a line; None and what is wrong with it where it is no record."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, "NUL bytes" if b"\0" in line else f"not JSON: {error}"
    return (record, "") if _is_record(record) else (None, "not a record: no 'kind'")


def _is_record(value: object) -> bool:
    return type(value) is dict and type(value.get("kind")) is str


def check_beginning(file: Path, data: bytes) -> None:
    """Raise JournalError for a file that starts like no journal.

    An empty file, also one of NUL bytes, may become one.
    """
    start = data[: len(BEGINNING)]
    expected = BEGINNING[: len(start.rstrip(b"\0"))].ljust(len(start), b"\0")
    if not start.strip(b"\0") or start == expected:
        return
    second = read_file(file).partition(b"\n")[2].partition(b"\n")[0]
    if (parse(second)[0] or {}).get("kind") in KINDS:
        raise JournalError(
            f"journal {file}: line 1, the header, is damaged, the lines after it are not; nothing "
            "was changed. Put a good header in its place: the first line of the journal that the "
            "same script starts under another name"
        )
    raise JournalError(
        f"{file} is no dsice journal: it starts with {start!r}; give another file name, or move "
        "this file away"
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
