"""Learning-curve matching: judge a running training by the complete one that it resembles most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsice.checks import number, whole, wrong
from dsice.errors import OptionError
from dsice.history import History
from dsice.stopping.base import (
    Decision,
    ReasonedStopper,
    check_steps,
    complete_trials,
    encoded,
    reached_checkpoint,
    value_at,
)
from dsice.trial import Trial
from dsice.typing import Curve, Floats


@dataclass(frozen=True)
class LearningCurveMatching(ReasonedStopper):
    """Stop a training whose curve resembles one that ended badly.

    At first nothing is stopped: of each complete training the losses at the cumulative `points`
    and the final value are kept. Once there are `complete` of them, the running curve is compared
    at each checkpoint with each complete one, by the Euclidean distance over the points so far. The
    final value of the most similar curve is the prediction, and its rank percentage among all
    complete ones decides.

    Parameters
    ----------
    points
        Cumulative points: the steps at which losses are compared. A curve's value at a point is
        the last one that it reported by then.
    checkpoints
        Steps at which a running training is checked: at the first step that it reports there or
        later.
    complete
        Nothing is stopped before there are that many complete curves that go at least as far as
        the checkpoint's points.
    stop_rank
        A training is stopped where its predicted rank percentage is above it: the place of the
        prediction among the complete final values (1 for the best; equal values share a place)
        over their number. 1 stops nothing.

    Raises
    ------
    OptionError
        Steps that do not ascend, a checkpoint with no point before it, a number out of range.

    Notes
    -----
    Complete curves that end before a point, or are NaN or infinite at one, are left out there. A
    point before the first step of the running curve is left out for all. A running value that is
    NaN or infinite at the checkpoint, or at a point so far, is a training that diverged: its rank
    percentage is 1.

    Curves are compared as they were reported. Final values are those of the goal's metric without a
    weight for run time, its direction taken into account; whether bounds on other metrics hold does
    not matter.

    Examples
    --------
    >>> from dsice.stopping import LearningCurveMatching
    >>> LearningCurveMatching([1, 2, 4, 8], [4, 8]).complete
    10
    """

    points: Sequence[int]
    checkpoints: Sequence[int]
    complete: int = field(default=10, kw_only=True)
    stop_rank: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        owner = "LearningCurveMatching"
        points = check_steps(owner, "points", self.points)
        checkpoints = check_steps(owner, "checkpoints", self.checkpoints)
        if checkpoints[0] < points[0]:
            raise OptionError(
                f"{owner}(checkpoints={list(checkpoints)}): there is no point up to the first one, "
                f"{checkpoints[0]}; the points are {list(points)}"
            )
        stop_rank = number(owner, "stop_rank", self.stop_rank, "a share, 0 to 1")
        if stop_rank > 1:
            raise wrong(owner, "stop_rank", self.stop_rank, "a share, 0 to 1")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "checkpoints", checkpoints)
        object.__setattr__(self, "complete", whole(owner, "complete", self.complete, 1))
        object.__setattr__(self, "stop_rank", stop_rank)

    def decide(self, curve: Curve, history: History) -> Decision | None:
        """Say what follows at the last step of a curve; None where it reaches no checkpoint.

        The inputs are checkpoint, points (those compared), values (of the running curve at them),
        complete (how many curves it was compared with) and left_out. Once there are enough complete
        curves, there are also matched (id of the most similar trial), distance, predicted (its
        final value, smaller is better) and rank (its rank percentage).
        """
        checkpoint = reached_checkpoint(self.checkpoints, curve)
        if checkpoint is None:
            return None
        points = [p for p in self.points if p <= checkpoint and value_at(curve, p) is not None]
        running = np.array([value_at(curve, p) for p in points], dtype=float)
        complete = [
            (trial.id, final, _values_at(trial, points))
            for trial, final in complete_trials(history)
        ]
        compared = [(id, final, values) for id, final, values in complete if values is not None]
        inputs = {
            "checkpoint": checkpoint,
            "points": points,
            "values": [encoded(value) for value in running.tolist()],
            "complete": len(compared),
            "left_out": len(complete) - len(compared),
        }
        if len(compared) < self.complete or not points:
            return Decision(False, inputs)
        if not (np.isfinite(running).all() and math.isfinite(curve[-1][1])):
            return Decision(self.stop_rank < 1, inputs | {"rank": 1.0, "diverged": True})
        found = _match(running, compared)
        return Decision(found["rank"] > self.stop_rank, inputs | found)


def _match(running: Floats, compared: list[tuple[int, float, Floats]]) -> dict[str, Any]:
    """Find the complete curve nearest to the running one, and the rank of its final value.

    Parameters
    ----------
    running
        Values of the running curve at the points, shape (points,).
    compared
        Ids, final values and values at the points of the complete curves.
    """
    finals = np.array([final for _, final, _ in compared])
    curves = np.array([values for _, _, values in compared])
    with np.errstate(over="ignore"):  # distances of curves near the largest float
        distances = np.linalg.norm(curves - running, axis=1)
    nearest = int(np.argmin(distances))  # the oldest of equally near ones
    return {
        "matched": compared[nearest][0],
        "distance": encoded(float(distances[nearest])),
        "predicted": float(finals[nearest]),
        "rank": (1 + int(np.sum(finals < finals[nearest]))) / len(finals),
    }


def _values_at(trial: Trial, points: Sequence[int]) -> Floats | None:
    """Values of a complete curve at the points, shape (points,).

    None if the curve ends before the last point, begins after the first, or is not finite at one.
    """
    if not points or trial.curve[-1][0] < points[-1]:
        return None
    values = [value_at(trial.curve, p) for p in points]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    return np.array(values, dtype=float)
