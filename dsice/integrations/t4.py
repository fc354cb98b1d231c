"""A study as results in the T4 format, which Kernel Tuner, KTT and their tools exchange."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dsice.errors import OptionError
from dsice.journal.files import replace_file
from dsice.space.values import as_json
from dsice.trial import State, Trial
from dsice.tuner import Tuner
from dsice.typing import PathLike

__all__ = ["write_t4"]

_INVALIDITY = {
    State.DONE: "correct",
    State.FAILED: "runtime",
    State.TIMED_OUT: "timeout",
    State.INVALID: "correctness",
}
"""What T4 calls what became of a trial; the others are no results."""


def write_t4(given: PathLike | Tuner, path: PathLike) -> int:
    """Write the results of a study in the T4 format; `Table` and `Source` read it, too.

    Trials that were stopped early, are pending, lost or withdrawn are left out.

    Parameters
    ----------
    given
        A journal, or a tuner.
    path
        The file to write, in the place of one of that name.

    Returns
    -------
    int
        How many results were written.

    Raises
    ------
    JournalError, SpaceError
        The journal cannot be read.
    OptionError
        A condition (`When`) switches parameters off.

    Examples
    --------
    >>> from dsice import Tuner
    >>> from dsice.integrations.t4 import write_t4
    >>> from dsice.reuse.results import read_results
    >>> tuner = Tuner({"tile": [8, 16, 32]})
    >>> for trial in tuner.ask(3):
    ...     trial = tuner.tell(trial, abs(trial.params["tile"] - 16))
    >>> write_t4(tuner, "results.json")
    3
    >>> read_results("results.json").params
    ('tile',)
    """
    tuner = given if isinstance(given, Tuner) else Tuner.read(given)
    if tuner.space.conditional:
        raise OptionError("write_t4: in the T4 format every result has all parameters (no When)")
    metric = tuner.history.goal.metric
    results = [_result(trial, metric) for trial in tuner.history if trial.state in _INVALIDITY]
    content = {
        "schema_version": "1.0.0",
        "metadata": {"timeunit": "milliseconds"},
        "results": results,
    }
    replace_file(Path(path), json.dumps(content, indent=1, allow_nan=False) + "\n")
    return len(results)


def _result(trial: Trial, metric: str) -> dict[str, Any]:
    measured = dict(trial.metrics)
    if trial.value is not None:
        measured[metric] = trial.value
    ended = trial.times[2]
    timestamp = "" if ended is None else datetime.fromtimestamp(ended, UTC).isoformat()
    return {
        "timestamp": timestamp,
        "configuration": as_json(dict(trial.params)),
        "times": {
            "compilation": 0,
            "benchmark": 1000 * (trial.seconds or 0.0),
            "framework": 0,
            "search_algorithm": 0,
            "validation": 0,
            "runtimes": [value for value in trial.values if math.isfinite(value)],
        },
        "invalidity": _INVALIDITY[trial.state],
        "correctness": int(trial.state == State.DONE),
        "measurements": [
            {"name": name, "value": value, "unit": ""}
            for name, value in measured.items()
            if math.isfinite(value)
        ],
        "objectives": [metric],
    }
