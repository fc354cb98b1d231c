"""Small studies that together write every kind of journal line and every field.

They use the public interface alone, so that dsice 0.1.0 and today's code can both run them:
`record.py` says who does.
Nothing in them depends on the clock or on chance; only `at`, `created` and `dsice` differ between
two runs.
"""

from __future__ import annotations

import io
import math
import runpy
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dsice
from dsice import (
    Choice,
    Goal,
    Ordinal,
    Proposal,
    Require,
    Seconds,
    Share,
    Space,
    Trial,
    Trials,
    Tuner,
    When,
    run,
)
from dsice.launchers import Job, Result, Step
from dsice.stopping import LearningCurveMatching, Median
from dsice.strategies import (
    DSICE,
    IPPE,
    Grid,
    OptunaSampler,
    Parallel2022,
    Population,
    Radial2024,
    Random,
    Sequential2017,
    Sequential2018,
)

try:
    from dsice import extend
except ImportError:  # 0.1.0 has it, but not among the names of the package
    from dsice.tuner import extend  # type: ignore[no-redef]

Options = dict[str, Any]
"""Arguments of `Tuner`, all but the journal."""


@dataclass(frozen=True)
class Study:
    """A study and how its journal comes about.

    Parameters
    ----------
    options
        Makes the arguments of the tuner that are in force at the end.
    write
        Writes the journal.
    rules
        Functions of the space's rules, which a journal holds by name only.
    own
        Its strategy is no part of dsice: `Tuner.resume` cannot ask.
    """

    options: Callable[[], Options]
    write: Callable[[Path], None]
    rules: Mapping[str, Callable[..., object]] = field(default_factory=dict)
    own: bool = False

    def open(self, path: Path) -> Tuner:
        """With all arguments, as a script opens it."""
        return Tuner(**self.options(), journal=path)

    def resume(self, path: Path) -> Tuner:
        """With what the journal says, as the command line opens it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dsice.DsiceWarning)  # a stopper of somebody's own
            return Tuner.resume(path, rules=dict(self.rules))

    def go_on(self, path: Path) -> list[str]:
        """Tell what is pending, ask, tell and ask once more; what the tuner knew before."""
        with self.open(path) if self.own else self.resume(path) as tuner:
            before = known(tuner)
            measure(tuner, tuner.pending)
            measure(tuner, tuner.ask(2))
            tuner.ask(2)
        return before


def known(tuner: Tuner) -> list[str]:
    """What a tuner knows, as text."""
    names = (
        "id",
        "round",
        "params",
        "point",
        "stage",
        "repeat",
        "member",
        "parent",
        "overrides",
        "note",
        "values",
    )
    more = ("value", "metrics", "seconds", "times", "curve", "error", "tags", "where")
    trials = [f"{t.state} {[getattr(t, name) for name in names + more]}" for t in tuner.history]
    best = tuner.best
    if best and best.stage != tuner.history.goal.stage:  # confirmed, which counts since 0.2.0
        best = tuner.history.best
    about = [
        tuner.max_trials,
        tuner.seed,
        tuner.asked,
        best and best.id,
        [t.id for t in tuner.pending],
    ]
    goal = {name: str(value) for name, value in vars(tuner.history.goal).items()}
    goal.pop("of", None)  # which 0.1.0 does not know
    return [*trials, f"{about} {dict(tuner.preparations)} {goal}"]


# -------------------------------------------------------- what the studies are made of
def plane() -> Space:
    """A 7 x 5 grid."""
    return Space({"x": range(7), "y": [0.5, 1.0, 1.5, 2.0, 2.5]})


def block() -> Space:
    """A 9 x 7 x 4 grid, large enough for the lines of the default search."""
    return Space({"x": range(9), "y": Ordinal.linear(0.0, 3.0, 7), "z": range(4)})


def value_of(params: Mapping[str, Any]) -> float:
    """A number that follows from the params alone."""
    numbers = [len(v) if isinstance(v, str) else float(v or 0) for v in params.values()]
    return sum((number - 1.75) ** 2 / (1 + place) for place, number in enumerate(numbers))


def measure(tuner: Tuner, trials: Iterable[Trial]) -> None:
    """Tell a value, a metric and the seconds of each."""
    metric = tuner.history.goal.metric
    for trial in trials:
        value = value_of(trial.params)
        metrics = {"memory": value + 3.0} | ({} if metric == "value" else {metric: value})
        tuner.tell(
            trial, None if metric in metrics else value, metrics=metrics, seconds=1.0 + value / 8
        )


def asked_and_told(options: Callable[[], Options], batch: int, rounds: int, **more: Any) -> Study:
    """Rounds that are told, and one that is left pending."""

    def write(path: Path) -> None:
        with Tuner(**options(), journal=path) as tuner:
            for _ in range(rounds):
                measure(tuner, tuner.ask(batch))
            tuner.ask(batch)

    return Study(options, write, **more)


def of_strategy(make: Callable[[], object], batch: int = 3, rounds: int = 3) -> Study:
    return asked_and_told(lambda: {"space": plane(), "strategy": make(), "seed": 3}, batch, rounds)


def of_goal(goal: Goal) -> Study:
    return asked_and_told(
        lambda: {"space": plane(), "strategy": Random(), "goal": goal, "max_trials": 40},
        batch=4,
        rounds=3,
    )


def of_stopper(make: Callable[[], object]) -> Study:
    """Trials with learning curves; a stopped one is told so."""

    def options() -> Options:
        return {"space": plane(), "strategy": Random(), "stopper": make()}

    def write(path: Path) -> None:
        with Tuner(**options(), journal=path) as tuner:
            for trial in tuner.ask(6):
                value = value_of(trial.params)
                stopped = any(tuner.step(trial, step, value + 1 / step) for step in (1, 2, 4))
                tuner.tell(trial, value, state="stopped" if stopped else None)
            tuner.step(tuner.ask()[0], 1, math.nan)

    return Study(options, write)


# -------------------------------------------------------- everything that can be told
def _told(path: Path) -> None:
    with warnings.catch_warnings(), Tuner(plane(), Random(), journal=path) as tuner:
        warnings.simplefilter("ignore", dsice.DsiceWarning)  # numbers that are none
        for x in (5, 6):
            tuner.enqueue({"x": x, "y": 2.5})
        trials = tuner.ask(9)
        tuner.tell(trials[0], 2, metrics={"loss": [1, 2], "memory": math.nan, "speed": math.inf})
        tuner.tell(trials[1], [3.5, -4.0, 2e300], seconds=2, times=(1, None, 3.5))
        tuner.tell(
            trials[2], math.nan, tags={"who": ["me", 1, None]}, where={"host": "node1", "job": "7"}
        )
        tuner.tell(trials[3], error="out of memory")
        tuner.tell(trials[4], 1.5, state="timed_out", error="ran too long")
        tuner.tell(trials[5], state="invalid")
        tuner.tell(trials[6], 4.0, state="stopped")
        tuner.tell(trials[7], state="lost", error="the node went down")
        tuner.tell(trials[7], -math.inf)
        for step, value in ((1, 0.5), (3, math.nan), (4, -math.inf), (2, 0.25)):
            tuner.step(trials[8], step, value)
        tuner.tell(tuner.ask()[0], state="lost")
        tuner.add({"x": 5, "y": 2.5}, 1.0)
        tuner.add(
            {"x": 5, "y": 2.5},
            [1.0, 3.0],
            metrics={"memory": 2.0},
            seconds=0.5,
            tags={"from": "a colleague"},
        )
        tuner.add({"x": 1, "y": 0.5}, error="crash", times=(1.0, 2.0, 3.0), where={"host": "node2"})
        tuner.enqueue({"x": 0, "y": 0.5})


def _stages() -> Options:
    return {
        "space": plane(),
        "strategy": Population(members=2, stages=2),
        "goal": Goal("loss", stage=1),
    }


def _staged(path: Path) -> None:
    """An added trial has the goal's stage."""
    with Tuner(**_stages(), journal=path) as tuner:
        measure(tuner, tuner.ask(2))
        tuner.add({"x": 0, "y": 1.0}, 2.0)
        measure(tuner, tuner.ask(1))


