"""A stopper's decision as a line of the journal."""

from __future__ import annotations

import math
import time
from typing import Any

from dsice.history import History
from dsice.records import out
from dsice.stopping import Stopper, decide
from dsice.telling import plain
from dsice.trial import Trial


def decision_record(stopper: Stopper, trial: Trial, step: int, history: History) -> dict[str, Any] | None:
    """What the stopper decides at a step of a trial; None where it decides nothing.

    Only the last step of a curve is decided on: a job that is attached again sends those before once more.
    """
    if not trial.curve or trial.curve[-1][0] != step:
        return None
    decision = decide(stopper, trial.curve, history)
    if decision is None:
        return None
    value, by = trial.curve[-1][1], type(stopper).__name__
    inputs = plain(f"trial {trial.id}", f"inputs of {by}", {name: _finite(v) for name, v in decision.inputs.items()})
    about = {"kind": "decision", "at": time.time(), "id": trial.id, "step": step, "value": out(value), "by": by}
    return {**about, "stop": bool(decision.stop), "inputs": inputs}


def _finite(value: object) -> object:
    """JSON has no NaN and no infinity."""
    return out(value) if isinstance(value, float) and not math.isfinite(value) else value
