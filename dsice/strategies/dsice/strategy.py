"""DSICE: d-spline iterative collinear exploration, the default search.

1. An initial design (`initial_design`); the user's start, its axis probes and line ends before it.
2. Then lines (`search`): through the best points, along the directions of the ladder, axes first.
   The n-dimensional d-spline says what to expect at every point of every line, and the batch is
   filled one point at a time with the lowest ``mean - beta * sd``, beta going round a ladder.
3. Every fifth point may be distant: the most promising of a scan of the whole grid, the centre of
   new lines.

Every step looks only at the history and the id of the trial proposed, so a batch asked in two parts
holds the same points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from dsice.checks import choice, flag, is_number, whole, wrong
from dsice.errors import SpaceError
from dsice.history import History
from dsice.space import Space
from dsice.space.nearest import point_of
from dsice.space.values import as_json
from dsice.spline.numerics import one_thread
from dsice.strategies.base import Strategy, Stream
from dsice.strategies.dsice.convergence import converged
from dsice.strategies.dsice.initial_design import InitialDesign, Noted, first_points
from dsice.strategies.dsice.model import lowest_mean
from dsice.strategies.dsice.search import LineSearch
from dsice.trial import Proposal
from dsice.typing import Point

Alpha = float | Literal["reml"]
"""Smoothing of the d-spline, or "reml": fitted."""

REPEATS = 4  # with noise=True every so many trials one may be a repeat
PER_AXIS, MORE, MOST = 2, 2, 30  # trials of the initial design: so many per axis and more, at most
PATIENCE = 40  # trials without improvement before the search may end,
PATIENCE_PER_AXIS = 4  # and more on spaces of many axes


@dataclass(frozen=True)
class DSICE(Strategy):
    """The default search.

    Parameters
    ----------
    start
        Your current settings, as params, or a list of them: measured first, with the neighbours on
        each axis and the ends of the axis lines of the first.
    max_width
        Most axes that a direction may change; by default up to all of them.
    alpha
        Smoothing of the d-spline: a number (the square root of the weight of bending against
        slope), or ``"reml"`` (penalised marginal likelihood).
    noise
        True: up to a quarter of a batch measures promising points again. ``"auto"`` and False:
        nothing is measured again on purpose. The model estimates the noise in any case.
    pending
        ``"model"``: points that are being measured narrow the variance where they are;
        ``"ignore"``: they are only not asked again.
    tolerance
        The search ends when the chance that any unmeasured point beats the best by more than
        ``tolerance`` times the distance from the best to the median of what was measured is under
        5 %. None: it goes on until ``max_trials`` or until the grid is used up.
    nearest
        Whether a number of `start` that is not on its axis stands for the nearest value that is.

    Raises
    ------
    OptionError
        An option out of its range.

    References
    ----------
    Mochizuki, Fujii, Tanaka, Katagiri, iWAPT 2017 (directions and lines); Tanaka et al., Scientific
    Programming 2014 (the d-spline on a line).
    """

    start: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = field(
        default=None, kw_only=True
    )
    max_width: int | None = field(default=None, kw_only=True)
    alpha: Alpha = field(default="reml", kw_only=True)
    noise: Literal["auto"] | bool = field(default="auto", kw_only=True)
    pending: Literal["model", "ignore"] = field(default="model", kw_only=True)
    tolerance: float | None = field(default=0.01, kw_only=True)
    nearest: bool = field(default=False, kw_only=True, metadata={"since": "0.2.0"})

    def __post_init__(self) -> None:
        if not all(isinstance(params, Mapping) for params in self._starts()):
            raise wrong(
                "DSICE",
                "start",
                self.start,
                "params (a mapping of names to values) or a list of them",
            )
        if self.max_width is not None:
            whole("DSICE", "max_width", self.max_width, 1, "or None")
        if self.alpha != "reml" and not (is_number(self.alpha) and 1e-8 <= self.alpha <= 1e8):
            raise wrong("DSICE", "alpha", self.alpha, "a number from 1e-8 to 1e8, or 'reml'")
        if not (self.noise == "auto" or isinstance(self.noise, bool)):
            raise wrong(
                "DSICE", "noise", self.noise, "True (measure some points again), False or 'auto'"
            )
        choice("DSICE", "pending", self.pending, ("model", "ignore"))
        if self.tolerance is not None and not (is_number(self.tolerance) and self.tolerance >= 0):
            raise wrong(
                "DSICE",
                "tolerance",
                self.tolerance,
                "a number >= 0 (a share of the distance from best to median), "
                "or None to go on until max_trials",
            )
        flag("DSICE", "nearest", self.nearest)
        for name in ("start", "max_width", "alpha", "tolerance"):  # the journal holds them as JSON
            object.__setattr__(self, name, as_json(getattr(self, name)))

    def check(self, space: Space) -> None:
        """Raise an error if a start is not on the grid."""
        for params in self._starts():
            try:
                point_of(params, space, nearest=self.nearest)
            except SpaceError as error:
                raise SpaceError(f"DSICE(start={params!r}): {error}") from error

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """`n` distinct points that were never asked.

        With ``noise=True`` some are points to measure again. Fewer only when the grid is used up,
        or the search has converged.
        """
        taken = set(history.taken())
        # Failed ones count too: where little works, the lines keep away from the rest.
        told = len(history) - len(history.pending())
        if told < min(PER_AXIS * space.ndim + MORE, MOST) or not len(history.order()):
            return self._design(n, space, history, taken, stream)
        with one_thread():
            if self._has_ended(space, history, stream):
                return []
            return self._lines(n, space, history, taken, stream)

    def _design(
        self, n: int, space: Space, history: History, taken: set[Point], stream: Stream
    ) -> list[Proposal]:
        """The starts, then the initial design."""
        design = InitialDesign(space, [t.point for t in history])
        starts = [point_of(params, space, nearest=self.nearest) for params in self._starts()]
        first = first_points(space, starts)
        found: list[Proposal] = []
        for id in range(len(history), len(history) + n):
            chosen = next((noted for noted in first if noted[0] not in taken), None)
            if chosen is None:
                chosen = design.pick(taken, stream(id))
            if chosen is None:
                break
            design.choose(chosen[0])
            taken.add(chosen[0])
            found.append(Proposal(*chosen))
        return found

    def _has_ended(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether the search has converged; it may only after a stretch without improvement."""
        patience = max(PATIENCE, PATIENCE_PER_AXIS * space.ndim)
        if self.tolerance is None or _since_best(history) < patience:
            return False
        return converged(space, history, stream, self.tolerance)

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
            if self.noise is True and id % REPEATS == REPEATS - 1:
                repeat = search.repeat()
                if repeat is not None:
                    found.append(repeat)
                    continue
            chosen = search.pick(id) or _any_point(space, taken, stream(id))
            if chosen is None:
                break
            point, note = chosen
            search.choose(point, id, note)
            taken.add(point)
            found.append(Proposal(point, note))
        return found

    def recommend(self, space: Space, history: History) -> Point | None:
        """The measured point with the lowest mean of the model, where measurements repeat.

        None without repeats: the lowest score is best.
        """
        if not len(history.order()) or not (self.noise is True or history.has_repeats):
            return None
        with one_thread():
            return lowest_mean(space, history, self._log_lam)

    @property
    def _log_lam(self) -> float | None:
        """Logarithm of the weight of bending; None: fitted."""
        return None if self.alpha == "reml" else 2.0 * math.log(self.alpha)

    def _starts(self) -> Sequence[Mapping[str, Any]]:
        """The user's settings, a list of them in any case."""
        if self.start is None:
            return ()
        if isinstance(self.start, Mapping) or not isinstance(self.start, Sequence):
            return (self.start,)
        return self.start


def _since_best(history: History) -> int:
    """Scored trials since the best became better."""
    order = history.order()
    return int((np.sort(order) > order[0]).sum())


def _any_point(space: Space, taken: set[Point], rng: np.random.Generator) -> Noted | None:
    """A random point of the grid that is not taken; None when it is used up."""
    drawn = space.sample(rng, 1, exclude=taken)
    return (drawn[0], {"phase": "distant"}) if drawn else None
