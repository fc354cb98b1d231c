r"""A study file: space, goal, strategy, stopper and launcher of a tuning, written in TOML.

::

    [study]
    command = "python train.py --lr {lr} --momentum {momentum:0}"  # or function = "module:function"
                                # or none, where others start the trials: `dsice ask`, `dsice tell`
    journal = "study.jsonl"     # all paths: relative to the study file
    max_trials = 200            # also: max_seconds, max_cost, prepare, confirm, mode,
                                # start_timeout, seed, slots, timeout, lock
    reuse = ["old.jsonl"]       # measurements of related tasks: journals and tables

    [space]
    batch = [16, 32, 64]                    # numbers: in order; strings or bools: a choice
    lr = {log = [1e-4, 1e-1], n = 7}        # or linear
    optimizer = {choice = ["sgd", "adam"]}

    [rules]
    where = ["batch * lr <= 1"]
    when = [{if = "optimizer == 'sgd'", params = ["momentum"]}]

    [goal]                      # metric, maximize, at_most, at_least, time_weight, until
    metric = "loss"

    [metrics]                   # of a command that prints no JSON: where its numbers are
    loss = 'val_loss: (\S+)'    # result = "FILE" and invalid_exit = 3 stand in [study]

    [strategy]                  # name and its options
    start = {batch = 32, lr = 1e-2, optimizer = "adam"}

    [stopper]                   # name and its options: when to stop a trial by its learning curve
    name = "median"

    [launcher]                  # kind = "local" or "batch", and its options
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from dsice.checks import absolute, expanded
from dsice.errors import DsiceError, LaunchError, OptionError
from dsice.goal import Goal
from dsice.journal import Journal
from dsice.journal.files import JOURNAL, load_toml
from dsice.launchers import Batch, Local
from dsice.launchers.command import Command
from dsice.launchers.foreseen import check_command
from dsice.launchers.output import output_of
from dsice.reuse import Source
from dsice.running.options import STUDY_KEYS, RunOptions
from dsice.space import Space, When
from dsice.stopping import Stopper
from dsice.strategies import Strategy
from dsice.study.sections import (
    LauncherSection,
    Section,
    make_importable,
    read_goal,
    read_launcher,
    read_space,
    read_stopper,
    read_strategy,
)
from dsice.study.sources import read_sources
from dsice.tuner import Tuner
from dsice.typing import PathLike

_SECTIONS = ("study", "space", "rules", "goal", "metrics", "strategy", "stopper", "launcher")
_OUTPUT = ("result", "invalid_exit")
_KEYS = (
    *("command", "function", "journal", "max_trials", "seed", "slots", "timeout", "lock"),
    "reuse",
)


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes
    ----------
    path
        The file.
    program
        A shell command with placeholders, or ``"module:function"``; empty: others start the trials.
    is_function
        Whether `program` names a Python function.
    journal
        Absolute path of the journal.
    stopper
        What stops trials early by their learning curves; None: nothing does.
    max_trials
        The tuner's budget.
    timeout
        Of a trial, in seconds.
    lock
        False where the file system of the journal refuses locks.
    options
        The options of `run`.
    launcher_section
        Which launcher runs the trials.
    output
        The options of the launcher that say how the measurement of a command is read.
    reuse
        Measurements of related tasks; None: those of the journal.
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
    seed: int = 0
    slots: int | None = None
    timeout: float | None = None
    lock: bool = True
    options: RunOptions = field(default_factory=RunOptions)
    launcher_section: LauncherSection = field(default_factory=LauncherSection)
    output: Mapping[str, Any] = field(default_factory=dict)
    reuse: Sequence[Source] | None = None

    @property
    def folder(self) -> Path:
        """Where the study file is; its program runs there."""
        return self.path.parent

    def tuner(self, *, orphans: Literal["again", "keep"] = "again", wait: float = 0.0) -> Tuner:
        """The tuner of this study; it goes on where the journal ends.

        Parameters
        ----------
        orphans
            As for `Tuner`.
        wait
            Seconds to wait for another writer.
        """
        if not self.journal.exists():  # a source that is wrong leaves no journal behind
            for source in self.reuse or ():
                source.trials(self.space, self.goal)
        return Tuner(
            self.space,
            self.strategy,
            goal=self.goal,
            stopper=self.stopper,
            journal=Journal(self.journal, lock=self.lock, wait=wait),
            orphans=orphans,
            max_trials=self.max_trials,
            seed=self.seed,
            reuse=self.reuse,
        )

    def launcher(self, directory: Path | None = None) -> Local | Batch:
        """The launcher of this study.

        A function is imported with the study's folder first on ``sys.path``, where it stays: the
        trials' processes get the same path.

        Parameters
        ----------
        directory
            Where the trials' directories are; beside the journal by default.

        Raises
        ------
        OptionError
            The study has no program, so that only `dsice ask` and `dsice tell` work.
        """
        if not self.program:
            raise OptionError(
                f"{self.path.name}, [study]: it has neither a command nor a function, so others "
                f"start its trials: dsice ask {self.path.name}, and dsice tell. To have them "
                'started, give command = "..." (a shell command) or function = "module:function"'
            )
        program = _function(self.program, self.folder) if self.is_function else self.program
        if directory is None:
            directory = self.journal.with_name(self.journal.name + ".trials")
        return self.launcher_section.make_launcher(
            program,
            slots=self.slots,
            timeout=self.timeout,
            directory=directory,
            output=self.output,
        )


def read_study(path: PathLike) -> Study:
    """Read and check a study file.

    Raises
    ------
    OptionError
        The file is missing or no TOML; an unknown key or a value of the wrong kind; a placeholder
        that is no parameter.
    SpaceError
        Wrong axes or rules, or a start that is not on the grid.
    """
    file = absolute(path)
    try:
        return _read(file)
    except DsiceError as error:
        if file.name in str(error):
            raise
        raise type(error)(f"{file.name}: {error}") from error


def _read(file: Path) -> Study:
    top = Section(file, "", load_toml(file), known=_SECTIONS)
    study = top.section("study", (*_KEYS, *_OUTPUT, *STUDY_KEYS))
    space = read_space(top)
    program, is_function = _program(study, space)
    journal = study.text("journal", "") or file.with_suffix(JOURNAL).name
    strategy = read_strategy(top, space)
    return Study(
        path=file,
        program=program,
        is_function=is_function,
        journal=file.parent / expanded(journal),
        space=space,
        goal=read_goal(top, strategy),
        strategy=strategy,
        stopper=read_stopper(top),
        max_trials=study.whole("max_trials"),
        seed=study.whole("seed", least=0) or 0,
        slots=study.whole("slots"),
        timeout=study.positive("timeout"),
        lock=study.flag("lock", default=True),
        options=_run_options(study),
        launcher_section=read_launcher(top),
        output=_output(top, study, is_function=is_function),
        reuse=read_sources(study) if "reuse" in study.data else None,
    )


def _run_options(study: Section) -> RunOptions:
    given = {key: study.data[key] for key in STUDY_KEYS if key in study.data}
    for key, value in given.items():
        if not STUDY_KEYS[key].test(value):
            raise study.wrong(key, STUDY_KEYS[key].expected)
    return RunOptions(**given)


def _program(study: Section, space: Space) -> tuple[str, bool]:
    """The program, and whether it is a function."""
    command = study.text("command", "")
    function = study.text("function", "")
    if command and function:
        raise OptionError(
            f'{study.location}: give either command = "..." (a shell command) '
            'or function = "module:function"'
        )
    if not command and not function:
        for key in ("command", "function"):
            if key in study.data:
                raise study.wrong(key, "a program, or no such key")
        return "", False
    if function:
        if not all(function.partition(":")):
            raise study.wrong("function", "'module:function'")
        return function, True
    try:
        _check_placeholders(Command.parse(command, space.names), space)
    except LaunchError as error:
        raise OptionError(f"{study.location}: {error}") from error
    return command, False


def _check_placeholders(command: Command, space: Space) -> None:
    """Find placeholders without a value in some trial now, before the first trial is asked."""
    conditional = {name for rule in space.where if isinstance(rule, When) for name in rule.names}
    if command.fits_all(conditional):
        return
    check_command(command, conditional, {name: axis.values for name, axis in space.axes.items()})


def _output(top: Section, study: Section, *, is_function: bool) -> dict[str, Any]:
    """The options that say how the measurement of a command is read, checked."""
    metrics = top.section("metrics", None)
    found = {"metrics": metrics.data or None} | {key: study.data.get(key) for key in _OUTPUT}
    given = {key: value for key, value in found.items() if value is not None}
    if given and is_function:
        where = metrics if "metrics" in given else study
        raise OptionError(
            f"{where.location}: {' and '.join(given)} say how the output of a command is read; a "
            "function returns its metrics, and raises dsice.Invalid where its result is wrong"
        )
    for key, value in given.items():
        where = metrics if key == "metrics" else study
        try:
            output_of("command", **{key: value})
        except OptionError as error:
            raise OptionError(f"{where.location}: {error}") from error
    return given


def _function(name: str, folder: Path) -> Callable[..., Any]:
    """The function of that name; modules beside the study file are found."""
    module, _, attribute = name.partition(":")
    make_importable(folder)
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever the module does when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise OptionError(
            f"function = {name!r}: cannot import {module!r} ({reason}); "
            f"looked in {folder} and sys.path"
        ) from error
    function = getattr(found, attribute, None)
    if not callable(function):
        raise OptionError(f"function = {name!r}: module {module} has no function {attribute!r}")
    return cast(Callable[..., Any], function)
