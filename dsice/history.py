"""The history: every trial in the order of its id, seen under a goal.

It is the only state there is. Strategies read it; the tuner alone writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from dsice.goal import Goal
from dsice.trial import Identity, Point, State, Trial

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")


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
        self.goal = goal or Goal()
        self.budget = budget
        self._trials: list[Trial] = []
        self._pending: dict[int, None] = {}
        self._identities: dict[Identity, int] = {}
        self._cache: dict[str, Any] = {}
        for trial in trials:
            self.write(trial)

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
            raise IndexError(f"trial {trial.id} would leave a gap after {len(self._trials)} trials")
        if trial.id == len(self._trials):
            self._trials.append(trial)
            self._identities[trial.identity] = trial.id
        else:
            self._trials[trial.id] = trial
        if trial.state is State.PENDING:
            self._pending[trial.id] = None
        else:
            self._pending.pop(trial.id, None)
        self._cache.clear()

    # ------------------------------------------------------------------ reading
    def pending(self) -> list[Trial]:
        """Trials asked and not told, in the order of their ids."""
        return [self._trials[i] for i in sorted(self._pending)]

    def id_of(self, identity: Identity) -> int | None:
        """Id of the trial that is this measurement, None if there is none."""
        return self._identities.get(identity)

    def taken(self) -> set[Point]:
        """Points of the goal's stage that were asked or added, whatever became of them."""
        return self._cached("taken", lambda: {t.point for t in self._trials if t.stage == self.goal.stage})

    def points(self) -> Array:
        """Levels of each trial, int64 of shape (trials, axes)."""
        return self._cached("points", lambda: np.array([t.point for t in self._trials], dtype=np.int64))

    def scores(self) -> Array:
        """Score of each trial, shape (trials,): less is better; NaN for one that has none."""
        return self._cached("scores", lambda: self.goal.scores(self._trials, self.budget))

    def violation(self) -> Array:
        """Total relative violation of the goal's bounds, shape (trials,); NaN for one not done."""

        def compute() -> Array:
            scored = np.isfinite(self.scores())
            return np.array([self.goal.violation(t) if s else np.nan for t, s in zip(self._trials, scored, strict=True)])

        return self._cached("violation", compute)

    def feasible(self) -> Array:
        """Which trials have a score and keep every bound, bool of shape (trials,)."""
        return self.violation() == 0

    def failed(self) -> Array:
        """Which trials ended without a usable value, bool of shape (trials,)."""
        bad = (State.FAILED, State.TIMED_OUT, State.INVALID)
        return np.array([t.state in bad for t in self._trials], dtype=bool)

    def order(self) -> Array:
        """Ids of the trials that have a score, best first: by violation, then score, then id."""

        def compute() -> Array:
            scored = np.flatnonzero(np.isfinite(self.scores()))
            rank = np.lexsort((scored, self.scores()[scored], self.violation()[scored]))
            return scored[rank]

        return self._cached("order", compute)

    @property
    def best(self) -> Trial | None:
        """Trial of the best measured point, its value the mean of the point's measurements; None before any."""
        if not len(self.order()):
            return None
        repeats: dict[tuple[Point, int], list[int]] = {}
        for i in self.order():
            trial = self._trials[i]
            repeats.setdefault((trial.point, trial.member), []).append(int(i))
        if all(len(ids) == 1 for ids in repeats.values()):
            return self._trials[int(self.order()[0])]
        scores, violation = self.scores(), self.violation()

        def key(ids: list[int]) -> tuple[float, float, int]:
            weights = [len(self._trials[i].values) or 1 for i in ids]
            return (float(np.average(violation[ids], weights=weights)), float(np.average(scores[ids], weights=weights)), ids[0])

        return _merged([self._trials[i] for i in sorted(min(repeats.values(), key=key))])

    def frame(self) -> pd.DataFrame:
        """All trials as a DataFrame, one row each.

        Columns: id, round, state, the parameters, value, score, feasible, the metrics, seconds,
        queued, started, ended, stage, repeat, member, parent, error, then the notes as ``note.*``
        and the tags as ``tag.*``. A parameter or metric that has the name of another column
        stands as ``param.NAME`` or ``metric.NAME``.
        """
        import pandas as pd

        return pd.DataFrame([self._row(t) for t in self._trials])

    def _row(self, t: Trial) -> dict[str, Any]:
        score = float(self.scores()[t.id])
        lead = {"id": t.id, "round": t.round, "state": str(t.state)}
        middle = {"value": t.value, "score": score, "feasible": bool(self.feasible()[t.id])}
        end = dict(zip(("seconds", "queued", "started", "ended"), (t.seconds, *t.times), strict=True))
        end |= {"stage": t.stage, "repeat": t.repeat, "member": t.member, "parent": t.parent, "error": t.error}
        used = {*lead, *middle, *end}
        params = _renamed("param", t.params, used)
        metrics = _renamed("metric", t.metrics, used | set(params))
        notes = {f"note.{k}": v for k, v in t.note.items()}
        return lead | params | middle | metrics | end | notes | {f"tag.{k}": v for k, v in t.tags.items()}

    def _cached(self, name: str, compute: Callable[[], T]) -> T:
        if name not in self._cache:
            self._cache[name] = compute()
        value: T = self._cache[name]
        return value


def _renamed(prefix: str, named: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """Names that are taken already get a prefix."""
    return {(f"{prefix}.{k}" if k in used else k): v for k, v in named.items()}


def _merged(trials: list[Trial]) -> Trial:
    """The first of the trials of one point, carrying the measurements of all."""
    values = tuple(v for t in trials for v in (t.values or ((t.value,) if t.value is not None else ())))
    value = sum(v / len(values) for v in values) if values else trials[0].value
    return replace(trials[0], values=values, value=value)
