"""One table of a study file, read key by key; every error names file, section and key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsice.checks import is_number, is_whole
from dsice.errors import OptionError


class Section:
    """A table of a TOML file.

    Parameters
    ----------
    file, name
        The file and the name of the table; name ``""`` is the file itself.
    data
        The table.
    known
        The keys it may have; None: any.

    Attributes
    ----------
    location
        File and name, for messages.

    Raises
    ------
    OptionError
        A key that is not known.
    """

    def __init__(
        self, file: Path, name: str, data: Mapping[str, Any], *, known: Sequence[str] | None
    ) -> None:
        self.file = file
        self.name = name
        self.data = dict(data)
        self.location = f"{file.name}, [{name}]" if name else file.name
        what = "key" if name else "section"
        for key in data:
            if known is not None and key not in known:
                raise self.unknown(key, known, what=what)

    def unknown(self, key: str, known: Iterable[str], *, what: str) -> OptionError:
        """The error for a name that is none of the known ones."""
        names = list(known)
        close = difflib.get_close_matches(key, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        return OptionError(
            f"{self.location}: unknown {what} {key!r} ({hint}known: {', '.join(names)})"
        )

    def wrong(self, key: str, expected: str) -> OptionError:
        """The error for a value of the wrong kind."""
        return OptionError(f"{self.location}: {key} = {self.data.get(key)!r}; expected {expected}")

    def section(self, name: str, known: Sequence[str] | None, *, required: bool = False) -> Section:
        """The table of that name; an empty one where it is missing."""
        if required and name not in self.data:
            raise OptionError(f"{self.location}: the section [{name}] is missing")
        data = self.data.get(name, {})
        if not isinstance(data, Mapping):
            raise self.wrong(name, f"a section [{name}]")
        return Section(self.file, f"{self.name}.{name}" if self.name else name, data, known=known)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required without a default."""
        value = self.data.get(key, default)
        if value is None:
            raise OptionError(f"{self.location}: {key} is missing")
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings, empty where the key is missing."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, "a list of strings")
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """A list of tables, empty where the key is missing."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
            raise self.wrong(key, "a list of tables")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def whole(self, key: str, *, least: int = 1) -> int | None:
        """A whole number of at least `least`, None where the key is missing."""
        value = self.data.get(key)
        if value is not None and not (is_whole(value) and value >= least):
            raise self.wrong(key, f"a whole number >= {least}")
        return value

    def positive(self, key: str) -> float | None:
        """A finite number of seconds above 0, None where the key is missing."""
        value = self.data.get(key)
        if value is not None and not (is_number(value) and value > 0):
            raise self.wrong(key, "a number of seconds > 0")
        return value
