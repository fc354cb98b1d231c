"""What came of a search: the best with its gain, the settings to copy, and why the search ended."""

from __future__ import annotations

import json
import math
import re
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dsice.report.encode import number, text, value
from dsice.report.study import start_trial
from dsice.space.values import as_json, as_text
from dsice.stopping import savings
from dsice.trial import State, Trial
from dsice.tuner import Tuner
from dsice.tuner.ending import end_to_show

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
Command = Callable[[Mapping[str, Any]], str]
"""From params to the command that runs the program with them."""


def best(tuner: Tuner, command: Command | None) -> dict[str, Any] | None:
    """The best trial with all measurements of its point, its gain and its settings."""
    trial = tuner.best
    if trial is None or trial.value is None:
        return None
    goal = tuner.history.goal
    first = start_trial(tuner)
    of_start = None
    if first is not None and first.state is State.DONE:
        of_start = tuner.history.at(first.point, member=first.member)
    found: dict[str, Any] = {
        "id": trial.id,
        "value": number(trial.value),
        "n": len(trial.values),
        "spread": number(trial.spread),
        "confirmed": trial.stage > goal.stage,
        "feasible": not goal.violation(trial),
        "seconds": number(trial.seconds, 6),
        "params": {text(name, 200): value(given) for name, given in trial.params.items()},
        "metrics": {text(name, 200): number(given) for name, given in trial.metrics.items()},
        "settings": settings(trial.params, command),
    }
    if of_start is not None and of_start.value is not None:
        found["gain"] = _gain(trial, of_start) | {"over": "the start"}
    else:
        done = [goal.metric_of(t) for t in tuner.history if t.state is State.DONE]
        here = tuner.history.of_stage()[tuner.history.in_state(State.DONE)].tolist()
        finite = [v for v, counts in zip(done, here, strict=True) if counts and math.isfinite(v)]
        if len(finite) > 1:
            middle = statistics.median(finite)
            found["gain"] = _compared(trial.value, middle) | {"over": "the median trial"}
    return found


def _gain(trial: Trial, other: Trial) -> dict[str, Any]:
    """By how much a trial beats another, with the standard error where both have repeats."""
    found = _compared(trial.value or 0.0, other.value or 0.0)
    if trial.spread is not None and other.spread is not None:
        error = math.hypot(
            trial.spread / math.sqrt(len(trial.values)), other.spread / math.sqrt(len(other.values))
        )
        found["error"] = number(error, 3)
    found["same"] = trial.point == other.point
    return found


def _compared(value: float, other: float) -> dict[str, Any]:
    """Both values, their difference and, where they have one sign, its share of the other."""
    found: dict[str, Any] = {"from": number(other), "difference": number(value - other, 6)}
    if other and value * other > 0 and math.isfinite(value / other):
        found["share"] = number((value - other) / abs(other), 4)
    return found


def settings(params: Mapping[str, Any], command: Command | None = None) -> dict[str, str]:
    """Params as a command line, as JSON and as TOML."""
    line = command(params) if command is not None else _options(params)
    return {
        "command line": text(line, 20_000),
        "JSON": text(json.dumps(as_json(dict(params)), ensure_ascii=False), 20_000),
        "TOML": text("\n".join(_toml(params)), 20_000),
    }


def _options(params: Mapping[str, Any]) -> str:
    return " ".join(
        f"{shlex.quote(f'--{name}')} {shlex.quote(as_text(given))}"
        for name, given in params.items()
    )


def _toml(params: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, given in params.items():
        key = name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        written = _toml_value(given)
        lines.append(f"# {key}: no TOML for None" if written is None else f"{key} = {written}")
    return lines


def _toml_value(given: object) -> str | None:
    """A value in TOML; None where TOML has no word for it."""
    if given is None:
        return None
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, (int, float)):
        return as_text(given)
    if isinstance(given, (list, tuple)):
        parts = [_toml_value(part) for part in given]
        return None if None in parts else f"[{', '.join(filter(None, parts))}]"
    if isinstance(given, Mapping):
        pairs = [(json.dumps(str(name)), _toml_value(part)) for name, part in given.items()]
        if any(part is None for _, part in pairs):
            return None
        return "{" + ", ".join(f"{name} = {part}" for name, part in pairs) + "}"
    return json.dumps(str(given), ensure_ascii=False)


def leaders(tuner: Tuner) -> list[list[Any]]:
    """How the best became what it is: [id of the trial, the best value from then on]."""
    return [[id, number(trial.value)] for id, trial in tuner.history.leaders()]


def end(tuner: Tuner) -> dict[str, Any]:
    """How far the search is, and why it goes no further where it has ended."""
    history = tuner.history
    states = Counter(str(t.state) for t in history)
    found: dict[str, Any] = {"states": dict(states.most_common()), "over": False}
    told, added = history.seconds(), history.added()
    if (told >= 0).any():
        found["seconds"] = number(tuner.run_seconds, 6)
    if (told[added] >= 0).any():
        found["added_seconds"] = number(float(np.nansum(told[added])), 6)
    saved = savings(history)
    if saved.stopped and not math.isnan(saved.share):
        found["saved"] = number(saved.share, 3)
    waiting = len(history.pending())
    if not len(history):
        found["why"] = "Nothing has been asked yet."
    elif waiting:
        found["why"] = (
            f"It has not ended: {waiting} trial{'s are' if waiting != 1 else ' is'} running, "
            "waiting, or left by a coordinator that ended."
        )
    else:
        found |= _why_ended(tuner)
    return found


def _why_ended(tuner: Tuner) -> dict[str, Any]:
    """Why a search of which nothing is pending goes on or not."""
    found = end_to_show(tuner)
    if found is None:
        return {"why": "Nothing is running; the search can go on from here (dsice resume)."}
    why = {"why": f"{_sentence(str(found))}.", "over": True}
    return why | ({"next": f"{_sentence(found.advice)}."} if found.advice else {})


def _sentence(words: str) -> str:
    return text(f"{words[:1].upper()}{words[1:]}", 1000)
