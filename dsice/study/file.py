"""A study file: space, goal, strategy, stopper and launcher of a tuning, written in TOML.

::

    [study]
    command = "python train.py --lr {lr} --momentum {momentum:0}"  # or function = "module:function"
    journal = "study.jsonl"     # all paths: relative to the study file
    max_trials = 200            # also: max_seconds, max_cost, prepare, confirm, seed, slots, timeout, mode, lock

    [space]
    batch = [16, 32, 64]                    # numbers: in order; strings or bools: a choice
    lr = {log = [1e-4, 1e-1], n = 7}        # or linear
    optimizer = {choice = ["sgd", "adam"]}

    [rules]
    where = ["batch * lr <= 1"]
    when = [{if = "optimizer == 'sgd'", params = ["momentum"]}]

    [goal]                      # metric, maximize, at_most, at_least, time_weight, until
    metric = "loss"

    [strategy]                  # name and its options
    start = {batch = 32, lr = 1e-2, optimizer = "adam"}

    [stopper]                   # name and its options: when to stop a trial by its learning curve
    name = "median"

    [launcher]                  # kind = "local" or "batch", and its options
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from dsice.errors import DsiceError, OptionError
from dsice.goal import Goal
from dsice.journal import Journal
from dsice.launchers import Batch, Local
from dsice.launchers.program import Command, Placeholder
from dsice.running.options import Plan
from dsice.space import Axis, Choice, Ordinal, Require, Rule, Space, When
from dsice.stopping import Stopper
from dsice.strategies import Strategy
from dsice.study.sections import (
    LauncherChoice,
    importable,
    read_goal,
    read_launcher,
    read_stopper,
    read_strategy,
)
from dsice.study.toml import Section
from dsice.tuner import Tuner


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes
    ----------
    path
        The file.
    program
        A shell command with placeholders, or ``"module:function"``.
    is_function
        Whether `program` names a Python function.
    journal
        Absolute path of the journal.
    max_seconds, timeout
        In seconds.
    max_cost
        In worker-hours.
    prepare
        Shell commands that all trials depend on, by name; a single one is a string.
    lock
        False where the file system of the journal refuses locks.
    stopper
        What stops trials early by their learning curves; None: nothing does.
    where
        Which launcher runs the trials.
    """

    path: Path
    program: str
    is_function: bool
    journal: Path
    space: Space
    goal: Goal
    strategy: Strategy
    stopper: Stopper | None = None
    max_trials: int | None = None
    max_seconds: float | None = None
    max_cost: float | None = None
    prepare: str | Mapping[str, str] | None = None
    confirm: int = 0
    seed: int = 0
    slots: int | None = None
    timeout: float | None = None
    mode: Literal["async", "rounds"] = "async"
    lock: bool = True
    where: LauncherChoice = field(default_factory=LauncherChoice)

    @property
    def folder(self) -> Path:
        """Where the study file is; its program runs there."""
        return self.path.parent

    def tuner(self, *, orphans: Literal["again", "keep"] = "again", wait: float = 0.0) -> Tuner:
        """The tuner of this study; goes on where its journal ends. `wait`: seconds to wait for another writer."""
        return Tuner(
            self.space,
            self.strategy,
            goal=self.goal,
            stopper=self.stopper,
            journal=Journal(self.journal, lock=self.lock, wait=wait),
            orphans=orphans,
            max_trials=self.max_trials,
            seed=self.seed,
        )

    def launcher(self, directory: Path | None = None) -> Local | Batch:
        """The launcher of this study; the trials' directories are beside the journal, or in `directory`.

        A function is imported with the study's folder first on ``sys.path``, where it stays: the trials'
        processes get the same path.
        """
        program = _function(self.program, self.folder) if self.is_function else self.program
        place = directory or self.journal.with_name(self.journal.name + ".trials")
        return self.where.make(program, slots=self.slots, timeout=self.timeout, directory=place)


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file.

    Raises
    ------
    OptionError
        The file is missing or no TOML; an unknown key or a value of the wrong kind; a placeholder that is no parameter.
    SpaceError
        Wrong axes or rules, or a start that is not on the grid.
    """
    file = Path(path).absolute()
    try:
        return _read(file)
    except DsiceError as error:
        if file.name in str(error):
            raise
        raise type(error)(f"{file.name}: {error}") from error


def _read(file: Path) -> Study:
    top = Section(
        file,
        "",
        _load(file),
        known=("study", "space", "rules", "goal", "strategy", "stopper", "launcher"),
    )
    keys = (
        "command",
        "function",
        "journal",
        "max_trials",
        "max_seconds",
        "max_cost",
        "prepare",
        "confirm",
        "seed",
        "slots",
        "timeout",
        "mode",
        "lock",
    )
    study = top.section("study", keys)
    space = _space(top)
    program, is_function = _program(study, space)
    mode = study.text("mode", "async")
    if mode not in ("async", "rounds"):
        raise study.wrong("mode", "'async' or 'rounds'")
    strategy = read_strategy(top, space)
    return Study(
        path=file,
        program=program,
        is_function=is_function,
        journal=file.parent / (study.text("journal", "") or file.with_suffix(".jsonl").name),
        space=space,
        goal=read_goal(top, strategy),
        strategy=strategy,
        stopper=read_stopper(top),
        max_trials=study.whole("max_trials"),
        max_seconds=study.positive("max_seconds"),
        max_cost=study.positive("max_cost", "worker-hours"),
        prepare=_prepare(study),
        confirm=study.whole("confirm", least=0) or 0,
        seed=study.whole("seed", least=0) or 0,
        slots=study.whole("slots"),
        timeout=study.positive("timeout"),
        mode=cast(Literal["async", "rounds"], mode),
        lock=study.flag("lock", default=True),
        where=read_launcher(top),
    )


def _load(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"study file {file}: {error.strerror or error}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise OptionError(f"study file {file} is no TOML: {error}") from error


# ---------------------------------------------------------------------- program
def _program(study: Section, space: Space) -> tuple[str, bool]:
    command, function = study.text("command", ""), study.text("function", "")
    if bool(command) == bool(function):
        raise OptionError(
            f'{study.where}: give either command = "..." (a shell command) or function = "module:function"'
        )
    if function:
        if not all(function.partition(":")):
            raise study.wrong("function", "'module:function'")
        return function, True
    _check_placeholders(study, Command.parse(command), space)
    return command, False


def _prepare(study: Section) -> str | dict[str, str] | None:
    found = study.data.get("prepare")
    if found is not None and not isinstance(found, str):
        if not isinstance(found, Mapping) or not all(
            isinstance(command, str) for command in found.values()
        ):
            raise study.wrong(
                "prepare", 'a shell command, or a table of them: {data = "...", build = "..."}'
            )
        found = dict(found)
    Plan(prepare=found)
    return found


def _check_placeholders(study: Section, command: Command, space: Space) -> None:
    """Found now, before the first trial is asked: placeholders that some trial has no value for."""
    conditional = {name for rule in space.where if isinstance(rule, When) for name in rule.names}
    for part in command.parts:
        if not isinstance(part, Placeholder):
            continue
        name, default = part.find(dict.fromkeys(space.names))
        if name not in space.names and default is None:
            raise study.unknown(
                name, space.names, what="placeholder", kind="a parameter of [space]"
            )
        if name in conditional and default is None:
            raise OptionError(
                f"{study.where}: the placeholder {{{name}}} of command has no value in trials where {name} is not active; "
                f"write {{{name}:DEFAULT}}"
            )


def _function(name: str, folder: Path) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    importable(folder)
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever the module does when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise OptionError(
            f"function = {name!r}: cannot import {module!r} ({reason}); looked in {folder} and sys.path"
        ) from error
    function = getattr(found, attribute, None)
    if not callable(function):
        raise OptionError(f"function = {name!r}: module {module} has no function {attribute!r}")
    return cast(Callable[..., Any], function)


# ---------------------------------------------------------------------- space
def _space(top: Section) -> Space:
    axes = top.section("space", None, required=True)
    rules = top.section("rules", ("where", "when"))
    where: list[Rule] = [Require(text) for text in rules.texts("where")]
    for number, table in enumerate(rules.tables("when"), 1):
        when = Section(rules.file, f"rules.when, entry {number}", table, known=("if", "params"))
        where.append(When(when.text("if"), *when.texts("params")))
    return Space({name: _axis(axes, name) for name in axes.data}, where=where)


def _axis(axes: Section, name: str) -> Axis | list[Any]:
    value = axes.data[name]
    if isinstance(value, list):
        return value
    if not isinstance(value, Mapping):
        raise axes.wrong(
            name,
            "a list of values, {linear = [lo, hi], n = 5}, {log = [lo, hi], n = 5} or {choice = [...]}",
        )
    table = Section(axes.file, f"space.{name}", dict(value), known=("linear", "log", "choice", "n"))
    kinds = [kind for kind in ("linear", "log", "choice") if kind in table.data]
    if len(kinds) != 1 or (kinds[0] == "choice") == ("n" in table.data):
        raise axes.wrong(
            name, "{linear = [lo, hi], n = 5}, {log = [lo, hi], n = 5} or {choice = [...]}"
        )
    ends = table.data[kinds[0]]
    if not isinstance(ends, list) or (kinds[0] != "choice" and len(ends) != 2):
        raise table.wrong(kinds[0], "a list of values" if kinds[0] == "choice" else "[lo, hi]")
    if kinds[0] == "choice":
        return Choice(ends)
    make = Ordinal.linear if kinds[0] == "linear" else Ordinal.log
    try:
        return make(ends[0], ends[1], table.data["n"])
    except DsiceError as error:
        raise OptionError(f"{table.where}: {error}") from error