def _only_random() -> Options:
    return {"space": plane(), "strategy": Random()}


class AtOnce:
    """A launcher of somebody's own: every job has ended when it is asked about."""

    slots = 2

    def __init__(self) -> None:
        self.events: list[Result | Step] = []
        self.starts: dict[int, int] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            where = {"host": "node1", "log": f"{job.id}.log"}
            if job.kind == "prepare":
                self.events.append(Result(job.id, "done", where={**where, "directory": "."}))
                continue
            self.starts[job.id] = start = self.starts.get(job.id, 0) + 1
            if job.id == 2 or (job.id == 1 and start == 1):
                self.events.append(Result(job.id, "lost", error="the node went down", where=where))
                continue
            value, ran = value_of(job.params), (10.0, 11.0, 12.5)
            self.events += [Step(job.id, 1, value + 1.0), Step(job.id, 2, value + 0.5)]
            self.events.append(
                Result(job.id, "done", value=value, seconds=1.5, times=ran, where=where)
            )

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        events, self.events = self.events, []
        return events

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        return []

    def cancel(self, id: int) -> None:
        pass

    def close(self) -> None:
        pass


def _launched_options() -> Options:
    return {"space": plane(), "strategy": Random(), "max_trials": 20}


def _launched(path: Path) -> None:
    with Tuner(**_launched_options(), journal=path) as tuner:
        run(tuner, AtOnce(), prepare={"data": "true"}, max_trials=6, confirm=2, progress=False)


