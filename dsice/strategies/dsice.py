"""DSICE: d-spline iterative collinear exploration, the default search.

1. A spread first batch (`spread`); the user's start, its axis probes and line ends before it.
2. Then lines (`search`): through the best points, along the directions of the ladder, axes first. The n-dimensional
   d-spline says what to expect at every point of every line, and the batch is filled one point at a time
   with the lowest ``mean - beta * sd``, beta going round a ladder.
3. Every fifth point may be distant: the most promising of a scan of the whole grid, the centre of new lines.

Every step looks only at the history and the id of the trial proposed, so a batch asked in
two parts holds the same points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsice.collinear import Alpha
from dsice.errors import OptionError, SpaceError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.strategies.search import Found, LineSearch
from dsice.strategies.spread import Spread
from dsice.trial import Point, Proposal

MOST_SPREAD = 30  # measurements that end the spread design on any space; 2 per axis and 2 more on small ones


@dataclass(frozen=True)
class DSICE:
    """The default search.

    Parameters
    ----------
    start
        Your current settings, as params, or a list of them: measured first.
    max_width
        Most axes that a direction may change; by default up to all of them.
    alpha
        Smoothing of the trend's d-splines: a number, or ``"reml"`` (restricted maximum
        likelihood with a weak prior).
    tolerance
        None: the search goes on until ``max_trials`` or until the grid is used up. (A stopping
        rule is not part of this release; any other value is refused.)

    Raises
    ------
    OptionError
        An option out of its range.

    References
    ----------
    Mochizuki, Fujii, Tanaka, Katagiri, iWAPT 2017 (directions and lines); Tanaka et al.,
    Scientific Programming 2014 (the d-spline on a line).
    """

    start: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = field(default=None, kw_only=True)
    max_width: int | None = field(default=None, kw_only=True)
    alpha: Alpha = field(default="reml", kw_only=True)
    tolerance: None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not all(isinstance(params, Mapping) for params in self._starts()):
            raise OptionError(f"DSICE(start={self.start!r}): expected params (a mapping of names to values) or a list of them")
        object.__setattr__(self, "start", _plain(self.start))  # the journal holds it as JSON
        if self.max_width is not None and (
            isinstance(self.max_width, bool) or not isinstance(self.max_width, int) or self.max_width < 1
        ):
            raise OptionError(f"DSICE(max_width={self.max_width!r}): expected a whole number >= 1, or None")
        if self.alpha != "reml" and not (
            isinstance(self.alpha, (int, float)) and self.alpha is not True and 1e-8 <= self.alpha <= 1e8
        ):
            raise OptionError(f"DSICE(alpha={self.alpha!r}): expected a number from 1e-8 to 1e8, or 'reml'")
        if self.tolerance is not None:
            raise OptionError(
                f"DSICE(tolerance={self.tolerance!r}): this release has no stopping rule; leave it None and give max_trials"
            )

    def check(self, space: Space) -> None:
        """Raise an error if a start is not on the grid; the tuner calls it before anything is asked."""
        for params in self._starts():
            try:
                space.point(params)
            except SpaceError as error:
                raise SpaceError(f"DSICE(start={params!r}): {error}") from error

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` distinct points that were never asked; fewer only when the grid is used up."""
        taken = set(history.taken())
        told = len(history) - len(history.pending())  # failed ones too: where little works, the lines keep away from the rest
        if told < min(2 * space.ndim + 2, MOST_SPREAD) or not len(history.order()):
            return self._design(n, space, history, taken, stream)
        return self._lines(n, space, history, taken, stream)

    def _design(self, n: int, space: Space, history: History, taken: set[Point], stream: Stream) -> list[Proposal]:
        """The starts, then the spread design."""
        spread = Spread(space, [t.point for t in history])
        found: list[Found] = []
        starts = [(p, {"phase": "start"}) for p in map(space.point, self._starts())]
        for id in range(len(history), len(history) + n):
            first = next((f for f in starts if f[0] not in taken), None)
            chosen = first or spread.pick(id, taken, stream(id))
            if chosen is None:
                break
            spread.choose(chosen[0])
            taken.add(chosen[0])
            found.append(chosen)
        return [Proposal(point, note) for point, note in found]

    def _lines(self, n: int, space: Space, history: History, taken: set[Point], stream: Stream) -> list[Proposal]:
        """The search on lines; when no candidate is left, any point of the grid."""
        log_lam = None if self.alpha == "reml" else 2.0 * math.log(self.alpha)
        search = LineSearch(space, history, stream, n, max_width=self.max_width, log_lam=log_lam)
        found: list[Found] = []
        for id in range(len(history), len(history) + n):
            chosen = search.pick(id)
            if chosen is None:
                chosen = next(((p, {"phase": "distant"}) for p in space.sample(stream(id), 1, exclude=taken)), None)
            if chosen is None:
                break
            search.choose(chosen[0], id, chosen[1])
            taken.add(chosen[0])
            found.append(chosen)
        return [Proposal(point, note) for point, note in found]

    def _starts(self) -> Sequence[Mapping[str, Any]]:
        if self.start is None:
            return ()
        return (self.start,) if isinstance(self.start, Mapping) or not isinstance(self.start, Sequence) else self.start


def _plain(value: Any) -> Any:
    """numpy scalars as Python's."""
    if isinstance(value, Mapping):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
