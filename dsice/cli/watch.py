"""`dsice status --watch`: a study that another process runs, again and again.

On a terminal the screen is redrawn in place. Where there is none, as in a log, there is one line
whenever something has happened, and nothing while nothing happens.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dsice.checks import expanded
from dsice.cli import output
from dsice.errors import VISIBLE_IN_LINE, JournalError, OptionError
from dsice.history import History
from dsice.journal import requests
from dsice.journal.files import version_of
from dsice.journal.reader import resolved
from dsice.running.options import RunOptions
from dsice.running.progress import Limits
from dsice.study.file import read_study
from dsice.trial import Trial
from dsice.tuner import Tuner

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-=*#"  # for a terminal whose encoding has no others
_WIDTH = 60  # columns of the sparkline
_ERRORS = 3  # last ones


class View:
    """What is seen of a study at one moment.

    Parameters
    ----------
    options
        The options of its run, as far as they are known.
    """

    def __init__(self, tuner: Tuner, options: RunOptions) -> None:
        self.tuner = tuner
        self.limits = Limits(tuner, options)

    def counts(self) -> str:
        """How many trials ended, run and failed, and how long the others will take."""
        history, pending = self.tuner.history, len(self.tuner.pending)
        total = self.limits.total
        parts = [f"{self.limits.ended}{f'/{total}' if total else ''} trials", f"{pending} pending"]
        if failed := int(history.failed().sum()):
            parts.append(f"{failed} failed")
        if (left := self.limits.left_by_run_times()) is not None:
            parts.append(str(left))
        return ", ".join(parts)

    def best(self) -> str:
        """The best value, and how many trials came after it."""
        history, best = self.tuner.history, self.tuner.best
        if best is None:
            return "no best yet"
        text = f"best {history.goal.metric} {history.goal.describe(best)}, trial {best.id}"
        leaders = history.leaders()
        later = len(history) - 1 - leaders[-1][0] if leaders else 0
        since = f"{later} trial{'' if later == 1 else 's'} since"
        return f"{text}, {since}" if later else text

    def errors(self) -> list[str]:
        """Why the last trials failed, the latest first, one line each."""
        failed = [trial for trial in self.tuner.history if trial.error]
        latest = sorted(failed, key=_ended, reverse=True)[:_ERRORS]
        reasons = [(trial.error or "").strip().split("\n")[0] for trial in latest]
        return [f"trial {t.id} {t.state}: {why}" for t, why in zip(latest, reasons, strict=True)]


def _ended(trial: Trial) -> tuple[float, int]:
    return (trial.times[2] or 0.0, trial.id)


def sparkline(history: History, width: int, bars: str = _BARS) -> str:
    """The best value so far over the trials, a character for each part of them; "" without one.

    It falls where less is better. What is far from the best is cut off, so that one bad start does
    not hide all that follows.
    """
    leaders = [(id, trial.value or 0.0) for id, trial in history.leaders()]
    if not leaders:
        return ""
    n, first = len(history), leaders[0][0]
    width = min(width, n - first)
    values = []
    place = 0
    for column in range(width):
        last = first + (column + 1) * (n - first) // width - 1  # trial at the end of this part
        while place + 1 < len(leaders) and leaders[place + 1][0] <= last:
            place += 1
        values.append(leaders[place][1] / 2)  # a difference of two halves is never infinite
    distances = [abs(value - values[-1]) for value in values]
    most = min(max(distances), 8 * sorted(distances)[len(distances) // 2] or math.inf)
    heights = [min(1.0, d / most) if most > 0 else 0.0 for d in distances]
    if history.goal.maximize:
        heights = [1.0 - height for height in heights]
    return "".join(bars[round(height * (len(bars) - 1))] for height in heights)


def watch(path: str, seconds: float, status: Callable[[Tuner, Path], None]) -> int:
    """Show a study until Ctrl-C; a journal that is not there yet is waited for.

    Parameters
    ----------
    seconds
        Between two looks.
    status
        Prints the rest of what there is to know of a tuner and its journal, for the screen.

    Raises
    ------
    OptionError
        `seconds` is not above 0, or the study file is wrong.
    """
    if not 0 < seconds < math.inf:
        raise OptionError(f"--watch {seconds:g}: expected a number of seconds > 0")
    study = read_study(path) if path.endswith(".toml") else None
    journal = expanded(path) if study is None else study.journal
    options = RunOptions() if study is None else study.options
    show = _on_terminal if sys.stdout.isatty() else _in_log
    with contextlib.suppress(KeyboardInterrupt):
        show(_Looks(journal, options, status), seconds)
    return 0


class _Looks:
    """Looks at a journal, each of which reads it only if it has changed."""

    def __init__(
        self, journal: Path, options: RunOptions, status: Callable[[Tuner, Path], None]
    ) -> None:
        self.journal = journal
        self._options = options
        self._status = status
        self._seen: object = self  # no version of a file
        self._view: View | str = ""

    def look(self) -> tuple[View | str, bool]:
        """What is there, or why nothing is; and whether that is something new."""
        waiting = requests.folder(resolved(self.journal))  # what a coordinator is to take in
        version = version_of(self.journal), version_of(waiting)
        if version == self._seen:
            return self._view, False
        before, self._seen = self._view, version
        try:
            self._view = View(Tuner.read(self.journal), self._options)
        except JournalError as error:
            self._view = f"{error}; looking again"
        return self._view, self._view != before

    def rest(self) -> str:
        """All that `dsice status` prints."""
        printed = io.StringIO()
        if not isinstance(self._view, str):
            with contextlib.redirect_stdout(printed):
                self._status(self._view.tuner, self.journal)
        return printed.getvalue()


def _in_log(looks: _Looks, seconds: float) -> None:
    said = ""
    while True:
        view, new = looks.look()
        text = view if isinstance(view, str) else ", ".join((view.counts(), view.best()))
        if new and text != said:
            errors = [] if isinstance(view, str) else view.errors()
            last = f"; last error: {errors[0]}" if errors else ""
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            output.say(f"{now}  {text}{last}".translate(VISIBLE_IN_LINE))
            said = text
        time.sleep(seconds)


def _on_terminal(looks: _Looks, seconds: float) -> None:
    from rich.console import Console, Group
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as screen:
        shown: Sequence[RenderableType] = ()
        while True:
            view, new = looks.look()
            if new:
                shown = _screen(view, looks.rest(), console)
            now = time.strftime("%H:%M:%S")
            foot = f"{now}, again in {seconds:g} s; Ctrl-C ends this"
            screen.update(Group(_line(foot), *shown), refresh=True)
            time.sleep(seconds)


def _screen(view: View | str, rest: str, console: Console) -> Sequence[RenderableType]:
    """What stands below the first line."""
    if isinstance(view, str):
        return [_line(view, whole=True)]
    found = [_line(view.counts()), _line(view.best())]
    bars = _BARS if _has(console.encoding, _BARS) else _PLAIN_BARS
    width = min(_WIDTH, console.width)
    if (share := view.limits.share()) is not None:
        found.append(_bar(share, width))
    if spark := sparkline(view.tuner.history, width, bars):
        found.append(_line(spark))
    found += [_line(text, "red") for text in view.errors()]
    return [*found, *map(_line, ["", *rest.rstrip().split("\n")])]


def _bar(share: float, width: int) -> RenderableType:
    from rich.align import Align
    from rich.progress_bar import ProgressBar

    return Align.left(ProgressBar(total=1.0, completed=share, width=width))


def _has(encoding: str, characters: str) -> bool:
    try:
        characters.encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def _line(text: str, style: str = "", *, whole: bool = False) -> RenderableType:
    """One line of the screen, cut off where it ends unless it is to be read `whole`.

    It is no markup, and gives no orders to the terminal.
    """
    from rich.text import Text

    overflow: Literal["fold", "ellipsis"] = "fold" if whole else "ellipsis"
    shown = text.translate(VISIBLE_IN_LINE)
    return Text(shown, style=style, no_wrap=not whole, overflow=overflow)
