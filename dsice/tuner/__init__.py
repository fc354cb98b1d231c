"""The tuner: ask for points, tell what was measured.

This is the ask-and-tell interface of black-box optimisation: the caller measures, and the
optimiser only proposes and learns, so measurements may run anywhere and end in any order. For
example, `Tuner` with `dsice.strategies.Random` is random search with a journal. The tuner is the
only writer of a history and its journal.

`tuner` has the class; `options` checks the options of a study; `stored` has those of a journal,
and says whether the two go together; `opening` opens and closes the journal; `asking` makes
trials of what a strategy proposes; `telling` checks what is told; `recorder` writes the journal,
then the history; `importing` takes in whole logs; `runs` keeps learning curves, lost runs and
preparations.
"""

import warnings
from typing import Any

from dsice.stopping import Stopper
from dsice.tuner.options import Axes
from dsice.tuner.tuner import Tuner

__all__ = ["Axes", "Stopper", "Tuner"]


def __getattr__(name: str) -> Any:
    if name != "extend":
        raise AttributeError(f"module 'dsice.tuner' has no attribute {name!r}")
    from dsice.journal.extend import extend

    text = "dsice.tuner.extend has moved: from dsice import extend"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return extend
