"""The journal: an append-only log of a study, and the only state that outlives a process.

A journal is what databases call a write-ahead log: each ask and each tell is one line of JSON,
written whole and synced to the disk before anything is remembered. Replaying the lines in their
order gives the study again, so a coordinator may be killed at any moment. For example, a line
``{"kind":"tell","id":7,"state":"done","values":[0.31]}`` ends trial 7 with the value 0.31.

`format` has the kinds of lines, how each is made from a trial and read back; `sequence` which
line may follow which; `reader` reads a file line by line; `loader` makes a history of it, which
is the only way from one to the other; `lock` keeps a second writer out; `writer` appends;
`refused` says why an open journal is not written to; `emptied` tells an emptied one from a new one;
`repair` takes damage out; `extend` carries a journal over to another space; `files` replaces a
file in one step.
"""

from dsice.journal.format import FORMAT
from dsice.journal.reader import JournalReader, read
from dsice.journal.repair import Repair, repair
from dsice.journal.writer import Journal

__all__ = [
    "FORMAT",
    "Journal",
    "JournalReader",
    "Repair",
    "read",
    "repair",
]
