"""dsice: tune slow programs over grids of discrete values, a whole batch of measurements at a time."""

from dsice.errors import DsiceError, DsiceWarning
from dsice.goal import Goal, Seconds, Share, Trials
from dsice.history import History
from dsice.journal import Journal
from dsice.run import minimize, run
from dsice.space import Choice, Ordinal, Require, Space, When
from dsice.trial import Proposal, State, Trial
from dsice.tuner import Tuner
from dsice.worker import step

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
    "minimize",
    "run",
    "step",
]
