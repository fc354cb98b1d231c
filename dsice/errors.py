"""All errors of dsice: one tree with one root; each error is also the builtin one that fits.

::

    DsiceError
    ├── SpaceError        (ValueError)    axes, levels, rules, params off the grid
    ├── OptionError       (ValueError)    an option of a strategy, goal, launcher or study file
    ├── TellError         (ValueError)    what tell, add or enqueue cannot take
    ├── UnknownTrialError (KeyError)      no trial with that id
    ├── FitError          (ValueError)    measurements a d-spline cannot be fitted to
    ├── TableError        (ValueError)    a log that cannot be replayed
    ├── JournalError      (OSError)       the journal cannot be read or written
    │   ├── LockedError                   another coordinator holds it
    │   └── OtherStudyError               it belongs to another study
    ├── LaunchError       (RuntimeError)  a trial cannot be started
    ├── CopyError         (TypeError)     a tuner cannot be copied or pickled
    ├── RankError         (RuntimeError)  a worker process of a multi-process trainer made a tuner
    └── MissingPackageError (ImportError) an optional package is not installed

    DsiceWarning (UserWarning)            something could not be used as it was told
    Invalid (Exception)                   for a trial's function to raise: its result is wrong

Their texts may hold what somebody else wrote: names and values of a journal, the last words of a
program. `VISIBLE` keeps these from giving orders to a terminal.
"""

from __future__ import annotations

import warnings

_HIDDEN = (
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    # marks that turn the direction of text, and ends of lines that are not "\n"
    *(0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)),
    *range(0xD800, 0xE000),
)
VISIBLE = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _HIDDEN}
"""For ``text.translate(VISIBLE)``: what a terminal would obey stands there as in a Python string.

These are the control characters but for line feed and tab, with which escape sequences begin;
characters that reverse the direction of text; halves of surrogate pairs, which cannot be printed.
"""

VISIBLE_IN_LINE = VISIBLE | {ord("\n"): "\\n", ord("\t"): "\\t"}
"""The same for a text that has to stay on one line."""


class DsiceError(Exception):
    """Root of every error that dsice raises on purpose.

    Examples
    --------
    >>> from dsice import Choice, DsiceError
    >>> try:
    ...     Choice([])
    ... except DsiceError as error:
    ...     print(type(error).__name__)
    SpaceError
    """

    def __str__(self) -> str:
        return super().__str__().translate(VISIBLE)


class SpaceError(DsiceError, ValueError):
    """Axes, levels or rules are wrong, or params do not lie on the grid.

    Examples
    --------
    >>> from dsice import Space
    >>> Space({"x": [1, 2, 4]}).point({"x": 3})
    Traceback (most recent call last):
        ...
    dsice.errors.SpaceError: parameter 'x': 3 is not on the axis; the nearest values are 2 and 4
    """


class OptionError(DsiceError, ValueError):
    """An option of a strategy, goal, launcher or study file is wrong.

    Examples
    --------
    >>> from dsice import Goal
    >>> Goal(of="mode")
    Traceback (most recent call last):
        ...
    dsice.errors.OptionError: Goal(of='mode'): expected 'mean', 'median' or 'min'
    """


class TellError(DsiceError, ValueError):
    """What was told, added or enqueued cannot be taken; nothing was recorded.

    Examples
    --------
    >>> from dsice import Tuner
    >>> tuner = Tuner({"x": [1, 2, 4]})
    >>> tuner.tell(tuner.ask()[0], "fast")
    Traceback (most recent call last):
        ...
    dsice.errors.TellError: trial 0: value: expected a number or a list of numbers, got ...
    """


class UnknownTrialError(DsiceError, KeyError):
    """No trial with that id exists in this tuner.

    Examples
    --------
    >>> from dsice import Tuner
    >>> Tuner({"x": [1, 2, 4]}).tell(7, 0.5)
    Traceback (most recent call last):
        ...
    dsice.errors.UnknownTrialError: no trial 7: nothing was asked yet; give a trial from ...
    """

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]).translate(VISIBLE) if self.args else ""


