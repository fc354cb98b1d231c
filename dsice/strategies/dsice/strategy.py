"""DSICE: d-spline iterative collinear exploration, the default search.

1. An initial design (`initial_design`); the user's start, its axis probes and line ends before it.
2. Then collinear exploration of the n-dimensional d-spline (`search`): from the best points along
   the directions of the ladder, axes first, each line to the border, on to the lowest point of a
   line until no line is lower. Of all points seen on the way the batch is filled one at a time with
   the lowest ``mean - beta * sd``, beta going round a ladder.

Every step looks only at the history and the id of the trial proposed, so a batch asked in two parts
holds the same points.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dsice.checks import choice, flag, is_number, whole, wrong
from dsice.errors import SpaceError
from dsice.history import History
from dsice.space import Space
from dsice.space.nearest import point_of
from dsice.space.values import as_json
from dsice.spline.numerics import one_thread
from dsice.strategies.base import Strategy, Stream, any_free
from dsice.strategies.dsice.convergence import CHANCE, chance_of_better
from dsice.strategies.dsice.initial_design import proposed_design
from dsice.strategies.dsice.model import lowest_mean
from dsice.strategies.dsice.search import Search, SearchModel
from dsice.trial import Identity, Proposal, State
from dsice.typing import Point

if TYPE_CHECKING:
    from dsice.strategies.dsice.sources import Sources

Alpha = float | Literal["reml"]
"""Smoothing of the d-spline, or "reml": fitted."""

REPEATS = 4  # with noise=True every so many trials one may be a repeat
PER_AXIS, MORE, MOST = 2, 2, 30  # trials of the initial design: so many per axis and more, at most
PATIENCE = 40  # trials without improvement before the search may end,
PATIENCE_PER_AXIS = 4  # and more on spaces of many axes
FEW_INFORMED = 8  # trials from which on a search with related tasks has a model of its own


@dataclass(frozen=True)
class DSICE(Strategy):
    """The default search.

    >>> from dsice import Tuner
    >>> Tuner({"x": range(9), "y": range(9)}, DSICE(start={"x": 4, "y": 4})).ask()[0].params
    {'x': 4, 'y': 4}

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
            expected = "params (a mapping of names to values) or a list of them"
            raise wrong("DSICE", "start", self.start, expected)
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
        # Failed ones count too: where little works, the search keeps away from the rest.
        told = len(history) - len(history.pending())
        few = min(PER_AXIS * space.ndim + MORE, MOST)
        informed = len(history.sources) > 0 or not history.of_stage().all()
        if not informed and (told < few or not len(history.order())):
            return proposed_design(n, space, history, stream, self._start_points(space))
        with one_thread():
            sources = _sources(space, history) if informed else None
            if sources is not None:
                few = min(few, FEW_INFORMED)
            begun = told >= few and len(history.order()) > 0
            if sources is None and not begun:
                return proposed_design(n, space, history, stream, self._start_points(space))
            options = (*astuple(self), begun, sources and sources.digest())
            situation = _Situation.of(space, history, stream, options)
            kept = _take(situation)
            if kept:
                search = kept.search
            elif sources is not None and not begun:
                search = self._warm_start(space, history, stream, sources)
            else:
                search = self._search(space, history, stream, sources)
            found = [] if search is None else self._batch(n, search, space, history, stream)
            if search is None or search.models_pending:
                _keep(situation.after(len(history), found), search)
            return found

    def _warm_start(
        self, space: Space, history: History, stream: Stream, sources: Sources
    ) -> Search:
        """The search of an ask while what related tasks say is all there is to go by."""
        from dsice.strategies.dsice.warm_start import WarmStart

        starts = self._start_points(space)
        options: dict[str, Any] = {"max_width": self.max_width}
        options["models_pending"] = self.pending == "model"
        return WarmStart(space, history, stream, sources, starts, **options)

    def _search(
        self, space: Space, history: History, stream: Stream, sources: Sources | None
    ) -> Search | None:
        """The search of an ask; None when it has converged."""
        search = self._new_search(space, history, stream, sources)
        return None if self._chance(search, space, history, stream) < CHANCE else search

    def _new_search(
        self, space: Space, history: History, stream: Stream, sources: Sources | None
    ) -> Search:
        return Search(
            space,
            history,
            stream,
            max_width=self.max_width,
            models_pending=self.pending == "model",
            model=SearchModel.of(space, history, self._log_lam, sources),
        )

    def _chance(self, search: Search, space: Space, history: History, stream: Stream) -> float:
        """Chance that anything better is left; 1 as long as the search does not end by it."""
        if self.tolerance is None or self.may_end_after(space, history):
            return 1.0
        return chance_of_better(search.model, search.seen.points, history, stream, self.tolerance)

    def _batch(
        self, n: int, search: Search, space: Space, history: History, stream: Stream
    ) -> list[Proposal]:
        """The choice of points; when no candidate is left, any point of the grid."""
        found: list[Proposal] = []
        for id in range(len(history), len(history) + n):
            if self.noise is True and id % REPEATS == REPEATS - 1:
                repeat = search.repeat(history)
                if repeat is not None:
                    found.append(repeat)
                    continue
            chosen = search.pick(id)
            if chosen is None:
                free = any_free(space, history, [p.point for p in found], stream(id))
                chosen = None if free is None else (free, {"phase": "distant"})
            if chosen is None:
                break
            point, note = chosen
            search.choose(point)
            found.append(Proposal(point, note, stage=history.goal.stage))
        return found

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether the points have run out; or, with nothing pending, the search has converged."""
        goes_on = self.may_end_after(space, history) != 0
        if history.pending() or (goes_on and self.noise is not True):
            free = any_free(space, history, (), stream(len(history)))
            return free is None and self.noise is not True
        return not self.ask(1, space, history, stream)

    def convergence(
        self, space: Space, history: History, stream: Stream
    ) -> Mapping[str, float] | None:
        """The chance that anything better is left, where that ends the search."""
        if self.tolerance is None or self.may_end_after(space, history):
            return None
        with one_thread():
            informed = len(history.sources) > 0 or not history.of_stage().all()
            sources = _sources(space, history) if informed else None
            search = self._new_search(space, history, stream, sources)
            chance = self._chance(search, space, history, stream)
        figures = {"chance": chance, "under": CHANCE, "tolerance": self.tolerance}
        return figures if chance < CHANCE else None

    def may_end_after(self, space: Space, history: History) -> int | None:
        """Trials without a better one until the search asks whether it may end."""
        if self.tolerance is None:
            return None
        order = history.order()
        order = order[history.allowed()[order]]
        since_best = int((order > order[0]).sum()) if len(order) else 0
        return max(0, max(PATIENCE, PATIENCE_PER_AXIS * space.ndim) - since_best)

    def recommend(self, space: Space, history: History) -> Point | None:
        """The measured point with the lowest mean of the model, where measurements repeat.

        None without repeats: the lowest score is best.
        """
        if not len(history.order()) or not (self.noise is True or history.has_repeats):
            return None
        with one_thread():
            return lowest_mean(space, history, self._log_lam)

    def source_weights(self, space: Space, history: History) -> list[float] | None:
        """How far each of `history.sources` moves what is expected, in normal scores."""
        from dsice.strategies.dsice.weights import weights

        found = weights(space, history, self._log_lam)
        return [found.get(log.name, 0.0) for log in history.sources]

    def stage_weights(self, space: Space, history: History) -> Mapping[int, float] | None:
        """The same of the trials of each other stage, such as short trainings."""
        from dsice.strategies.dsice.weights import stage_weights

        return stage_weights(space, history, self._log_lam)

    def own_setting(self, space: Space) -> Point | None:
        """The first of `start`."""
        return next(iter(self._start_points(space)), None)

    @property
    def _log_lam(self) -> float | None:
        """Logarithm of the weight of bending; None: fitted."""
        return None if self.alpha == "reml" else 2.0 * math.log(self.alpha)

    def _start_points(self, space: Space) -> list[Point]:
        """The points of the user's settings."""
        return [point_of(params, space, nearest=self.nearest) for params in self._starts()]

    def _starts(self) -> Sequence[Mapping[str, Any]]:
        """The user's settings, a list of them in any case."""
        if self.start is None:
            return ()
        if isinstance(self.start, Mapping) or not isinstance(self.start, Sequence):
            return (self.start,)
        return self.start


