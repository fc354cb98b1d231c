"""`dsice replay`: let strategies search a log of measurements, and count the rounds they need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from dsice.commands import show
from dsice.errors import OptionError
from dsice.goal import Goal
from dsice.journal import read
from dsice.launchers import Job, Table
from dsice.strategies import Parallel2022, Radial2024, Random, Strategy, strategy_from_dict, strategy_names
from dsice.tuner import Tuner
from dsice.tuner.resuming import last_options

SHARES = (0.05, 0.01)  # of the way from the optimum of the log to its median
ROUNDS = 25  # unless told otherwise
Missing = Literal["exclude", "fail", "error"]


def _journal_maximizes(path: str, objective: str | None) -> bool:
    """Whether the log is a journal whose goal is to maximise what is replayed."""
    if not path.endswith(".jsonl"):
        return False
    goal = Goal.from_dict(last_options(read(path)).get("goal", {}))
    return goal.maximize and objective in (None, goal.metric)


@dataclass
class Course:
    """One replay: the best after each round."""

    values: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)

    def rounds_until(self, target: float, *, maximize: bool) -> float:
        """Number of the first round with a value at least as good as the target, inf if none has it."""
        good = (i for i, v in enumerate(self.values, 1) if (v >= target if maximize else v <= target))
        return next(good, math.inf)


def replay(
    path: str,
    *,
    objective: str | None = None,
    batch: int = 40,
    params: Sequence[str] | None = None,
    missing: Missing = "exclude",
    maximize: bool = False,
    strategy: str = "dsice",
    trials: int | None = None,
    seed: int = 0,
    seeds: int = 1,
) -> int:
    """Replay one search round by round; with several seeds, medians of it beside Random.

    Parameters
    ----------
    path, objective, params, missing
        The log, as `dsice.launchers.Table` takes it.
    batch
        Trials in a round.
    trials
        Most trials of one search; 25 rounds by default. A search ends before at the best point of the log.
    seed, seeds
        First seed, and how many.
    """
    for name, value in (("--batch", batch), ("--trials", trials), ("--seeds", seeds)):
        if value is not None and value < 1:
            raise OptionError(f"{name} {value}: expected a whole number >= 1")
    table = Table(path, objective=objective, params=params, missing=missing, slots=batch)
    limit = trials or ROUNDS * batch
    maximize = maximize or _journal_maximizes(path, objective)
    where, optimum = table.optimum(maximize=maximize)
    way = table.median - optimum
    count = f"{table.values.size} measured points"
    axes = " x ".join(map(str, table.space.shape))
    show.facts(
        {
            "log": path,
            "grid": f"{axes} ({', '.join(table.space.names)}), {table.coverage:.1%} of it logged, {count}",
            "best": f"{optimum:.6g} at {show.params(where)}",
            "median": table.median,
        }
    )
    targets = [optimum + share * way for share in SHARES]
    print()
    first = course(table, _named(strategy, batch), batch, limit, seed, maximize=maximize)
    _show_course(first, strategy, seed, len(table.values), optimum, way)
    _show_rounds(first, targets, maximize=maximize)
    if seeds > 1:
        names = [strategy, *(["random"] if strategy != "random" else [])]
        rest = range(seed + 1, seed + seeds)
        courses = {n: [course(table, _named(n, batch), batch, limit, s, maximize=maximize) for s in rest] for n in names}
        courses[strategy].insert(0, first)
        if strategy != "random":
            courses["random"].insert(0, course(table, Random(), batch, limit, seed, maximize=maximize))
        _show_medians(courses, targets, maximize=maximize)
    return 0


def _named(name: str, batch: int) -> Strategy:
    """The strategy of that name; one that decides batch by batch gets the batch of the replay."""
    strategy = strategy_from_dict({"name": strategy_names()[name]})
    return replace(strategy, batch=batch) if isinstance(strategy, (Parallel2022, Radial2024)) else strategy


def course(table: Table, strategy: Strategy, batch: int, limit: int, seed: int, *, maximize: bool = False) -> Course:
    """One search of the log, a batch a round, up to the best point of the log or `limit` trials."""
    tuner = Tuner(table.space, strategy, goal=Goal(maximize=maximize), max_trials=limit, seed=seed)
    done = Course()
    while asked := tuner.ask(batch):
        table.submit([Job(trial.id, dict(trial.params)) for trial in asked])
        for result in table.collect():
            tuner.tell(result.id, result.value, seconds=result.seconds, error=result.error, state=result.state)
        best = tuner.best
        done.values.append(math.nan if best is None or best.value is None else best.value)
        done.ranks.append(0 if best is None else table.rank(best.params, maximize=maximize))
        done.trials.append(len(tuner.history))
        if done.ranks[-1] == 1:
            break
    return done


def _show_course(done: Course, strategy: str, seed: int, points: int, optimum: float, way: float) -> None:
    header = ("round", "trials", "best so far", "of the way", f"rank of {points}")
    left = [f"{(value - optimum) / way:.1%}" if way else "" for value in done.values]
    rows = list(zip(range(1, len(done.values) + 1), done.trials, done.values, left, done.ranks, strict=True))
    show.table(header, rows, title=f"{strategy}, seed {seed}:")


def _show_rounds(done: Course, targets: Sequence[float], *, maximize: bool) -> None:
    print()
    for share, target in zip(SHARES, targets, strict=True):
        rounds = done.rounds_until(target, maximize=maximize)
        text = f"{rounds:g} rounds" if math.isfinite(rounds) else f"not in {len(done.values)} rounds"
        print(f"within {share:.0%} of the way (best to median), {target:.6g}: {text}")


def _show_medians(courses: dict[str, list[Course]], targets: Sequence[float], *, maximize: bool) -> None:
    print()
    rows = []
    for name, runs in courses.items():
        rounds = [median(run.rounds_until(target, maximize=maximize) for run in runs) for target in targets]
        longest = max(len(run.values) for run in runs)
        texts = [f"{r:g}" if math.isfinite(r) else f"over {longest}" for r in rounds]
        rows.append((name, len(runs), *texts, median(run.values[-1] for run in runs), median(run.ranks[-1] for run in runs)))
    header = ("strategy", "seeds", *(f"rounds to {share:.0%}" for share in SHARES), "last best", "its rank")
    show.table(header, rows, title="medians over the seeds:")
