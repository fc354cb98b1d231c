"""What becomes of a run that is interrupted by Ctrl-C where a result is expected all the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dsice.errors import DsiceWarning
from dsice.tuner import Tuner


@contextmanager
def keeping_results(tuner: Tuner, objective: Callable[..., Any]) -> Iterator[None]:
    """Leave the block without an error at Ctrl-C, with a warning that says how to go on.

    A notebook's cell or a script then has the tuner with what was measured. A second Ctrl-C, while
    trials are being ended, is an interruption like any other.
    """
    try:
        yield
    except KeyboardInterrupt as interruption:
        if isinstance(interruption.__context__, KeyboardInterrupt):
            raise
        warnings.warn(how_to_go_on(tuner, objective), DsiceWarning, stacklevel=4)


def how_to_go_on(tuner: Tuner, objective: Callable[..., Any]) -> str:
    """What an interrupted `minimize` has, and what continues it."""
    history = tuner.history
    ended = len(history) - len(history.pending())
    text = f"minimize was interrupted: {ended} trial{'' if ended == 1 else 's'} ended"
    best = tuner.best
    if best is not None:
        text += f", best {history.goal.metric} {history.goal.describe(best)}"
    if tuner.journal is not None:
        return f"{text}. The same call goes on; the journal {tuner.journal} has everything"
    name = getattr(objective, "__name__", "objective")
    return (
        f"{text}. The tuner that is returned has them; go on with: "
        f"dsice.run(tuner, dsice.launchers.Local({name}))"
    )
