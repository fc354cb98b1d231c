"""dsice: tune slow programs over grids of discrete values, a whole batch of measurements at a time.

The public names. What is heavier than numpy is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy  # noqa: F401  every part stands on it: a broken one shows here, not at the first ask

if TYPE_CHECKING:  # what a type checker sees of the table below; a test compares the two
    from dsice.errors import DsiceError as DsiceError
    from dsice.errors import DsiceWarning as DsiceWarning
    from dsice.errors import Invalid as Invalid
    from dsice.goal import Goal as Goal
    from dsice.goal import Seconds as Seconds
    from dsice.goal import Share as Share
    from dsice.goal import Trials as Trials
    from dsice.history import History as History
    from dsice.insight import effects as effects
    from dsice.insight import importance as importance
    from dsice.journal import Journal as Journal
    from dsice.journal.extend import extend as extend
    from dsice.report import write_report as write_report
    from dsice.reuse import Source as Source
    from dsice.running.run import advance as advance
    from dsice.running.run import minimize as minimize
    from dsice.running.run import run as run
    from dsice.space import Choice as Choice
    from dsice.space import Ordinal as Ordinal
    from dsice.space import Require as Require
    from dsice.space import Space as Space
    from dsice.space import When as When
    from dsice.trial import Proposal as Proposal
    from dsice.trial import State as State
    from dsice.trial import Trial as Trial
    from dsice.tuner import Tuner as Tuner
    from dsice.worker import environment as environment
    from dsice.worker import parent_dir as parent_dir
    from dsice.worker import step as step
    from dsice.worker import trial_dir as trial_dir

_PUBLIC = {
    "errors": ("DsiceError", "DsiceWarning", "Invalid"),
    "goal": ("Goal", "Seconds", "Share", "Trials"),
    "history": ("History",),
    "insight": ("effects", "importance"),
    "journal": ("Journal",),
    "journal.extend": ("extend",),
    "report": ("write_report",),
    "reuse": ("Source",),
    "running": ("advance", "minimize", "run"),
    "space": ("Choice", "Ordinal", "Require", "Space", "When"),
    "trial": ("Proposal", "State", "Trial"),
    "tuner": ("Tuner",),
    "worker": ("environment", "parent_dir", "step", "trial_dir"),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}
_PACKAGES = ("directions", "errors", "launchers", "plots", "spline", "stopping", "strategies")

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"dsice.{_HOME[name]}"), name)
    elif name in _PACKAGES:
        value = import_module(f"dsice.{name}")
    else:
        raise AttributeError(f"module 'dsice' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
