"""`dsice report`: everything that is known of a study as one HTML file, once or again and again."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsice.checks import expanded
from dsice.cli import output
from dsice.errors import JournalError, LaunchError, OptionError
from dsice.journal.files import version_of
from dsice.launchers.command import Command
from dsice.report.contents import About
from dsice.report.writing import write
from dsice.study.file import Study, read_study
from dsice.tuner import Tuner

WATCH = 10.0  # seconds between two looks


def add_report(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice report``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml")
    text = "the file to write (default: beside the journal, with its name and .html)"
    command.add_argument("-o", "--output", metavar="FILE.html", help=text)
    text = (
        "again whenever the journal has grown, at most every S seconds (%(const)g), until Ctrl-C; "
        "the page loads itself again"
    )
    command.add_argument("--watch", type=float, nargs="?", const=WATCH, metavar="S", help=text)
    command.set_defaults(act=lambda args: report(args.path, args.output, args.watch))


def report(path: str, out: str | None = None, seconds: float | None = None) -> int:
    """Write the report of a journal or study file.

    Parameters
    ----------
    out
        The file; None: beside the journal.
    seconds
        With a number it is written anew whenever the journal has changed, until Ctrl-C.

    Raises
    ------
    OptionError
        `seconds` is not above 0, or the file cannot be written.
    JournalError
        The journal cannot be read.
    """
    study = read_study(path) if path.endswith(".toml") else None
    journal = expanded(path) if study is None else study.journal
    file = journal.with_suffix(".html") if out is None else expanded(out)
    if file.resolve() in (journal.resolve(), Path(path).resolve()):
        raise OptionError(f"report {file}: that is the file it is made of; give -o another name")
    about = _about(journal, study)
    if seconds is None:
        output.say(write(Tuner.read(journal), file, about))
        return 0
    if not 0 < seconds < math.inf:
        raise OptionError(f"--watch {seconds:g}: expected a number of seconds > 0")
    return _watch(about, file, journal, seconds)


def _about(journal: Path, study: Study | None) -> About:
    """What the report says beside what the journal knows."""
    if study is None:
        return About(journal.name, journal)
    facts = {"study": str(study.path)}
    if study.program:
        facts["function" if study.is_function else "command"] = study.program
    has_command = bool(study.program) and not study.is_function
    return About(study.path.name, journal, _command(study) if has_command else None, facts)


def _command(study: Study) -> Any:
    """From params to the command that the study runs with them."""
    command = Command.parse(study.program, study.space.names)

    def spelled(params: Mapping[str, Any]) -> str:
        try:
            return command.render(params)
        except LaunchError as error:
            return f"# {error}"

    return spelled


def _watch(about: About, file: Path, journal: Path, seconds: float) -> int:
    """Write the report whenever the journal has changed; a last time, to stay as it is, at Ctrl-C.

    A journal that is not there yet, or has no study, is waited for.
    """
    seen: object = None
    said = ""
    try:
        while True:
            now = version_of(journal)
            if now != seen:
                said = _try(replace(about, reload=seconds), file, journal, said)
                seen = now
            time.sleep(seconds)
    except KeyboardInterrupt:
        if file.exists():
            _try(about, file, journal, said)
    return 0


def _try(about: About, file: Path, journal: Path, said: str) -> str:
    """Write the report, and say so once; what is wrong with the journal is said, and waited for."""
    try:
        write(Tuner.read(journal), file, about)
        text = f"{file}, again when {journal} has grown; Ctrl-C ends this"
    except JournalError as error:
        text = f"{error}; looking again"
    if text != said:
        output.say(text)
    return text
