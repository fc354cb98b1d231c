"""`dsice export`: all trials of a study as a table, also while another process writes them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dsice.cli import output
from dsice.cli.status import view
from dsice.errors import OptionError
from dsice.reuse.tables.files import is_journal
from dsice.reuse.tables.writing import WRITERS, write_table


def add_export(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice export``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    text = "a .csv, .tsv, .parquet or .jsonl file (default: CSV on the standard output)"
    command.add_argument("-o", dest="file", metavar="FILE", help=text)
    text = "a storage for optuna-dashboard, or results in the T4 format (default: a table)"
    command.add_argument("--to", choices=("optuna", "t4"), help=text)
    command.set_defaults(act=lambda args: export(args.path, args.file, args.to))


def export(path: str, file: str | None = None, to: str | None = None) -> int:
    """Write all trials of a study as a table, or as what another tool reads.

    Parameters
    ----------
    path
        A journal or a study file.
    file
        Where to; its ending says the format of a table. None: CSV on the standard output.
    to
        ``"optuna"`` or ``"t4"`` in place of a table.

    Raises
    ------
    DsiceError
        The journal cannot be read, or the file not be written.
    """
    tuner, journal = view(path)
    if to is not None and file is None:
        raise OptionError(f"dsice export --to {to}: say with -o FILE where to")
    if file is None:
        WRITERS[".csv"](tuner.history, tuner.space.names, sys.stdout)
        return 0
    target = Path(file)
    if target.is_file() and is_journal(target):
        raise OptionError(f"dsice export -o {file}: this is a journal; give another file")
    written = len(tuner.history)
    if to == "optuna":
        from dsice.integrations.optuna_export import optuna_export

        written = optuna_export(tuner, target, name=journal.stem)
    elif to == "t4":
        from dsice.integrations.t4 import write_t4

        written = write_t4(tuner, target)
    else:
        write_table(tuner.history, tuner.space.names, target)
    output.say(f"{file}: {written} trials")
    return 0
