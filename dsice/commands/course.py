"""The course of one search over a log: what `dsice replay` counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from dsice.goal import Goal
from dsice.launchers import Clock, Job, Result, Table
from dsice.strategies import Strategy
from dsice.trial import Trial
from dsice.tuner import Tuner

Mode = Literal["rounds", "async"]


@dataclass
class Course:
    """One replay: the best after each round - in a stream, after as many trials as there are slots - and all told trials.

    Attributes
    ----------
    values, ranks, trials, elapsed
        After each round: the best, its rank among the points of the log, the told trials, and the virtual clock.
    told
        Value of each trial in the order told, NaN if it failed, and the virtual clock at that moment.
    clock
        The virtual clock at the end, if there is one.
    """

    values: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)
    told: list[tuple[float, float]] = field(default_factory=list)
    clock: Clock | None = None

    def rounds_until(self, target: float, *, maximize: bool) -> float:
        """Number of the first round with a value at least as good as the target, inf if none has it."""
        good = (
            i for i, v in enumerate(self.values, 1) if (v >= target if maximize else v <= target)
        )
        return next(good, math.inf)

    def trials_until(self, target: float, *, maximize: bool) -> tuple[float, float]:
        """Number of the first told trial with a value at least as good as the target, and its moment; inf if none has it."""
        good = (
            (float(i), at)
            for i, (v, at) in enumerate(self.told, 1)
            if (v >= target if maximize else v <= target)
        )
        return next(good, (math.inf, math.inf))


def course(
    table: Table,
    strategy: Strategy,
    limit: int,
    seed: int,
    *,
    mode: Mode = "rounds",
    clock: bool = False,
    maximize: bool = False,
) -> Course:
    """One search of the log with all slots of the table, up to the best point of the log or `limit` trials.

    With `clock` the table has a virtual clock. In mode ``"async"`` a trial is asked for whenever one is over.
    """
    table.restart()
    tuner, done, running = (
        Tuner(table.space, strategy, goal=Goal(maximize=maximize), max_trials=limit, seed=seed),
        Course(),
        0,
    )
    while True:
        free = table.slots - running
        asked = tuner.ask(free) if mode == "async" or not running else []
        if asked:
            table.submit([Job(trial.id, dict(trial.params)) for trial in asked])
        results = [
            event for event in table.collect() if isinstance(event, Result)
        ]  # of a table without curves
        if not results:
            break
        for result in results:
            trial = tuner.tell(
                result.id,
                result.value,
                seconds=result.seconds,
                error=result.error,
                state=result.state,
            )
            done.told.append((_value(trial), result.times[2] or 0.0))
            if mode == "async" and not len(done.told) % table.slots:
                _note(done, tuner, table, maximize=maximize)
        running += len(asked) - len(results)
        if mode == "rounds" and not running:
            _note(done, tuner, table, maximize=maximize)
        if done.ranks[-1:] == [1]:
            break
    if done.told and done.trials[-1:] != [len(done.told)]:
        _note(done, tuner, table, maximize=maximize)
    done.clock = table.clock if clock else None
    return done


def _value(trial: Trial) -> float:
    return math.nan if trial.value is None else trial.value


def _note(done: Course, tuner: Tuner, table: Table, *, maximize: bool) -> None:
    """A round is over."""
    best = tuner.best
    done.values.append(math.nan if best is None else _value(best))
    done.ranks.append(0 if best is None else table.rank(best.params, maximize=maximize))
    done.trials.append(len(done.told))
    done.elapsed.append(done.told[-1][1])
