"""Logs that were imported into a journal: their names, and by what each is known again.

A log may have 100,000 rows and be imported once more whenever it has grown. The line that ends an
import says by a digest which rows it was about, so that these need not be compared one by one.
"""

from __future__ import annotations

from typing import NamedTuple

from dsice.journal.format import Kind
from dsice.typing import Record


class ImportedLog(NamedTuple):
    """Rows of a log that are in the journal.

    Attributes
    ----------
    name
        What the log was called.
    rows
        How many rows it had.
    sha256
        Of what was read of them.
    """

    name: str
    rows: int
    sha256: str


def import_line(log: ImportedLog, at: float, added: int) -> Record:
    """The end of an import: so many trials were added, in the lines before."""
    return {"kind": Kind.IMPORT, "at": at, **log._asdict(), "added": added}


def imported_log(record: Record) -> ImportedLog | None:
    """What an import line says; None where a field is missing or wrong."""
    match record:
        case {"name": str(name), "rows": int(rows), "sha256": str(sha256)} if rows > 0:
            return ImportedLog(name, rows, sha256)
    return None
