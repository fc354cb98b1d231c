"""Files of tables: one reader for each format, found by the ending of the name.

A format is added by an entry of `FORMATS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dsice.errors import MissingPackageError, TableError
from dsice.journal.files import read_file
from dsice.journal.format import BEGINNING
from dsice.reuse.tables.delimited import COMMAS, TABS, Spelling, read_delimited
from dsice.reuse.tables.json_lines import read_json_lines

if TYPE_CHECKING:
    import pandas as pd

Reader = Callable[[Path, Spelling], "pd.DataFrame"]
"""Reads a file, whose texts are spelt so, into a table; TableError or OSError if it cannot."""


def _read_parquet(path: Path, _: Spelling) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise MissingPackageError(
            f"reading {path} needs pyarrow: pip install 'dsice[parquet]'"
        ) from error


FORMATS: dict[str, Reader] = {
    ".csv": lambda path, spelling: read_delimited(path, spelling, COMMAS),
    ".tsv": lambda path, spelling: read_delimited(path, spelling, TABS),
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
"""The reader of each ending; all but Parquet may be compressed (.gz)."""


_LOOKED_AT = 1_000_000  # bytes in which the first line of a log must end


def is_journal(path: Path) -> bool:
    """Whether a file is a journal of dsice, if a damaged one, and no lines of JSON.

    Raises
    ------
    OSError, ValueError
        It cannot be read.
    """
    beginning = read_file(path, len(BEGINNING))
    if beginning == BEGINNING or path.suffix != ".jsonl":
        return beginning == BEGINNING
    line = read_file(path, _LOOKED_AT).removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")[0]
    try:
        record = json.loads(line)
    except (RecursionError, ValueError):
        return True
    return not isinstance(record, dict) or "kind" in record


def read_frame(path: Path, spelling: Spelling | None = None) -> pd.DataFrame:
    """Read a table from a file.

    Parameters
    ----------
    path
        A CSV (.csv, .tsv, also with .gz), Parquet (.parquet, .pq) or JSON lines (.jsonl, .ndjson,
        also with .gz) file.
    spelling
        How a text file writes its cells.

    Raises
    ------
    TableError
        It is unreadable or has another ending.
    MissingPackageError
        Parquet without pyarrow.
    """
    name = path.name.lower().removesuffix(".gz")
    for ending, reader in FORMATS.items():
        if name.endswith(ending):
            try:
                return reader(path, spelling or Spelling())
            except (MissingPackageError, TableError):
                raise
            except (OSError, ValueError, EOFError) as error:  # pandas' and pyarrow's are such
                reason = getattr(error, "strerror", None) or error
                raise TableError(f"table {path} cannot be read: {reason}") from error
    raise TableError(
        f"table {path} has an unknown ending; expected .csv, .csv.gz, .tsv, .parquet, "
        "or .jsonl for a journal or lines of JSON"
    )
