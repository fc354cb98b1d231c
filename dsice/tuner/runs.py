"""Runs of trials: their learning curves, runs that were lost, and what was prepared for them."""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from dataclasses import replace

from dsice.history import History
from dsice.journal.format import (
    again_line,
    decision_line,
    encode_float,
    encode_mapping,
    extended_curve,
    prepared_line,
    step_line,
)
from dsice.stopping import SupportsStop, decide
from dsice.trial import Trial
from dsice.tuner import telling
from dsice.tuner.recorder import LineAndTrials, Recorder


class Runs:
    """Lost runs and preparations, as the journal has them; for whoever launches trials.

    Parameters
    ----------
    history
        All trials.
    recorder
        Writes the journal.
    mutex
        The tuner's.
    lost
        How often runs of each trial were lost, by id.
    preparations
        Directories of what was prepared, by name.
    """

    def __init__(
        self,
        history: History,
        recorder: Recorder,
        mutex: threading.RLock,
        lost: Counter[int],
        preparations: dict[str, str],
    ) -> None:
        self._history = history
        self._recorder = recorder
        self._mutex = mutex
        self._lost = lost
        self._preparations = preparations

    def lose(self, trial: Trial | int, error: str) -> int:
        """Record that a run of a pending trial was lost (the machine's fault) and starts again.

        Returns
        -------
        int
            How often runs of this trial were lost so far.

        Raises
        ------
        UnknownTrialError, TellError
            No trial has that id, or it was told already.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            known = telling.known_trial(trial, self._history)
            telling.require_untold(known)
            self._recorder.flush()
            self._recorder.commit(again_line(known.id, str(error)), [])
            self._lost[known.id] += 1
            return self._lost[known.id]

    def losses(self, trial: Trial | int) -> int:
        """How often a run of that trial was lost and started again."""
        return self._lost[telling.known_trial(trial, self._history).id]

    def prepared(self, name: str, directory: str | os.PathLike[str]) -> None:
        """Record that what trials depend on is ready: its name, and where it is.

        A name that exists already is replaced.

        Raises
        ------
        TellError
            An empty name, or a directory that is no text.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            place = telling.preparation_directory(name, directory)
            self._recorder.flush()
            self._recorder.commit(prepared_line(name, place), [])
            self._preparations[name] = place

    @property
    def preparations(self) -> dict[str, str]:
        """Directories of what was prepared, by name."""
        return dict(self._preparations)


# ------------------------------------------------------------------ learning curves
def record_step(recorder: Recorder, trial: Trial, step: int, value: float) -> None:
    """Write a point of a trial's curve, unless it is known already.

    A job that is attached again sends all of its steps once more.
    """

    def make() -> LineAndTrials:
        now = recorder.history[trial.id]
        grown = replace(now, curve=extended_curve(now.curve, step, value))
        return step_line(trial.id, step, value), [grown]

    if (step, value) not in trial.curve:
        recorder.tell(make)


def ask_stopper(recorder: Recorder, stopper: SupportsStop, id: int, step: int) -> bool:
    """Whether the stopper wants a trial stopped at a step; what it decides is written first.

    Only the last step of a curve is decided on: a job that is attached again sends those before
    it once more.
    """
    trial = recorder.history[id]
    if not trial.curve or trial.curve[-1][0] != step:
        return False
    decision = decide(stopper, trial.curve, recorder.history)
    if decision is None:
        return False
    by = type(stopper).__name__
    inputs = {name: _finite(value) for name, value in decision.inputs.items()}
    line = decision_line(
        step_line(id, step, trial.curve[-1][1]),
        by,
        encode_mapping(f"trial {id}", f"inputs of {by}", inputs),
        stop=bool(decision.stop),
    )
    recorder.tell(lambda: (line, []))
    return bool(decision.stop)


def _finite(value: object) -> object:
    """A value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return encode_float(value)
    return value
