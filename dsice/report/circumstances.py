"""Where trials that failed for one reason lie in the grid, if that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dsice.history import History
from dsice.report.encode import text
from dsice.space import Space
from dsice.space.values import as_text
from dsice.trial import State
from dsice.typing import Array, Bools

FEWEST: Final = 3
"""Trials that may have something in common."""
CHANCE: Final = 0.05
"""Chance, over all parameters, below which it is taken for more than chance."""
MOST: Final = 3
"""Conditions."""


@dataclass(frozen=True)
class Condition:
    """What the values of a parameter have in common, and the trials for which that holds."""

    axis: int
    words: str
    holds: Bools


class Circumstances:
    """All trials that ended, beside which those of one reason are looked at."""

    def __init__(self, history: History, space: Space) -> None:
        self._space = space
        self._levels: Array = history.points().reshape(len(history), space.ndim)
        ended = ~history.in_state(State.PENDING, State.LOST, State.WITHDRAWN)
        self._ended = np.asarray(ended, dtype=bool)
        self._has = space.coded(self._levels) < np.array(space.shape)  # not switched off

    def shared(self, ids: list[int]) -> dict[str, Any] | None:
        """What all of these trials have in common, and how many of the trials there they are.

        Conditions are added one by one, each the one that fits fewest others, as long as trials
        drawn by chance from those left would hardly all fulfil it.
        """
        if len(ids) < FEWEST:
            return None
        left = self._ended.copy()
        found: list[Condition] = []
        left[ids] = True
        conditions = list(self._conditions(ids))
        while len(found) < MOST:
            used = {condition.axis for condition in found}
            new = [c for c in conditions if c.axis not in used]
            best = min(new, key=lambda c: int((left & c.holds).sum()), default=None)
            if best is None:
                break
            share = int((left & best.holds).sum()) / int(left.sum())
            if share ** len(ids) * self._space.ndim >= CHANCE:
                break
            found.append(best)
            left &= best.holds
        if not found:
            return None
        words = " and ".join(condition.words for condition in found)
        return {"where": text(words, 400), "there": int(left.sum())}

    def _conditions(self, ids: list[int]) -> Iterator[Condition]:
        """What the values of these trials have in common, by parameter."""
        for j, (name, axis) in enumerate(self._space.axes.items()):
            if not self._has[ids, j].all():
                continue
            levels = self._levels[:, j]
            low, high = int(levels[ids].min()), int(levels[ids].max())
            if low == high:
                yield Condition(j, f"{name} = {as_text(axis.values[low])}", levels == low)
            elif axis.ordered:
                rises = axis.values[0] < axis.values[-1]
                if low > 0:
                    words = f"{name} {'>=' if rises else '<='} {as_text(axis.values[low])}"
                    yield Condition(j, words, levels >= low)
                if high < len(axis) - 1:
                    words = f"{name} {'<=' if rises else '>='} {as_text(axis.values[high])}"
                    yield Condition(j, words, levels <= high)
