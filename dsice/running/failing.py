"""A study in which everything fails in the same way: its run ends, and says why.

It is the user's own mistake then: a typo in the command, a package that is missing, a function
whose arguments are not the axes. To burn all trials on it helps nobody.
"""

from __future__ import annotations

import math
import re

from dsice.errors import LaunchError
from dsice.history import History
from dsice.trial import State, Trial
from dsice.typing import Point

FEWEST = 5
"""How many trials must fail alike at least, by default."""
_MEASURED = (State.DONE, State.STOPPED, State.WITHDRAWN)
_DETAILS = re.compile(r"(?:last lines of \w+:|logs?: .*|it printed nothing)$")
_VARIES = re.compile(r"0x[0-9a-fA-F]+|\d+")


class FirstFailures:
    """The ends of a run as long as nothing was ever measured.

    Parameters
    ----------
    history
        All trials of the study.
    most
        How many ends with the same cause are the last; None: twice the slots, and at least 5; 0: it
        does not matter how trials end.
    slots
        How many trials run at the same time.

    Attributes
    ----------
    count
        How many trials have ended.
    last_error
        Of the last trial that ended with one, in a line; empty: there was none.
    """

    def __init__(self, history: History, most: int | None, slots: int) -> None:
        self._most = max(FEWEST, 2 * slots) if most is None else most
        self._active = self._most > 0 and not history.in_state(*_MEASURED).any()
        self._causes: set[str] = set()
        self._points: set[Point] = set()
        self.count = 0
        self._last: Trial | None = None
        self.last_error = ""

    def note(self, trial: Trial) -> None:
        """Take in the end of a trial."""
        if trial.error:
            reason, telling = _telling(trial)
            said = not telling or reason.endswith(telling)  # as that of an exception
            self.last_error = f"trial {trial.id}: {reason}{'' if said else f': {telling}'}"
        if self._active and trial.state in _MEASURED:
            self._active = False
        if self._active:
            self._causes.add(cause(trial))
            self._points.add(trial.point)
            self.count += 1
            self._last = trial

    def note_earlier(self, history: History) -> None:
        """Take in what ended before this call, where calls are short (`advance`)."""
        for trial in history if self._active else ():
            if trial.state is not State.PENDING:
                self.note(trial)
        self._last = None  # a call in which nothing ends is no reason to stop

    def left(self, running: int) -> float:
        """How many trials may be asked beside those that run.

        Trials that would fail like all before them are not wasted; there is no limit as soon as
        two failed in different ways.
        """
        if not self._active or len(self._causes) != 1:
            return math.inf
        if len(self._points) < 2 and not running:  # of another point
            return math.inf
        if self._last is None:  # all of it was before this call, and may have been put right
            return math.inf
        return max(0, self._most - self.count - running)

    @property
    def stops(self) -> bool:
        """Whether so many trials have failed in the same way that the run is to end."""
        alike = self._active and self._last is not None and len(self._causes) == 1
        return alike and self.count >= self._most and len(self._points) >= 2

    def check(self) -> None:
        """Raise LaunchError where so many trials have failed in the same way."""
        last = self._last
        if last is None or not self.stops:
            return
        raise LaunchError(
            f"all {self.count} trials ended in the same way ({last.state}), and nothing was ever "
            f"measured. The last, trial {last.id} at {dict(last.params)}: {last.error}\n"
            "Put that right, let them be measured anew (`dsice retry STUDY.toml --failed`, or "
            "Tuner.retry), and go on; `dsice doctor` tries one trial. stop_after_failures=0 goes "
            "on whatever fails, stop_after_failures=N stops after N such trials"
        )


def cause(trial: Trial) -> str:
    """The state of a trial and the line of its error that tells most, without its numbers.

    Numbers differ from trial to trial: process ids, parameters, addresses.
    """
    reason, telling = (_VARIES.sub("#", text) for text in _telling(trial))
    return f"{trial.state}: {reason}: {telling}"


def _telling(trial: Trial) -> tuple[str, str]:
    """The first line of an error, and of the program's output the line that tells most."""
    lines = [line.strip() for line in (trial.error or "").split("\n")]
    reason, details = lines[0], lines[1:]
    telling = ""
    for line in details:
        if _DETAILS.match(line):
            if telling:  # of stderr, which comes before stdout
                break
        elif line:
            telling = line
    return reason, telling
