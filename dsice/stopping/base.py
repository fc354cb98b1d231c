"""The protocol of a stopper, what it decides, and how learning curves are read."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from dsice.checks import is_whole, wrong
from dsice.history import History
from dsice.trial import State, Trial
from dsice.typing import Curve


@dataclass(frozen=True)
class Decision:
    """Whether to stop a trial, and the facts that the decision rests on.

    Attributes
    ----------
    stop
        True: end the trial now.
    inputs
        The facts, as flat JSON; they go into the journal.

    Examples
    --------
    >>> from dsice.stopping import Decision
    >>> Decision(True, {"value": 0.9, "median": 0.4}).stop
    True
    """

    stop: bool
    inputs: Mapping[str, Any] = field(default_factory=dict)


class SupportsStop(Protocol):
    """The least that a user's class needs to serve as a stopper: the method `stop` alone.

    Examples
    --------
    >>> from dsice import Tuner
    >>> class Diverged:
    ...     def stop(self, curve, history):
    ...         return curve[-1][1] > 1e3
    >>> tuner = Tuner({"x": [1, 2]}, stopper=Diverged())
    >>> tuner.step(tuner.ask()[0], 0, 1e6)
    True
    """

    def stop(self, curve: Curve, history: History) -> bool:
        """Whether to stop the trial with this curve now."""


class Stopper(Protocol):
    """Decides from the learning curve of a running trial whether to stop it.

    These are all methods that dsice calls. `stop` is required; `decide` has a default. A class
    that derives from `Stopper` inherits the default, and `as_stopper` lends it to any other
    object with a method `stop`.

    Examples
    --------
    >>> from dsice.stopping import Stopper
    >>> class AfterTen(Stopper):
    ...     def stop(self, curve, history):
    ...         return len(curve) >= 10
    >>> AfterTen().decide([(0, 1.0)] * 10, None)
    Decision(stop=True, inputs={})
    """

    def stop(self, curve: Curve, history: History) -> bool:
        """Whether to stop the trial with this curve now.

        Parameters
        ----------
        curve
            Steps and values reported so far; the decision is asked for at the last step.
        history
            All trials of the search.
        """
        ...

    def decide(self, curve: Curve, history: History) -> Decision | None:
        """Say what follows at the last step of a curve, and why; None where nothing is decided.

        Every decision that is returned is journaled with its inputs, whether or not it stops the
        trial. The default asks `stop` and returns a decision only where the trial is stopped.
        """
        return Decision(True) if self.stop(curve, history) else None


class ReasonedStopper(Stopper, Protocol):
    """A stopper that gives the reasons of its decisions: `decide` is its rule, `stop` follows.

    The stoppers of dsice derive from it.

    Examples
    --------
    >>> from dsice.stopping import Decision, ReasonedStopper
    >>> class Diverged(ReasonedStopper):
    ...     def decide(self, curve, history):
    ...         return Decision(curve[-1][1] > 1e3, {"value": curve[-1][1]})
    >>> Diverged().stop([(0, 1e6)], None)
    True
    """

    def stop(self, curve: Curve, history: History) -> bool:
        """Whether to stop the trial with this curve now."""
        decision = self.decide(curve, history)
        return decision is not None and decision.stop

    def decide(self, curve: Curve, history: History) -> Decision | None:
        """Say what follows at the last step of a curve, and why; None where nothing is decided."""
        ...


@dataclass(frozen=True)
class _StopAlone(Stopper):
    """The defaults of `Stopper` around an object that has `stop` alone."""

    given: SupportsStop

    def stop(self, curve: Curve, history: History) -> bool:
        return self.given.stop(curve, history)


def as_stopper(stopper: SupportsStop) -> Stopper:
    """Return a stopper with all methods of `Stopper`: the object itself, or one that asks it.

    This is the only place that looks whether an object has a stopper's method. A tuner keeps the
    user's own object as ``tuner.stopper``, and the journal names the class of that object.

    Raises
    ------
    OptionError
        An object without a method `stop`, or a class instead of an object.

    Examples
    --------
    >>> from dsice.stopping import Median, as_stopper
    >>> rule = Median()
    >>> as_stopper(rule) is rule
    True
    """
    if isinstance(stopper, type) or not callable(getattr(stopper, "stop", None)):
        raise wrong("Tuner", "stopper", stopper, "an object with a method stop(curve, history)")
    if callable(getattr(stopper, "decide", None)):
        return stopper  # type: ignore[return-value]
    return _StopAlone(stopper)


def decide(stopper: SupportsStop, curve: Curve, history: History) -> Decision | None:
    """What a stopper decides at the last step of a curve; None where it decides nothing.

    Examples
    --------
    >>> from dsice import History
    >>> from dsice.stopping import Median, decide
    >>> decide(Median(), [(0, 1.0)], History()).stop  # there is nothing to compare with
    False
    """
    return as_stopper(stopper).decide(curve, history)


def check_steps(owner: str, name: str, given: object, least: int = 0) -> tuple[int, ...]:
    """Return an option that is a list of steps.

    Parameters
    ----------
    owner, name
        The class and the option, for the message.
    given
        Whole numbers of at least `least`, strictly ascending.

    Raises
    ------
    OptionError
        Anything else.
    """
    expected = f"ascending whole numbers >= {least}, such as [1, 2, 4, 8]"
    is_list = isinstance(given, (Sequence, np.ndarray)) and not isinstance(given, (str, bytes))
    if not is_list or not len(given):  # type: ignore[arg-type]
        raise wrong(owner, name, given, expected)
    listed: list[Any] = list(given)  # type: ignore[call-overload]
    if not all(is_whole(step) and step >= least for step in listed):
        raise wrong(owner, name, given, expected)
    steps = tuple(int(step) for step in listed)
    if any(a >= b for a, b in pairwise(steps)):
        raise wrong(owner, name, given, expected)
    return steps


def value_at(curve: Curve, step: int) -> float | None:
    """Value of a curve at a step: the last one reported by then; None if nothing was."""
    place = bisect_right(curve, step, key=lambda point: point[0])
    return curve[place - 1][1] if place else None


def reached_checkpoint(checkpoints: Sequence[int], curve: Curve) -> int | None:
    """Return the checkpoint that the last step of a curve is the first to reach, or None.

    A program need not report at the checkpoint itself; where one step passes several, the last
    of them counts.
    """
    if not curve:
        return None
    before = curve[-2][0] if len(curve) > 1 else -1
    passed = [c for c in checkpoints if before < c <= curve[-1][0]]
    return passed[-1] if passed else None


def encoded(value: float) -> float | str:
    """A number for JSON, which has no NaN and no infinity."""
    return value if math.isfinite(value) else str(value)


def complete_trials(history: History) -> Iterator[tuple[Trial, float]]:
    """Trials that a running one is compared with, and their losses (smaller is better).

    These are the trials of the goal's stage that ran to their end, have a learning curve and a
    finite loss.
    """
    losses = history.losses()
    complete = history.in_state(State.DONE) & history.of_stage() & np.isfinite(losses)
    for id in np.flatnonzero(complete).tolist():
        trial = history[id]
        if trial.curve:
            yield trial, float(losses[id])
