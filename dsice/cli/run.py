"""`dsice run`, `dsice resume` and `dsice advance`: tune what a study file says."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsice.checks import expanded, is_number
from dsice.cli import output
from dsice.errors import JournalError
from dsice.journal import JournalReader
from dsice.journal.emptied import no_study
from dsice.reuse.source import Source, as_sources
from dsice.running.advancing import advance_loop
from dsice.running.loop import run_loop
from dsice.study.file import Study, read_study
from dsice.study.sources import RENAME
from dsice.tuner import Tuner


def add_run(command: argparse.ArgumentParser, *, must_exist: bool = False) -> None:
    """Arguments of ``dsice run``."""
    command.add_argument("study", help="the study file, in TOML")
    command.add_argument("--no-progress", action="store_true", help="show no progress")
    text = "measurements of a related task: a journal or a table; may be given several times"
    command.add_argument("--reuse", action="append", default=[], metavar="FILE", help=text)
    command.set_defaults(
        act=lambda args: run(
            args.study, must_exist=must_exist, progress=not args.no_progress, reuse=args.reuse
        ),
        interrupted=lambda args: go_on(args.study, "resume", args.reuse),
    )


def add_resume(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice resume``."""
    add_run(command, must_exist=True)


def add_advance(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice advance``."""
    text = "its jobs go on without a coordinator: [launcher] kind = 'batch'"
    command.add_argument("study", metavar="STUDY.toml", help=text)
    text = "stay S seconds (default: one look)"
    command.add_argument("--for", dest="seconds", type=float, default=0.0, metavar="S", help=text)
    output.add_wait(command)
    command.set_defaults(
        act=lambda args: advance(args.study, seconds=args.seconds, wait=args.wait),
        interrupted=lambda args: go_on(args.study, "advance"),
    )


def run(
    file: str, *, must_exist: bool = False, progress: bool = True, reuse: Sequence[str] = ()
) -> int:
    """Start a study, or go on with it where its journal holds it already.

    Parameters
    ----------
    file
        The study file.
    must_exist
        Refuse to start a new one.
    reuse
        Files with measurements of related tasks, beside those of the study file.

    Raises
    ------
    JournalError
        There is nothing to go on with.
    DsiceError
        The study file, the journal or the program is wrong.
    """
    study = _with_sources(read_study(file), reuse)
    if must_exist and not study.journal.exists():
        raise JournalError(
            f"nothing to resume: journal {study.journal} does not exist; start with: dsice run "
            f"{file}"
        )
    if must_exist and JournalReader(study.journal).header is None:
        raise JournalError(f"nothing to resume: {no_study(study.journal)}")
    with contextlib.chdir(study.folder):  # trials run where the study file is
        launcher = study.launcher()  # first: a wrong program leaves no journal behind
        with study.tuner() as tuner, launcher:
            if len(tuner.history):
                output.say(_continued(tuner))
            run_loop(tuner, launcher, study.options, progress=progress)
    return _summary(study, tuner)


def _with_sources(study: Study, files: Sequence[str]) -> Study:
    """The study with more sources, whose paths are relative to where the command was typed."""
    if not files:
        return study
    new = [Source(expanded(file).absolute(), name=file) for file in files]
    return replace(study, reuse=as_sources([*(study.reuse or ()), *new], rename=RENAME))


def _summary(study: Study, tuner: Tuner) -> int:
    code = output.best(tuner)
    output.failures(tuner.history)
    output.confirmation(tuner)
    output.say(f"\njournal {_short(study.journal)}: {len(tuner.history)} trials")
    output.end(tuner)
    return code


def advance(file: str, *, seconds: float = 0.0, wait: float = output.WAIT) -> int:
    """Take a study a step further, leave its jobs running, and say in a line how it stands.

    Parameters
    ----------
    file
        The study file.
    seconds
        How long to stay; 0: one look.
    wait
        Seconds to wait for another writer: many jobs may end at the same moment and each call
        this.

    Raises
    ------
    DsiceError
        The study file, the journal or the program is wrong, or the trials would not outlive this
        process.
    """
    study = read_study(file)
    with contextlib.chdir(study.folder):
        launcher = study.launcher()
        with study.tuner(wait=wait) as tuner:
            told_before, asked_before = _n_told(tuner), tuner.asked
            options = study.options
            if options.max_seconds is not None:
                left = max(0.0, options.max_seconds - _age(study))
                options = replace(options, max_seconds=left)
            more = advance_loop(tuner, launcher, options, seconds)
            ended, new = _n_told(tuner) - told_before, tuner.asked - asked_before
    running = len(tuner.pending)
    facts = [f"{ended} ended", f"{new} new"]
    facts.append(f"{running} running" if running or more else "finished")
    best = tuner.best
    if best is not None:
        goal = tuner.history.goal
        facts.append(f"best {goal.metric} {goal.describe(best)} (trial {best.id})")
    output.say(", ".join(facts))
    return 0


def _n_told(tuner: Tuner) -> int:
    return len(tuner.history) - len(tuner.pending)


def _age(study: Study) -> float:
    """Seconds since the study began.

    Each call of `advance` is a short one, so the time limit is that of all calls together.
    """
    created: Any = (JournalReader(study.journal).header or {}).get("created")
    return max(0.0, time.time() - created) if is_number(created) else 0.0


def _continued(tuner: Tuner) -> str:
    """Where a resumed study goes on."""
    told = _n_told(tuner)
    orphans = len(tuner.orphans)
    if tuner.max_trials == told:
        return f"all {told} trials were measured before"
    text = f"going on at trial {told}"
    if tuner.max_trials:
        text += f" of {tuner.max_trials}"
    if orphans:
        were = "was running is" if orphans == 1 else "were running are"
        text += f"; {orphans} that {were} taken over or started again"
    return text


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def go_on(file: str, command: str, reuse: Sequence[str] = ()) -> str:
    """What to type after an interruption."""
    words = [command, file, *(word for source in reuse for word in ("--reuse", source))]
    typed = " ".join(json.dumps(word) if " " in word else word for word in words)
    return f"interrupted; everything measured is in the journal, go on with: dsice {typed}"
