"""What a goal makes of all trials: the best of them, those of a point, fronts and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dsice.errors import warn_renamed
from dsice.goal import Goal
from dsice.history import frames, points
from dsice.history.columns import TrialColumns
from dsice.history.given import Given, GivenTrials
from dsice.history.sources import SourceTrials
from dsice.history.store import TrialStore
from dsice.history.summary import history_summary
from dsice.space import Space
from dsice.space.summary import Summarised, Summary
from dsice.trial import State, Trial
from dsice.typing import Array, Point

if TYPE_CHECKING:
    import pandas as pd


class History(Summarised, TrialStore):
    """Every trial in the order of its id (``history[id]``), seen under a goal.

    Parameters
    ----------
    goal
        What the trials are scored by.
    budget
        ``max_trials`` of the tuner, for goals that count in shares of it.
    trials
        The trials, ids 0, 1, 2, ...

    >>> History.of(Space({"x": range(5)}), [(0,), (3,)], [2.0, 1.0]).best.params
    {'x': 3}
    """

    @classmethod
    def of(
        cls,
        space: Space,
        points: Any,
        values: Any = None,
        *,
        states: Any = None,
        metrics: Mapping[str, Any] | None = None,
        seconds: Any = None,
        stages: Any = None,
        repeats: Any = None,
        members: Any = None,
        parents: Any = None,
        rounds: Any = None,
        notes: Any = None,
        overrides: Any = None,
        curves: Any = None,
        goal: Goal | None = None,
        budget: int | None = None,
        sources: Sequence[SourceTrials] = (),
    ) -> Self:
        """A history from columns, for who keeps the trials elsewhere; row `i` is trial `i`.

        Every column has an entry for each point, and becomes what `Tuner.tell` makes of it: where
        the goal needs a number that is NaN or infinite, the trial has failed, with a
        `DsiceWarning`.

        Parameters
        ----------
        space
            The space of the points.
        points
            Levels, params or a DataFrame, as `Space.levels` takes them; each valid.
        values
            The goal's metric: numbers, or lists of repeats measured inside a trial. It may be left
            out where `metrics` has it.
        states
            What became of each trial, as in `State`; ``"pending"`` for one that is not told. By
            default all are done. Where a trial is not done, NaN means that there is no number.
        metrics
            Other named numbers, or lists of repeats: a column each, None where a trial has none.
        seconds
            Run times; None or NaN where unknown.
        stages, repeats, members
            With the point the identity of a trial; 0 by default. ``repeats="count"``: equal ones
            are numbered in the order of their rows.
        parents, overrides, notes
            As in `Proposal`, each None where there is none.
        rounds
            Number of the ask that proposed the trial; None, the default: it was never asked, as
            with `Tuner.add`.
        curves
            Learning curves, lists of (step, value).
        goal, budget
            As in `History`.
        sources
            Measurements of related tasks, which inform a search: ``Source(...).trials(space)``.

        Raises
        ------
        SpaceError, TellError
            An entry that cannot be taken, by column and row; or two trials that are one
            measurement.

        Examples
        --------
        >>> from dsice import Space
        >>> space = Space({"x": range(9), "y": range(9)})
        >>> states = ["done", "done", "failed", "pending"]
        >>> points = [(0, 0), (4, 4), (8, 8), (2, 5)]
        >>> history = History.of(space, points, [34.0, 2.0, None, None], states=states)
        >>> history.best.params, [trial.id for trial in history.pending()]
        ({'x': 4, 'y': 4}, [3])
        """
        history = cls(goal, budget=budget)
        history.sources = tuple(sources)
        own = (values, states, metrics, seconds, stages, repeats)
        columns = Given(*own, members, parents, rounds, notes, overrides, curves)
        given = GivenTrials(columns, space, points, history.goal)
        history.load(given.columns, given.trial)
        if history.weighs_time:
            given.require_seconds()
        given.warn()
        return history

    def load(self, told: TrialColumns, make: Callable[[int], Trial]) -> None:
        """Take in all trials of a journal at once, for the journal's loader alone.

        `make` makes the trial of an id when somebody first looks at it.
        """
        if self._trials:
            raise ValueError(f"this history has {len(self)} trials already")
        self._trials = [None] * len(told.points)
        self._make = make
        self._set_up(told)

    def lineage(self, trial: Trial | int) -> list[Trial]:
        """The trials that a trial continues and itself, from the first stage on.

        They are its parent, the parent's parent and so on; their params are the schedule that the
        training went through.
        """
        line = [self[trial if isinstance(trial, int) else trial.id]]
        while (parent := line[0].parent) is not None:
            line.insert(0, self[parent])
        return line

    def time_counts(self) -> bool:
        """Old name of `weighs_time`; deprecated."""
        warn_renamed("History.time_counts()", "History.weighs_time, a property")
        return self.weighs_time

    def losses(self) -> Array:
        """Loss L of each trial whatever its stage, without run time, shape (trials,).

        NaN for a trial that has none.
        """

        def compute() -> Array:
            losses = self._losses.array().copy()
            goal = self._goal
            for id in np.flatnonzero(~self.of_stage() & self.in_state(State.DONE)).tolist():
                losses[id] = goal.loss_in_any_stage(self[id])
            return losses

        return self._cached("losses", compute)

    def front(self, a: str, b: str) -> pd.DataFrame:
        """The Pareto front of two metrics: done trials that no other trial dominates.

        One trial dominates another if it is at least as good in both metrics and not equal to it.
        Less is better, except where the goal says otherwise: more is better for its own metric
        under ``maximize``, and for metrics that have only an ``at_least`` bound. Only trials of
        the goal's stage count, those of one point as one; whether they keep the bounds is in a
        column.

        Parameters
        ----------
        a, b
            Names of metrics; ``"value"`` is the plain number, ``"seconds"`` the run time.

        Returns
        -------
        pandas.DataFrame
            One row for each point of the front (its first trial), the best in `a` first; of those
            that are equal in both metrics the oldest. Columns id, `a`, `b`, feasible, then the
            parameters (``param.NAME`` where a parameter has the name of one of these).

        Raises
        ------
        OptionError
            `a` and `b` are the same, or no done trial carries both; the message names what they
            carry.
        """
        return frames.front(*self.carrying(a, b), self._goal, (a, b), self.feasible())

    def carrying(self, a: str, b: str) -> tuple[list[Trial], Array]:
        """The done trials of the goal's stage that carry both metrics as finite numbers.

        By id, with the two metrics of each, float of shape (trials, 2). OptionError as in `front`.
        """
        done = np.flatnonzero(self.in_state(State.DONE) & self.of_stage() & self.allowed())
        if not self._repeats and self._goal.of == "mean":
            return frames.carrying([self[id] for id in done.tolist()], a, b)
        groups = points.by_point(done, self.points(), self._members())
        return frames.carrying([self._pooled(ids) for ids in groups], a, b)

    def distances(self, ids: Array) -> Array:
        """How far trials are beyond each bound of the goal, relative to it, shape (ids, bounds).

        Negative where the bound holds; NaN where the metric is missing or no finite number.
        """
        bounds = [(name, limit, 1.0) for name, limit in self.goal.at_most.items()]
        bounds += [(name, limit, -1.0) for name, limit in self.goal.at_least.items()]
        names, limits, signs = (np.array(column) for column in zip(*bounds, strict=True))
        goal = self._goal
        trials = (self[int(id)] for id in ids)
        told = np.array([[goal.told(t, name) for name in names] for t in trials], dtype=float)
        unit = np.where(limits == 0, 1.0, np.abs(limits))
        with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest float
            beyond = signs * (told.reshape(-1, len(bounds)) - limits) / unit
        return np.where(np.isfinite(beyond), beyond, np.nan)

    def unreported(self) -> list[str]:
        """Metrics that the goal needs and no trial reported, though some reported others."""
        told = [{*trial.metrics, *(() if trial.value is None else ("value",))} for trial in self]
        names = dict.fromkeys((self.goal.metric, *self.goal.bounded)) if any(told) else ()
        return [name for name in names if not any(name in reported for reported in told)]

    @property
    def best(self) -> Trial | None:
        """Trial of the best measured point that the rules in force allow, None before any.

        A point that was measured several times counts with what the goal makes of all its values
        (``Goal.of``); that is the value of this trial, and `Trial.values` are all of them.
        """
        first = self._cached("first", self._first)
        if first is None:
            return None
        if self._repeats:
            return self.leading(1)[0]
        return self._pooled([first])

    def leading(self, k: int, *, forbidden: bool = False) -> list[Trial]:
        """Trials of the `k` best measured points, best first, each as in `best`.

        With `forbidden`, also of points that break a rule which was learnt later (`allowed`).
        """
        if not len(self):
            return []
        allowed = self.allowed()
        groups = [ids for ids in self._by_point() if forbidden or allowed[ids[0]]]
        if self._repeats:
            groups = sorted(groups, key=self._rank)
        return [self._pooled(ids) for ids in groups[:k]]

    def point_scores(self) -> Array:
        """Score of the point of each trial, shape (trials,); NaN for a trial that has none.

        It is what the goal makes of all values of the point, within and across the trials of one
        member.
        """

        def compute() -> Array:
            scores = self.scores().copy()
            for ids in self._by_point() if self._repeats else ():
                if len(ids) > 1:
                    scores[ids] = self._rank(ids)[1]
            return scores

        return self._cached("point scores", compute)

    def leaders(self) -> list[tuple[int, Trial]]:
        """How the best point became what it is: each scored trial that changed it.

        Returns
        -------
        list of (int, Trial)
            The id of the trial, and the best measured point after it, as in `best` then.
        """
        members: dict[tuple[int, ...], list[int]] = {}
        ranks: dict[tuple[int, ...], tuple[float, float, int]] = {}
        leader: tuple[int, ...] | None = None
        found: list[tuple[int, Trial]] = []
        levels, of_population = self.points(), self._members()
        order = self.order()
        for id in np.sort(order[self.allowed()[order]]).tolist():
            place = (*levels[id].tolist(), int(of_population[id]))
            ids = members.setdefault(place, [])
            ids.append(id)
            ranks[place] = self._rank(ids)
            if leader is None or ranks[place] < ranks[leader]:
                leader = place
            elif place == leader:
                leader = min(ranks, key=ranks.__getitem__)
            else:
                continue
            found.append((id, self._pooled(members[leader])))
        return found

    def _summary(self) -> Summary:
        return history_summary(self, self.best)

    def _first(self) -> int | None:
        """The first of `order`, without sorting all of them."""
        scores = self.scores()
        violation = self.violation()
        scored = np.isfinite(scores) & self.allowed()
        if not scored.any():
            return None
        least = violation[scored].min()
        return int(np.argmin(np.where(scored & (violation == least), scores, np.inf)))

    @property
    def has_repeats(self) -> bool:
        """Whether a point was measured more than once, in several trials or inside a scored one."""
        if self._repeats:
            return True
        return bool(((self._counts.array() > 1) & np.isfinite(self._losses.array())).any())

    def repeated(self) -> bool:
        """Old name of `has_repeats`; deprecated."""
        warn_renamed("History.repeated()", "History.has_repeats, a property")
        return self.has_repeats

    def at(self, point: Point, *, member: int | None = None) -> Trial | None:
        """First scored trial of a point, with all measurements of the point as in `best`.

        None if the point has no score.

        Parameters
        ----------
        member
            Of a population; None: the member of the first scored trial there.
        """
        if not len(self):
            return None
        here = (self.points() == np.array(point, dtype=np.int64)).all(axis=1)
        ids = np.flatnonzero(here & np.isfinite(self.scores()))
        members = self._members()[ids]
        if len(ids):
            ids = ids[members == (members[0] if member is None else member)]
        return self._pooled(ids.tolist()) if len(ids) else None

    def frame(self) -> pd.DataFrame:
        """All trials as a DataFrame, one row each.

        Columns: id, round, state, the parameters, value, score, feasible, point.value, point.n,
        point.spread, the metrics, seconds, queued, started, ended, stage, repeat, member, parent,
        error, then the notes as ``note.*`` and the tags as ``tag.*``. A parameter or metric that
        has the name of another column stands as ``param.NAME`` or ``metric.NAME``.

        The columns ``point.*`` are about all measurements of the trial's point in its stage, as in
        `best`: what the goal makes of them, how many there are, and their standard deviation.
        """
        trials, scores = list(self), self.scores().tolist()
        about = points.about(self.goal, trials, scores)
        return frames.frame(trials, scores, self.feasible().tolist(), about)

    def _members(self) -> Array:
        """Member of the population of each trial, shape (trials,)."""
        return self._keys.array().reshape(-1, 3)[:, 2]

    def _by_point(self) -> list[list[int]]:
        """Ids of the scored trials of each point and member, by the order of the best of each."""
        return self._cached(
            "by point",
            lambda: points.by_point(self.order(), self.points(), self._members()),
        )

    def _measured(self) -> points.Measured:
        return self._cached(
            "measured",
            lambda: points.Measured(
                self._counts.array(), self.scores(), self.violation(), self._losses.array()
            ),
        )

    def _rank(self, ids: list[int]) -> tuple[float, float, int]:
        """Violation, score and id of the point of these scored trials: less is better."""
        measured = self._measured()
        if len(ids) == 1:
            return (float(measured.violation[ids[0]]), float(measured.scores[ids[0]]), ids[0])
        trials = [self[id] for id in sorted(ids)]
        score = points.score_of(self._goal, measured, trials)
        violation = 0.0
        if measured.violation[ids].any():
            violation = self._goal.violation(points.pooled(self._goal, trials))
        return (violation, score, ids[0])

    def _pooled(self, ids: list[int]) -> Trial:
        """The first of these trials of one point, with the measurements of all of them."""
        trials = [self[id] for id in sorted(ids)]
        goal = self._goal
        only = trials[0]
        told = only.measured(goal.metric) == only.values and goal.metric_of(only) == only.value
        return only if len(ids) == 1 and told else points.pooled(goal, trials)
