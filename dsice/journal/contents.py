"""Reading a journal file, whole or damaged, without changing it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsice.errors import JournalError
from dsice.journal.ledger import KINDS, Ledger

FORMAT = 1
Record = dict[str, Any]
_BEGIN = b'{"kind":"header"'


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
        if self.bad:
            raise JournalError(
                f"journal {path} is damaged in the middle ({described(self.bad)}); nothing was changed. Look at these lines, "
                f"then run `dsice journal repair {path}`, which keeps a copy and all that can be saved"
            )


def described(bad: Sequence[tuple[int, str]]) -> str:
    """The first bad lines, for a message."""
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    return "; ".join(f"line {number}: {problem}" for number, problem in bad[:5]) + more


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a journal without locking or changing it, also while another process writes.

    Raises
    ------
    JournalError
        The file is missing, unreadable, no journal, or of another format.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise JournalError(f"journal {file}: cannot be read ({error.strerror or error})") from error
    check_beginning(file, data[: len(_BEGIN)])
    lines = data.split(b"\n")
    torn = lines.pop()  # after the last newline: empty unless a write was cut short
    good_bytes = len(data) - len(torn)
    if torn and parse(torn)[0] is not None:  # cut between the line and its newline: nothing is missing
        lines.append(torn)
        torn, good_bytes = b"", len(data)
    if not lines:
        return Contents(None, [], [], [], good_bytes, torn)
    header = _header(file, lines)
    records, numbers, bad = _follow(lines)
    return Contents(header, records, numbers, bad, good_bytes, torn)


def _follow(lines: Sequence[bytes]) -> tuple[list[Record], list[int], list[tuple[int, str]]]:
    records, numbers, bad = list[Record](), list[int](), list[tuple[int, str]]()
    ledger, whole = Ledger(), True
    for number, line in enumerate(lines[1:], 2):
        record, problem = parse(line)
        whole = whole and record is not None
        if record is not None and whole:
            problem = ledger.problem(record)
        if record is None or problem:
            bad.append((number, problem))
        else:
            records.append(record)
            numbers.append(number)
    return records, numbers, bad


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


def _header(file: Path, lines: Sequence[bytes]) -> Record:
    header, problem = parse(lines[0])
    if header is None:
        raise JournalError(f"journal {file}: line 1, the header, is damaged ({problem}); nothing was changed")
    version = header.get("format")
    if version != FORMAT:
        raise JournalError(
            f"journal {file} has format {version!r}, and this dsice reads format {FORMAT}; "
            "open it with the dsice that wrote it, or update dsice"
        )
    if not isinstance(header.get("space"), dict):
        raise JournalError(f"journal {file}: line 1, the header, is damaged (it has no space); nothing was changed")
    return header
