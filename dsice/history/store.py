"""Every trial in the order of its id, with the numbers and scores of all of them as arrays."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Self, TypeVar, overload

import numpy as np

from dsice.goal import Goal, Seconds
from dsice.history.columns import BegunWrite, TrialColumns
from dsice.history.curve import GrowingCurve, NewSteps
from dsice.history.sources import SourceTrials
from dsice.trial import Identity, State, Trial
from dsice.typing import Array, Point

T = TypeVar("T")
FAILED = (State.FAILED, State.TIMED_OUT, State.INVALID)
"""States of trials that ended without a usable value."""
_FIRST = 64  # rows of a new array
_CODES = {state: code for code, state in enumerate(State)}


class GrowingArray:
    """An array with one number, or one row of them, per trial; it grows fast on average.

    So an ask costs the same after 10 trials and after 100 000.

    Parameters
    ----------
    dtype
        Type of the numbers.
    rows
        The first rows, shape (trials,) or (trials, width).
    """

    def __init__(self, dtype: type | np.dtype[Any], rows: Array | Sequence[Any] = ()) -> None:
        self._data: Array = np.array(rows, dtype=dtype)
        self._length = len(self._data)

    def __setitem__(self, id: int, value: object) -> None:
        """Set one row, which may be the next one; done twice it is the same as done once."""
        if id == len(self._data):
            capacity = max(_FIRST, 2 * self._length)
            grown = np.empty((capacity, *np.asarray(value).shape), dtype=self._data.dtype)
            if self._length:
                grown[: self._length] = self._data[: self._length]
            self._data = grown
        self._data[id] = value
        self._length = max(self._length, id + 1)

    def copy(self) -> GrowingArray:
        """Return a copy with the same rows."""
        return GrowingArray(self._data.dtype, self.array())

    def array(self) -> Array:
        """All rows, read-only; what is written later may show in them."""
        rows = self._data[: self._length]
        rows.flags.writeable = False
        return rows


class TrialStore(Sequence[Trial]):
    """Trials in the order of their ids: ``store[id]`` is the trial with that id.

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
        self._trials: list[Trial | None] = []  # None: not looked at since it was read
        self._make: Callable[[int], Trial] | None = None
        self._curves: dict[int, GrowingCurve] = {}  # of running trials that reported a step
        self._begun: BegunWrite | None = None
        self.sources: tuple[SourceTrials, ...] = ()  # measurements of related tasks
        self.forbidden: frozenset[int] = frozenset()  # trials that break a rule learnt later
        self._set_up(TrialColumns())
        for trial in trials:
            self.write(trial)

    def _set_up(self, told: TrialColumns) -> None:
        """Make the arrays, counters and indices of all trials; `write` keeps them up to date."""
        n = len(told.points)
        goal = self._goal
        self._points = GrowingArray(np.int64, told.points)
        self._keys = GrowingArray(np.int64, told.keys)
        self._states = GrowingArray(np.int8, [_CODES[s] for s in told.states])
        done = self.in_state(State.DONE) & self.of_stage()
        judged = told.judged(goal, done) if n else ((), (), ())
        self._counts = GrowingArray(np.int64, judged[0])
        self._losses = GrowingArray(float, judged[1])
        self._violations = GrowingArray(float, judged[2])
        self._seconds = GrowingArray(float, told.seconds)
        pending = np.flatnonzero(self.in_state(State.PENDING)).tolist()
        self._pending: dict[int, None] = dict.fromkeys(pending)
        keys = zip(*told.keys, strict=True) if n else ((), (), ())
        identities = zip(told.points, *keys, strict=True)
        self._identities: dict[Identity, int] = dict(zip(identities, range(n), strict=True))
        if self.of_stage().all():
            self._taken = set(told.points)
        else:
            self._taken = {tuple(point) for point in self.taken_points().tolist()}
        self._asked = sum(r is not None for r in told.rounds)
        self._asked_pending = sum(told.rounds[id] is not None for id in pending)
        self._rounds = max((r for r in told.rounds if r is not None), default=-1) + 1
        self._repeats = sum(key[1] > 0 for key in told.keys)
        self._added = GrowingArray(bool, [id in told.added for id in range(n)])
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
        if trial is None or (trial.id in self._curves and self._curves[trial.id].grown):
            return self._made(range(len(self._trials))[index])
        return trial

    def curve(self, id: int) -> GrowingCurve:
        """The learning curve of a trial as the history keeps it: to look at, not to change."""
        return self._curves.get(id) or GrowingCurve(self[id].curve)

    def is_pending(self, id: int) -> bool:
        """Whether this trial was asked and not told."""
        return id in self._pending

    def _made(self, id: int) -> Trial:
        """Make a trial that was not looked at since it was read from a journal, or has grown."""
        trial = self._trials[id]
        if trial is None:
            if self._make is None:
                raise ValueError(f"trial {id} was never written")
            trial = self._make(id)
        curve = self._curves.get(id)
        if curve is not None:
            trial = replace(trial, curve=curve.points())
        self._trials[id] = trial
        if curve is not None:
            curve.grown = False
        return trial

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return (self[i] for i in range(len(self._trials)))

    def followed_by(self, trials: Sequence[Trial]) -> Self:
        """Return a copy with more trials; this history stays as it is."""
        copied = copy.copy(self)
        copied._cache = {}
        for name in ("_trials", "_pending", "_identities", "_taken"):
            setattr(copied, name, getattr(self, name).copy())
        copied._curves = {id: curve.copy() for id, curve in self._curves.items()}
        for name, array in vars(self).items():
            if isinstance(array, GrowingArray):
                setattr(copied, name, array.copy())
        for trial in trials:
            copied.write(trial)
        return copied

    def write(self, trial: Trial | NewSteps) -> None:
        """Add the next trial, replace a known one by its newer state or append to its curve.

        For the tuner alone. What an exception interrupts is completed by the next call; the same
        call once more changes nothing.
        """
        if self._begun is not None:
            self._complete(self._begun)
        if isinstance(trial, NewSteps):
            self._grow(trial)
            return
        id = trial.id
        if id > len(self._trials):
            raise ValueError(f"trial {id} would leave a gap after {len(self._trials)} trials")
        new = id == len(self._trials)
        if new and (same := self.id_of(trial.identity)) is not None:
            raise ValueError(f"trial {id} is the measurement of trial {same}: {trial.identity}")
        if not new:
            known = self[id]
            if trial.identity != known.identity:
                raise ValueError(f"trial {id} is another measurement already")
            # one that is pending again begins from the start
            if trial.state is not State.PENDING and (id in self._curves or id not in self._pending):
                trial = replace(trial, curve=known.curve)
        counts = (self._asked, self._asked_pending, self._rounds, self._repeats)
        self._begun = BegunWrite(trial, new, id in self._pending, *counts)
        self._complete(self._begun)

    def _complete(self, begun: BegunWrite) -> None:
        """Write a trial, whatever part of that is done already."""
        trial = begun.trial
        id = trial.id
        if begun.new:
            self._add(begun)
        self._trials[id] = trial
        self._count(begun)
        loss = math.nan if trial.state is State.PENDING else self._goal.loss(trial)
        self._losses[id] = loss
        self._violations[id] = math.nan if math.isnan(loss) else self._goal.violation(trial)
        self._seconds[id] = math.nan if trial.seconds is None else trial.seconds
        self._states[id] = _CODES[trial.state]
        pending = trial.state is State.PENDING  # one that is tried again is measured here
        added = trial.round is None if begun.new else self._added.array()[id]
        self._added[id] = added and not pending
        self._counts[id] = len(trial.repeats.get(self._goal.metric, trial.values))
        self._curves.pop(id, None)
        self._cache.clear()
        self._begun = None

    def _grow(self, new: NewSteps) -> None:
        """Append steps to the curve of a running trial, which is made anew when looked at."""
        curve = self._curves[new.id] = self.curve(new.id)
        for step, value in new.points:
            curve.append(step, value)

    def _add(self, begun: BegunWrite) -> None:
        trial = begun.trial
        if trial.id == len(self._trials):
            self._trials.append(trial)
        self._identities[trial.identity] = trial.id
        self._points[trial.id] = trial.point
        self._keys[trial.id] = (trial.stage, trial.repeat, trial.member)
        if trial.stage == self.goal.stage:
            self._taken.add(trial.point)
        self._repeats = begun.repeats + (trial.repeat > 0)
        if trial.round is not None:
            self._asked = begun.asked + 1
            self._rounds = max(begun.rounds, trial.round + 1)

    def _count(self, begun: BegunWrite) -> None:
        trial = begun.trial
        now = trial.state is State.PENDING
        if now:
            self._pending[trial.id] = None
        else:
            self._pending.pop(trial.id, None)
        if trial.round is not None:
            self._asked_pending = begun.asked_pending + now - begun.was_pending

    @property
    def asked(self) -> int:
        """How many trials were asked; added ones do not count."""
        return self._asked

    @property
    def rounds(self) -> int:
        """How many asks brought trials."""
        return self._rounds

    def pending(self) -> list[Trial]:
        """Trials asked and not told, in the order of their ids."""
        return [self[i] for i in sorted(self._pending)]

    def id_of(self, identity: Identity) -> int | None:
        """Id of the trial with this identity, None if there is none."""
        return self._identities.get(identity)

    def taken(self) -> AbstractSet[Point]:
        """Points of the goal's stage that were asked or added, whatever became of them.

        The set is the history's own: it must not be changed.
        """
        return self._taken

    def points(self) -> Array:
        """Levels of each trial, int64 of shape (trials, axes)."""
        return self._points.array()

    def taken_points(self) -> Array:
        """Points of `taken` as an array, int64 of shape (trials of the stage, axes).

        A point that was measured twice is there twice.
        """
        return self._points.array()[self.of_stage()]

    def counts(self) -> Array:
        """How many values of the goal's metric each trial has, int64 of shape (trials,)."""
        return self._counts.array()

    def keys(self) -> Array:
        """Stage, repeat and member of each trial, int64 of shape (trials, 3)."""
        return self._keys.array()

    def states(self) -> Array:
        """State of each trial as its place in `State`, int8 of shape (trials,)."""
        return self._states.array()

    def seconds(self) -> Array:
        """Told run time of each trial, shape (trials,); NaN where there is none."""
        return self._seconds.array().copy()

    def added(self) -> Array:
        """Which trials were measured elsewhere: told, and no ask brought them; bool (trials,)."""
        return self._added.array()

    def allowed(self) -> Array:
        """Which trials keep the rules in force, bool of shape (trials,).

        A trial may break a rule learnt after it was asked (`dsice.extend`): it is never the best.
        """
        kept = np.ones(len(self), dtype=bool)
        kept[list(self.forbidden)] = False
        return kept

    def in_state(self, *states: State) -> Array:
        """Which trials are in one of these states, bool of shape (trials,)."""
        return np.isin(self._states.array(), [_CODES[state] for state in states])

    def of_stage(self, stage: int | None = None) -> Array:
        """Which trials belong to a stage (default: the goal's), bool of shape (trials,)."""
        keys = self._keys.array()
        if not len(keys):
            return np.zeros(0, dtype=bool)
        wanted = self._goal.stage if stage is None else stage
        return np.asarray(keys[:, 0] == wanted)

    @property
    def weighs_time(self) -> bool:
        """Whether the goal still weighs run time, given what is told."""
        return self.weighs_time_under(self._goal, self.budget)

    def weighs_time_under(self, goal: Goal, budget: int | None) -> bool:
        """Whether another goal with another budget would still weigh run time."""
        if not goal.time_weight:
            return False
        gone = np.flatnonzero(self.in_state(State.WITHDRAWN)).tolist()
        told = len(self._trials) - len(self._pending) - len(gone)
        asked = self._asked - self._asked_pending - sum(self[i].round is not None for i in gone)
        seconds = np.delete(self._seconds.array(), gone) if isinstance(goal.until, Seconds) else 0.0
        return goal.time_counts(told, asked, float(np.nansum(seconds)), budget)

    def scores(self) -> Array:
        """Score of each trial, shape (trials,): less is better; NaN for one that has none."""

        def compute() -> Array:
            losses = self._losses.array()
            if self.weighs_time:
                return self._goal.weigh(losses, self._seconds.array())
            return losses.copy()

        return self._cached("scores", compute)

    def violation(self) -> Array:
        """Total relative violation of the goal's bounds, shape (trials,).

        NaN for a trial without a score.
        """

        def compute() -> Array:
            return np.where(np.isnan(self.scores()), np.nan, self._violations.array())

        return self._cached("violation", compute)

    def feasible(self) -> Array:
        """Which trials have a score and keep every bound, bool of shape (trials,)."""
        return np.asarray(self.violation() == 0)

    def order(self) -> Array:
        """Ids of the trials that have a score, best first: by violation, then score, then id."""

        def compute() -> Array:
            scored = np.flatnonzero(np.isfinite(self.scores()))
            rank = np.lexsort((scored, self.scores()[scored], self.violation()[scored]))
            return scored[rank]

        return self._cached("order", compute)

    def failed(self) -> Array:
        """Which trials ended without a usable value, bool of shape (trials,)."""
        return self.in_state(*FAILED)

    def _cached(self, name: str, compute: Callable[[], T]) -> T:
        if name not in self._cache:
            self._cache[name] = compute()
        value: T = self._cache[name]
        return value
