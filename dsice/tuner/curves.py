"""Steps of learning curves: many of them in one write, and what a stopper makes of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

from dsice.history.curve import GrowingCurve, NewSteps
from dsice.journal.format import decision_line, encode_float, encode_mapping, step_line
from dsice.stopping import SupportsStop, decide
from dsice.tuner.recorder import LinesAndTrials, Recorder
from dsice.typing import Curve, Record

ReportedStep = tuple[int, int, float]
"""Id of a trial, step and value."""

Decided = dict[int, tuple[int, bool]]
"""What was decided last on a trial, by its id: at which step, and whether to stop it."""

FEW: Final = 64
"""Up to so many steps at once are decided on one by one, each before the next is recorded."""
PATIENCE: Final = 0.5
"""Seconds for the decisions on more of them; the newest step of each trial is decided on anyway."""


def record_steps(
    recorder: Recorder,
    stopper: SupportsStop | None,
    reported: Sequence[ReportedStep],
    decided: Decided,
) -> list[int]:
    """Write steps of running trials and what the stopper decides on them.

    A step that is known already is not written again: a job that is attached again sends all of
    its steps once more. For the same reason only the last step of a curve is decided on, and what
    was decided there stands, though other trials have come further meanwhile.

    Parameters
    ----------
    reported
        The steps in the order reported, of pending trials.
    decided
        What the journal has of earlier decisions; it is kept up to date.

    Returns
    -------
    list of int
        Ids of the trials that the stopper wants stopped.

    Raises
    ------
    JournalError
        They could not be written; they stay in hand.
    """
    if stopper is None:
        _write(recorder, reported)
        return []
    if len(reported) <= FEW:
        return [one[0] for one in reported if _one(recorder, stopper, one, decided)]
    return _many(recorder, stopper, reported, decided)


def _write(recorder: Recorder, reported: Sequence[ReportedStep]) -> None:
    """Write the steps that are not known yet, all at once."""
    curves: dict[int, GrowingCurve] = {}
    new: dict[int, list[tuple[int, float]]] = {}
    lines: list[Record] = []
    for id, step, value in reported:
        curve = curves.get(id)
        if curve is None:
            curve = recorder.history.curve(id)
            if len(reported) > 1:
                curve = curves[id] = curve.copy()
        if curve.has(step, value):
            continue
        if len(reported) > 1:
            curve.append(step, value)
        new.setdefault(id, []).append((step, value))
        lines.append(step_line(id, step, value))
    if lines:
        grown = [NewSteps(id, tuple(points)) for id, points in new.items()]
        made: LinesAndTrials = (lines, grown)
        recorder.tell(lambda: made)


def _one(
    recorder: Recorder, stopper: SupportsStop, reported: ReportedStep, decided: Decided
) -> bool:
    """Write one step, and whether the stopper wants its trial stopped there."""
    id, step, value = reported
    known = recorder.history.curve(id).has(step, value)
    _write(recorder, [reported])
    if not recorder.history.curve(id).ends_at(step):
        return False
    if known and decided.get(id, (None,))[0] == step:
        return decided[id][1]
    line = _decision(recorder, stopper, id, recorder.history[id].curve)
    if line is None:
        return False
    _write_decisions(recorder, [line], decided)
    return bool(line["stop"])


def _many(
    recorder: Recorder,
    stopper: SupportsStop,
    reported: Sequence[ReportedStep],
    decided: Decided,
) -> list[int]:
    """Write all steps, then decide on them as long as that takes no time that others wait for."""
    curves = {id: recorder.history.curve(id).copy() for id, *_ in reported}
    newest = {id: place for place, (id, *_) in enumerate(reported)}
    _write(recorder, reported)
    until = time.monotonic() + PATIENCE
    lines: list[Record] = []
    stopped: list[int] = []
    for place, (id, step, value) in enumerate(reported):
        curve = curves[id]
        known = curve.has(step, value)
        if not known:
            curve.append(step, value)
        if not curve.ends_at(step):
            continue
        if known and decided.get(id, (None,))[0] == step:
            stopped += [id] if decided[id][1] else []
        elif newest[id] == place or time.monotonic() < until:
            line = _decision(recorder, stopper, id, curve.points())
            lines += [] if line is None else [line]
    if lines:
        _write_decisions(recorder, lines, decided)
    stopped += [line["id"] for line in lines if line["stop"]]
    return list(dict.fromkeys(stopped))


def _write_decisions(recorder: Recorder, lines: Sequence[Record], decided: Decided) -> None:
    made: LinesAndTrials = (lines, [])
    new = {line["id"]: (line["step"], line["stop"]) for line in lines}
    recorder.tell(lambda: made, then=lambda _: decided.update(new))


def _decision(recorder: Recorder, stopper: SupportsStop, id: int, curve: Curve) -> Record | None:
    """The line of what the stopper decides at the last step of a curve; None: nothing."""
    decision = decide(stopper, curve, recorder.history)
    if decision is None:
        return None
    by = type(stopper).__name__
    inputs = {name: _finite(value) for name, value in decision.inputs.items()}
    return decision_line(
        step_line(id, *curve[-1]),
        by,
        encode_mapping(f"trial {id}", f"inputs of {by}", inputs),
        stop=bool(decision.stop),
    )


def _finite(value: object) -> object:
    """A value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return encode_float(value)
    return value
