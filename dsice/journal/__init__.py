"""The journal: an append-only file of JSON lines, written before anything is remembered.

Line 1 is the header; each ask is one line, each tell is one line, each written whole and
synced to the disk before the call returns. `contents` reads the file, `ledger` knows which
lines fit together, `hold` is the lock and the owner record, `writer` the one that appends,
`mending` takes damage out.
"""

from dsice.journal.reader import FORMAT, Contents, Line, Reading, read, uncollected
from dsice.journal.repair import Repair, repair
from dsice.journal.writer import Journal
from dsice.typing import Record

__all__ = [
    "FORMAT",
    "Contents",
    "Journal",
    "Line",
    "Reading",
    "Record",
    "Repair",
    "read",
    "repair",
    "uncollected",
]
