"""Golden runs: what the searches asked for, trial by trial, and how it was recorded.

A golden run is one search on a small space, played through `Tuner.ask` and `Tuner.tell`.
`test_golden.py` plays the same runs with the code as it is now and compares every trial with the
record, ``runs.json.gz``, without tolerance.

The record was made by commit f4a277a, the first with collinear exploration; the runs of all other
strategies are those of 0.1.0 (79ae3c9). Do not make it again to get a failing test to pass: a
record made by the code under test only says that the code agrees with itself. A golden run that
fails has found changed behaviour. If an issue asks for exactly that change, record anew from the
commit that makes it, and say in its message which strategies changed and why. On another machine,
or with other versions of the libraries, floats differ in their last digits and searches take other
turns; the tests are skipped there.

To record, take a checkout of the commit to be recorded, and a file that does not exist yet (about
5 minutes)::

    PYTHONPATH=path/to/the/checkout python tests/golden/record.py new.json.gz --code COMMIT

The record of a run has what was proposed as each trial, in the order of the ids, and the trial that
was recommended at the end. Only public names of dsice are used here, since all others may move.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

import dsice
from dsice import Choice, Goal, Ordinal, Require, Space, Trial, Trials, Tuner, When, strategies

RECORD = Path(__file__).parent / "runs.json.gz"
BATCHES = (1, 7, 40)
SEEDS = (0, 1, 2)
MOST = 60  # most trials of a run
STAGES = 4  # stages of a population
EVERY = 10_000  # more than any of the grids has points


# ------------------------------------------------------------------ what is searched


@dataclass(frozen=True)
class Setting:
    """A small space, and what happens to the trials on it.

    Attributes
    ----------
    make
        Makes the space.
    goal
        What is optimised.
    failing
        Whether one point in five fails.
    noisy
        Whether a trial tells two noisy measurements, and every eleventh is measured again
        elsewhere (`Tuner.add`).
    """

    make: Callable[[], Space]
    goal: Goal = field(default_factory=Goal)
    failing: bool = False
    noisy: bool = False


def plain() -> Space:
    """5 x 7 x 6 levels."""
    return Space({"a": [1, 2, 4, 8, 16], "b": Ordinal.linear(0.0, 3.0, 7), "c": range(6)})


def rules() -> Space:
    """Two rules take out more than half of the grid."""
    rule = [Require("x * y <= 30"), Require("x + z // 16 != 6")]
    return Space({"x": range(9), "y": range(9), "z": [16, 32, 48, 64]}, where=rule)


def conditionals() -> Space:
    """Two parameters that exist for some of the optimisers only."""
    where = [
        When("optimiser == 'sgd'", "momentum"),
        When("optimiser != 'adam' and rate >= 5", "warmup"),
    ]
    return Space(
        {
            "optimiser": Choice(["adam", "sgd", "lamb"]),
            "rate": [1, 2, 5, 10, 20, 50],
            "momentum": [0.0, 0.5, 0.75, 0.9],
            "warmup": [0, 10, 100],
        },
        where=where,
    )


def choices() -> Space:
    """Two axes without order beside two with one."""
    return Space(
        {
            "kernel": Choice(["direct", "fft", "gemm", "winograd"]),
            "fused": Choice([False, True]),
            "tile": [8, 16, 32, 64, 128],
            "unroll": [1, 2, 3, 4, 6, 8],
        }
    )


def failures() -> Space:
    """Four axes; one point in five fails."""
    return Space(
        {"p": range(5), "q": [32, 16, 8, 4, 2], "r": Ordinal.linear(0.5, 2.0, 4), "s": [1, 10, 100]}
    )


def repeats() -> Space:
    """Two axes of 7 levels, few enough for a search to come to an end."""
    return Space({"u": range(7), "v": [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]})


def line() -> Space:
    """One axis, for the searches that have only one; every seventh value breaks a rule."""
    return Space({"x": range(80)}, where=[Require("x % 7 != 3")])


SETTINGS = {
    "plain": Setting(plain),
    "rules": Setting(rules),
    "conditionals": Setting(conditionals, Goal(time_weight="auto", until=Trials(25))),
    "choices": Setting(choices, Goal(maximize=True, at_most={"memory": 6.0})),
    "failures": Setting(failures, failing=True),
    "repeats": Setting(repeats, noisy=True),
    "line": Setting(line, failing=True),
}
SIX = tuple(name for name in SETTINGS if name != "line")
SEVEN = tuple(SETTINGS)


# ------------------------------------------------------------------ what searches


@dataclass(frozen=True)
class Search:
    """A strategy as it is played.

    Attributes
    ----------
    make
        Makes the strategy, given the space and the seed.
    settings
        The settings that it is played on. IPPE searches one axis only, so it has the setting
        ``line``; all other strategies take any space, and all six other settings. Variants of a
        strategy have fewer where more would only take time.
    """

    make: Callable[[Space, int], Any]
    settings: tuple[str, ...] = SIX


def _fixed(name: str, *arguments: Any, **options: Any) -> Callable[[Space, int], Any]:
    return lambda space, seed: getattr(strategies, name)(*arguments, **options)


def _started(space: Space, seed: int) -> Any:
    """From the first and the last point of the grid, with few directions and a fixed smoothing."""
    points = Tuner(space, strategies.Grid()).ask(EVERY)
    return strategies.DSICE(
        start=[dict(points[0].params), dict(points[-1].params)], max_width=1, alpha=0.5
    )


def _tolerant(space: Space, seed: int) -> Any:
    """From the best point: the search only has to find that nothing is better, which ends it."""
    best = min(
        Tuner(space, strategies.Grid()).ask(EVERY), key=lambda trial: _value(space, trial, seed)
    )
    return strategies.DSICE(start=dict(best.params), tolerance=0.25)


SEARCHES = {
    "dsice": Search(_fixed("DSICE"), SEVEN),
    "dsice-noise": Search(
        _fixed("DSICE", noise=True), ("plain", "conditionals", "choices", "failures", "repeats")
    ),
    "dsice-tolerance": Search(_tolerant, ("rules", "choices", "repeats", "line")),
    "dsice-endless": Search(
        _fixed("DSICE", tolerance=None, noise=False, pending="ignore"),
        ("rules", "conditionals", "repeats"),
    ),
    "dsice-started": Search(_started, ("plain", "rules", "repeats")),
    "grid": Search(_fixed("Grid")),
    "grid-stride": Search(_fixed("Grid", stride=2)),
    "random": Search(_fixed("Random")),
    "population": Search(_fixed("Population", members=15, stages=STAGES)),
    "optuna-tpe": Search(_fixed("OptunaSampler", "TPESampler")),
    "optuna-tpe-multivariate": Search(
        _fixed("OptunaSampler", "TPESampler", options={"multivariate": True}, pending="ignore"),
        ("choices", "repeats"),
    ),
    "optuna-cmaes": Search(
        _fixed("OptunaSampler", "CmaEsSampler"), ("plain", "choices", "failures")
    ),
    "optuna-nsga2": Search(
        _fixed("OptunaSampler", "NSGAIISampler", options={"population_size": 8}),
        ("rules", "conditionals", "repeats"),
    ),
    "optuna-random": Search(_fixed("OptunaSampler", "RandomSampler"), ("plain", "failures")),
    "ippe": Search(_fixed("IPPE"), ("line",)),
    "ippe-original": Search(_fixed("IPPE", original=True), ("line",)),
    "sequential2017": Search(_fixed("Sequential2017")),
    "sequential2018": Search(_fixed("Sequential2018"), SEVEN),
    "sequential2018-latin": Search(_fixed("Sequential2018", latin=8)),
    "parallel2022": Search(_fixed("Parallel2022"), SEVEN),
    "parallel2022-latin": Search(_fixed("Parallel2022", latin=10, batch=8)),
    "radial2024": Search(_fixed("Radial2024")),
    "radial2024-latin": Search(_fixed("Radial2024", latin=10, batch=8)),
}


@dataclass(frozen=True)
class Run:
    """One golden run."""

    search: str
    setting: str
    batch: int
    seed: int

    def __str__(self) -> str:
        return f"{self.search}-{self.setting}-{self.batch}-seed{self.seed}"


def runs() -> Iterator[Run]:
    """All golden runs."""
    for name, search in SEARCHES.items():
        for setting, batch, seed in product(search.settings, BATCHES, SEEDS):
            yield Run(name, setting, batch, seed)


# ------------------------------------------------------------------ playing a run


def play(run: Run) -> dict[str, Any]:
    """All trials of a run as lines of JSON, in the order of their ids, and the best of them.

    Unless batches are of 1, every other one is told backwards and in part only: two of its trials
    are told after the next batch was asked, so that strategies also see points that are measured.
    """
    setting = SETTINGS[run.setting]
    space = setting.make()
    tuner = Tuner(
        space,
        SEARCHES[run.search].make(space, run.seed),
        goal=_goal(run, setting),
        max_trials=_budget(setting),
        seed=run.seed,
    )
    late: list[Trial] = []
    turn = 0
    while (batch := tuner.ask(run.batch)) or late:
        for trial in late:
            _tell(tuner, trial, setting, run.seed)
        late = []
        if turn % 2 and run.batch > 1:
            batch, late = batch[:1:-1], batch[1::-1]
        for trial in batch:
            _tell(tuner, trial, setting, run.seed)
        turn += 1
    best = tuner.best
    return {
        "trials": [_text(trial) for trial in tuner.history],
        "best": best and [best.id, best.value],
    }


def _goal(run: Run, setting: Setting) -> Goal:
    """The goal of the setting; that of a population is about its last stage."""
    record = setting.goal.to_dict()
    if run.search == "population":
        record["stage"] = STAGES - 1
    return Goal.from_dict(record)


def _budget(setting: Setting) -> int:
    """Number of trials that are asked; added ones come on top."""
    return MOST - MOST // 10 if setting.noisy else MOST


def _tell(tuner: Tuner, trial: Trial, setting: Setting, seed: int) -> None:
    """End a trial as its setting says, by plain arithmetic alone: the same on every machine."""
    told = _outcome(tuner.space, trial, setting, seed)
    tuner.tell(trial, **told)
    if setting.noisy and trial.id % 11 == 10 and not trial.overrides:
        tuner.add(dict(trial.params), told["value"][0] + 0.05, seconds=told["seconds"])


def _outcome(space: Space, trial: Trial, setting: Setting, seed: int) -> dict[str, Any]:
    seconds = 1.0 + 0.25 * sum(trial.point)
    kind = sum((7 + 4 * j) * level for j, level in enumerate(trial.point)) + seed
    if setting.failing and kind % 5 == 0:
        ends: tuple[dict[str, Any], ...] = (
            {"error": "out of memory"},
            {"state": "timed_out"},
            {"state": "invalid"},
        )
        return ends[kind // 5 % 3] | {"seconds": seconds}
    value = _value(space, trial, seed) / (1 + trial.stage)
    metrics = (
        {"memory": 0.75 * sum(trial.point) + 0.5 * (kind % 4)} if setting.goal.at_most else None
    )
    value = -value if setting.goal.maximize else value
    if setting.noisy:
        noise = (trial.id * 2654435761 + seed * 40503) % 1024 / 4096
        return {"value": [value + noise, value + 0.25 - noise], "seconds": seconds}
    return {"value": value, "seconds": seconds, "metrics": metrics}


def _value(space: Space, trial: Trial, seed: int) -> float:
    """A bowl with ripples and one interaction; an axis without order has a table."""
    total, before = 0.0, 0.0
    for j, (name, axis) in enumerate(space.axes.items()):
        if name not in trial.params:
            continue
        level = trial.point[j]
        if isinstance(axis, Choice):
            total += (level * 5 + seed + 1) % 3 * 0.25
            continue
        place = level / (len(axis) - 1)
        if name in trial.overrides:
            place = (trial.overrides[name] - axis.values[0]) / (axis.values[-1] - axis.values[0])
        gap = place - ((3 * j + 2 * seed + 1) % 7) / 7
        total += (1.0 + 0.5 * j) * gap * gap + 0.75 * gap * before + level * 37 % 5 * 0.015625
        before = gap
    return total


def _text(trial: Trial) -> str:
    """What was proposed, floats as their shortest exact form."""
    parts: dict[str, Any] = {"point": list(trial.point), "note": dict(trial.note)}
    rest = {
        "round": trial.round,
        "stage": trial.stage,
        "repeat": trial.repeat,
        "member": trial.member,
        "parent": trial.parent,
        "overrides": dict(trial.overrides),
    }
    return json.dumps(parts | {name: value for name, value in rest.items() if value})


# ------------------------------------------------------------------ where they may be compared


def environment() -> dict[str, str]:
    """What the last digits of the floats depend on."""
    names = ("numpy", "scipy", "numba", "llvmlite", "optuna", "cmaes")
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "BLAS": _blas(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        **{name: _version(name) for name in names},
        "JIT": "off" if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0") else "on",
    }


def differences(recorded: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Where two environments differ, in words; empty where they do not."""
    names = dict.fromkeys((*recorded, *here))
    found = [(name, recorded.get(name, "nothing"), here.get(name, "nothing")) for name in names]
    return ", ".join(f"{name} {own} instead of {old}" for name, old, own in found if own != old)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    """Model of the processor, and what numba compiles for: some instructions may be hidden."""
    binding = import_module("llvmlite.binding")
    known = [platform.processor()]
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        facts = dict(re.findall(r"^(.+?)\s*: *(.*)$", listed.read_text(), re.MULTILINE))
        known = [facts.get(key, "") for key in ("model name", "cpu family", "model", "stepping")]
    features = _digest(binding.get_host_cpu_features().flatten())
    return " ".join([*known, binding.get_host_cpu_name(), features])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _blas() -> str:
    """The BLAS of numpy and scipy, and the kernels that it has chosen."""
    import scipy.linalg  # noqa: F401  loads its own
    import threadpoolctl

    libraries = threadpoolctl.threadpool_info()
    used = {
        f"{i['internal_api']} {i['version']} {i.get('architecture')}"
        for i in libraries
        if i["user_api"] == "blas"
    }
    return " + ".join(sorted(used))


# ------------------------------------------------------------------ the file


def load(path: Path = RECORD) -> dict[str, Any]:
    """The record: ``code``, ``environment`` and ``runs`` by name."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        record: dict[str, Any] = json.load(file)
    return record


def main() -> None:
    """Record all runs."""
    parser = argparse.ArgumentParser(
        description="Record the golden runs of the dsice that is imported."
    )
    parser.add_argument("file", type=Path, help="file to write; it must not exist")
    parser.add_argument("--code", required=True, help="what is recorded, such as '0.1.0 (79ae3c9)'")
    parser.add_argument("--jobs", type=int, default=1, help="processes that play")
    options = parser.parse_args()
    print(f"recording {Path(dsice.__file__).parent}")
    cases = list(runs())
    with ProcessPoolExecutor(options.jobs) as pool:
        found = {
            str(run): kept
            for run, kept in zip(cases, pool.map(play, cases, chunksize=4), strict=True)
        }
    record = {"code": options.code, "environment": environment(), "runs": found}
    with options.file.open("xb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write(json.dumps(record).encode())
    print(f"{len(found)} runs, {options.file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
