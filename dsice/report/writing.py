"""`write_report`: from a journal or a tuner to a file."""

from __future__ import annotations

import os
from pathlib import Path

from dsice.checks import expanded, shown
from dsice.errors import OptionError
from dsice.journal.files import replace_file
from dsice.report.contents import About, contents
from dsice.report.joining import page
from dsice.tuner import Tuner
from dsice.typing import PathLike


def write_report(search: Tuner | PathLike, path: PathLike) -> Path:
    """Write all that is known of a search as one HTML file, to look at in any browser.

    The file needs no network and no other file: the best and its settings to copy, the progress,
    importance and effects of the parameters, lines with the d-spline on them, trade-offs, the
    timeline, learning curves, failures by reason, and a table of all trials. What is marked in one
    chart is marked in all others.

    Parameters
    ----------
    search
        A tuner, or the path of a journal, which may be one that is being written.
    path
        The file; it is replaced in one step, so that a browser never loads half of it. Missing
        folders are made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    JournalError
        The journal cannot be read.
    OptionError
        `search` is neither, or the file cannot be written.

    Examples
    --------
    >>> from dsice import Tuner, write_report
    >>> tuner = Tuner({"x": range(9), "y": range(9)})
    >>> for trial in tuner.ask(20):
    ...     told = tuner.tell(trial, (trial.params["x"] - 3) ** 2 + trial.params["y"])
    >>> write_report(tuner, "report.html").name  # doctest: +SKIP
    'report.html'
    """
    if isinstance(search, Tuner):
        return write(search, path, About(_title(search.journal), search.journal))
    if not isinstance(search, (str, os.PathLike)):
        raise OptionError(
            f"write_report({shown(search)}): expected a tuner or the path of a journal"
        )
    journal = expanded(search)
    return write(Tuner.read(journal), path, About(_title(journal), journal))


def write(tuner: Tuner, path: PathLike, about: About) -> Path:
    """Write the report of a tuner.

    Raises
    ------
    OptionError
        The file cannot be written.
    """
    file = expanded(path)
    text = page(f"{about.title} - dsice", contents(tuner, about))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # a name of its own: another process may be writing the same report
        temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
        replace_file(file, text, fsync=False, temporary=temporary)
    except OSError as error:
        raise OptionError(
            f"report {file}: cannot be written ({error.strerror or error}); give another path"
        ) from error
    return file


def _title(journal: Path | None) -> str:
    return "search without a journal" if journal is None else journal.name
