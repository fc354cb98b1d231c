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
    ├── RankError         (RuntimeError)  a worker process of a multi-process trainer made a tuner
    └── MissingPackageError (ImportError) an optional package is not installed

    DsiceWarning (UserWarning)            something could not be used as it was told
"""

from __future__ import annotations


class DsiceError(Exception):
    """Root of every error that dsice raises on purpose."""


class SpaceError(DsiceError, ValueError):
    """Axes, levels or rules are wrong, or params do not lie on the grid."""


class OptionError(DsiceError, ValueError):
    """An option of a strategy, goal, launcher or study file is wrong."""


class TellError(DsiceError, ValueError):
    """What was told, added or enqueued cannot be taken; nothing was recorded."""


class UnknownTrialError(DsiceError, KeyError):
    """No trial with that id exists in this tuner."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


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


class MissingPackageError(DsiceError, ImportError):
    """An optional package is needed and not installed."""


class DsiceWarning(UserWarning):
    """Something could not be used as it was told; the message says what was recorded instead."""
