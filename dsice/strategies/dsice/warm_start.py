"""The first batch where related tasks say something: what they expect to be good, hedged.

A quarter of the proposals in turn are the best points that the sources measured themselves, an
eighth are spread like those of the initial design, in case the sources mislead, and the others are
the choice of a search on the d-spline through all sources (`sources`). See "Related tasks" in
docs/method.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dsice.collinear.exploration import Seen, point_keys
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Stream
from dsice.strategies.dsice.initial_design import InitialDesign, Noted
from dsice.strategies.dsice.search import Search, SearchModel
from dsice.strategies.dsice.sources import Sources
from dsice.typing import Point

TURNS = ("best", "best", "search", "search", "best", "search", "search", "spread")
"""Where a proposal comes from, by its id."""


class WarmStart(Search):
    """A search on what related tasks say, until enough is told.

    Parameters
    ----------
    space, history, stream
        As in `Search`; no trial need have a score.
    sources
        What related tasks say.
    starts
        The user's own settings, which come first.
    max_width, models_pending
        Options of DSICE.
    """

    def __init__(
        self,
        space: Space,
        history: History,
        stream: Stream,
        sources: Sources,
        starts: Sequence[Point],
        *,
        max_width: int | None = None,
        models_pending: bool = True,
    ) -> None:
        self._stream, self._sources, self._space = stream, sources, space
        self._starts = iter(starts)
        self._measured = sources.best(space)
        self._best = iter(self._measured)
        self._design = InitialDesign(space, history.points())
        self._taken = set(history.taken())
        super().__init__(
            space,
            history,
            stream,
            max_width=max_width,
            models_pending=models_pending,
            model=SearchModel.of_sources(space, sources),
        )

    def promising(self, width: int, rng: np.random.Generator) -> Seen:
        """What an exploration sees, and the points of the sources themselves."""
        seen = super().promising(width, rng)
        shape = self._space.shape
        known = point_keys(seen.points, shape)
        best = np.array(self._measured, dtype=np.int64).reshape(-1, len(shape))
        best = best[~np.isin(point_keys(best, shape), known)]
        return Seen.of([seen, Seen.alone(best, self.model.at(best))])

    def pending(self, history: History) -> list[Point]:
        """Candidates that were asked: what is told is no part of this model."""
        taken = history.taken_points().reshape(-1, self._space.ndim)
        points = dict.fromkeys(map(tuple, taken.tolist()))
        return [point for point in points if point in self.candidates.places]

    def pick(self, id: int) -> Noted | None:
        """The next point and its note; None when no point is left."""
        start = self._next(self._starts)
        if start is not None:
            return start, {"phase": "start"}
        turn = TURNS[id % len(TURNS)]
        chosen: Noted | None = None
        if turn == "best" and (best := self._next(self._best)) is not None:
            chosen = best, {"phase": "reuse"}
        if turn == "spread":
            chosen = self._design.pick(self._taken, self._stream(id))
        chosen = chosen or super().pick(id)
        if chosen is None or turn == "spread":
            return chosen
        coded = self._space.coded(np.array([chosen[0]], dtype=np.int64))
        owed = self._sources.shares(coded)
        return chosen[0], chosen[1] | ({"sources": owed} if owed else {})

    def repeat(self, history: History) -> None:
        """Nothing is worth measuring again yet."""
        return

    def _next(self, points: Iterator[Point]) -> Point | None:
        """The next of some points that was not asked."""
        return next((point for point in points if point not in self._taken), None)

    def choose(self, point: Point) -> None:
        """Take a point into the batch."""
        if point in self.candidates.places:
            super().choose(point)
        self._design.choose(point)
        self._taken.add(point)
