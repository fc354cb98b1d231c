"""What a run says: the line on the terminal while it goes on, why it has no best, why it ended."""

from __future__ import annotations

import math
import sys
import time
import warnings
from contextlib import suppress
from types import TracebackType

from dsice.errors import VISIBLE_IN_LINE, DsiceError, DsiceWarning, JournalError
from dsice.running.failing import FirstFailures
from dsice.running.starting import Postponed
from dsice.trial import State
from dsice.tuner import Tuner
from dsice.tuner.ending import End

_ERROR = 100  # characters of an error that a line has room for


def say_sources(tuner: Tuner) -> None:
    """Print what the search takes from the sources of a tuner."""
    with suppress(OSError, ValueError):  # nobody may be there to read it
        for source in tuner.sources if tuner.history.sources else ():
            text = f"reuse {source.name}: {source}"
            print(text.translate(VISIBLE_IN_LINE), file=sys.stderr)


class Progress:
    """Live display of a run; where there is no terminal, a line every few seconds instead.

    Parameters
    ----------
    tuner
        The tuner whose trials are shown.
    total
        Trials in all, None where the end is not known.
    """

    OFTEN = 0.1  # seconds between two states on a terminal
    EVERY = 10.0  # seconds between two lines where there is no terminal

    def __init__(self, tuner: Tuner, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self.tuner = tuner
        self.total = total
        self._began = time.monotonic()
        self._n_told_before = self._n_told()
        self._last_error = ""
        self._console = Console(stderr=True)
        # rich would end the process, and take its stdout away
        self._console.on_broken_pipe = self._fall_silent  # type: ignore[method-assign]
        self._printed = self._began
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
        )
        self._bar = None
        if self._console.is_terminal:
            self._bar = Bar(*columns, console=self._console, transient=False)
            self._task = self._bar.add_task("dsice", total=total, text="")
            self._printed = -math.inf

    def _fall_silent(self) -> None:
        """Show nothing any more, since nobody reads it."""
        self._console.quiet = True

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show(0)
        if self._bar:
            with suppress(OSError, ValueError):
                self._bar.stop()

    def update(
        self, running: int, postponed: Postponed | None = None, last_error: str = ""
    ) -> None:
        """Show the state with that many trials running, if it is time to show anything.

        It is called with every event, and what it shows takes a look at all trials.
        """
        self._last_error = last_error
        now = time.monotonic()
        if now - self._printed < (self.OFTEN if self._bar else self.EVERY):
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
            if self._bar:
                self._bar.update(self._task, completed=self._n_told(), text=text)
            else:
                self._console.print(
                    text, highlight=False, markup=False, emoji=False, soft_wrap=True
                )

    def text(self, running: int) -> str:
        """One line: told/total, running, failed, best, time left."""
        told = self._n_told()
        failed = int(self.tuner.history.failed().sum())
        best = self.tuner.best
        parts = [f"{told}{f'/{self.total}' if self.total else ''} trials", f"{running} running"]
        if failed:
            parts.append(f"{failed} failed")
        if best is not None and best.value is not None:
            parts.append(f"best {self.tuner.history.goal.describe(best)}")
        parts += self._time_left(told)
        return ", ".join(parts)

    def _n_told(self) -> int:
        return len(self.tuner.history) - len(self.tuner.pending)

    def _time_left(self, told: int) -> list[str]:
        new = told - self._n_told_before
        if not self.total or new <= 0 or told >= self.total:
            return []
        left = (self.total - told) * (time.monotonic() - self._began) / new
        return [f"about {int(left // 60)}:{int(left % 60):02d} left"]


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
    """Print why a run ended, and what to try next, on stderr."""
    if (end := tuner.noted_end) is not None:
        with suppress(OSError, ValueError):  # nobody may be there to read it
            print(f"ended: {end.with_advice}".translate(VISIBLE_IN_LINE), file=sys.stderr)
