"""CSV and its relatives: text with a separator between cells and a header in the first row."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsice.errors import DsiceWarning, OptionError, TableError
from dsice.journal.files import read_file

if TYPE_CHECKING:
    import pandas as pd

COMMAS, TABS = ",", "\t"
LINE = "line"
"""Name of the index of a table whose rows are lines of a file."""
_SEPARATORS = (",", ";", "\t", "|")
_GZIP = b"\x1f\x8b"
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
"""What a file in each of these encodings begins with."""


@dataclass(frozen=True)
class Spelling:
    """How a text file writes its cells.

    Attributes
    ----------
    separator
        Between cells; None: as the header shows.
    decimal
        The decimal point.
    thousands
        Between groups of digits; None: nothing.
    encoding
        Of the text; None: UTF-8, or what a mark at its beginning says.
    na
        Words for an empty cell, beside a cell with nothing in it.

    Raises
    ------
    OptionError
        A separator that is more than one character, or two of them are the same.
    """

    separator: str | None = None
    decimal: str = "."
    thousands: str | None = None
    encoding: str | None = None
    na: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("separator", "decimal", "thousands"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or len(value) != 1):
                raise OptionError(f"{name}={value!r}: expected one character")
        if self.decimal in (self.separator, self.thousands):
            raise OptionError(f"decimal={self.decimal!r}: another option is that character, too")
        try:
            "".encode(self.encoding or "utf-8")
        except LookupError as error:
            raise OptionError(f"encoding={self.encoding!r}: there is no such encoding") from error


def text_of(path: Path, encoding: str | None) -> str:
    """The text of a file, which may be compressed.

    Raises
    ------
    TableError
        It is in another encoding; the message says what to do.
    """
    data = read_file(path)
    if data.startswith(_GZIP):
        data = gzip.decompress(data)
    if encoding is None:
        marks = (name for mark, name in _MARKS.items() if data.startswith(mark))
        encoding = next(marks, "utf-8")
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise TableError(
            f"table {path} is no {encoding} text (byte 0x{data[error.start]:02x} at "
            f"{error.start}); name its encoding: encoding='latin-1' (--encoding latin-1)"
        ) from error


def read_delimited(path: Path, spelling: Spelling, usual: str) -> pd.DataFrame:
    """Read a table from text with separators; its index has the lines of the file.

    A last row that is cut short is left out, with a `DsiceWarning`.

    Raises
    ------
    TableError
        It is empty, or a row has too few or too many cells.
    """
    import pandas as pd

    text = text_of(path, spelling.encoding)
    if "\0" in text:
        raise TableError(f"table {path} holds NUL characters: it is no text, or is damaged")
    if not text.strip():
        raise TableError(f"table {path} is empty")
    separator = spelling.separator or _separator(text, usual)
    rows = _Rows.of(path, text, separator)
    names = [str(place) for place in range(len(rows.header))]
    frame = pd.DataFrame(columns=names)
    if rows.lines:
        frame = pd.read_csv(
            io.StringIO(text[rows.start : rows.stop], newline=""),
            sep=separator,
            decimal=spelling.decimal,
            thousands=spelling.thousands,
            # "None" and "NA" are good names of levels; `cells.numbers` knows them elsewhere
            keep_default_na=False,
            na_values=["", *spelling.na],
            skipinitialspace=True,
            header=None,
            names=names,
            low_memory=False,
            **_exact_floats(),
        )
        frame.index = pd.Index(rows.lines, name=LINE)
    named = [name for name, label in zip(names, rows.header, strict=True) if not _is_index(label)]
    frame = frame[named]
    for name in named:
        if frame[name].dtype.kind not in "biuf":
            frame[name] = _stripped(frame[name])
    frame.columns = pd.Index([label for label in rows.header if not _is_index(label)], dtype=object)
    return _without_empty_rows(frame)


def _exact_floats() -> dict[str, Any]:
    """The option by which what is written as 0.1 is 0.1; later versions of pandas do so anyway."""
    import pandas as pd

    major, minor = map(int, pd.__version__.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _without_empty_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without rows of separators alone, which spreadsheets write below a table."""
    found = frame.dropna(how="all")
    if len(found) == len(frame):
        return frame
    for place in range(found.shape[1]):
        column = found.iloc[:, place]
        if column.dtype.kind == "f" and column.notna().all() and (column % 1 == 0).all():
            found = found.astype({column.name: "int64"})
    return found


