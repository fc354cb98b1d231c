"""What a run says: the line on the terminal while it goes on, and why it has no best at the end."""

from __future__ import annotations

import math
import sys
import time
import warnings
from contextlib import suppress
from types import TracebackType

from dsice.errors import VISIBLE_IN_LINE, DsiceWarning
from dsice.running.display import display_of_run
from dsice.running.limits import Limits
from dsice.running.options import RunOptions
from dsice.running.starting import Postponed
from dsice.trial import State
from dsice.tuner import Tuner

_ERROR = 100  # characters of an error that a line has room for


def say_sources(tuner: Tuner) -> None:
    """Print what the search takes from the sources of a tuner."""
    with suppress(OSError, ValueError):  # nobody may be there to read it
        for source in tuner.sources if tuner.history.sources else ():
            text = f"reuse {source.name}: {source}"
            print(text.translate(VISIBLE_IN_LINE), file=sys.stderr)


class Progress:
    """What a run shows while it goes on: on a terminal, in a notebook, or in a log.

    Parameters
    ----------
    tuner
        The tuner whose trials are shown.
    options
        The options of the run, which may end it.
    """

    OFTEN = 0.1  # seconds between two states on a terminal
    EVERY = 10.0  # seconds between two lines where there is no terminal

    def __init__(self, tuner: Tuner, options: RunOptions) -> None:
        self.tuner = tuner
        self.limits = Limits(tuner, options)
        self.display = display_of_run(self.OFTEN, self.EVERY)
        self._last_error = ""
        self._printed = -math.inf if self.display.at_once else time.monotonic()

    def __enter__(self) -> Progress:
        with suppress(OSError, ValueError):
            self.display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show(0)
        with suppress(OSError, ValueError):
            self.display.stop()

    def update(
        self, running: int, postponed: Postponed | None = None, last_error: str = ""
    ) -> None:
        """Show the state with that many trials running, if it is time to show anything.

        It is called with every event, and what it shows takes a look at all trials.
        """
        self._last_error = last_error
        now = time.monotonic()
        if now - self._printed < self.display.every:
            return
        self._printed = now
        self._show(running, "" if postponed is None else postponed.text)

    def _show(self, running: int, note: str = "") -> None:
        text = self.text(running)
        if self._last_error:
            error = self._last_error
            cut = error if len(error) <= _ERROR else f"{error[:_ERROR]}..."
            text += f", last error: {cut.translate(VISIBLE_IN_LINE)}"
        if note:
            text += f", {note.translate(VISIBLE_IN_LINE)}"  # it may hold what a scheduler said
        with suppress(OSError, ValueError):  # a terminal that is gone, a log on a full disk
            self.display.show(text, self.limits.share())

    def text(self, running: int) -> str:
        """One line: ended/total, running, failed, best, time left."""
        ended, total = self.limits.ended, self.limits.total
        failed = int(self.tuner.history.failed().sum())
        best = self.tuner.best
        parts = [f"{ended}{f'/{total}' if total else ''} trials", f"{running} running"]
        if failed:
            parts.append(f"{failed} failed")
        if best is not None and best.value is not None:
            parts.append(f"best {self.tuner.history.goal.describe(best)}")
        left = self.limits.left() if running else None
        if left is not None:
            parts.append(str(left))
        return ", ".join(parts)


def warn_without_value(tuner: Tuner) -> None:
    """Warn, with the reason, where no trial has a value or none is feasible."""
    reason = _why_without_value(tuner)
    if reason:
        warnings.warn(reason, DsiceWarning, stacklevel=4)


def _why_without_value(tuner: Tuner) -> str:
    """Why a study has no best, or none within the bounds; empty: it has one."""
    history = tuner.history
    best = tuner.best
    if best is not None:
        violation = history.goal.violation(best)
        if violation <= 0:
            return ""
        return (
            f"no trial keeps all bounds of the goal: the best, trial {best.id}, "
            f"is beyond them by {violation:.3g} of their size"
        )
    measured = int(history.in_state(State.DONE).sum())
    if measured and not history.of_stage().any():
        text = (
            f"{measured} trials were measured, none of stage {history.goal.stage}, "
            "which the goal is about, so there is no best"
        )
        if tuner.max_trials is not None:
            text += f": a larger max_trials than {tuner.max_trials} goes on from here"
        return text
    failed = [trial for trial in history if trial.error is not None]
    if not failed:
        return ""
    text = f"none of the {len(failed)} trials has a value, so there is no best"
    missing = " and ".join(map(repr, history.unreported()))
    if missing:
        text += f" (no trial reported {missing}, which the goal needs)"
    first = failed[0]
    return f"{text}; trial {first.id} {first.state}: {first.error}"
