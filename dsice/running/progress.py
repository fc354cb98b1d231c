"""What a run says: how far it is and when it ends, and why it has no best at the end.

`Limits` knows what will end a run; `Progress` shows it in a line that changes (`display`), or in
one line after the other where there is no terminal.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from dsice.errors import VISIBLE_IN_LINE, DsiceError, DsiceWarning, JournalError
from dsice.running.failing import FirstFailures
from dsice.running.options import RunOptions
from dsice.running.starting import Postponed
from dsice.strategies import DSICE, as_strategy
from dsice.trial import State
from dsice.tuner import Tuner
from dsice.tuner.ending import End

if TYPE_CHECKING:
    from dsice.running.display import Display

_ERROR = 100  # characters of an error that a line has room for
RECENT = 50  # trials whose run times say how long others will take


def say_sources(tuner: Tuner) -> None:
    """Print what the search takes from the sources of a tuner."""
    with suppress(OSError, ValueError):  # nobody may be there to read it
        for source in tuner.sources if tuner.history.sources else ():
            text = f"reuse {source.name}: {source}"
            print(text.translate(VISIBLE_IN_LINE), file=sys.stderr)


@dataclass(frozen=True)
class TimeLeft:
    """When a run ends.

    Attributes
    ----------
    seconds
        From now on, estimated.
    limit
        What ends it then: ``max_trials``, ``max_seconds``, ``max_cost``, ``grid`` (every point is
        measured) or ``tolerance`` (nothing better was found for so long that the search may end).
    """

    seconds: float
    limit: str

    def __str__(self) -> str:
        if self.limit == "tolerance":
            return f"may end in about {clock(self.seconds)} if nothing better comes"
        known = "" if self.limit in ("max_trials", "grid") else f" ({self.limit})"
        return f"about {clock(self.seconds)} left{known}"


def clock(seconds: float) -> str:
    """A duration as people read it: ``4:05`` (minutes), ``3:04:05`` (hours), ``2 d 3 h``."""
    if seconds >= 86_400:
        days, hours = divmod(round(seconds / 3600), 24)
        return f"{days:,} d {hours} h"
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


class Limits:
    """The limits of one call of `run`, which begins where this object is made.

    Parameters
    ----------
    tuner
        The tuner whose trials are run; what it knows by now belongs to earlier calls.
    options
        The options of the call.
    """

    def __init__(self, tuner: Tuner, options: RunOptions) -> None:
        self._tuner = tuner
        self._options = options
        self._began = time.monotonic()
        history = tuner.history
        # added trials, and those that confirmed in an earlier call: no part of a budget
        self._uncounted = len(history) - history.asked
        self._ended_before = self.ended
        self._spent_before = self._tuner.run_seconds

    @property
    def ended(self) -> int:
        """How many trials ended, of those that count for `total`."""
        history = self._tuner.history
        return len(history) - len(self._tuner.pending) - (self._uncounted if self.total else 0)

    @cached_property
    def total(self) -> int | None:
        """How many trials there are in the end; None where nothing says it."""
        budget = self._options.max_trials or self._tuner.max_trials
        found = [n for n in (budget, self._grid) if n is not None]
        return min(found) + self._confirming if found else None

    @cached_property
    def _grid(self) -> int | None:
        """How many points there are to ask for, where each is asked for once."""
        tuner, space = self._tuner, self._tuner.space
        repeating = isinstance(tuner.strategy, DSICE) and tuner.strategy.noise is True
        staged = as_strategy(tuner.strategy).last_stage is not None
        if repeating or staged or not space.enumerable:
            return None
        added = len(tuner.history.taken()) - tuner.asked  # points that are not asked for any more
        return None if space.count is None else space.count - max(0, added)

    @cached_property
    def _confirming(self) -> int:
        """How many trials confirm the best in the end."""
        options, tuner = self._options, self._tuner
        if not options.confirm:
            return 0
        own = as_strategy(tuner.strategy).own_setting(tuner.space)
        wanted = (options.confirm + (own is not None)) * options.repeats
        done = int(tuner.history.of_stage(tuner.history.goal.stage + 1).sum())
        return max(0, wanted - done)

    def share(self) -> float | None:
        """How much of the limit that is nearest is used up, 0 to 1; None where there is none."""
        found = []
        if self.total:
            found.append(self.ended / self.total)
        if self._options.max_seconds:
            found.append(self._elapsed() / self._options.max_seconds)
        if self._options.max_cost:
            found.append(self._tuner.run_seconds / (3600.0 * self._options.max_cost))
        return min(1.0, max(found)) if found else None

    def left(self) -> TimeLeft | None:
        """When the run ends, by the limit that is nearest; None where nothing says it yet."""
        elapsed = self._elapsed()
        if elapsed <= 0:
            return None
        found = self._at_pace(
            (self.ended - self._ended_before) / elapsed,
            (self._tuner.run_seconds - self._spent_before) / elapsed,
        )
        if self._options.max_seconds is not None:
            seconds = max(0.0, self._options.max_seconds - elapsed)
            found.append(TimeLeft(seconds, "max_seconds"))
        return _nearest(found)

    def left_by_run_times(self) -> TimeLeft | None:
        """The same for who only looks on, by what is running and how long trials took."""
        seconds = self._tuner.history.seconds()
        known = seconds[np.isfinite(seconds)][-RECENT:]
        running = len(self._tuner.pending)
        if not running or not len(known) or known.mean() <= 0:
            return None
        return _nearest(self._at_pace(running / float(known.mean()), float(running)))

    def _at_pace(self, ended: float, spent: float) -> list[TimeLeft]:
        """When each limit is reached where so many trials end, and cost so much, in a second."""
        found = []
        tuner, total, options = self._tuner, self.total, self._options
        if ended > 0 and total and self.ended < total:
            limit = "max_trials" if self._grid is None or total < self._grid else "grid"
            found.append(TimeLeft((total - self.ended) / ended, limit))
        if spent > 0 and options.max_cost:
            worker_seconds = max(0.0, 3600.0 * options.max_cost - self._tuner.run_seconds)
            found.append(TimeLeft(worker_seconds / spent, "max_cost"))
        trials = as_strategy(tuner.strategy).may_end_after(tuner.space, tuner.history)
        if ended > 0 and trials:
            found.append(TimeLeft(trials / ended, "tolerance"))
        return found

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def _nearest(found: list[TimeLeft]) -> TimeLeft | None:
    finite = [one for one in found if math.isfinite(one.seconds)]
    return min(finite, key=lambda one: one.seconds) if finite else None


class Progress:
    """What a run shows while it goes on: on a terminal, in a notebook, or in a log.

    Parameters
    ----------
    tuner
        The tuner whose trials are shown.
    options
        The options of the run, which may end it.
    """

    OFTEN = 0.1  # seconds between two states on a terminal, or in a notebook
    EVERY = 10.0  # seconds between two lines where there is no terminal

    def __init__(self, tuner: Tuner, options: RunOptions) -> None:
        from rich.console import Console

        self.tuner = tuner
        self.limits = Limits(tuner, options)
        self._last_error = ""
        self._console = Console(stderr=True)
        # rich would end the process, and take its stdout away
        self._console.on_broken_pipe = self._fall_silent  # type: ignore[method-assign]
        self.display: Display | None = None
        self._printed = time.monotonic()
        if self._console.is_terminal or self._console.is_jupyter:
            from dsice.running.display import display_on

            self.display = display_on(self._console)
            self._printed = -math.inf

    def _fall_silent(self) -> None:
        """Show nothing any more, since nobody reads it."""
        self._console.quiet = True

    def __enter__(self) -> Progress:
        if self.display is not None:
            self.display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show(0)
        if self.display is not None:
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
        if now - self._printed < (self.EVERY if self.display is None else self.OFTEN):
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
            if self.display is not None:
                self.display.show(text, self.limits.share())
            else:
                self._console.print(
                    text, highlight=False, markup=False, emoji=False, soft_wrap=True
                )

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


# ------------------------------------------------------------------ why it asks for nothing more
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
    """Print why a run ended, and what to try next: on stderr, in a notebook below the cell."""
    if (end := tuner.noted_end) is not None:
        from rich.console import Console

        stream = sys.stdout if Console(stderr=True).is_jupyter else sys.stderr
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print(f"ended: {end.with_advice}".translate(VISIBLE_IN_LINE), file=stream)
