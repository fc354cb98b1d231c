"""The options of `run`: for each of them its default, its check, and whether study files have it.

`RunOptions` is the only place that knows all options. `run` and `advance` name them in their
signatures and make one; a study file is read into one; the loop and the preparations hold it.
"""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np

from dsice.checks import is_number, is_whole, wrong
from dsice.errors import DsiceWarning, OptionError, TellError
from dsice.launchers.base import Job, Launcher, Result, Study, as_launcher
from dsice.running.callbacks import is_callback
from dsice.running.unusable import tell_unusable
from dsice.space import When
from dsice.strategies import SupportsAsk, as_strategy
from dsice.trial import Trial
from dsice.tuner import Tuner
from dsice.tuner.ending import End

Mode: TypeAlias = Literal["async", "rounds"]
Callback: TypeAlias = Callable[[Tuner, Trial], object] | object
Work: TypeAlias = Callable[..., Any] | str


@dataclass(frozen=True)
class Allowed:
    """The values that an option may have.

    Attributes
    ----------
    expected
        What they are, for the message of an error.
    test
        Whether a value is one of them.
    """

    expected: str
    test: Callable[[Any], bool]


def _whole(least: int) -> Allowed:
    return Allowed(f"a whole number >= {least}", lambda value: is_whole(value) and value >= least)


def _at_least_0(unit: str) -> Allowed:
    return Allowed(f"a number of {unit} >= 0", lambda value: _is_amount(value) and value >= 0)


def _above_0(unit: str) -> Allowed:
    return Allowed(f"a number of {unit} > 0", lambda value: is_number(value) and value > 0)


def _is_amount(value: object) -> bool:
    """Whether this is a real number or infinity."""
    return is_number(value) or (isinstance(value, Real) and value == math.inf)


def _are_callbacks(value: object) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and all(map(is_callback, value))
    )


def _are_commands(value: object) -> bool:
    """Whether this is a shell command, or a table of them."""
    if isinstance(value, Mapping):
        return all(isinstance(command, str) for command in value.values())
    return isinstance(value, str)


