"""The history: every trial in the order of its id, seen under a goal.

It is the only state there is. Strategies read it; the tuner alone writes it. `history` has
the class, `columns` the numbers of all trials that it keeps beside them, `frames` the DataFrame.
"""

from dsice.history.columns import Rows
from dsice.history.history import FAILED, History
from dsice.typing import Array

__all__ = ["FAILED", "Array", "History", "Rows"]
