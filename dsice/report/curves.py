"""Learning curves of a report: all of them, or an even choice where they are many.

They are drawn and not read, so a value is written as its place among 36^3 - 1 steps from the lowest
to the highest value of all curves: three digits to the base of 36, ``...`` where there is none.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from dsice.history import History
from dsice.report.encode import DIGITS, number

MOST_CURVES: Final = 500
MOST_POINTS: Final = 120
"""Points of one curve; of a longer one an even choice with both ends."""


def curves(history: History) -> dict[str, Any] | None:
    """Curves by trial: its id, its steps (by their place in the list of all) and its values."""
    ids = [trial.id for trial in history if trial.curve]
    if not ids:
        return None
    best = history.best
    chosen = _even(ids, MOST_CURVES)
    if best is not None and best.curve and best.id not in chosen:
        chosen[-1] = best.id
    curves = {id: _even(history[id].curve, MOST_POINTS) for id in sorted(chosen)}
    finite = [v for curve in curves.values() for _, v in curve if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    grids: dict[tuple[int, ...], int] = {}
    found = []
    for id, curve in curves.items():
        steps = tuple(step for step, _ in curve)
        grid = grids.setdefault(steps, len(grids))
        found.append([id, grid, "".join(_digits(v, low, high) for _, v in curve)])
    return {
        "total": len(ids),
        "low": number(low),
        "high": number(high),
        "steps": [list(steps) for steps in grids],
        "curves": found,
    }


def _digits(value: float, low: float, high: float) -> str:
    """A value as three digits."""
    if not math.isfinite(value):
        return "..."
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    place = round(share * (len(DIGITS) ** 3 - 1))
    return DIGITS[place // 1296] + DIGITS[place // 36 % 36] + DIGITS[place % 36]


def _even(entries: Any, most: int) -> list[Any]:
    if len(entries) <= most:
        return list(entries)
    return [entries[i] for i in np.linspace(0, len(entries) - 1, most).astype(int)]
