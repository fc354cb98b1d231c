"""dsice: tune slow programs over grids of discrete values, a whole batch of measurements at a time.

The public names.  What is heavier than numpy is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy  # noqa: F401  every part stands on it: a broken one shows here, not at the first ask

from dsice.errors import DsiceError, DsiceWarning
from dsice.run import minimize, run

if TYPE_CHECKING:
    from dsice.goal import Goal, Seconds, Share, Trials
    from dsice.history import History
    from dsice.insight import effects, importance
    from dsice.journal import Journal
    from dsice.space import Choice, Ordinal, Require, Space, When
    from dsice.trial import Proposal, State, Trial
    from dsice.tuner import Tuner
    from dsice.worker import environment, parent_dir, step, trial_dir

__all__ = [
    "Choice",
    "DsiceError",
    "DsiceWarning",
    "Goal",
    "History",
    "Journal",
    "Ordinal",
    "Proposal",
    "Require",
    "Seconds",
    "Share",
    "Space",
    "State",
    "Trial",
    "Trials",
    "Tuner",
    "When",
    "effects",
    "environment",
    "importance",
    "minimize",
    "parent_dir",
    "run",
    "step",
    "trial_dir",
]

_HOME = {
    "Choice": "space",
    "Goal": "goal",
    "History": "history",
    "Journal": "journal",
    "Ordinal": "space",
    "Proposal": "trial",
    "Require": "space",
    "Seconds": "goal",
    "Share": "goal",
    "Space": "space",
    "State": "trial",
    "Trial": "trial",
    "Trials": "goal",
    "Tuner": "tuner",
    "When": "space",
    "effects": "insight",
    "environment": "worker",
    "importance": "insight",
    "parent_dir": "worker",
    "step": "worker",
    "trial_dir": "worker",
}
_PARTS = ("directions", "launchers", "plots", "spline", "stopping", "strategies")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"dsice.{_HOME[name]}"), name)
    elif name in _PARTS:
        value = import_module(f"dsice.{name}")
    else:
        raise AttributeError(f"module 'dsice' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PARTS})
