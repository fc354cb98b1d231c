"""`dsice replay`: let strategies search a log of measurements, and count the rounds they need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from dsice.cli import output
from dsice.errors import OptionError
from dsice.goal import Goal
from dsice.journal.loader import JournalLoader
from dsice.launchers import Clock, Job, Result, Table
from dsice.running.options import check_stages
from dsice.strategies import Parallel2022, Radial2024, Strategy, strategy_from_dict, strategy_names
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


SHARES = (0.05, 0.01)  # of the way from the optimum of the log to its median
BATCH, ROUNDS = 40, 25  # unless told otherwise
Missing = Literal["exclude", "fail", "error"]


@dataclass(frozen=True)
class Scale:
    """What a value is held against: the points of the log and the way from its best to its median."""

    points: int
    optimum: float
    way: float
    maximize: bool

    @property
    def targets(self) -> list[float]:
        """Values at the shares of the way."""
        return [self.optimum + share * self.way for share in SHARES]

    def left(self, value: float) -> str:
        """How far a value is from the best."""
        return f"{(value - self.optimum) / self.way:.1%}" if self.way else ""


def _journal_maximizes(path: str, objective: str | None) -> bool:
    """Whether the log is a journal whose goal is to maximise what is replayed."""
    if not path.endswith(".jsonl"):
        return False
    goal = JournalLoader.open(path).goal()
    return goal.maximize and objective in (None, goal.metric)


def replay(
    path: str,
    *,
    objective: str | None = None,
    batch: int | None = None,
    params: Sequence[str] | None = None,
    seconds: str | None = None,
    missing: Missing = "exclude",
    maximize: bool = False,
    workers: int | None = None,
    mode: Mode | None = None,
    strategy: str = "dsice",
    trials: int | None = None,
    seed: int = 0,
    seeds: int = 1,
) -> int:
    """Replay one search round by round; with several seeds, medians of it beside Random.

    Parameters
    ----------
    path, objective, params, seconds, missing
        The log, as `dsice.launchers.Table` takes it.
    batch
        Trials in a round; 40 by default.
    workers, mode
        Replay on a virtual clock with that many workers, in rounds of as many (the default) or ``"async"``.
    trials
        Most trials of one search; 25 rounds by default. A search ends before at the best point of the log.
    seed, seeds
        First seed, and how many.
    """
    _check(batch, workers, mode, trials, seeds)
    batch = workers or batch or BATCH
    table = Table(
        path,
        objective=objective,
        params=params,
        seconds=seconds,
        missing=missing,
        slots=batch,
        workers=workers,
    )
    check_stages(_named(strategy, batch), table)
    maximize = maximize or _journal_maximizes(path, objective)
    optimum = _show_log(table, path, maximize=maximize)
    scale = Scale(len(table.values), optimum, table.median - optimum, maximize)

    limit, timed = trials or ROUNDS * batch, workers is not None

    def search(name: str, seed: int) -> Course:
        return course(
            table,
            _named(name, batch),
            limit,
            seed,
            mode=mode or "rounds",
            clock=timed,
            maximize=maximize,
        )

    first = search(strategy, seed)
    _show_course(first, f"{strategy}, seed {seed}:", scale, stream=mode == "async")
    if seeds > 1:
        courses = {strategy: [first, *(search(strategy, s) for s in range(seed + 1, seed + seeds))]}
        if strategy != "random":
            courses["random"] = [search("random", s) for s in range(seed, seed + seeds)]
        print()
        (_show_timed_medians if timed else _show_medians)(courses, scale)
    return 0


def _check(
    batch: int | None, workers: int | None, mode: Mode | None, trials: int | None, seeds: int
) -> None:
    for name, value in (
        ("--batch", batch),
        ("--workers", workers),
        ("--trials", trials),
        ("--seeds", seeds),
    ):
        if value is not None and value < 1:
            raise OptionError(f"{name} {value}: expected a whole number >= 1")
    if workers is None and mode is not None:
        raise OptionError(f"--mode {mode} is about workers on a virtual clock: give --workers too")
    if workers is not None and batch not in (None, workers):
        raise OptionError(
            f"--batch {batch} and --workers {workers}: a round has a trial for each worker; leave --batch out"
        )


def _show_log(table: Table, path: str, *, maximize: bool) -> float:
    """What the log is; returns its optimum."""
    where, optimum = table.optimum(maximize=maximize)
    axes = " x ".join(map(str, table.space.shape))
    logged = f"{table.coverage:.1%} of it logged, {table.values.size} measured points"
    output.facts(
        {
            "log": path,
            "grid": f"{axes} ({', '.join(table.space.names)}), {logged}",
            "best": f"{optimum:.6g} at {output.params(where)}",
            "median": table.median,
        }
    )
    print()
    return optimum


def _named(name: str, batch: int) -> Strategy:
    """The strategy of that name; one that decides batch by batch gets the batch of the replay."""
    strategy = strategy_from_dict({"name": strategy_names()[name]})
    return (
        replace(strategy, batch=batch)
        if isinstance(strategy, (Parallel2022, Radial2024))
        else strategy
    )


def _show_course(done: Course, title: str, scale: Scale, *, stream: bool) -> None:
    """The rounds, when the targets were reached, and how the clock stands."""
    columns: dict[str, Sequence[object]] = {
        "round": range(1, len(done.values) + 1),
        "trials": done.trials,
    }
    if stream:
        del columns["round"]
    if done.clock is not None:
        columns["seconds"] = done.elapsed
    columns |= {"best so far": done.values, "of the way": list(map(scale.left, done.values))}
    columns[f"rank of {scale.points}"] = done.ranks
    output.table(list(columns), list(zip(*columns.values(), strict=True)), title=title)
    print()
    for share, target in zip(SHARES, scale.targets, strict=True):
        print(
            f"within {share:.0%} of the way (best to median), {target:.6g}: {_reached(done, target, scale, stream=stream)}"
        )
    if done.clock is not None:
        clock, how = done.clock, "trials as workers become free" if stream else "rounds"
        figures = {
            "elapsed": f"{clock.elapsed:.6g} s",
            "utilisation": f"{clock.utilisation:.1%}",
            "speed-up": f"{clock.speedup:.3g}",
        }
        print()
        output.facts({"workers": f"{clock.workers}, {how}", **figures})


def _reached(done: Course, target: float, scale: Scale, *, stream: bool) -> str:
    """How long it took to a target."""
    rounds = done.rounds_until(target, maximize=scale.maximize)
    trials, moment = done.trials_until(target, maximize=scale.maximize)
    parts = [] if stream else [f"{rounds:g} rounds"]
    parts += [] if done.clock is None else [f"{trials:g} trials", f"{moment:.6g} s"]
    if math.isfinite(trials if stream else rounds):
        return ", ".join(parts)
    return f"not in {len(done.told)} trials" if stream else f"not in {len(done.values)} rounds"


def _show_medians(courses: Mapping[str, Sequence[Course]], scale: Scale) -> None:
    rows = []
    for name, runs in courses.items():
        rounds = [
            median(run.rounds_until(target, maximize=scale.maximize) for run in runs)
            for target in scale.targets
        ]
        texts = [_or_over(r, max(len(run.values) for run in runs)) for r in rounds]
        rows.append(
            (
                name,
                len(runs),
                *texts,
                median(run.values[-1] for run in runs),
                median(run.ranks[-1] for run in runs),
            )
        )
    header = (
        "strategy",
        "seeds",
        *(f"rounds to {share:.0%}" for share in SHARES),
        "last best",
        "its rank",
    )
    output.table(header, rows, title="medians over the seeds:")


def _show_timed_medians(courses: Mapping[str, Sequence[Course]], scale: Scale) -> None:
    rows = []
    for name, runs in courses.items():
        reached = [
            [run.trials_until(target, maximize=scale.maximize) for run in runs]
            for target in scale.targets
        ]
        longest = [max(len(run.told) for run in runs), max(run.told[-1][1] for run in runs)]
        texts = [
            _or_over(median(r[i] for r in found), longest[i]) for found in reached for i in (0, 1)
        ]
        clocks = [run.clock for run in runs if run.clock is not None]
        rows.append(
            (
                name,
                len(runs),
                *texts,
                median(run.ranks[-1] for run in runs),
                f"{median(c.utilisation for c in clocks):.1%}",
            )
        )
    header = [f"{what} to {share:.0%}" for share in SHARES for what in ("trials", "seconds")]
    output.table(
        ("strategy", "seeds", *header, "its rank", "utilisation"),
        rows,
        title="medians over the seeds:",
    )


def _or_over(figure: float, longest: float) -> str:
    return f"{figure:.6g}" if math.isfinite(figure) else f"over {longest:.6g}"