# -------------------------------------------------------- spaces, options, extensions, damage
def small(params: Mapping[str, Any]) -> bool:
    return bool(params["depth"] < 4)


def _every_axis() -> Options:
    axes: dict[str, Any] = {
        "depth": range(1, 5),
        "rate": Ordinal.log(1e-4, 1e-1, 4),
        "solver": Choice(["adam", "sgd", None]),
        "fast": [True, False],
        "momentum": [0.0, 0.5, 0.9],
        "block": Choice([8, 1.5, "auto"]),
    }
    rules: list[Any] = [
        Require("depth * rate < 0.3", name="fits"),
        Require(small, name="small"),
        When("solver == 'sgd'", "momentum"),
        When("fast", "block", name="quick"),
    ]
    return {"space": Space(axes, where=rules), "strategy": Random(), "max_trials": 20, "seed": 7}


def _changed_options() -> Options:
    return {
        "space": plane(),
        "strategy": Grid(stride=2),
        "goal": Goal("memory", maximize=True),
        "max_trials": 30,
        "seed": 9,
        "stopper": Median(warmup=2),
    }


def _changed(path: Path) -> None:
    for options in (
        {"strategy": Random(), "max_trials": 8},
        {"strategy": Random(), "stopper": Median(), "seed": 9},
        {**_changed_options(), "stopper": None},
        _changed_options(),
    ):
        with Tuner(**{"space": plane(), **options}, journal=path) as tuner:
            measure(tuner, tuner.ask(2))


def _extended_options() -> Options:
    axes: dict[str, Any] = {
        "x": range(-1, 8),
        "y": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
        "z": Choice(["old", "new"]),
    }
    return {
        "space": Space(axes),
        "strategy": DSICE(start={"x": 3, "y": 1.5, "z": "old"}),
        "seed": 1,
    }


def _extended(path: Path) -> None:
    with Tuner(plane(), DSICE(start={"x": 3, "y": 1.5}), seed=1, journal=path) as tuner:
        measure(tuner, tuner.ask(4))
        tuner.add({"x": 6, "y": 2.5}, 2.0)
        tuner.enqueue({"x": 0, "y": 2.5})
        tuner.step(tuner.ask()[0], 1, 0.5)
    extend(path, _extended_options()["space"], given={"z": "old"})
    for copy in path.parent.glob(f"{path.name}.before-extend-*"):
        copy.unlink()
    with Tuner(**_extended_options(), journal=path) as tuner:
        measure(tuner, tuner.ask(2))


def _repaired(path: Path) -> None:
    """The second ask line is lost: one of its trials was told, one was not."""
    with Tuner(**_only_random(), journal=path) as tuner:
        measure(tuner, tuner.ask(2))
        trial, _ = tuner.ask(2)
        measure(tuner, [trial])
        measure(tuner, tuner.ask(2)[:1])
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = b"x" * 40 + b"\n"
    path.write_bytes(b"".join(lines))
    command_line("journal", "repair", str(path))
    for copy in path.parent.glob(f"{path.name}.damaged-*"):
        copy.unlink()


