"""`dsice export`: all trials of a study as a table, also while another process writes them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dsice.cli import output
from dsice.cli.status import view
from dsice.errors import OptionError
from dsice.reuse.tables.writing import WRITERS, write_table


def add_export(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice export``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    text = "a .csv, .tsv, .parquet or .jsonl file (default: CSV on the standard output)"
    command.add_argument("-o", dest="file", metavar="FILE", help=text)
    command.set_defaults(act=lambda args: export(args.path, args.file))


def export(path: str, file: str | None = None) -> int:
    """Write all trials of a study as a table.

    Parameters
    ----------
    path
        A journal or a study file.
    file
        Where to; its ending says the format. None: CSV on the standard output.

    Raises
    ------
    DsiceError
        The journal cannot be read, or the file not be written.
    """
    tuner, journal = view(path)
    if file is None:
        WRITERS[".csv"](tuner.history, tuner.space.names, sys.stdout)
        return 0
    target = Path(file)
    if target.exists() and journal.exists() and target.samefile(journal):
        raise OptionError(f"dsice export -o {file}: this is the journal itself; give another file")
    write_table(tuner.history, tuner.space.names, target)
    output.say(f"{file}: {len(tuner.history)} trials")
    return 0
