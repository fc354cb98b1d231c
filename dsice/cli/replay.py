"""`dsice replay`: let strategies search a log of measurements, and count the rounds they need.

The log takes the place of the program: a trial gets the value that was measured at its point, so
that strategies can be compared in seconds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from dsice.cli import output
from dsice.cli.search_log import Replay, search_log
from dsice.errors import OptionError
from dsice.journal.loader import JournalLoader
from dsice.launchers import Table
from dsice.running.options import Mode, check_stages
from dsice.strategies import Parallel2022, Radial2024, Strategy, strategy_from_dict, strategy_names

SHARES = (0.05, 0.01)  # of the difference between the optimum of the log and its median
BATCH, ROUNDS = 40, 25  # unless told otherwise
Missing = Literal["exclude", "fail", "error"]


def add_replay(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice replay``."""
    _add_log_arguments(command)
    text = f"trials in a round (default: {BATCH})"
    command.add_argument("--batch", type=int, metavar="N", help=text)
    text = "run on a virtual clock with so many workers, a round for all"
    command.add_argument("--workers", type=int, metavar="N", help=text)
    text = "with --workers: rounds (default), or a trial for each free worker"
    command.add_argument("--mode", choices=("rounds", "async"), help=text)
    command.add_argument("--strategy", choices=sorted(strategy_names()), default="dsice")
    text = f"most trials of a search (default: {ROUNDS} rounds)"
    command.add_argument("--trials", type=int, metavar="N", help=text)
    command.add_argument("--seed", type=int, default=0, metavar="N")
    text = "medians over so many seeds, beside random search"
    command.add_argument("--seeds", type=int, default=1, metavar="N", help=text)
    command.set_defaults(act=_replay)


def _add_log_arguments(command: argparse.ArgumentParser) -> None:
    text = "a .csv, .csv.gz, .tsv or .parquet file, or a journal (.jsonl)"
    command.add_argument("table", help=text)
    text = "what to optimise (default: objective; a journal's own metric)"
    command.add_argument("--objective", metavar="COLUMN", help=text)
    text = "columns of the parameters (default: those left of the objective)"
    command.add_argument("--params", metavar="A,B,C", help=text)
    text = "column of the run times (default: seconds, if it is there)"
    command.add_argument("--seconds", metavar="COLUMN", help=text)
    text = "points that are not in the log"
    command.add_argument(
        "--missing", choices=("exclude", "fail", "error"), default="exclude", help=text
    )
    command.add_argument("--maximize", action="store_true", help="more is better")


def _replay(args: argparse.Namespace) -> int:
    return replay(
        args.table,
        objective=args.objective,
        batch=args.batch,
        params=args.params.split(",") if args.params else None,
        seconds=args.seconds,
        missing=args.missing,
        maximize=args.maximize,
        workers=args.workers,
        mode=args.mode,
        strategy=args.strategy,
        trials=args.trials,
        seed=args.seed,
        seeds=args.seeds,
    )


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
    maximize
        Whether more is better; a journal says it itself.
    workers, mode
        Replay on a virtual clock with that many workers, in rounds of as many (the default) or
        ``"async"``.
    strategy
        Name of the strategy.
    trials
        Most trials of one search; 25 rounds by default. A search ends before at the best point of
        the log.
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
    check_stages(_make_strategy(strategy, batch), table)
    maximize = maximize or _journal_maximizes(path, objective)
    optimum = _show_log(table, path, maximize=maximize)
    scale = Scale(len(table.values), optimum, table.median - optimum, maximize)
    limit = trials or ROUNDS * batch

    def search(name: str, seed: int) -> Replay:
        return search_log(
            table,
            _make_strategy(name, batch),
            limit,
            seed,
            mode=mode or "rounds",
            timed=workers is not None,
            maximize=maximize,
        )

    first = search(strategy, seed)
    _show_replay(first, f"{strategy}, seed {seed}:", scale, stream=mode == "async")
    if seeds > 1:
        others = [search(strategy, s) for s in range(seed + 1, seed + seeds)]
        replays = {strategy: [first, *others]}
        if strategy != "random":
            replays["random"] = [search("random", s) for s in range(seed, seed + seeds)]
        output.say()
        if workers is None:
            _show_medians(replays, scale)
        else:
            _show_timed_medians(replays, scale)
    return 0


def _check(
    batch: int | None, workers: int | None, mode: Mode | None, trials: int | None, seeds: int
) -> None:
    options = {"--batch": batch, "--workers": workers, "--trials": trials, "--seeds": seeds}
    for name, value in options.items():
        if value is not None and value < 1:
            raise OptionError(f"{name} {value}: expected a whole number >= 1")
    if workers is None and mode is not None:
        raise OptionError(f"--mode {mode} is about workers on a virtual clock: give --workers too")
    if workers is not None and batch not in (None, workers):
        raise OptionError(
            f"--batch {batch} and --workers {workers}: a round has a trial for each worker; "
            "leave --batch out"
        )


def _journal_maximizes(path: str, objective: str | None) -> bool:
    """Whether the log is a journal whose goal is to maximise what is replayed."""
    if not path.endswith(".jsonl"):
        return False
    goal = JournalLoader.open(path).goal()
    return goal.maximize and objective in (None, goal.metric)


