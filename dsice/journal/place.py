"""Where the journal of a study file is: what the file says, else beside it under its name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dsice.errors import OptionError
from dsice.journal.files import read_file
from dsice.typing import PathLike


def load_toml(file: Path) -> dict[str, Any]:
    """The content of a study file.

    Raises
    ------
    OptionError
        It cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(read_file(file).decode())
    except OSError as error:
        raise OptionError(f"study file {file}: {error.strerror or error}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise OptionError(f"study file {file} is no TOML: {error}") from error


def journal_path(file: Path, named: str = "") -> Path:
    """The journal of a study file.

    Parameters
    ----------
    named
        The path that the file gives; "" where it gives none.
    """
    return file.parent / (named or file.with_suffix(".jsonl").name)


def journal_of(study: PathLike) -> Path:
    """The journal of a study file, of which nothing else is looked at.

    Raises
    ------
    OptionError
        It cannot be read, or says no path.
    """
    file = Path(study).absolute()
    section = load_toml(file).get("study", {})
    named = section.get("journal", "") if isinstance(section, dict) else ""
    if not isinstance(named, str):
        raise OptionError(f"study file {file}: journal = {named!r}; expected a path")
    return journal_path(file, named)
