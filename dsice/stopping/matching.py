"""Learning-curve matching: a running training is judged by the complete one that it resembles most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from dsice.errors import OptionError
from dsice.history import Array, History
from dsice.stopping.base import Decision, at, complete, count, reached, steps
from dsice.trial import Trial
from dsice.typing import Curve


@dataclass(frozen=True)
class LearningCurveMatching:
    """Stop a training whose curve resembles one that ended badly.

    In the accumulation stage nothing stops: of each complete training the loss at the cumulative `points` and its final
    value are kept. Once there are `complete` of them, at each checkpoint the Euclidean distance of the running curve to
    each complete one over the points so far is taken; the final value of the most similar one is the prediction, and its
    rank percentage among all complete ones decides.

    Parameters
    ----------
    points
        Cumulative points: the steps at which losses are compared. A curve's value at a point is the last one that it
        reported by then.
    checkpoints
        Steps at which a running training is checked: at the first step that it reports there or later.
    complete
        Nothing stops before there are that many complete curves that go at least as far as the checkpoint's points.
    stop_rank
        A training is stopped where its predicted rank percentage is above it: place of the prediction among the complete
        final values (1 for the best; equal values share a place) over their number. 1 stops nothing.

    Raises
    ------
    OptionError
        Steps that do not ascend, a checkpoint with no point before it, a number out of range.

    Notes
    -----
    Complete curves that end before a point, or are NaN or infinite at one, are left out there. A point before the first
    step of the running curve is left out for all. A running value that is NaN or infinite at the checkpoint, or at a
    point so far, is a training that diverged: its rank percentage is 1.

    Curves are compared as they were told. Final values are those of the goal's metric without a weight for run time,
    its direction seen to; whether bounds on other metrics hold does not matter.

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
        for name in ("points", "checkpoints"):
            object.__setattr__(
                self, name, steps("LearningCurveMatching", name, getattr(self, name))
            )
        if self.checkpoints[0] < self.points[0]:
            raise OptionError(
                f"LearningCurveMatching(checkpoints={list(self.checkpoints)}): there is no point up to the first one, "
                f"{self.checkpoints[0]}; the points are {list(self.points)}"
            )
        object.__setattr__(
            self, "complete", count("LearningCurveMatching", "complete", self.complete, 1)
        )
        if (
            not isinstance(self.stop_rank, Real)
            or isinstance(self.stop_rank, bool)
            or not 0 <= float(self.stop_rank) <= 1
        ):
            raise OptionError(
                f"LearningCurveMatching(stop_rank={self.stop_rank!r}): expected a share, 0 to 1"
            )
        object.__setattr__(self, "stop_rank", float(self.stop_rank))

    def stop(self, curve: Curve, history: History) -> bool:
        """Whether to stop the trial with this curve now."""
        decision = self.decide(curve, history)
        return decision is not None and decision.stop

    def decide(self, curve: Curve, history: History) -> Decision | None:
        """What follows at the last step of the curve; None where it reaches no checkpoint.

        The inputs: checkpoint, points (those compared), values (there), complete (how many curves it was compared with)
        and left_out; once there are enough of them also matched (id of the most similar trial), distance, predicted
        (its final value, less is better) and rank (its rank percentage).
        """
        checkpoint = reached(self.checkpoints, curve)
        if checkpoint is None:
            return None
        points = [p for p in self.points if p <= checkpoint and at(curve, p) is not None]
        values = [at(curve, p) for p in points]
        own = np.array(values, dtype=float)
        known = [(trial, final, _values(trial, points)) for trial, final in complete(history)]
        good = [(trial.id, final, there) for trial, final, there in known if there is not None]
        inputs = {
            "checkpoint": checkpoint,
            "points": points,
            "values": [_plain(v) for v in own.tolist()],
            "complete": len(good),
            "left_out": len(known) - len(good),
        }
        if len(good) < self.complete or not points:
            return Decision(False, inputs)
        if not (np.isfinite(own).all() and math.isfinite(curve[-1][1])):
            return Decision(self.stop_rank < 1, inputs | {"rank": 1.0, "diverged": True})
        return self._matched(own, good, inputs)

    def _matched(
        self,
        own: Array,
        good: list[tuple[int, float, Array]],
        inputs: dict[str, object],
    ) -> Decision:
        ids, finals = [id for id, _, _ in good], np.array([final for _, final, _ in good])
        with np.errstate(over="ignore"):  # distances of curves near the largest float
            distances = np.linalg.norm(np.array([there for _, _, there in good]) - own, axis=1)
        nearest = int(np.argmin(distances))  # the oldest of equally near ones
        rank = (1 + int(np.sum(finals < finals[nearest]))) / len(finals)
        found = {
            "matched": ids[nearest],
            "distance": _plain(float(distances[nearest])),
            "predicted": float(finals[nearest]),
            "rank": rank,
        }
        return Decision(rank > self.stop_rank, inputs | found)


def _values(trial: Trial, points: Sequence[int]) -> Array | None:
    """A complete curve at the points, shape (points,); None if it ends before, begins after or is not finite at one."""
    if not points or trial.curve[-1][0] < points[-1]:
        return None
    values = [at(trial.curve, p) for p in points]
    if any(v is None or not math.isfinite(v) for v in values):
        return None
    return np.array(values, dtype=float)


def _plain(value: float) -> float | str:
    """For JSON, which has no NaN and no infinity."""
    return value if math.isfinite(value) else str(value)
