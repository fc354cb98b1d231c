"""What is known of the runs of a study beside its trials: which were lost and started again, what was prepared."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

from dsice.history import History
from dsice.journal.format import extended, out
from dsice.stopping import SupportsStop, decide
from dsice.trial import Trial
from dsice.tuner import telling
from dsice.tuner.recorder import Made, Recorder
from dsice.tuner.telling import plain


class Runs:
    """Lost runs and preparations, as the journal has them; for whoever launches trials.

    Parameters
    ----------
    mutex
        That of the tuner.
    lost
        How often runs of each trial were lost.
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
        self._history, self._recorder, self._mutex = history, recorder, mutex
        self._lost, self._preparations = lost, preparations

    def lose(self, trial: Trial | int, error: str) -> int:
        """Record that a run of a pending trial was lost (the machine's fault) and that it starts again; how often so far.

        Raises
        ------
        UnknownTrialError, TellError
            No trial has that id, or it was told already.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            known = telling.known(trial, self._history)
            telling.untold(known)
            self._recorder.flush()
            self._recorder.commit(
                {"kind": "again", "at": time.time(), "id": known.id, "error": str(error)}, []
            )
            self._lost[known.id] += 1
            return self._lost[known.id]

    def losses(self, trial: Trial | int) -> int:
        """How often a run of that trial was lost and started again."""
        return self._lost[telling.known(trial, self._history).id]

    def prepared(self, name: str, directory: str | os.PathLike[str]) -> None:
        """Record that what trials depend on is ready: its name, and where it is. A name that is there already is replaced.

        Raises
        ------
        TellError
            An empty name, or a directory that is no text.
        JournalError
            It could not be written; nothing is recorded.
        """
        with self._mutex:
            place = telling.directory(name, directory)
            self._recorder.flush()
            self._recorder.commit({"kind": "prepared", "name": name, "directory": place}, [])
            self._preparations[name] = place

    @property
    def preparations(self) -> dict[str, str]:
        """Directories of what was prepared, by name."""
        return dict(self._preparations)


def record_step(recorder: Recorder, trial: Trial, step: int, value: float) -> None:
    """Write a point of a trial's curve, but for one that is known: an attached job sends all of them again."""

    def make() -> Made:
        now = recorder.history[trial.id]
        record = {"kind": "step", "id": trial.id, "step": step, "value": out(value)}
        return record, [replace(now, curve=extended(now.curve, step, value))]

    if (step, value) not in trial.curve:
        recorder.tell(make)


def judged(recorder: Recorder, stopper: SupportsStop, id: int, step: int) -> bool:
    """Ask the stopper at a step of a trial; what it decides is written before it counts."""
    decided = decision_record(stopper, recorder.history[id], step, recorder.history)
    if decided is None:
        return False
    recorder.tell(lambda: (decided, []))
    return bool(decided["stop"])


def decision_record(
    stopper: SupportsStop, trial: Trial, step: int, history: History
) -> dict[str, Any] | None:
    """What the stopper decides at a step of a trial; None where it decides nothing.

    Only the last step of a curve is decided on: a job that is attached again sends those before once more.
    """
    if not trial.curve or trial.curve[-1][0] != step:
        return None
    decision = decide(stopper, trial.curve, history)
    if decision is None:
        return None
    value, by = trial.curve[-1][1], type(stopper).__name__
    inputs = plain(
        f"trial {trial.id}",
        f"inputs of {by}",
        {name: _finite(v) for name, v in decision.inputs.items()},
    )
    about = {
        "kind": "decision",
        "at": time.time(),
        "id": trial.id,
        "step": step,
        "value": out(value),
        "by": by,
    }
    return {**about, "stop": bool(decision.stop), "inputs": inputs}


def _finite(value: object) -> object:
    """JSON has no NaN and no infinity."""
    return out(value) if isinstance(value, float) and not math.isfinite(value) else value
