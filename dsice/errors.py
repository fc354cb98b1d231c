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
    """Root of every error that dsice raises on purpose."""

    def __str__(self) -> str:
        return super().__str__().translate(VISIBLE)


class SpaceError(DsiceError, ValueError):
    """Axes, levels or rules are wrong, or params do not lie on the grid."""


class OptionError(DsiceError, ValueError):
    """An option of a strategy, goal, launcher or study file is wrong."""


class TellError(DsiceError, ValueError):
    """What was told, added or enqueued cannot be taken; nothing was recorded."""


class UnknownTrialError(DsiceError, KeyError):
    """No trial with that id exists in this tuner."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]).translate(VISIBLE) if self.args else ""


class FitError(DsiceError, ValueError):
    """Measurements that no d-spline can be fitted to."""


class TableError(DsiceError, ValueError):
    """A log or table that cannot be replayed."""


class JournalError(DsiceError, OSError):
    """The journal cannot be read or written."""


class LockedError(JournalError):
    """Another coordinator holds the journal."""


class OtherStudyError(JournalError):
    """The journal belongs to another study."""


class LaunchError(DsiceError, RuntimeError):
    """A trial cannot be started or its launcher is misused."""


class RankError(DsiceError, RuntimeError):
    """A worker of a multi-process trainer (torchrun, mpirun) made a tuner; only rank 0 may."""


class CopyError(DsiceError, TypeError):
    """A tuner cannot be copied or pickled: it alone writes its history and its journal."""


class MissingPackageError(DsiceError, ImportError):
    """An optional package is needed and not installed."""


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
    """Something could not be used as it was told; the message says what was recorded instead."""

    def __str__(self) -> str:
        return super().__str__().translate(VISIBLE)


def warn_renamed(old: str, new: str) -> None:
    """Warn that something deprecated has another name now."""
    warnings.warn(
        f"{old} is called {new}, now; the old name goes with the next release",
        DeprecationWarning,
        stacklevel=3,
    )