_MODES = Allowed("'async' or 'rounds'", lambda value: value in ("async", "rounds"))
_CALLBACKS = Allowed(
    "a list of functions of (tuner, trial), or of objects with methods asked, started, stepped, "
    "told or finished",
    _are_callbacks,
)
_COMMANDS = Allowed(
    'a shell command, or a table of them: {data = "...", build = "..."}', _are_commands
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def _values(allowed: Allowed | None, *, in_study: Allowed | None = None) -> dict[str, Any]:
    """The values of an option of `run`, as the metadata of a field.

    Parameters
    ----------
    allowed
        Its values; where None is the default, None is allowed, too. Without them
        ``RunOptions.__post_init__`` checks the option in a way of its own.
    in_study
        Its values in a study file; without them it is no key of study files.
    """
    return {"allowed": allowed, "in_study": in_study}


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Validated options of `run`; its docstring says what they mean.

    Raises
    ------
    OptionError
        One of them is of the wrong kind or out of range.
    """

    mode: Mode = field(default="async", metadata=_values(_MODES, in_study=_MODES))
    max_trials: int | None = field(default=None, metadata=_values(_whole(1)))
    max_seconds: float | None = field(
        default=None, metadata=_values(_at_least_0("seconds"), in_study=_above_0("seconds"))
    )
    max_cost: float | None = field(
        default=None,
        metadata=_values(_at_least_0("worker-hours"), in_study=_above_0("worker-hours")),
    )
    retries: int = field(default=1, metadata=_values(_whole(0)))
    start_timeout: float = field(
        default=600.0,
        metadata=_values(_at_least_0("seconds"), in_study=_at_least_0("seconds")),
    )
    stop_after_failures: int | None = field(
        default=None, metadata=_values(_whole(0), in_study=_whole(0))
    )
    prepare: Work | Mapping[str, Work] | None = field(
        default=None, metadata=_values(None, in_study=_COMMANDS)
    )
    confirm: int = field(default=0, metadata=_values(_whole(0), in_study=_whole(0)))
    repeats: int = field(default=1, metadata=_values(_whole(1), in_study=_whole(1)))
    callbacks: Sequence[Callback] = field(default=(), metadata=_values(_CALLBACKS))

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            allowed: Allowed | None = option.metadata["allowed"]
            if allowed is None or (value is None and option.default is None):
                continue
            if not allowed.test(value):
                raise wrong("run", option.name, value, allowed.expected)
        if self.repeats > 1 and not self.confirm:
            raise OptionError(
                f"run(repeats={self.repeats}): this is how often each point of confirm= is "
                "measured; give confirm=k too, or let the program print a list to measure every "
                "trial several times"
            )
        for name, work in self.preparations.items():
            _check_preparation(name, work)

    @property
    def preparations(self) -> Mapping[str, Any]:
        """What is to be prepared, by name; a single one has the name ``prepare``."""
        if self.prepare is None:
            return {}
        return self.prepare if isinstance(self.prepare, Mapping) else {"prepare": self.prepare}


STUDY_KEYS: Mapping[str, Allowed] = {
    option.name: option.metadata["in_study"]
    for option in fields(RunOptions)
    if option.metadata["in_study"] is not None
}
"""The options that study files have, and the values they may have there."""


def _check_preparation(name: object, work: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(
            f"run(prepare=...): the name {name!r} must be made of a-z, 0-9 and _, "
            "and start with a letter"
        )
    is_command = isinstance(work, str) and bool(work.strip())
    if not callable(work) and not is_command:
        expected = "a function without arguments, a shell command, or names of these"
        raise wrong("run", "prepare", work, expected)


def usable_launcher(tuner: object, given: object) -> Launcher:
    """The launcher that was given, with all hooks.

    Raises
    ------
    OptionError
        There is no tuner or no launcher, or the two do not fit together.
    """
    if not isinstance(tuner, Tuner):
        raise wrong("run", "tuner", tuner, "a Tuner")
    launcher = as_launcher(given)
    check_stages(tuner.strategy, launcher)
    if tuner.stopper is not None and launcher.cannot_step:
        raise OptionError(
            f"the tuner has a stopper, {tuner.stopper!r}, which decides by learning curves, "
            f"and {launcher.cannot_step}"
        )
    return launcher


def check_stages(strategy: SupportsAsk, launcher: Launcher) -> None:
    """Raise OptionError where a strategy trains in stages and the launcher's trials cannot."""
    reason = launcher.cannot_continue
    if reason and (as_strategy(strategy).last_stage or 0) > 0:
        raise OptionError(
            f"{type(strategy).__name__} trains in stages, each from a checkpoint of the one "
            f"before, and this launcher cannot do that: {reason}"
        )


def study_of(tuner: Tuner) -> Study:
    """The study of a tuner, as launchers know it."""
    space, goal = tuner.space, tuner.history.goal
    conditional = {name for rule in space.where if isinstance(rule, When) for name in rule.names}
    return Study(
        tuner.identity,
        None if tuner.journal is None else str(tuner.journal),
        tuple(space.names),
        tuple(name for name in space.names if name in conditional),
        tuple(dict.fromkeys((goal.metric, *goal.bounded))),
    )


def job_of(tuner: Tuner, trial: Trial, prepared: Mapping[str, str]) -> Job:
    """The job that measures a trial; `prepared` has the directories that it depends on."""
    return Job(
        trial.id,
        dict(trial.params),
        parent=trial.parent,
        stage=trial.stage,
        prepared=prepared,
        study=study_of(tuner),
        tries=tuner.tries(trial.id),
    )


def tell_result(tuner: Tuner, result: Result) -> Trial:
    """Tell how a job ended; one whose result cannot be used has failed."""
    facts: dict[str, Any] = {
        "seconds": result.seconds,
        "times": result.times,
        "where": result.where,
        "tags": result.tags,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DsiceWarning)  # the trial's own state and error say it
        try:
            return tuner.tell(
                result.id,
                result.value,
                metrics=result.metrics,
                error=result.error,
                state="failed" if result.state == "unstarted" else result.state,
                **facts,
            )
        except TellError as problem:  # it ran, but its result cannot be used
            return tell_unusable(tuner, result, problem, facts)


def within_options(
    free: int, tuner: Tuner, options: RunOptions, running: int, deadline: float
) -> tuple[int, End | None]:
    """How many of `free` trials the options of a run allow; where none, why.

    Parameters
    ----------
    running
        How many trials run.
    deadline
        When the time of the run is over, by `time.monotonic`.
    """
    if time.monotonic() >= deadline:
        return 0, End("time", {"max_seconds": options.max_seconds})
    if options.max_trials is not None:
        free = min(free, options.max_trials - tuner.asked)
        if free <= 0:
            return 0, End("budget", {"max_trials": options.max_trials})
    if options.max_cost is not None:
        free = min(free, affordable(free, tuner, options.max_cost, running))
        if free <= 0:
            hours = tuner.run_seconds / 3600.0
            return 0, End("cost", {"max_cost": options.max_cost, "hours": hours})
    return free, None


def affordable(free: int, tuner: Tuner, max_cost: float, running: int) -> int:
    """How many of `free` trials so many worker-hours pay for.

    What this study ran counts. Each trial that runs, or is to run, counts with the mean of the
    trials told so far; where this study ran none yet, with that of those that were added.
    """
    left = 3600.0 * max_cost - tuner.run_seconds
    if left <= 0:
        return 0
    seconds, added = tuner.history.seconds(), tuner.history.added()
    known = seconds[np.isfinite(seconds) & ~added]
    if not len(known):
        known = seconds[np.isfinite(seconds)]
    mean = float(known.mean()) if len(known) else 0.0
    if mean <= 0:
        return free
    return math.ceil(min(left / mean, 1e9)) - running
