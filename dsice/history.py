"""The history: every trial in the order of its id, seen under a goal.

It is the only state there is. Strategies read it; the tuner alone writes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from dsice.goal import Goal, Seconds
from dsice.trial import Identity, Point, State, Trial, mean

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")
_FIXED = {
    "lead": ("id", "round", "state"),
    "middle": ("value", "score", "feasible"),
    "end": ("seconds", "queued", "started", "ended", "stage", "repeat", "member", "parent", "error"),
}
FAILED = (State.FAILED, State.TIMED_OUT, State.INVALID)


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

    def __init__(self, goal: Goal | None = None, *, budget: int | None = None, trials: Sequence[Trial] = ()) -> None:
        self._goal = goal or Goal()
        self.budget = budget
        self._trials: list[Trial] = []
        self._pending: dict[int, None] = {}
        self._identities: dict[Identity, int] = {}
        # what each trial contributes, kept up to date by write(): a tell costs the same after 10 and after 100 000 trials
        self._losses: list[float] = []
        self._violations: list[float] = []
        self._seconds: list[float] = []
        self._taken: set[Point] = set()
        self._asked = self._asked_pending = self._rounds = self._repeats = 0
        self._cache: dict[str, Any] = {}
        for trial in trials:
            self.write(trial)

    @property
    def goal(self) -> Goal:
        """What the trials are scored by."""
        return self._goal

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        return self._trials[index]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        return f"<History of {len(self)} trials, {len(self._pending)} pending>"

    # ------------------------------------------------------------------ writing (the tuner's)
    def write(self, trial: Trial) -> None:
        """Add the next trial, or put a newer state of a known one in its place (the tuner's alone)."""
        if trial.id > len(self._trials):
            raise ValueError(f"trial {trial.id} would leave a gap after {len(self._trials)} trials")
        if trial.id == len(self._trials):
            self._append(trial)
        elif trial.identity != self._trials[trial.id].identity:
            raise ValueError(f"trial {trial.id} is another measurement already")
        self._trials[trial.id] = trial
        self._count(trial)
        loss = self.goal.loss(trial)
        self._losses[trial.id] = loss
        self._violations[trial.id] = math.nan if math.isnan(loss) else self.goal.violation(trial)
        self._seconds[trial.id] = math.nan if trial.seconds is None else trial.seconds
        self._cache.clear()

    def _append(self, trial: Trial) -> None:
        self._trials.append(trial)
        self._identities[trial.identity] = trial.id
        for column in (self._losses, self._violations, self._seconds):
            column.append(math.nan)
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
        return [self._trials[i] for i in sorted(self._pending)]

    def id_of(self, identity: Identity) -> int | None:
        """Id of the trial that is this measurement, None if there is none."""
        return self._identities.get(identity)

    def taken(self) -> AbstractSet[Point]:
        """Points of the goal's stage that were asked or added, whatever became of them; to look at, not to change."""
        return self._taken

    def points(self) -> Array:
        """Levels of each trial, int64 of shape (trials, axes)."""
        return self._cached("points", lambda: np.array([t.point for t in self._trials], dtype=np.int64))

    def time_counts(self) -> bool:
        """Whether the goal still weighs run time, given what is told."""
        if not self.goal.time_weight:
            return False
        told = len(self._trials) - len(self._pending)
        seconds = float(np.nansum(self._seconds)) if isinstance(self.goal.until, Seconds) else 0.0
        return self.goal.time_counts(told, self._asked - self._asked_pending, seconds, self.budget)

    def scores(self) -> Array:
        """Score of each trial, shape (trials,): less is better; NaN for one that has none."""

        def compute() -> Array:
            losses = np.array(self._losses, dtype=float)
            return self.goal.weigh(losses, np.array(self._seconds, dtype=float)) if self.time_counts() else losses

        return self._cached("scores", compute)

    def violation(self) -> Array:
        """Total relative violation of the goal's bounds, shape (trials,); NaN for one without a score."""
        return self._cached("violation", lambda: np.where(np.isnan(self.scores()), np.nan, self._violations))

    def feasible(self) -> Array:
        """Which trials have a score and keep every bound, bool of shape (trials,)."""
        return np.asarray(self.violation() == 0)

    def failed(self) -> Array:
        """Which trials ended without a usable value, bool of shape (trials,)."""
        return np.array([t.state in FAILED for t in self._trials], dtype=bool)

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
        order = self.order()
        if not len(order):
            return None
        return self._seen([int(order[0])] if not self._repeats else min(self._groups(), key=self._rank))

    def repeated(self) -> bool:
        """Whether a point was measured more than once, in several trials or inside one."""
        return self._repeats > 0 or any(len(t.values) > 1 for t in self._trials)

    def at(self, point: Point) -> Trial | None:
        """First scored trial of a point, its value the mean of the point's measurements; None if it has no score."""
        ids = [i for i in self.order().tolist() if self._trials[i].point == point]
        return self._seen(ids) if ids else None

    def frame(self) -> pd.DataFrame:
        """All trials as a DataFrame, one row each.

        Columns: id, round, state, the parameters, value, score, feasible, the metrics, seconds,
        queued, started, ended, stage, repeat, member, parent, error, then the notes as ``note.*``
        and the tags as ``tag.*``. A parameter or metric that has the name of another column
        stands as ``param.NAME`` or ``metric.NAME``.
        """
        import pandas as pd

        groups = self._columns()
        names = {group: dict.fromkeys(name for cell in cells for name in cell) for group, cells in groups.items()}
        names |= {group: dict.fromkeys(fixed) for group, fixed in _FIXED.items()}
        labels = _labels(names)
        order = [
            labels[group, name] for group in ("lead", "param", "middle", "metric", "end", "note", "tag") for name in names[group]
        ]
        rows: list[dict[str, Any]] = [{} for _ in self._trials]
        for group, cells in groups.items():
            for row, cell in zip(rows, cells, strict=True):
                row.update((labels[group, name], value) for name, value in cell.items())
        return pd.DataFrame(rows, columns=order)

    # ------------------------------------------------------------------ inside
    def _columns(self) -> dict[str, list[dict[str, Any]]]:
        """The cells of `frame` by group of columns, one mapping for each trial."""
        scores, feasible = self.scores().tolist(), self.feasible().tolist()
        ids = range(len(self._trials))
        return {
            "lead": [{"id": t.id, "round": t.round, "state": str(t.state)} for t in self._trials],
            "middle": [{"value": self._trials[i].value, "score": scores[i], "feasible": feasible[i]} for i in ids],
            "end": [_end(t) for t in self._trials],
            "param": [dict(t.params) for t in self._trials],
            "metric": [dict(t.metrics) for t in self._trials],
            "note": [dict(t.note) for t in self._trials],
            "tag": [dict(t.tags) for t in self._trials],
        }

    def _groups(self) -> Iterable[list[int]]:
        """Ids of the scored trials, those of one point and member together, best first."""
        groups: dict[tuple[Point, int], list[int]] = {}
        for i in self.order().tolist():
            groups.setdefault((self._trials[i].point, self._trials[i].member), []).append(i)
        return groups.values()

    def _rank(self, ids: list[int]) -> tuple[float | None, float | None, int]:
        scores, violation = self.scores(), self.violation()
        weights = [len(self._trials[i].values) or 1 for i in ids]
        return (mean(violation[ids].tolist(), weights), mean(scores[ids].tolist(), weights), ids[0])

    def _seen(self, ids: list[int]) -> Trial:
        """The first of the trials of one point, carrying the measurements of all under today's goal."""
        trials = [self._trials[i] for i in sorted(ids)]
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


def _end(t: Trial) -> dict[str, Any]:
    queued, started, ended = t.times
    times = {"seconds": t.seconds, "queued": queued, "started": started, "ended": ended}
    return {**times, "stage": t.stage, "repeat": t.repeat, "member": t.member, "parent": t.parent, "error": t.error}


def _labels(names: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], str]:
    """Column of each (group, name): the bare name where it is free, else with the group before it."""
    used: set[str] = set()
    labels = {}
    for group in ("lead", "middle", "end", "param", "metric", "note", "tag"):
        for name in names[group]:
            label = f"{group}.{name}" if group in ("note", "tag") else name
            while label in used:
                label = f"{group}.{label}"
            used.add(label)
            labels[group, name] = label
    return labels
