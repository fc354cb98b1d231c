"""Learning curves of running trials: a point of one, and what a stopper makes of it, as lines of the journal."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

from dsice.history import History
from dsice.journal.format import extended, out
from dsice.stopping import Stopper, decide
from dsice.trial import Trial
from dsice.tuner.recorder import Recorder
from dsice.tuner.telling import plain
from dsice.tuner.unwritten import Made


def record_step(recorder: Recorder, trial: Trial, step: int, value: float) -> None:
    """Write a point of a trial's curve, but for one that is known: an attached job sends all of them again."""

    def make() -> Made:
        now = recorder.history[trial.id]
        record = {"kind": "step", "id": trial.id, "step": step, "value": out(value)}
        return record, [replace(now, curve=extended(now.curve, step, value))]

    if (step, value) not in trial.curve:
        recorder.tell(make)


def judged(recorder: Recorder, stopper: Stopper, id: int, step: int) -> bool:
    """Ask the stopper at a step of a trial; what it decides is written before it counts."""
    decided = decision_record(stopper, recorder.history[id], step, recorder.history)
    if decided is None:
        return False
    recorder.tell(lambda: (decided, []))
    return bool(decided["stop"])


def decision_record(
    stopper: Stopper, trial: Trial, step: int, history: History
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
