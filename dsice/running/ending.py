"""Why a run asks for nothing more: the options that limit it, and what it leaves in the journal."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress

import numpy as np

from dsice.errors import VISIBLE_IN_LINE, DsiceError, JournalError
from dsice.running.failing import FirstFailures
from dsice.running.options import RunOptions
from dsice.tuner import Tuner
from dsice.tuner.ending import End


def allowed(
    free: int, tuner: Tuner, options: RunOptions, running: int, deadline: float
) -> tuple[int, End | None]:
    """How many of `free` trials the options of a run allow; where none, why.

    Parameters
    ----------
    running
        How many trials run.
    deadline
        When the time of the run is over, by `time.monotonic`.
    """
    if time.monotonic() >= deadline:
        return 0, End("time", {"max_seconds": options.max_seconds})
    if options.max_trials is not None:
        free = min(free, options.max_trials - tuner.asked)
        if free <= 0:
            return 0, End("budget", {"max_trials": options.max_trials})
    if options.max_cost is not None:
        free = min(free, affordable(free, tuner, options.max_cost, running))
        if free <= 0:
            hours = tuner.run_seconds / 3600.0
            return 0, End("cost", {"max_cost": options.max_cost, "hours": hours})
    return free, None


def affordable(free: int, tuner: Tuner, max_cost: float, running: int) -> int:
    """How many of `free` trials so many worker-hours pay for.

    What this study ran counts. Each trial that runs, or is to run, counts with the mean of the
    trials told so far; where this study ran none yet, with that of those that were added.
    """
    left = 3600.0 * max_cost - tuner.run_seconds
    if left <= 0:
        return 0
    seconds, added = tuner.history.seconds(), tuner.history.added()
    known = seconds[np.isfinite(seconds) & ~added]
    if not len(known):
        known = seconds[np.isfinite(seconds)]
    mean = float(known.mean()) if len(known) else 0.0
    if mean <= 0:
        return free
    return math.ceil(min(left / mean, 1e9)) - running


def end_of_run(tuner: Tuner, limit: End | None) -> End:
    """Why a run asks for nothing more: an option that limits it, else what the search says."""
    with suppress(Exception):  # of a strategy of the user's own: all that was asked is told
        return limit or tuner.end or _complete(tuner)
    return _complete(tuner)


def _complete(tuner: Tuner) -> End:
    return End("complete", {"strategy": type(tuner.strategy).__name__})


def note_end(tuner: Tuner, end: End | None) -> None:
    """Let the journal say why a run asks for nothing more, as far as it can be written."""
    if end is not None:
        with suppress(JournalError):  # results are in it, or in a file that a warning named
            tuner.note_end(end)


def note_error(tuner: Tuner, error: BaseException, failures: FirstFailures | None) -> None:
    """Let the journal say which error of dsice ended a run; an interruption is no end."""
    if not isinstance(error, DsiceError):
        return
    end = End("error", {"error": str(error).split("\n")[0]})
    if failures is not None and failures.stops:
        end = End("failures", {"count": failures.count, "last": failures.last_error})
    note_end(tuner, end)


def say_end(tuner: Tuner) -> None:
    """Print why a run ended, and what to try next, on stderr."""
    if (end := tuner.noted_end) is not None:
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print(f"ended: {end.with_advice}".translate(VISIBLE_IN_LINE), file=sys.stderr)
