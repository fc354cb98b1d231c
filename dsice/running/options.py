"""The options of `run`, checked before anything is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

from dsice.checks import whole
from dsice.errors import OptionError
from dsice.launchers.base import Launcher, as_launcher
from dsice.strategies import SupportsAsk, as_strategy
from dsice.trial import Trial
from dsice.tuner import Tuner

Callback: TypeAlias = Callable[[Tuner, Trial], object]
Work: TypeAlias = Callable[..., Any] | str
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Plan:
    """What `run` is to do; its arguments, which see.

    Raises
    ------
    OptionError
        One of them is of the wrong kind or out of range.
    """

    mode: Literal["async", "rounds"] = "async"
    max_trials: int | None = None
    max_seconds: float | None = None
    max_cost: float | None = None
    retries: int = 1
    prepare: Work | Mapping[str, Work] | None = None
    confirm: int = 0
    callbacks: Sequence[Callback] = ()

    def __post_init__(self) -> None:
        if self.mode not in ("async", "rounds"):
            raise OptionError(f"run(mode={self.mode!r}): expected 'async' or 'rounds'")
        if self.max_trials is not None:
            whole("run", "max_trials", self.max_trials, 1)
        whole("run", "retries", self.retries, 0)
        whole("run", "confirm", self.confirm, 0)
        _amount("max_seconds", self.max_seconds, "seconds")
        _amount("max_cost", self.max_cost, "worker-hours")
        if not isinstance(self.callbacks, Sequence) or not all(map(callable, self.callbacks)):
            raise OptionError(
                f"run(callbacks={self.callbacks!r}): expected a list of functions of (tuner, trial)"
            )
        for name, work in self.preparations.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise OptionError(
                    f"run(prepare=...): the name {name!r} must be made of a-z, 0-9 and _, and start with a letter"
                )
            if not (callable(work) or (isinstance(work, str) and work.strip())):
                raise OptionError(
                    f"run(prepare={work!r}): expected a function without arguments, a shell command, or names of these"
                )

    @property
    def preparations(self) -> Mapping[str, Any]:
        """What is to be prepared, by name; a single one has the name ``prepare``."""
        if self.prepare is None:
            return {}
        return self.prepare if isinstance(self.prepare, Mapping) else {"prepare": self.prepare}


def _amount(name: str, value: object, unit: str) -> None:
    if value is None:
        return
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, Real))
        or not float(value) >= 0
        or math.isnan(value)
    ):
        raise OptionError(f"run({name}={value!r}): expected a number of {unit} >= 0")


def check(tuner: object, given: object) -> Launcher:
    """The launcher with all its hooks; raise OptionError for what `run` cannot use."""
    if not isinstance(tuner, Tuner):
        raise OptionError(f"run(tuner={tuner!r}): expected a Tuner")
    launcher = as_launcher(given)
    check_stages(tuner.strategy, launcher)
    if tuner.stopper is not None and (reason := launcher.cannot_step):
        raise OptionError(
            f"the tuner has a stopper, {tuner.stopper!r}, which decides by learning curves, and {reason}"
        )
    return launcher


def check_stages(strategy: SupportsAsk, launcher: Launcher) -> None:
    """Raise OptionError for a launcher that cannot let trials continue others, where the strategy trains in stages."""
    reason = launcher.cannot_continue
    if reason and (as_strategy(strategy).last_stage or 0) > 0:
        raise OptionError(
            f"{type(strategy).__name__} trains in stages, each from a checkpoint of the one before, and this launcher "
            f"cannot do that: {reason}"
        )
