"""The median stopping rule."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from dsice.checks import whole
from dsice.history import History
from dsice.stopping.base import (
    Decision,
    ReasonedStopper,
    check_steps,
    complete_trials,
    reached_checkpoint,
)
from dsice.typing import Curve


@dataclass(frozen=True)
class Median(ReasonedStopper):
    """Stop a training whose best value so far is worse than the median of the others' averages.

    The average of another training is that of its curve up to the same step.

    Parameters
    ----------
    checkpoints
        Steps at which a training is checked: at the first step that it reports there or later.
        None: every step.
    complete
        Nothing is stopped before that many complete trainings reach the step at hand.
    warmup
        Steps below this number never stop a training.

    Raises
    ------
    OptionError
        Steps that do not ascend, a number out of range.

    Notes
    -----
    The curve must be of the goal's own metric, or of one whose better values lie on the same side.
    Values that are NaN or infinite count for nothing in the best so far; a training that has none
    but these has diverged and is stopped. A complete training that ended before the step, or has
    such a value up to it, is left out.

    References
    ----------
    Golovin et al., Google Vizier, KDD 2017, section 3.2.

    Examples
    --------
    >>> from dsice.stopping import Median
    >>> Median(warmup=3).complete
    5
    """

    checkpoints: Sequence[int] | None = None
    complete: int = field(default=5, kw_only=True)
    warmup: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.checkpoints is not None:
            checkpoints = check_steps("Median", "checkpoints", self.checkpoints)
            object.__setattr__(self, "checkpoints", checkpoints)
        object.__setattr__(self, "complete", whole("Median", "complete", self.complete, 1))
        object.__setattr__(self, "warmup", whole("Median", "warmup", self.warmup, 0))

    def decide(self, curve: Curve, history: History) -> Decision | None:
        """Say what follows at the last step of a curve; None where there is nothing to decide.

        The inputs are checkpoint, complete (how many trainings it was compared with), left_out,
        best (so far) and, once there are enough of them, median (of the running averages). Values
        are those of the metric as reported.
        """
        step = curve[-1][0] if curve else -1
        checkpoint: int | None = step
        if self.checkpoints is not None:
            checkpoint = reached_checkpoint(self.checkpoints, curve)
        if not curve or step < self.warmup or checkpoint is None:
            return None
        sign = -1.0 if history.goal.maximize else 1.0
        complete = [_average(trial.curve, step) for trial, _ in complete_trials(history)]
        averages = [average for average in complete if average is not None]
        best = min((sign * v for _, v in curve if math.isfinite(v)), default=math.inf)
        inputs = {
            "checkpoint": checkpoint,
            "complete": len(averages),
            "left_out": len(complete) - len(averages),
            "best": sign * best if math.isfinite(best) else None,
        }
        if len(averages) < self.complete:
            return Decision(False, inputs)
        median = statistics.median(averages)
        return Decision(best > sign * median, inputs | {"median": median})


def _average(curve: Curve, step: int) -> float | None:
    """Mean of a curve up to a step; None if it ends before, or not all its values are finite."""
    values = [value for at, value in curve if at <= step]
    if curve[-1][0] < step or not values or not all(map(math.isfinite, values)):
        return None
    return statistics.fmean(values)
