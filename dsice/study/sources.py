"""``[study] reuse``: the sources of a study file.

::

    [study]
    reuse = ["old.jsonl", {path = "sweep.csv", metric = "time", fixed = {gpus = 4}}]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsice.checks import expanded
from dsice.errors import OptionError
from dsice.reuse import Source
from dsice.reuse.source import as_sources
from dsice.study.sections import Section

RENAME = 'give one another name in the study file: {path = "sweep.csv", name = "first"}'
"""How two sources of one name are told apart on the command line."""
_KEYS = ("path", "metric", "maximize", "fixed", "name")


def read_sources(study: Section) -> tuple[Source, ...]:
    """The sources of the key ``reuse``.

    Raises
    ------
    OptionError
        It is no list of paths and tables with a path, or two sources have one name.
    """
    given = study.data.get("reuse")
    if not isinstance(given, list) or not all(isinstance(one, (str, Mapping)) for one in given):
        raise study.wrong("reuse", 'a list of paths, or of tables {path = "sweep.csv", ...}')
    sources = (_source(study, number, one) for number, one in enumerate(given, 1))
    try:
        return as_sources(sources, rename=RENAME)
    except OptionError as error:
        raise OptionError(f"{study.location}: {error}") from error


def _source(study: Section, number: int, given: str | Mapping[str, Any]) -> Source:
    """One of them; its path is relative to the study file, its name is as it is written."""
    table: Mapping[str, Any] = {"path": given} if isinstance(given, str) else given
    section = Section(study.file, f"study.reuse, entry {number}", table, known=_KEYS)
    path = section.text("path")
    options = {key: value for key, value in table.items() if key != "path"}
    try:
        return Source(study.file.parent / expanded(path), **{"name": path, **options})
    except OptionError as error:
        raise OptionError(f"{section.location}: {error}") from error
