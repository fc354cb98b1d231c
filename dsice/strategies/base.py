"""What a strategy is: frozen options and one pure function.

What a strategy proposes follows from (space, history, seed) alone. It may remember what
follows from the history to save work; a cold call gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from dsice.history import History
from dsice.space import Space
from dsice.trial import Proposal

Stream = Callable[..., np.random.Generator]
"""``stream(*key)``: a random generator that depends on the tuner's seed and the integer key only.

Keys start with the id of the trial being proposed, or a small constant.
"""


class Strategy(Protocol):
    """Proposes points to measure."""

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Up to `n` proposals whose identities are not in the history.

        The first of them gets the id ``len(history)``. Fewer than `n`: nothing more to
        propose until something is told, or ever.
        """
