"""The loop of `advance`: that of `run` for a limited time, after which the jobs go on alone."""

from __future__ import annotations

import time

from dsice.checks import number
from dsice.errors import DsiceError, OptionError
from dsice.launchers.base import Launcher, LauncherLike
from dsice.launchers.outcome import MANY
from dsice.running.loop import Loop
from dsice.running.options import RunOptions, usable_launcher
from dsice.running.preparing import WAIT, prepare
from dsice.running.progress import note_end, note_error
from dsice.tuner import Tuner

CATCH_UP = 60.0  # seconds that are spent on steps that were reported before


def advance_loop(
    tuner: Tuner, launcher: LauncherLike, options: RunOptions, seconds: float = 0.0
) -> bool:
    """Do what `advance` does, with options that are checked already."""
    number("advance", "seconds", seconds, "a number of seconds >= 0", infinite=True)
    name = type(launcher).__name__
    launcher = usable_launcher(tuner, launcher)
    if launcher.cannot_detach:
        raise OptionError(
            f"advance(launcher={name}): {launcher.cannot_detach}; "
            "use a launcher whose jobs go on without it, such as Batch, or run()"
        )
    if tuner.journal is None:
        raise OptionError(
            "advance(tuner=...): nobody would remember the trials after this call; "
            "give the tuner a journal"
        )
    try:
        with tuner.working():
            more = _advance(tuner, launcher, options, time.monotonic() + seconds)
        launcher.detach()
    except BaseException:
        launcher.close()
        raise
    return more


def _advance(tuner: Tuner, launcher: Launcher, options: RunOptions, until: float) -> bool:
    """Run until a moment of `time.monotonic`; whether jobs wait or run."""
    directories = None
    if options.preparations:
        directories = prepare(tuner, launcher, options, until)
        if directories is None:
            return True
    loop = Loop(tuner, launcher, options, directories)
    try:
        with loop:
            more = _go_on(loop, until)
    except BaseException as error:
        if isinstance(error, DsiceError):
            note_error(tuner, error, loop.failures)
        loop.notify("finished")
        raise
    if not more:
        note_end(tuner, loop.end)
    loop.notify("finished")
    return more


def _go_on(loop: Loop, until: float) -> bool:
    """Run until a moment of `time.monotonic`; whether jobs wait or run."""
    loop.watch_failures().note_earlier(loop.tuner.history)
    latest = time.monotonic() + CATCH_UP
    while loop.collect(0.0) > MANY and time.monotonic() < latest:  # since the last call
        pass
    while more := loop.fill():
        left = until - time.monotonic()
        if left <= 0:
            break
        loop.collect(min(WAIT, left))
    return more