class FitError(DsiceError, ValueError):
    """Measurements that no d-spline can be fitted to.

    Examples
    --------
    >>> from dsice.spline import fit
    >>> fit([0, 9], [1.0, 2.0], n=5)
    Traceback (most recent call last):
        ...
    dsice.errors.FitError: levels[1]: expected a level of the line, 0 to 4, got 9
    """


class TableError(DsiceError, ValueError):
    """A log or table that cannot be replayed.

    Examples
    --------
    >>> import pandas as pd
    >>> from dsice.launchers import Table
    >>> Table(pd.DataFrame({"x": [1, 2]}), objective="loss")
    Traceback (most recent call last):
        ...
    dsice.errors.TableError: the table has no column 'loss'; its columns are x
    """


class JournalError(DsiceError, OSError):
    """The journal cannot be read or written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from dsice import Tuner
    >>> _ = Path("notes.jsonl").write_text("no journal")
    >>> Tuner({"x": [1, 2]}, journal="notes.jsonl")
    Traceback (most recent call last):
        ...
    dsice.errors.JournalError: ...notes.jsonl is no dsice journal...
    """


class LockedError(JournalError):
    """Another coordinator holds the journal.

    Examples
    --------
    >>> from dsice import Journal, Tuner
    >>> first = Journal("run.jsonl")
    >>> Tuner({"x": [1, 2]}, journal="run.jsonl")
    Traceback (most recent call last):
        ...
    dsice.errors.LockedError: journal ...run.jsonl is open in this process already; ...
    """


class OtherStudyError(JournalError):
    """The journal belongs to another study.

    Examples
    --------
    >>> from dsice import Tuner
    >>> Tuner({"x": [1, 2]}, journal="run.jsonl").close()
    >>> Tuner({"y": [1, 2]}, journal="run.jsonl")
    Traceback (most recent call last):
        ...
    dsice.errors.OtherStudyError: journal ...run.jsonl belongs to another study: ...
    """


class LaunchError(DsiceError, RuntimeError):
    """A trial cannot be started or its launcher is misused.

    Examples
    --------
    >>> from dsice.launchers import Job, Local
    >>> Local("echo 1", slots=1).submit([Job(0), Job(1)])
    Traceback (most recent call last):
        ...
    dsice.errors.LaunchError: 2 jobs submitted and 1 of 1 slots free; collect results ...
    """


class RankError(DsiceError, RuntimeError):
    """A worker of a multi-process trainer (torchrun, mpirun) made a tuner; only rank 0 may.

    Examples
    --------
    >>> issubclass(RankError, RuntimeError)
    True
    """


class CopyError(DsiceError, TypeError):
    """A tuner cannot be copied or pickled: it alone writes its history and its journal.

    Examples
    --------
    >>> import copy
    >>> from dsice import Tuner
    >>> copy.copy(Tuner({"x": [1, 2]}))
    Traceback (most recent call last):
        ...
    dsice.errors.CopyError: a Tuner cannot be copied or pickled...
    """


class MissingPackageError(DsiceError, ImportError):
    """An optional package is needed and not installed.

    Examples
    --------
    >>> issubclass(MissingPackageError, ImportError)
    True
    """


class Invalid(Exception):
    """The result of a trial is wrong: raise it in the function that a launcher calls.

    The trial is recorded as ``invalid``, with the text as the reason, and its point counts as
    measured.

    Examples
    --------
    >>> import dsice
    >>> def solve(n):
    ...     residual = 10.0**-n
    ...     if residual > 1e-3:
    ...         raise dsice.Invalid(f"the residual is {residual:g}")
    ...     return {"seconds": 0.1 * n}
    """


class DsiceWarning(UserWarning):
    """Something could not be used as it was told; the message says what was recorded instead.

    Examples
    --------
    >>> import warnings
    >>> from dsice import Tuner
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     tuner = Tuner({"x": [1, 2]})
    ...     tuner.tell(tuner.ask()[0], float("nan")).state
    <State.FAILED: 'failed'>
    >>> caught[0].category.__name__
    'DsiceWarning'
    """

    def __str__(self) -> str:
        return super().__str__().translate(VISIBLE)


def warn_renamed(old: str, new: str) -> None:
    """Warn that something deprecated has another name now."""
    warnings.warn(
        f"{old} is called {new}, now; the old name goes with the next release",
        DeprecationWarning,
        stacklevel=3,
    )
