"""When directions get wider: axes first, then oblique."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsice.history import History


@dataclass
class Widening:
    """How wide directions are, counted over the proposals.

    Width 2 opens after two proposals per axis on axis lines: one probe of each both ways. Width w + 1 > 2 opens
    after a stretch without improvement of the best at width w: 2 told trials per axis, at least 20. Nothing closes again.

    Attributes
    ----------
    width
        Widest directions in use now.
    most
        Widest that the batch in hand may come to.
    """

    width: int
    most: int
    _probes: int
    _enough: int
    _limit: int

    @classmethod
    def of(cls, history: History, limit: int) -> Widening:
        """What the history says; `limit`: never wider."""
        ndim = len(history[0].point)
        probes = sum(trial.note.get("phase") == "line" for trial in history)
        width = 1 if probes < 2 * ndim else 2 + _stretches(history, 2 * ndim)
        return cls(min(width, limit), min(max(width, 2), limit), probes, 2 * ndim, limit)

    def count(self, note: Mapping[str, Any]) -> None:
        """Count a proposal with that note."""
        self._probes += note.get("phase") == "line"
        if self.width == 1 and self._probes >= self._enough:
            self.width = min(2, self._limit)


def _stretches(history: History, enough: int) -> int:
    """How many stretches without improvement there were since width 2 opened."""
    seen, stale, count, best = 0, 0, 0, (np.inf, np.inf)
    scores, violation = history.scores(), history.violation()
    stretch = max(20, enough)
    scored = set(history.order().tolist())
    for trial in history:
        if trial.id not in scored:
            seen += trial.note.get("phase") == "line"
            continue
        now = (float(violation[trial.id]), float(scores[trial.id]))
        if now < best:
            best, stale = now, 0
        elif seen >= enough:
            stale += 1
        seen += trial.note.get("phase") == "line"
        if stale >= stretch:
            count, stale = count + 1, 0
    return count
