"""Every trial in the order of its id, and what a goal makes of it."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from dsice.goal import Goal, Seconds
from dsice.history.columns import Column, Rows
from dsice.history.frames import frame, front_frame
from dsice.trial import Identity, State, Trial, mean
from dsice.typing import Array, Point

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
FAILED = (State.FAILED, State.TIMED_OUT, State.INVALID)
_CODES = {state: code for code, state in enumerate(State)}


class History(Sequence[Trial]):
    """Trials in the order of their ids: ``history[id]`` is the trial with that id.

    Parameters
    ----------
    goal
        What the trials are scored by.
    budget
        ``max_trials`` of the tuner, for goals that count in shares of it.
    trials
        The trials, ids 0, 1, 2, ...
    """

    def __init__(
        self, goal: Goal | None = None, *, budget: int | None = None, trials: Sequence[Trial] = ()
    ) -> None:
        self._goal = goal or Goal()
        self.budget = budget
        self._trials: list[
            Trial | None
        ] = []  # None: not looked at since it was read from a journal
        self._build: Callable[[int], Trial] | None = None
        self._set_up(Rows())
        for trial in trials:
            self.write(trial)

    def _set_up(self, rows: Rows) -> None:
        """Columns, counters and indices of all trials; `write` keeps them up to date."""
        n, goal = len(rows.points), self._goal
        self._points, self._keys = Column(np.int64, rows.points), Column(np.int64, rows.keys)
        self._states, self._counts = (
            Column(np.int8, [_CODES[s] for s in rows.states]),
            Column(np.int64, rows.counts),
        )
        losses = goal.losses(self.in_state(State.DONE) & self.of_stage(), rows.values, rows.metrics)
        bound = bool(goal.bounded)
        over = [
            goal.violation_of(rows.values[i], rows.metrics[i]) if bound else 0.0 for i in range(n)
        ]
        self._losses, self._violations = (
            Column(float, losses),
            Column(float, np.where(np.isnan(losses), np.nan, over)),
        )
        self._seconds = Column(float, rows.seconds)
        self._pending: dict[int, None] = dict.fromkeys(
            np.flatnonzero(self.in_state(State.PENDING)).tolist()
        )
        columns = zip(*rows.keys, strict=True) if n else ((), (), ())
        self._identities: dict[Identity, int] = dict(
            zip(zip(rows.points, *columns, strict=True), range(n), strict=True)
        )
        self._taken = (
            set(rows.points)
            if self.of_stage().all()
            else {tuple(p) for p in self.taken_points().tolist()}
        )
        self._asked = sum(r is not None for r in rows.rounds)
        self._asked_pending = sum(rows.rounds[i] is not None for i in self._pending)
        self._rounds = max((r for r in rows.rounds if r is not None), default=-1) + 1
        self._repeats = sum(key[1] > 0 for key in rows.keys)
        self._cache: dict[str, Any] = {}

    @property
    def goal(self) -> Goal:
        """What the trials are scored by."""
        return self._goal

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        trial = self._trials[index]
        return trial if trial is not None else self._built(range(len(self._trials))[index])

    def _built(self, id: int) -> Trial:
        """A trial that was read from a journal, whole."""
        if self._build is None:
            raise ValueError(f"trial {id} was never written")
        trial = self._trials[id] = self._build(id)
        return trial

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return (self[i] for i in range(len(self._trials)))

    def __repr__(self) -> str:
        return f"<History of {len(self)} trials, {len(self._pending)} pending>"

    # ------------------------------------------------------------------ writing (the tuner's)
    def load(self, rows: Rows, build: Callable[[int], Trial]) -> None:
        """Take in all trials of a journal at once; `build` makes the trial of an id when somebody looks at it (the tuner's)."""
        if self._trials:
            raise ValueError(f"this history has {len(self)} trials already")
        self._trials, self._build = [None] * len(rows.points), build
        self._set_up(rows)

    def followed_by(self, trials: Sequence[Trial]) -> History:
        """A copy with more trials; this one stays as it is."""
        copied = copy.copy(self)
        copied._cache = {}
        for name in ("_trials", "_pending", "_identities", "_taken"):
            setattr(copied, name, getattr(self, name).copy())
        for name, column in vars(self).items():
            if isinstance(column, Column):
                setattr(copied, name, column.copy())
        for trial in trials:
            copied.write(trial)
        return copied

    def write(self, trial: Trial) -> None:
        """Add the next trial, or put a newer state of a known one in its place (the tuner's alone)."""
        if trial.id > len(self._trials):
            raise ValueError(f"trial {trial.id} would leave a gap after {len(self._trials)} trials")
        if trial.id == len(self._trials):
            self._append(trial)
        elif trial.identity != self[trial.id].identity:
            raise ValueError(f"trial {trial.id} is another measurement already")
        self._trials[trial.id] = trial
        self._count(trial)
        loss = self.goal.loss(trial)
        self._losses[trial.id] = loss
        self._violations[trial.id] = math.nan if math.isnan(loss) else self.goal.violation(trial)
        self._seconds[trial.id] = math.nan if trial.seconds is None else trial.seconds
        self._states[trial.id] = _CODES[trial.state]
        self._counts[trial.id] = len(trial.values)
        self._cache.clear()

    def _append(self, trial: Trial) -> None:
        self._trials.append(trial)
        self._identities[trial.identity] = trial.id
        self._points.append(trial.point)
        self._keys.append((trial.stage, trial.repeat, trial.member))
        for column in (self._losses, self._violations, self._seconds):
            column.append(math.nan)
        for column in (self._states, self._counts):
            column.append(0)
        if trial.stage == self.goal.stage:
            self._taken.add(trial.point)
        self._repeats += trial.repeat > 0
        if trial.round is not None:
            self._asked += 1
            self._rounds = max(self._rounds, trial.round + 1)

    def _count(self, trial: Trial) -> None:
        was, now = trial.id in self._pending, trial.state is State.PENDING
        if now:
            self._pending[trial.id] = None
        else:
            self._pending.pop(trial.id, None)
        self._asked_pending += (now - was) if trial.round is not None else 0

    # ------------------------------------------------------------------ reading
    @property
    def asked(self) -> int:
        """How many trials were asked, added ones left out."""
        return self._asked

    @property
    def rounds(self) -> int:
        """How many asks brought trials."""
        return self._rounds

    def pending(self) -> list[Trial]:
        """Trials asked and not told, in the order of their ids."""
        return [self[i] for i in sorted(self._pending)]

    def id_of(self, identity: Identity) -> int | None:
        """Id of the trial that is this measurement, None if there is none."""
        return self._identities.get(identity)

    def taken(self) -> AbstractSet[Point]:
        """Points of the goal's stage that were asked or added, whatever became of them; to look at, not to change."""
        return self._taken

    def points(self) -> Array:
        """Levels of each trial, int64 of shape (trials, axes)."""
        return self._points.array()

    def taken_points(self) -> Array:
        """The points of `taken`, one row for each trial there (a point measured again stands in it twice), int64."""
        return self._points.array()[self.of_stage()]

    def seconds(self) -> Array:
        """Told run time of each trial, shape (trials,); NaN where there is none."""
        return self._seconds.array().copy()

    def in_state(self, *states: State) -> Array:
        """Which trials are in one of these states, bool of shape (trials,)."""
        return np.isin(self._states.array(), [_CODES[state] for state in states])

    def of_stage(self, stage: int | None = None) -> Array:
        """Which trials belong to a stage (default: the goal's), bool of shape (trials,)."""
        keys = self._keys.array()
        return (
            keys[:, 0] == (self.goal.stage if stage is None else stage)
            if len(keys)
            else np.zeros(0, dtype=bool)
        )

    def time_counts(self) -> bool:
        """Whether the goal still weighs run time, given what is told."""
        return self.time_would_count(self.goal, self.budget)

    def time_would_count(self, goal: Goal, budget: int | None) -> bool:
        """`time_counts` under another goal and budget."""
        if not goal.time_weight:
            return False
        told = len(self._trials) - len(self._pending)
        seconds = (
            float(np.nansum(self._seconds.array())) if isinstance(goal.until, Seconds) else 0.0
        )
        return goal.time_counts(told, self._asked - self._asked_pending, seconds, budget)

    def losses(self) -> Array:
        """L of each trial whatever its stage, without the weight of run time, shape (trials,); NaN for one that has none."""

        def compute() -> Array:
            losses, goal = self._losses.array().copy(), self.goal
            for id in np.flatnonzero(~self.of_stage() & self.in_state(State.DONE)).tolist():
                trial = self[id]
                losses[id] = goal.loss_of(trial.state, goal.stage, trial.value, trial.metrics)
            return losses

        return self._cached("losses", compute)

    def lineage(self, trial: Trial | int) -> list[Trial]:
        """A trial and those it continues, from the first stage on: its parent, the parent's parent and so on.

        The params along it are the schedule that the training went through.
        """
        line = [self[trial if isinstance(trial, int) else trial.id]]
        while (parent := line[0].parent) is not None:
            line.insert(0, self[parent])
        return line

    def front(self, a: str, b: str) -> pd.DataFrame:
        """The trade-off front of two metrics: the done trials to which no other is at least as good in both.

        Less is better, but more where the goal says so: for its own metric under ``maximize``, and for metrics with an
        ``at_least`` bound alone. Only trials of the goal's stage count; whether they keep the bounds is in a column.

        Parameters
        ----------
        a, b
            Names of metrics; ``"value"`` is the plain number, ``"seconds"`` the run time.

        Returns
        -------
        pandas.DataFrame
            Columns id, `a`, `b`, feasible, then the parameters (``param.NAME`` where one is called like these); one row
            for each trial of the front, the best in `a` first. Of trials that are equal in both the oldest is there.

        Raises
        ------
        OptionError
            `a` and `b` are the same, or no done trial carries both; the message names what they carry.
        """
        return front_frame(self, a, b)

    def scores(self) -> Array:
        """Score of each trial, shape (trials,): less is better; NaN for one that has none."""

        def compute() -> Array:
            losses = self._losses.array()
            return (
                self.goal.weigh(losses, self._seconds.array())
                if self.time_counts()
                else losses.copy()
            )

        return self._cached("scores", compute)

    def violation(self) -> Array:
        """Total relative violation of the goal's bounds, shape (trials,); NaN for one without a score."""
        return self._cached(
            "violation", lambda: np.where(np.isnan(self.scores()), np.nan, self._violations.array())
        )

    def feasible(self) -> Array:
        """Which trials have a score and keep every bound, bool of shape (trials,)."""
        return np.asarray(self.violation() == 0)

    def distances(self, ids: Array) -> Array:
        """How far trials are beyond each bound of the goal, relative to it, shape (ids, bounds).

        Negative where the bound holds; NaN where the metric is missing or no finite number.
        """
        bounds = [(name, limit, 1.0) for name, limit in self.goal.at_most.items()]
        bounds += [(name, limit, -1.0) for name, limit in self.goal.at_least.items()]
        names, limits, signs = (np.array(column) for column in zip(*bounds, strict=True))
        trials = (self[int(id)] for id in ids)
        told = np.array([[self.goal.named(t, name) for name in names] for t in trials], dtype=float)
        unit = np.where(limits == 0, 1.0, np.abs(limits))
        with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest float
            beyond = signs * (told.reshape(-1, len(bounds)) - limits) / unit
        return np.where(np.isfinite(beyond), beyond, np.nan)

    def unreported(self) -> list[str]:
        """Metrics that the goal needs - its own, and those with a bound - and that no trial reported, of those that did any."""
        told = [{*trial.metrics, *(() if trial.value is None else ("value",))} for trial in self]
        names = dict.fromkeys((self.goal.metric, *self.goal.bounded)) if any(told) else ()
        return [name for name in names if not any(name in reported for reported in told)]

    def failed(self) -> Array:
        """Which trials ended without a usable value, bool of shape (trials,)."""
        return self.in_state(*FAILED)

    def order(self) -> Array:
        """Ids of the trials that have a score, best first: by violation, then score, then id."""

        def compute() -> Array:
            scored = np.flatnonzero(np.isfinite(self.scores()))
            rank = np.lexsort((scored, self.scores()[scored], self.violation()[scored]))
            return scored[rank]

        return self._cached("order", compute)

    @property
    def best(self) -> Trial | None:
        """Trial of the best measured point, its value the mean of the point's measurements; None before any.

        A point measured several times counts with the mean of its measurements.
        """
        first = self._cached("first", self._first)
        if first is None:
            return None
        return self._seen([first] if not self._repeats else min(self._groups(), key=self._rank))

    def leading(self, k: int) -> list[Trial]:
        """Trials of the `k` best measured points, best first, each as in `best`."""
        groups = (
            sorted(self._groups(), key=self._rank)
            if self._repeats
            else itertools.islice(self._groups(), k)
        )
        return [self._seen(ids) for ids in itertools.islice(groups, k)]

    def _first(self) -> int | None:
        """The first of `order`, without putting all of it in order."""
        scores, violation = self.scores(), self.violation()
        scored = np.isfinite(scores)
        if not scored.any():
            return None
        least = violation[scored].min()
        return int(np.argmin(np.where(scored & (violation == least), scores, np.inf)))

    def repeated(self) -> bool:
        """Whether a point was measured more than once, in several trials or inside one that has a score."""
        return self._repeats > 0 or bool(
            ((self._counts.array() > 1) & np.isfinite(self._losses.array())).any()
        )

    def at(self, point: Point) -> Trial | None:
        """First scored trial of a point, its value the mean of the point's measurements; None if it has no score."""
        here = (
            (self.points() == np.array(point, dtype=np.int64)).all(axis=1)
            if len(self)
            else np.zeros(0, dtype=bool)
        )
        ids = np.flatnonzero(here & np.isfinite(self.scores()))
        return self._seen(ids.tolist()) if len(ids) else None

    def frame(self) -> pd.DataFrame:
        """All trials as a DataFrame, one row each.

        Columns: id, round, state, the parameters, value, score, feasible, the metrics, seconds,
        queued, started, ended, stage, repeat, member, parent, error, then the notes as ``note.*``
        and the tags as ``tag.*``. A parameter or metric that has the name of another column
        stands as ``param.NAME`` or ``metric.NAME``.
        """
        return frame(list(self), self.scores().tolist(), self.feasible().tolist())

    # ------------------------------------------------------------------ inside
    def _groups(self) -> Iterable[list[int]]:
        """Ids of the scored trials, those of one point and member together, best first."""
        groups: dict[tuple[int, ...], list[int]] = {}
        order = self.order()
        places = np.column_stack([self.points()[order], self._keys.array()[order, 2]])
        for i, place in zip(order.tolist(), places.tolist(), strict=True):
            groups.setdefault(tuple(place), []).append(i)
        return groups.values()

    def _rank(self, ids: list[int]) -> tuple[float | None, float | None, int]:
        scores, violation = self.scores(), self.violation()
        weights = [n or 1 for n in self._counts.array()[ids].tolist()]
        return (mean(violation[ids].tolist(), weights), mean(scores[ids].tolist(), weights), ids[0])

    def _seen(self, ids: list[int]) -> Trial:
        """The first of the trials of one point, carrying the measurements of all under today's goal."""
        trials = [self[i] for i in sorted(ids)]
        weights = [len(t.values) or 1 for t in trials]
        value = mean([self.goal.metric_of(t) for t in trials], weights)
        first = trials[0]
        if len(trials) == 1:
            return first if first.value == value else replace(first, value=value)
        return replace(first, values=tuple(v for t in trials for v in t.values), value=value)

    def _cached(self, name: str, compute: Callable[[], T]) -> T:
        if name not in self._cache:
            self._cache[name] = compute()
        value: T = self._cache[name]
        return value
