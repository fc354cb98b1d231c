"""Reads a file of another tuner: finds out which format it is, closes it where that is missing."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dsice.errors import TableError
from dsice.journal.files import read_file
from dsice.reuse.results.cache import CACHE, closed
from dsice.reuse.results.ktt import KTT
from dsice.reuse.results.ktt_xml import is_xml, read_xml
from dsice.reuse.results.results import Format, Results, as_table
from dsice.reuse.results.t4 import T4
from dsice.typing import PathLike

ENDINGS = (".json", ".json.gz", ".xml", ".xml.gz")
FORMATS: tuple[Format, ...] = (CACHE, T4, KTT)
"""All formats; the first that recognises a file reads it."""


def is_results(path: Path) -> bool:
    """Whether a file has the ending of one that another tuner wrote."""
    return path.name.lower().endswith(ENDINGS)


def read_results(path: PathLike, objective: str | None = None) -> Results:
    """Read a cache file of Kernel Tuner, an output of KTT or results in the T4 format.

    A cache file that was not closed, because Kernel Tuner runs or was killed, is read as if it
    were.

    Parameters
    ----------
    path
        The file; ``.gz`` at the end of its name: compressed by gzip.
    objective
        What counts; None: what the file was tuned for.

    Raises
    ------
    TableError
        It cannot be read, is cut within a result, is of no known format, or has no such objective;
        the message says which.
    """
    source = os.fspath(path)
    content = _content(_text(Path(path), source), source)
    for format in FORMATS:
        if format.recognises(content):
            try:
                found = format.rows(content, source)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                if isinstance(error, TableError):
                    raise
                raise TableError(f"{source} is no complete {format.name}: {error!r}") from error
            return as_table(found, objective, source, format.name)
    raise TableError(
        f"{source} is of no known format; expected {', '.join(f.name for f in FORMATS[:-1])} or "
        f"{FORMATS[-1].name}"
    )


def _text(path: Path, source: str) -> str:
    """What is written in the file."""
    try:
        data = read_file(path)
        return (gzip.decompress(data) if path.name.lower().endswith(".gz") else data).decode()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise TableError(f"{source} cannot be read: {error}") from error


def _content(text: str, source: str) -> Any:
    """What the text of a file says, as of JSON."""
    if is_xml(text):
        try:
            return read_xml(text)
        except ElementTree.ParseError as error:
            raise TableError(
                f"{source}: {error}; it is damaged or cut there, and cannot be read"
            ) from error
    try:
        return json.loads(text)
    except ValueError as error:
        mended = closed(text)
        if mended is None:
            raise TableError(f"{source} {_damage(text, error)}") from error
        return json.loads(mended)
    except RecursionError as error:
        raise TableError(f"{source} cannot be read: it is nested too deeply") from error


def _damage(text: str, error: Any) -> str:
    """Where a text stops being JSON, and what to do about it."""
    stripped = text.rstrip()
    if not stripped:
        return "is empty"
    last = stripped.count("\n") + 1
    if error.lineno >= last:
        hint = "delete what is left of that line, and read it again" if last > 1 else "get it again"
        return f"is cut within a result, in its last line, {last}: {hint}"
    return f"is damaged in line {error.lineno}, column {error.colno} ({error.msg})"
