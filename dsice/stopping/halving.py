"""Asynchronous successive halving: at each rung only the best go on."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from dsice.checks import number, whole, wrong
from dsice.errors import OptionError
from dsice.history import History
from dsice.stopping.base import (
    Decision,
    ReasonedStopper,
    check_steps,
    encoded,
    reached_checkpoint,
)
from dsice.trial import State
from dsice.typing import Curve


@dataclass(frozen=True)
class SuccessiveHalving(ReasonedStopper):
    """Stop a training that is not among the best of those that came as far.

    At each of `steps`, the rungs, the training's value there is compared with those of all
    trainings that have reached the rung so far, whatever became of them. It goes on if it is among
    the best `keep` of them, itself counted, and is stopped otherwise. Nothing waits for others:
    this is the variant of asynchronous successive halving (ASHA) that stops trainings and never
    pauses one.

    Parameters
    ----------
    steps
        The rungs: steps at which a training is compared, at the first step that it reports there or
        later. Where one report passes several rungs, it is compared at the last of them alone.
        `by_factor` makes them from the options that other tuners have.
    keep
        Share of the trainings at a rung that go on: of `n` the best ``floor(keep * n)``, and always
        the best one. 1 stops nothing.

    Raises
    ------
    OptionError
        Steps that do not ascend, a share that is not above 0 and at most 1.

    Notes
    -----
    The curve must be of the goal's own metric, or of one whose better values lie on the same side.
    Equal values share a place, so that of equally good ones none is stopped for the sake of
    another. A value that is NaN or infinite at a rung is a training that diverged: it is stopped,
    also as the first one, and counts as one of the worst. Invalid trials and those of other stages
    than the goal's are left out.

    The first trainings at a rung are compared with few others, so that more than `keep` of all go
    on if the good ones come late, and fewer if they come first.

    References
    ----------
    Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020.

    Examples
    --------
    >>> from dsice.stopping import SuccessiveHalving
    >>> SuccessiveHalving([1, 3, 9]) == SuccessiveHalving.by_factor(1, 27)
    True
    """

    steps: Sequence[int]
    keep: float = 1 / 3

    def __post_init__(self) -> None:
        owner = "SuccessiveHalving"
        expected = "a share above 0 and at most 1, such as 1/3 for a reduction factor of 3"
        keep = number(owner, "keep", self.keep, expected, above=0.0)
        if keep > 1:
            raise wrong(owner, "keep", self.keep, expected)
        object.__setattr__(self, "steps", check_steps(owner, "steps", self.steps))
        object.__setattr__(self, "keep", keep)

    @classmethod
    def by_factor(cls, first: int, last: int, factor: int = 3) -> Self:
        """The rungs `first`, ``first * factor`` and so on below `last`; one in `factor` goes on.

        Other tuners name these numbers `grace_period`, `max_t` and `reduction_factor` (Ray Tune),
        or `min_resource`, `max_resource` and `reduction_factor` (Optuna).

        Parameters
        ----------
        first
            The first rung.
        last
            The last step of a complete training; no training is stopped there.
        factor
            One training in that many goes on.

        Raises
        ------
        OptionError
            Numbers below 1, a factor below 2, or no rung below `last`.

        Examples
        --------
        >>> SuccessiveHalving.by_factor(2, 40, 4)
        SuccessiveHalving(steps=(2, 8, 32), keep=0.25)
        """
        owner = "SuccessiveHalving.by_factor"
        rung, last = whole(owner, "first", first, 1), whole(owner, "last", last, 1)
        factor = whole(owner, "factor", factor, 2)
        if rung >= last:
            raise OptionError(
                f"{owner}(first={rung}, last={last}): there is no rung before the end"
            )
        steps = []
        while rung < last:
            steps.append(rung)
            rung *= factor
        return cls(steps, 1 / factor)

    def decide(self, curve: Curve, history: History) -> Decision | None:
        """Say what follows at the last step of a curve; None where it reaches no rung.

        The inputs are rung, value (as reported), reached (how many trainings have reached the rung,
        this one counted), place (1 for the best) and going_on (the last place that goes on).
        """
        rung = reached_checkpoint(self.steps, curve)
        if rung is None:
            return None
        sign = -1.0 if history.goal.maximize else 1.0
        own, better, reached = _loss(sign, curve[-1][1]), 0, 1
        found_itself = False
        for place, other, pending in self._at(rung, history):
            # the history may hold the running training, too, which is compared with itself
            if pending and not found_itself and _begins_with(other, place, curve):
                found_itself = True
                continue
            reached += 1
            better += _loss(sign, other[place][1]) < own
        going_on = max(1, math.floor(self.keep * reached + 1e-9))  # 0.29 * 100 is below 29
        inputs = {
            "rung": rung,
            "value": encoded(float(curve[-1][1])),
            "reached": reached,
            "place": better + 1,
            "going_on": going_on,
        }
        if own == math.inf:
            return Decision(self.keep < 1, inputs | {"diverged": True})
        return Decision(better >= going_on, inputs)

    def _at(self, rung: int, history: History) -> Iterator[tuple[int, Curve, bool]]:
        """The curves that were compared at a rung, or would have been.

        With each the place of the point that counts there, and whether its trial is pending.
        """
        then = self.steps.index(rung) + 1
        beyond = self.steps[then] if then < len(self.steps) else math.inf
        counting = history.of_stage() & ~history.in_state(State.INVALID)
        for id in np.flatnonzero(counting).tolist():
            curve = history[id].curve
            place = bisect_left(curve, rung, key=lambda point: point[0])
            if place < len(curve) and curve[place][0] < beyond:
                yield place, curve, history.is_pending(id)


def _loss(sign: float, value: float) -> float:
    """A value of a curve, smaller is better; infinite for a training that diverged there."""
    return sign * value if math.isfinite(value) else math.inf


def _begins_with(whole: Curve, place: int, part: Curve) -> bool:
    """Whether a curve begins with another one, whose last point would be at that place."""
    return place == len(part) - 1 and all(
        a[0] == b[0] and (a[1] == b[1] or (math.isnan(a[1]) and math.isnan(b[1])))
        for a, b in zip(reversed(whole[: place + 1]), reversed(part), strict=True)
    )
