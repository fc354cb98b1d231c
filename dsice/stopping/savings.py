"""What a stopper saved: epochs that were run, beside those of the search without a stopper."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from dsice.history import History
from dsice.trial import State


@dataclass(frozen=True)
class Savings:
    """Epochs (points of learning curves) of a search.

    Attributes
    ----------
    stopped
        How many trials were stopped early.
    epochs
        Points of the curves of all complete and stopped trials.
    full
        What these would be if each stopped trial had gone on to the median length of the complete
        ones; None while there is no complete curve.

    Examples
    --------
    >>> from dsice.stopping import Savings
    >>> Savings(stopped=3, epochs=50, full=80.0).share
    0.375
    """

    stopped: int
    epochs: int
    full: float | None

    @property
    def share(self) -> float:
        """Share of the epochs that was saved, 0 to 1; NaN while there is no complete curve."""
        return 1.0 - self.epochs / self.full if self.full else float("nan")


def savings(history: History) -> Savings:
    """What stopping early saved in a search.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.stopping import savings
    >>> tuner = Tuner({"x": [0, 1]})
    >>> for trial, epochs in zip(tuner.ask(2), (4, 1), strict=True):
    ...     for epoch in range(epochs):
    ...         stop = tuner.step(trial, epoch, 1.0)
    ...     ended = tuner.tell(trial, 1.0) if epochs == 4 else tuner.tell(trial, state="stopped")
    >>> savings(tuner.history).share
    0.375
    """
    complete = [len(t.curve) for t in history if t.state is State.DONE and t.curve]
    cut = [len(t.curve) for t in history if t.state is State.STOPPED]
    usual = statistics.median(complete) if complete else None
    full = None if usual is None else sum(complete) + sum(max(usual, n) for n in cut)
    return Savings(len(cut), sum(complete) + sum(cut), full)
