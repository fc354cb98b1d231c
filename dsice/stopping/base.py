"""What a stopper is, what it decides, and how curves are read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral
from typing import Any, Protocol

import numpy as np

from dsice.errors import OptionError
from dsice.history import History
from dsice.trial import State, Trial
from dsice.typing import Curve


@dataclass(frozen=True)
class Decision:
    """Whether to stop a trial, and what that followed from.

    Attributes
    ----------
    stop
        True: end the trial now.
    inputs
        What the decision was made of, flat JSON; it goes into the journal.
    """

    stop: bool
    inputs: Mapping[str, Any] = field(default_factory=dict)


class Stopper(Protocol):
    """Decides from a running trial's learning curve whether to stop it.

    A stopper may also have ``decide(curve, history) -> Decision | None`` (None: nothing to decide at this step);
    then every decision is journaled with its inputs, not only those that stop.
    """

    def stop(self, curve: Curve, history: History) -> bool:
        """True: stop this trial."""


def decide(stopper: Stopper, curve: Curve, history: History) -> Decision | None:
    """What a stopper decides at the last step of a curve; None where it decided nothing, or to go on without a reason."""
    own = getattr(stopper, "decide", None)
    if callable(own):
        decision: Decision | None = own(curve, history)
        return decision
    return Decision(True, {}) if stopper.stop(curve, history) else None


def steps(owner: str, name: str, given: object, least: int = 0) -> tuple[int, ...]:
    """An option that is an ascending list of steps; OptionError for anything else."""
    hint = f"expected ascending whole numbers >= {least}, such as [1, 2, 4, 8]"
    if (
        not isinstance(given, (Sequence, np.ndarray, range))
        or isinstance(given, (str, bytes))
        or not len(given)
    ):
        raise OptionError(f"{owner}({name}={given!r}): {hint}")
    listed = list(given)
    if any(
        isinstance(s, (bool, np.bool_)) or not isinstance(s, Integral) or s < least for s in listed
    ):
        raise OptionError(f"{owner}({name}={given!r}): {hint}")
    found = tuple(int(s) for s in listed)
    if any(a >= b for a, b in pairwise(found)):
        raise OptionError(f"{owner}({name}={given!r}): {hint}")
    return found


def count(owner: str, name: str, given: object, least: int) -> int:
    """An option that is a whole number of at least `least`."""
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, Integral) or given < least:
        raise OptionError(f"{owner}({name}={given!r}): expected a whole number >= {least}")
    return int(given)


def at(curve: Curve, step: int) -> float | None:
    """Value of a curve at a step: the last one reported by then; None if nothing was."""
    place = bisect_right(curve, step, key=lambda point: point[0])
    return curve[place - 1][1] if place else None


def reached(checkpoints: Sequence[int], curve: Curve) -> int | None:
    """The checkpoint that the last step of a curve is the first to reach; None: it reaches none.

    A program need not report at the checkpoint itself; where one step passes several, the last of them counts.
    """
    if not curve:
        return None
    before = curve[-2][0] if len(curve) > 1 else -1
    passed = [c for c in checkpoints if before < c <= curve[-1][0]]
    return passed[-1] if passed else None


def complete(history: History) -> Iterator[tuple[Trial, float]]:
    """Trials of the goal's stage that ran to their end and have a curve, with their loss (less is better)."""
    losses = history.losses()
    for id in np.flatnonzero(
        history.in_state(State.DONE) & history.of_stage() & np.isfinite(losses)
    ).tolist():
        trial = history[id]
        if trial.curve:
            yield trial, float(losses[id])
