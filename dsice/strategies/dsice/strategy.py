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
from typing import Any, Literal

import numpy as np

from dsice.collinear.lines import Alpha
from dsice.errors import OptionError, SpaceError
from dsice.history import History
from dsice.space import Space
from dsice.spline.numerics import one_thread
from dsice.strategies.base import Strategy, Stream
from dsice.strategies.dsice.convergence import converged
from dsice.strategies.dsice.initial_design import Spread, first_points
from dsice.strategies.dsice.model import lowest_mean
from dsice.strategies.dsice.search import Found, LineSearch
from dsice.trial import Proposal
from dsice.typing import Point

REPEATS = 4  # with noise=True every so many trials one may be a repeat
MOST_SPREAD = (
    30  # measurements that end the spread design on any space; 2 per axis and 2 more on small ones
)


@dataclass(frozen=True)
class DSICE(Strategy):
    """The default search.

    Parameters
    ----------
    start
        Your current settings, as params, or a list of them: measured first, with the neighbours on each axis and the
        ends of the axis lines of the first.
    max_width
        Most axes that a direction may change; by default up to all of them.
    alpha
        Smoothing of the d-spline: a number (the square root of the weight of bending against slope), or ``"reml"``
        (penalised marginal likelihood).
    noise
        True: up to a quarter of a batch measures promising points again. ``"auto"`` and False: nothing is
        measured again on purpose. The model estimates the noise in any case.
    pending
        ``"model"``: points that are being measured narrow the variance where they are; ``"ignore"``: they
        are only not asked again.
    tolerance
        The search ends when the chance that any point not yet measured beats the best by more than
        ``tolerance`` times the way from the best to the median of what was measured is under 5 %
        (`convergence`). None: it goes on until ``max_trials`` or until the grid is used up.

    Raises
    ------
    OptionError
        An option out of its range.

    References
    ----------
    Mochizuki, Fujii, Tanaka, Katagiri, iWAPT 2017 (directions and lines); Tanaka et al.,
    Scientific Programming 2014 (the d-spline on a line).
    """

    start: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = field(
        default=None, kw_only=True
    )
    max_width: int | None = field(default=None, kw_only=True)
    alpha: Alpha = field(default="reml", kw_only=True)
    noise: Literal["auto"] | bool = field(default="auto", kw_only=True)
    pending: Literal["model", "ignore"] = field(default="model", kw_only=True)
    tolerance: float | None = field(default=0.01, kw_only=True)

    def __post_init__(self) -> None:
        if not all(isinstance(params, Mapping) for params in self._starts()):
            raise OptionError(
                f"DSICE(start={self.start!r}): expected params (a mapping of names to values) or a list of them"
            )
        object.__setattr__(self, "start", _plain(self.start))  # the journal holds it as JSON
        if self.max_width is not None and (
            isinstance(self.max_width, bool)
            or not isinstance(self.max_width, int)
            or self.max_width < 1
        ):
            raise OptionError(
                f"DSICE(max_width={self.max_width!r}): expected a whole number >= 1, or None"
            )
        if self.alpha != "reml" and not (_number(self.alpha) and 1e-8 <= self.alpha <= 1e8):
            raise OptionError(
                f"DSICE(alpha={self.alpha!r}): expected a number from 1e-8 to 1e8, or 'reml'"
            )
        if not (self.noise == "auto" or isinstance(self.noise, bool)):
            raise OptionError(
                f"DSICE(noise={self.noise!r}): expected True (measure some points again), False or 'auto'"
            )
        if self.pending not in ("model", "ignore"):
            raise OptionError(f"DSICE(pending={self.pending!r}): expected 'model' or 'ignore'")
        if self.tolerance is not None and not (
            _number(self.tolerance) and 0 <= self.tolerance < math.inf
        ):
            raise OptionError(
                f"DSICE(tolerance={self.tolerance!r}): expected a number >= 0 (a share of the way from best to median), "
                "or None to go on until max_trials"
            )

    def check(self, space: Space) -> None:
        """Raise an error if a start is not on the grid; the tuner calls it before anything is asked."""
        for params in self._starts():
            try:
                space.point(params)
            except SpaceError as error:
                raise SpaceError(f"DSICE(start={params!r}): {error}") from error

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` distinct points that were never asked, or with ``noise=True`` points to measure again.

        Fewer only when the grid is used up, or the search has converged.
        """
        taken = set(history.taken())
        told = len(history) - len(
            history.pending()
        )  # failed ones too: where little works, the lines keep away from the rest
        if told < min(2 * space.ndim + 2, MOST_SPREAD) or not len(history.order()):
            return self._design(n, space, history, taken, stream)
        with one_thread():
            if self.tolerance is not None and converged(space, history, stream, self.tolerance):
                return []
            return self._lines(n, space, history, taken, stream)

    def _design(
        self, n: int, space: Space, history: History, taken: set[Point], stream: Stream
    ) -> list[Proposal]:
        """The starts, then the spread design."""
        spread = Spread(space, [t.point for t in history])
        found: list[Found] = []
        first = first_points(space, [space.point(params) for params in self._starts()])
        for id in range(len(history), len(history) + n):
            chosen = next((f for f in first if f[0] not in taken), None) or spread.pick(
                id, taken, stream(id)
            )
            if chosen is None:
                break
            spread.choose(chosen[0])
            taken.add(chosen[0])
            found.append(chosen)
        return [Proposal(point, note) for point, note in found]

    def _lines(
        self, n: int, space: Space, history: History, taken: set[Point], stream: Stream
    ) -> list[Proposal]:
        """The search on lines; when no candidate is left, any point of the grid."""
        search = LineSearch(
            space,
            history,
            stream,
            n,
            max_width=self.max_width,
            log_lam=self._log_lam,
            pending=self.pending,
        )
        found: list[Proposal] = []
        for id in range(len(history), len(history) + n):
            again = search.repeat() if self.noise is True and id % REPEATS == REPEATS - 1 else None
            chosen = None if again else search.pick(id)
            if again is None and chosen is None:
                chosen = next(
                    ((p, {"phase": "distant"}) for p in space.sample(stream(id), 1, exclude=taken)),
                    None,
                )
            if again is not None:
                found.append(again)
            elif chosen is not None:
                search.choose(chosen[0], id, chosen[1])
                taken.add(chosen[0])
                found.append(Proposal(*chosen))
            else:
                break
        return found

    def recommend(self, space: Space, history: History) -> Point | None:
        """The measured point with the lowest mean of the model, where measurements repeat; None: the lowest score is best."""
        if not len(history.order()) or not (self.noise is True or history.has_repeats):
            return None
        with one_thread():
            return lowest_mean(space, history, self._log_lam)

    @property
    def _log_lam(self) -> float | None:
        return None if self.alpha == "reml" else 2.0 * math.log(self.alpha)

    def _starts(self) -> Sequence[Mapping[str, Any]]:
        if self.start is None:
            return ()
        return (
            (self.start,)
            if isinstance(self.start, Mapping) or not isinstance(self.start, Sequence)
            else self.start
        )


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """numpy scalars as Python's."""
    if isinstance(value, Mapping):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
