"""JSON lines: an object for each measurement, flat or with its params and metrics in objects."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsice.checks import shown
from dsice.errors import DsiceWarning, TableError
from dsice.reuse.tables.delimited import LINE, Spelling, text_of
from dsice.typing import Record

if TYPE_CHECKING:
    import pandas as pd

TRIAL = "trial."
"""How labels of facts about a trial begin where a parameter has their name."""
NESTED = {"params": "", "metrics": "metric.", "tags": "tag.", "where": "where."}
"""Objects in a line whose entries are columns, and what their labels begin with."""


def read_json_lines(path: Path, spelling: Spelling) -> pd.DataFrame:
    """Read a table from lines of JSON; its index has the lines of the file.

    A last line that is cut short is left out, with a `DsiceWarning`.

    Raises
    ------
    TableError
        There is no line, or one is no JSON object.
    """
    import pandas as pd

    text = text_of(path, spelling.encoding)
    records: list[Record] = []
    numbers: list[int] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise TypeError("it is no JSON object")
        except (RecursionError, TypeError, ValueError) as error:
            if number == len(lines) and not isinstance(error, TypeError):
                warnings.warn(
                    f"table {path}: its last line, {number}, is cut short, and is left out",
                    DsiceWarning,
                    stacklevel=2,
                )
                continue
            raise TableError(f"table {path}, line {number}: {error}; got {shown(line)}") from error
        records.append(record)
        numbers.append(number)
    if not records:
        raise TableError(f"table {path} is empty")
    frame = frame_of_records(records)
    frame.index = pd.Index(numbers, name=LINE)
    return frame


def frame_of_records(records: list[Record]) -> pd.DataFrame:
    """A table of objects, every cell as it is there; a column for each name that one has."""
    import pandas as pd

    flat = [flattened(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    columns: dict[str, Any] = {
        # null may be a value; NaN is a cell that is not there
        name: pd.Series([record.get(name, math.nan) for record in flat], dtype=object)
        for name in names
    }
    return pd.DataFrame(columns, index=range(len(flat)))


def flattened(record: Record) -> Record:
    """An object whose params, metrics and tags are entries of its own."""
    found: Record = {}
    params = record.get("params")
    names = params if isinstance(params, dict) else {}
    for name, value in record.items():
        if name in names:
            found[f"{TRIAL}{name}"] = value
        elif name in NESTED and isinstance(value, dict):
            found.update((f"{NESTED[name]}{key}", one) for key, one in value.items())
        elif name == "values" and isinstance(value, list):
            found["value"] = value
        else:
            found[name] = value
    return found
