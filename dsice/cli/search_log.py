"""One search of a log of measurements, as `dsice replay` shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dsice.goal import Goal
from dsice.launchers import Clock, Job, Result, Table
from dsice.running.options import Mode
from dsice.strategies import Strategy
from dsice.trial import Trial
from dsice.tuner import Tuner


@dataclass
class Replay:
    """One search of a log: the best after each round, and all told trials.

    In mode ``"async"`` a round is over after as many trials as there are slots.

    Attributes
    ----------
    values, ranks, trials, elapsed
        After each round: the best, its rank among the points of the log, the told trials, and the
        virtual clock.
    told
        Value of each trial in the order told, NaN if it failed, and the virtual clock at that
        moment.
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
        """Number of the first round with a value as good as the target, inf if none has it."""
        for i, value in enumerate(self.values, 1):
            if value >= target if maximize else value <= target:
                return i
        return math.inf

    def trials_until(self, target: float, *, maximize: bool) -> tuple[float, float]:
        """Number of the first told trial with a value as good as the target, and its moment.

        Both are inf if no trial has such a value.
        """
        for i, (value, moment) in enumerate(self.told, 1):
            if value >= target if maximize else value <= target:
                return i, moment
        return math.inf, math.inf


def search_log(
    table: Table,
    strategy: Strategy,
    limit: int,
    seed: int,
    *,
    mode: Mode = "rounds",
    timed: bool = False,
    maximize: bool = False,
) -> Replay:
    """One search of the log with all slots of the table.

    Parameters
    ----------
    limit
        Most trials; the search ends before at the best point of the log.
    mode
        In mode ``"async"`` a trial is asked for whenever one is over.
    timed
        Whether the table has a virtual clock.
    """
    table.restart()
    goal = Goal(maximize=maximize)
    tuner = Tuner(table.space, strategy, goal=goal, max_trials=limit, seed=seed)
    done = Replay()
    n_running = 0
    while True:
        asked = tuner.ask(table.slots - n_running) if mode == "async" or not n_running else []
        if asked:
            table.submit([Job(trial.id, dict(trial.params)) for trial in asked])
        # a table without curves brings results only
        results = [event for event in table.collect() if isinstance(event, Result)]
        if not results:
            break
        for result in results:
            done.told.append((_tell(tuner, result), result.times[2] or 0.0))
            if mode == "async" and len(done.told) % table.slots == 0:
                _end_round(done, tuner, table, maximize=maximize)
        n_running += len(asked) - len(results)
        if mode == "rounds" and not n_running:
            _end_round(done, tuner, table, maximize=maximize)
        if done.ranks[-1:] == [1]:
            break
    if done.told and done.trials[-1:] != [len(done.told)]:
        _end_round(done, tuner, table, maximize=maximize)
    done.clock = table.clock if timed else None
    return done


def _tell(tuner: Tuner, result: Result) -> float:
    """Tell a result; its value, NaN if it has none."""
    trial = tuner.tell(
        result.id, result.value, seconds=result.seconds, error=result.error, state=result.state
    )
    return _value(trial)


def _value(trial: Trial | None) -> float:
    return math.nan if trial is None or trial.value is None else trial.value


def _end_round(done: Replay, tuner: Tuner, table: Table, *, maximize: bool) -> None:
    """Note the best and the clock at the end of a round."""
    best = tuner.best
    done.values.append(_value(best))
    done.ranks.append(0 if best is None else table.rank(best.params, maximize=maximize))
    done.trials.append(len(done.told))
    done.elapsed.append(done.told[-1][1])
