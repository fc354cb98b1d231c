"""The history: every trial in the order of its id, seen under a goal.

It is the only state of a search. A strategy is a function of the history, as the acquisition
step of Bayesian optimisation is a function of all data so far; nothing else is remembered from
one ask to the next. Strategies read the history, and the tuner alone writes it. For example, a
random search over a grid needs nothing but `History.taken`, the points that were asked before.

`store` keeps the trials, with their numbers, scores and order as arrays; `history` adds what users
ask of them: the best, the trials of a point, a Pareto front; `points` puts the measurements of one
point together; `columns` is how a journal hands over many trials at once; `frames` makes the
DataFrames.
"""

from dsice.history.columns import TrialColumns
from dsice.history.history import History
from dsice.history.store import FAILED
from dsice.typing import Array

__all__ = ["FAILED", "Array", "History", "TrialColumns"]
