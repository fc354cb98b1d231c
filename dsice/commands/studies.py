"""`dsice run` and `dsice resume`: tune what a study file says."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from dsice.commands import looking
from dsice.errors import JournalError
from dsice.journal import read
from dsice.run import run
from dsice.study import read_study
from dsice.tuner import Tuner


def tune(file: str, *, must_exist: bool = False, progress: bool = True) -> int:
    """Start a study, or go on with it where its journal holds it already.

    Parameters
    ----------
    file
        The study file.
    must_exist
        Refuse to start a new one.

    Raises
    ------
    JournalError
        There is nothing to go on with.
    DsiceError
        The study file, the journal or the program is wrong.
    """
    study = read_study(file)
    if must_exist and not (study.journal.exists() and read(study.journal).header):
        raise JournalError(f"nothing to resume: journal {study.journal} does not exist or is empty; start with: dsice run {file}")
    with contextlib.chdir(study.folder):  # trials run where the study file is
        launcher = study.launcher()  # first: a wrong program leaves no journal behind
        with study.tuner() as tuner, launcher:
            if len(tuner.history):
                print(continued(tuner))
            run(tuner, launcher, mode=study.mode, max_seconds=study.max_seconds, progress=progress)
    code = looking.show_best(tuner)
    looking.show_failures(tuner.history)
    print(f"\njournal {_short(study.journal)}: {len(tuner.history)} trials")
    return code


def continued(tuner: Tuner) -> str:
    """Where a resumed study goes on."""
    told, again = len(tuner.history) - len(tuner.pending), len(tuner.orphans)
    if tuner.max_trials == told:
        return f"all {told} trials were measured before"
    text = f"going on at trial {told} of {tuner.max_trials}" if tuner.max_trials else f"going on at trial {told}"
    return text + (f"; {again} that were running are taken over or started again" if again else "")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def go_on(file: str) -> str:
    """What to type after an interruption."""
    name = json.dumps(file) if " " in file else file
    return f"interrupted; everything measured is in the journal, go on with: dsice resume {name}"
