"""`dsice run` and `dsice resume`: tune what a study file says."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path

from dsice.cli import output, status
from dsice.errors import JournalError
from dsice.journal import JournalReader
from dsice.running.loop import advance_loop, run_loop
from dsice.study.file import Study, read_study
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
    if must_exist and not (study.journal.exists() and JournalReader(study.journal).header):
        raise JournalError(
            f"nothing to resume: journal {study.journal} does not exist or is empty; start with: dsice run {file}"
        )
    with contextlib.chdir(study.folder):  # trials run where the study file is
        launcher = study.launcher()  # first: a wrong program leaves no journal behind
        with study.tuner() as tuner, launcher:
            if len(tuner.history):
                print(continued(tuner))
            run_loop(tuner, launcher, study.options, progress=progress)
    return _summary(study, tuner)


def _summary(study: Study, tuner: Tuner) -> int:
    code = status.show_best(tuner)
    status.show_failures(tuner.history)
    status.show_confirmation(tuner)
    print(f"\njournal {_short(study.journal)}: {len(tuner.history)} trials")
    return code


def advance(file: str, *, seconds: float = 0.0, wait: float = 60.0) -> int:
    """Take a study a step further, leave its jobs running, and say in a line how it stands.

    Parameters
    ----------
    file
        The study file.
    seconds
        How long to stay; 0: one look.
    wait
        Seconds to wait for another writer: many jobs may end at the same moment and each call this.

    Raises
    ------
    DsiceError
        The study file, the journal or the program is wrong, or the trials would not outlive this process.
    """
    study = read_study(file)
    with contextlib.chdir(study.folder):
        launcher = study.launcher()
        with study.tuner(wait=wait) as tuner:
            told, asked = len(tuner.history) - len(tuner.pending), tuner.asked
            options = study.options
            if options.max_seconds is not None:
                left = max(0.0, options.max_seconds - _age(study))
                options = replace(options, max_seconds=left)
            more = advance_loop(tuner, launcher, options, seconds)
            ended, new = len(tuner.history) - len(tuner.pending) - told, tuner.asked - asked
    running = len(tuner.pending)
    best = tuner.best
    line = [f"{ended} ended", f"{new} new", f"{running} running" if running or more else "finished"]
    line += (
        [f"best {tuner.history.goal.metric} {output.cell(best.value)} (trial {best.id})"]
        if best is not None
        else []
    )
    print(", ".join(line), flush=True)
    return 0


def _age(study: Study) -> float:
    """Seconds since the study began: each call is a short one, so its time limit is that of all calls together."""
    created = (JournalReader(study.journal).header or {}).get("created")
    return max(0.0, time.time() - created) if isinstance(created, (int, float)) else 0.0


def continued(tuner: Tuner) -> str:
    """Where a resumed study goes on."""
    told, again = len(tuner.history) - len(tuner.pending), len(tuner.orphans)
    if tuner.max_trials == told:
        return f"all {told} trials were measured before"
    text = (
        f"going on at trial {told} of {tuner.max_trials}"
        if tuner.max_trials
        else f"going on at trial {told}"
    )
    return text + (f"; {again} that were running are taken over or started again" if again else "")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def go_on(file: str, command: str = "resume") -> str:
    """What to type after an interruption."""
    name = json.dumps(file) if " " in file else file
    return f"interrupted; everything measured is in the journal, go on with: dsice {command} {name}"
