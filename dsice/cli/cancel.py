"""`dsice cancel`: end trials that wait or run, whether a coordinator follows them or not."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Sequence

from dsice.cli import output
from dsice.errors import LockedError, OptionError
from dsice.launchers.base import Launcher, Result, Study
from dsice.launchers.home import check_home
from dsice.running.options import job_of
from dsice.study.file import read_study
from dsice.trial import Trial
from dsice.tuner import Tuner

_PATIENCE = 20.0  # seconds for the ends of the trials to arrive


def add_cancel(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice cancel``."""
    command.add_argument("path", metavar="STUDY.toml")
    text = "the trials; all of them without one"
    command.add_argument("ids", type=int, nargs="*", metavar="ID", help=text)
    command.set_defaults(act=lambda args: cancel(args.path, args.ids))


def cancel(file: str, ids: Sequence[int] = ()) -> int:
    """End trials and record them as stopped.

    Where a coordinator is at work, that one records them.

    Parameters
    ----------
    file
        The study file.
    ids
        The trials; empty: all that are pending.

    Raises
    ------
    OptionError
        A trial that was never asked, or was told already.
    LaunchError
        The scheduler does not answer.
    """
    study = read_study(file)
    with contextlib.chdir(study.folder):
        found = Tuner.read(study.journal)
        trials = _chosen(found, ids)
        launcher = study.launcher()
        if launcher.directory is not None:
            check_home(launcher.directory, Study(found.identity, str(study.journal.resolve())))
        ended = launcher.stop([trial.id for trial in trials])
        output.say(f"{len(ended)} of {len(trials)} pending trials had a job, which was ended")
        try:
            with study.tuner() as tuner:
                # a coordinator may have told some, and left, meanwhile
                pending = {trial.id for trial in tuner.pending}
                left = [trial for trial in trials if trial.id in ended and trial.id in pending]
                told = _record(tuner, launcher, left)
        except LockedError:
            output.say("a coordinator is at work; it records them, and goes on with other trials")
            return 0
        finally:
            launcher.detach()
    if told < len(left):
        output.say(f"{told} recorded as stopped; the others are recorded when the study goes on")
    elif told:
        output.say(f"{told} recorded as stopped")
    return 0


def _chosen(tuner: Tuner, ids: Sequence[int]) -> list[Trial]:
    pending = {trial.id: trial for trial in tuner.pending}
    for id in ids:
        if id not in pending:
            reason = f"there are {len(tuner.history)} trials"
            if 0 <= id < len(tuner.history):
                reason = f"it was told already ({tuner.history[id].state})"
            raise OptionError(f"trial {id} cannot be cancelled: {reason}")
    return [pending[id] for id in ids] if ids else list(pending.values())


def _record(tuner: Tuner, launcher: Launcher, trials: Sequence[Trial]) -> int:
    """Wait for the ends of `trials` and tell them.

    Returns
    -------
    int
        How many were told.
    """
    jobs = [job_of(tuner, trial, tuner.preparations) for trial in trials]
    waiting = set(launcher.attach(jobs)) if jobs else set()
    until = time.monotonic() + _PATIENCE
    told = 0
    while waiting and time.monotonic() < until:
        for event in launcher.collect(0.5):
            if not isinstance(event, Result) or event.id not in waiting:
                continue
            waiting.discard(event.id)
            if event.state != "stopped":
                continue  # it ended by itself a moment before: told when the study goes on
            tuner.tell(
                event.id,
                error=event.error,
                state="stopped",
                seconds=event.seconds,
                times=event.times,
            )
            told += 1
    return told