def _make_strategy(name: str, batch: int) -> Strategy:
    """The strategy of that name; one that decides batch by batch gets the batch of the replay."""
    strategy = strategy_from_dict({"name": strategy_names()[name]})
    if isinstance(strategy, (Parallel2022, Radial2024)):
        return replace(strategy, batch=batch)
    return strategy


@dataclass(frozen=True)
class Scale:
    """What values are compared with.

    Attributes
    ----------
    points
        How many points the log has.
    optimum
        The best value of the log.
    span
        The median of the log less its optimum.
    """

    points: int
    optimum: float
    span: float
    maximize: bool

    @property
    def targets(self) -> list[float]:
        """Values that are `SHARES` of the span from the optimum."""
        return [self.optimum + share * self.span for share in SHARES]

    def distance(self, value: float) -> str:
        """How far a value is from the optimum, as a share of the span."""
        return f"{(value - self.optimum) / self.span:.1%}" if self.span else ""


def _show_log(table: Table, path: str, *, maximize: bool) -> float:
    """Print what the log is; returns its optimum."""
    params, optimum = table.optimum(maximize=maximize)
    shape = " x ".join(map(str, table.space.shape))
    logged = f"{table.coverage:.1%} of it logged, {table.values.size} measured points"
    output.facts(
        {
            "log": path,
            "grid": f"{shape} ({', '.join(table.space.names)}), {logged}",
            "best": f"{optimum:.6g} at {output.params(params)}",
            "median": table.median,
        }
    )
    output.say()
    return optimum


def _show_replay(done: Replay, title: str, scale: Scale, *, stream: bool) -> None:
    """Print the rounds, when the targets were reached, and the virtual clock."""
    columns: dict[str, Sequence[object]] = {}
    if not stream:
        columns["round"] = range(1, len(done.values) + 1)
    columns["trials"] = done.trials
    if done.clock is not None:
        columns["seconds"] = done.elapsed
    columns["best so far"] = done.values
    columns["of the way"] = list(map(scale.distance, done.values))
    columns[f"rank of {scale.points}"] = done.ranks
    output.table(list(columns), list(zip(*columns.values(), strict=True)), title=title)
    output.say()
    for share, target in zip(SHARES, scale.targets, strict=True):
        output.say(
            f"within {share:.0%} of the way (best to median), {target:.6g}: "
            f"{_reached(done, target, scale, stream=stream)}"
        )
    if done.clock is not None:
        mode = "trials as workers become free" if stream else "rounds"
        output.say()
        output.facts(
            {
                "workers": f"{done.clock.workers}, {mode}",
                "elapsed": f"{done.clock.elapsed:.6g} s",
                "utilisation": f"{done.clock.utilisation:.1%}",
                "speed-up": f"{done.clock.speedup:.3g}",
            }
        )


def _reached(done: Replay, target: float, scale: Scale, *, stream: bool) -> str:
    """How long it took to a target."""
    rounds = done.rounds_until(target, maximize=scale.maximize)
    trials, moment = done.trials_until(target, maximize=scale.maximize)
    if not math.isfinite(trials if stream else rounds):
        return f"not in {len(done.told)} trials" if stream else f"not in {len(done.values)} rounds"
    parts = [] if stream else [f"{rounds:g} rounds"]
    if done.clock is not None:
        parts += [f"{trials:g} trials", f"{moment:.6g} s"]
    return ", ".join(parts)


def _show_medians(replays: Mapping[str, Sequence[Replay]], scale: Scale) -> None:
    rows = []
    for name, runs in replays.items():
        longest = max(len(run.values) for run in runs)
        rounds = []
        for target in scale.targets:
            reached = [run.rounds_until(target, maximize=scale.maximize) for run in runs]
            rounds.append(_or_over(median(reached), longest))
        last = median(run.values[-1] for run in runs)
        rank = median(run.ranks[-1] for run in runs)
        rows.append((name, len(runs), *rounds, last, rank))
    header = [f"rounds to {share:.0%}" for share in SHARES]
    output.table(
        ("strategy", "seeds", *header, "last best", "its rank"),
        rows,
        title="medians over the seeds:",
    )


def _show_timed_medians(replays: Mapping[str, Sequence[Replay]], scale: Scale) -> None:
    rows = []
    for name, runs in replays.items():
        most_trials = max(len(run.told) for run in runs)
        longest = max(run.told[-1][1] for run in runs)
        figures = []
        for target in scale.targets:
            reached = [run.trials_until(target, maximize=scale.maximize) for run in runs]
            figures.append(_or_over(median(trials for trials, _ in reached), most_trials))
            figures.append(_or_over(median(moment for _, moment in reached), longest))
        rank = median(run.ranks[-1] for run in runs)
        used = median(run.clock.utilisation for run in runs if run.clock is not None)
        rows.append((name, len(runs), *figures, rank, f"{used:.1%}"))
    header = [f"{what} to {share:.0%}" for share in SHARES for what in ("trials", "seconds")]
    output.table(
        ("strategy", "seeds", *header, "its rank", "utilisation"),
        rows,
        title="medians over the seeds:",
    )


def _or_over(figure: float, longest: float) -> str:
    return f"{figure:.6g}" if math.isfinite(figure) else f"over {longest:.6g}"
