"""What each line of a journal says, written into a history one by one: the loader's twin."""

from __future__ import annotations

from dataclasses import replace

from dsice import History
from dsice.journal.format import Kind, asked_trial, decode_float, told_trial
from dsice.space import Space
from dsice.trial import State, Trial
from dsice.typing import Point, Record

ASKED = (
    *("id", "round", "params", "point", "stage", "repeat", "member", "parent"),
    *("overrides", "note"),
)
"""What stays of a trial that is tried again."""


def apply(
    line: Record, history: History, space: Space, queue: list[Point], metric: str = "value"
) -> None:
    """Write what a line says into the history and the queue of enqueued points.

    Parameters
    ----------
    metric
        The goal's metric when the line was written.
    """
    match line["kind"]:
        case Kind.ASK:
            for asked in line["trials"]:
                trial = asked_trial(asked, space, line.get("round"))
                history.write(trial)
                remove(queue, trial)
        case Kind.TELL:
            trial = history[line["id"]]
            if tuple(line.get("point", trial.point)) != trial.point:
                raise ValueError(
                    f"trial {trial.id} was asked at {list(trial.point)}, not at {line['point']}"
                )
            history.write(told_trial(trial, line, metric))
        case Kind.ADD:
            trial = asked_trial(line["trial"], space, None)
            history.write(told_trial(trial, line["trial"], metric))
            remove(queue, trial)
        case Kind.STEP:
            trial = history[line["id"]]
            before = tuple(point for point in trial.curve if point[0] < line["step"])
            now = (line["step"], decode_float(line["value"]))
            history.write(replace(trial, curve=(*before, now)))
        case Kind.WITHDRAW:
            trial = history[line["id"]]
            history.write(replace(trial, state=State.WITHDRAWN, error=line["reason"]))
        case Kind.RETRY:
            trial = history[line["id"]]
            kept = {name: getattr(trial, name) for name in ASKED}
            history.write(Trial(**kept))
        case Kind.ENQUEUE:
            queue.append(tuple(line["point"]))


def remove(queue: list[Point], trial: Trial) -> None:
    """A point that was asked or added need not be asked any more."""
    if trial.identity == (trial.point, 0, 0, 0) and trial.point in queue:
        queue.remove(trial.point)