def _is_index(label: str) -> bool:
    """Whether a column is the numbers of rows that pandas writes beside a table."""
    return not label or label.startswith("Unnamed:")


def _stripped(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of texts without blanks around them; of numbers, where they were in the way."""
    import pandas as pd

    cells = column.tolist()
    bare = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    bare = [None if cell == "" else cell for cell in bare]
    if bare == cells:
        return column
    texts = pd.Series(bare, index=column.index, dtype=object)
    try:
        return pd.to_numeric(texts)
    except (TypeError, ValueError):
        return texts


def _separator(text: str, usual: str) -> str:
    """The separator that the header has most of."""
    header = next(line for line in text.splitlines() if line.strip())
    counts = Counter("".join(header.split('"')[::2]))  # outside of quotes
    found = max(_SEPARATORS, key=lambda one: (counts[one], one == usual))
    return found if counts[found] else usual


@dataclass(frozen=True)
class _Rows:
    """Where the rows of a text are.

    Attributes
    ----------
    header
        The names of the columns, without blanks around them.
    start, stop
        From where to where the text has whole rows below the header.
    lines
        The number of the line in which each of these rows ends.
    """

    header: list[str]
    start: int
    stop: int
    lines: list[int]

    @classmethod
    def of(cls, path: Path, text: str, separator: str) -> _Rows:
        """Find them; the errors are those of `read_delimited`."""
        physical = list(io.StringIO(text, newline=""))
        reader = csv.reader(physical, delimiter=separator, skipinitialspace=True)
        try:
            header = next(row for row in reader if any(map(str.strip, row)))
            first = before = reader.line_num
            width, lines, stop = len(header), [], len(text)
            for row in reader:
                if not row or (len(row) == 1 < width and not row[0].strip()):
                    before = reader.line_num
                    continue
                if len(row) != width:
                    last = reader.line_num == len(physical) and not text.endswith(("\n", "\r"))
                    _say_torn(path, reader.line_num, len(row), width, torn=last)
                    stop = sum(map(len, physical[:before]))
                    break
                if reader.line_num == len(physical) and _is_open(physical[before:]):
                    _say_torn(path, reader.line_num, 0, width, torn=True)
                    stop = sum(map(len, physical[:before]))
                    break
                before = reader.line_num
                lines.append(before)
        except csv.Error as error:
            raise TableError(f"table {path}, line {reader.line_num}: {error}") from error
        names = [name.strip() for name in header]
        return cls(names, sum(map(len, physical[:first])), stop, lines)


def _is_open(lines: list[str]) -> bool:
    """Whether a row ends within quotes."""
    return sum(line.count('"') for line in lines) % 2 == 1


def _say_torn(path: Path, line: int, cells: int, width: int, *, torn: bool) -> None:
    """Warn of a last row that was cut short; refuse any other of another width."""
    counted = f"has {cells} cell{'s' if cells > 1 else ''}, and the header {width}"
    if not cells:
        counted = "ends within quotes"
    if torn and cells < width:
        warnings.warn(
            f"table {path}: its last row, line {line}, {counted}: it is cut short, and is left out",
            DsiceWarning,
            stacklevel=2,
        )
        return
    raise TableError(
        f"table {path}: line {line} {counted}. Put it right; where its cells hold separators, "
        "name another one (--separator), or put quotes around them"
    )
