"""Results that cannot be told as they came: the program ran, or the launcher says odd things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsice.checks import shown
from dsice.errors import TellError
from dsice.launchers.base import Result
from dsice.trial import Trial
from dsice.tuner import Tuner


def tell_unusable(
    tuner: Tuner, result: Result, problem: TellError, facts: Mapping[str, Any]
) -> Trial:
    """Tell a trial as failed; what it measured is kept where that can be recorded.

    Parameters
    ----------
    problem
        Why the result could not be told.
    facts
        Its run time, times and place, which may be what is wrong.
    """
    error = _missing_metrics(tuner, result) or f"{problem}"
    log = result.where.get("log")
    if log:
        error += f"; log: {log}"
    for known in (facts, {}):
        try:
            return tuner.tell(result.id, result.value, metrics=result.metrics, error=error, **known)
        except TellError:
            continue
    try:
        return tuner.tell(result.id, error=error, **facts)
    except TellError:
        return tuner.tell(result.id, error=error)


def _missing_metrics(tuner: Tuner, result: Result) -> str:
    """What the goal needs and the program did not give; empty: something else is wrong."""
    goal = tuner.history.goal
    given = set(result.metrics)
    if result.value is not None:
        given |= {goal.metric, "value"}
    needed = dict.fromkeys((goal.metric, *goal.bounded))
    missing = [name for name in needed if name not in given]
    if result.state != "done" or not missing:
        return ""
    gave = f"the metrics {', '.join(result.metrics)}" if result.metrics else "a plain number"
    other = [name for name in missing if name in result.tags]
    if other:
        gave += f" and {other[0]} = {shown(result.tags[other[0]])}, which is no number"
    return (
        f"the program gave {gave}, and the goal needs {', '.join(map(repr, missing))}: "
        "let the program give it, or name another metric in the Goal"
    )