def _sources(space: Space, history: History) -> Sources | None:
    """What related tasks and other stages say of the grid; None: nothing."""
    from dsice.strategies.dsice.sources import Sources

    return Sources.of(space, history)


# ------------------------------------------------------------------ the search of the last ask
# Launchers often ask for one point at a time, as many times as slots are free. What a search does
# first - model, exploration, candidates - follows from told trials, the space and the options
# alone, so the next ask goes on where the last one ended. A search made anew gives the same points.
_KEPT: list[_Kept] = []
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class _Situation:
    """What the next proposals follow from.

    Attributes
    ----------
    space
        The grid.
    told
        Digest of told trials, the seed and the options.
    pending
        Identities of the trials being measured, by id.
    """

    space: Space
    told: bytes
    pending: dict[int, Identity]

    @classmethod
    def of(
        cls, space: Space, history: History, stream: Stream, options: Sequence[object]
    ) -> _Situation:
        """The situation of an ask."""
        pending = {trial.id: trial.identity for trial in history.pending()}
        told = np.flatnonzero(~history.in_state(State.PENDING))
        goal = history.goal
        seed = stream(len(told), 1).integers(2**63, size=2).tolist()
        digest = hashlib.sha256(repr((options, vars(goal), seed)).encode())
        kept = [history.points(), history.keys(), history.states(), history.counts()]
        kept += [history.scores(), history.violation()]
        columns = [told, *(column[told] for column in kept)]
        if goal.of != "mean":
            columns.append(history.point_scores()[told])
        if goal.bounded:
            columns.append(history.distances(np.sort(history.order())))
        for column in columns:
            digest.update(np.ascontiguousarray(column).tobytes())
        return cls(space, digest.digest(), pending)

    def after(self, id: int, proposals: Sequence[Proposal]) -> _Situation:
        """The same when proposals were asked, the first of them with this id."""
        asked = {id + i: proposal.identity for i, proposal in enumerate(proposals)}
        return _Situation(self.space, self.told, self.pending | asked)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Situation):
            return NotImplemented
        known = self.told == other.told and self.pending == other.pending
        return known and self.space == other.space

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class _Kept:
    """A search, and the situation in which it goes on.

    Attributes
    ----------
    situation
        When it may be used.
    search
        None: the search has converged.
    """

    situation: _Situation
    search: Search | None


def _take(situation: _Situation) -> _Kept | None:
    """The kept search if it belongs to this situation; it is not kept any more."""
    with _LOCK:
        found = _KEPT.pop() if _KEPT else None
    if found is not None and found.situation == situation:
        return found
    return None


def _keep(situation: _Situation, search: Search | None) -> None:
    """Keep a search for this situation, in the place of any other."""
    with _LOCK:
        _KEPT[:] = [_Kept(situation, search)]
