"""All parts of a report as one object of JSON; a part of which there is nothing is left out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsice.report import curves, failures, lines, model, outcome, study, trials
from dsice.report.advice import advice
from dsice.spline.numerics import one_thread
from dsice.tuner import Tuner


@dataclass(frozen=True)
class About:
    """What a report says beside what the tuner knows.

    Attributes
    ----------
    title
        Heading of the page.
    journal
        The file that the tuner was read from, if any.
    command
        From params to the command that runs the program with them; None: options named like the
        parameters.
    facts
        More lines under "How to reproduce", by name.
    reload
        Seconds after which the page loads itself again; None: never.
    """

    title: str
    journal: Path | None = None
    command: outcome.Command | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    reload: float | None = None


def contents(tuner: Tuner, about: About) -> dict[str, Any]:
    """Everything that the page shows.

    Parts are optional, and a state or an end is a word: what another dsice adds to them is shown
    as it comes.
    """
    history = tuner.history
    axes = trials.axes(history, tuner.space)
    data: dict[str, Any] = {
        "made": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "reload": about.reload,
        "study": study.study(tuner, about.title),
        "axes": axes,
        "trials": trials.columns(history, tuner.space),
        "start": study.start_of(tuner),
        "best": outcome.best(tuner, about.command),
        "leaders": outcome.leaders(tuner),
        "end": outcome.end(tuner),
        "curves": curves.curves(history),
        "failures": failures.failures(history, tuner.space),
        "reproduce": study.reproduce(tuner, about.journal, about.facts),
    }
    with one_thread():
        data |= _modelled(tuner, axes)
        data["sources"] = study.sources(tuner)
    data["advice"] = advice(tuner, data["end"]["over"], data.get("importance"))
    if "next" in data["end"]:
        data["advice"].append(data["end"].pop("next"))
    return {name: part for name, part in data.items() if part is not None}


def _modelled(tuner: Tuner, axes: list[dict[str, Any]]) -> dict[str, Any]:
    """The parts that the model has a say in."""
    history = tuner.history
    sign = -1.0 if history.goal.maximize and not history.weighs_time else 1.0
    fitted = model.fitted(tuner)
    found: dict[str, Any] = {"model": {"why_not": fitted.why_not, "notes": fitted.notes}}
    best = history.best
    if fitted.model is not None and best is not None:
        found["importance"] = model.importance(fitted.model)
        found["effects"] = model.effects(fitted.model, axes, sign)
        found["lines"] = lines.lines(history, fitted.model, best, sign)
    return found