def command_line(*arguments: str) -> None:
    """``python -m dsice ...``, in this process."""
    before, sys.argv = sys.argv, ["dsice", *arguments]
    try:
        with redirect_stdout(io.StringIO()):
            runpy.run_module("dsice", run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
    finally:
        sys.argv = before


def _nothing(path: Path) -> None:
    Tuner(**_only_random(), journal=path).close()


# -------------------------------------------------------- what is no part of dsice
@dataclass(frozen=True)
class Zigzag:
    """A strategy of somebody's own that uses all that a proposal can hold."""

    stride: int = 2
    labels: tuple[str, ...] = ("a", "b")

    def ask(self, n: int, space: Space, history: Any, stream: Any) -> list[Proposal]:
        first = len(history)
        return [self._proposal(id) for id in range(first, first + n)]

    def _proposal(self, id: int) -> Proposal:
        if id < 2:
            return Proposal((self.stride * id, 0))
        return Proposal(
            (id % 7, 1),
            {"phase": "zigzag", "label": self.labels[id % 2]},
            stage=1,
            repeat=id,
            member=id % 3,
            parent=id - 2,
            overrides={"y": 0.75},
        )


@dataclass(frozen=True)
class TooHigh:
    """A stopper of somebody's own with `stop` alone."""

    limit: float = 10.0

    def stop(self, curve: Sequence[tuple[int, float]], history: Any) -> bool:
        return curve[-1][1] > self.limit


def _dsice_options() -> Options:
    starts = [{"x": 2, "y": 1.0, "z": 1}, {"x": 4, "y": 2.0, "z": 2}]
    search = DSICE(
        start=starts, max_width=2, alpha=0.5, noise=True, pending="ignore", tolerance=None
    )
    return {"space": block(), "strategy": search, "seed": 3}


STUDIES: dict[str, Study] = {
    "strategy-dsice": asked_and_told(
        lambda: {"space": block(), "strategy": DSICE(), "seed": 3}, 5, 3
    ),
    "strategy-dsice-options": asked_and_told(_dsice_options, 5, 3),
    "strategy-random": of_strategy(Random),
    "strategy-grid": of_strategy(Grid),
    "strategy-ippe": asked_and_told(
        lambda: {"space": {"x": range(1, 33)}, "strategy": IPPE()}, 1, 3
    ),
    "strategy-ippe-original": asked_and_told(
        lambda: {"space": {"x": range(1, 33)}, "strategy": IPPE(alpha=0.2, original=True)}, 1, 3
    ),
    "strategy-sequential2017": of_strategy(Sequential2017, batch=1, rounds=8),
    "strategy-sequential2018": of_strategy(
        lambda: Sequential2018(start={"x": 1, "y": 2.0}), batch=1, rounds=8
    ),
    "strategy-parallel2022": of_strategy(lambda: Parallel2022(batch=4), batch=4),
    "strategy-radial2024": of_strategy(lambda: Radial2024(batch=4, latin=5, alpha=0.3), batch=4),
    "strategy-population": of_strategy(
        lambda: Population(members=4, stages=5, perturb=["y"]), batch=4, rounds=2
    ),
    "strategy-optuna": of_strategy(OptunaSampler),
    "strategy-optuna-options": of_strategy(
        lambda: OptunaSampler("NSGAIISampler", options={"population_size": 4}, pending="ignore")
    ),
    "strategy-own": asked_and_told(
        lambda: {"space": plane(), "strategy": Zigzag()}, 3, 2, own=True
    ),
    "goal-metric": of_goal(Goal("loss", maximize=True)),
    "goal-bounds": of_goal(
        Goal("loss", at_most={"memory": 6.0, "loss": 9}, at_least={"memory": 1.0})
    ),
    "goal-time-auto": of_goal(Goal(time_weight="auto", until=Trials(9))),
    "goal-time-seconds": of_goal(Goal(time_weight=0.5, until=Seconds(20))),
    "goal-time-share": of_goal(Goal(time_weight=2, until=Share(0.25))),
    "goal-stage": Study(_stages, _staged),
    "stopper-median": of_stopper(lambda: Median(complete=2)),
    "stopper-matching": of_stopper(
        lambda: LearningCurveMatching([1, 2, 4], [2, 4], complete=2, stop_rank=0.4)
    ),
    "stopper-own": of_stopper(TooHigh),
    "told": Study(_only_random, _told),
    "launched": Study(_launched_options, _launched),
    "every-axis": asked_and_told(_every_axis, 3, 2, rules={"small": small}),
    "options-changed": Study(_changed_options, _changed),
    "extended": Study(_extended_options, _extended),
    "repaired": Study(_only_random, _repaired),
    "nothing-asked": Study(_only_random, _nothing),
}
