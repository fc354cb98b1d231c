"""What was tuned, under which goal, from which start, and how to do all of it again."""

from __future__ import annotations

import hashlib
import math
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dsice.goal import Goal, Seconds, Share
from dsice.goal import Trials as TrialsEnd
from dsice.history import History, points
from dsice.history.frames import less_is_better
from dsice.journal.files import read_file
from dsice.report.encode import number, text, value
from dsice.space import Require, Rule, When
from dsice.strategies import as_strategy
from dsice.trial import State, Trial
from dsice.tuner import Tuner

LIBRARIES = ("numpy", "scipy", "numba", "pandas")


def study(tuner: Tuner, title: str) -> dict[str, Any]:
    """The title, the goal, the size of the space, the strategy and the budget."""
    goal, space = tuner.history.goal, tuner.space
    return {
        "title": text(title, 300),
        "metric": text(goal.metric, 200),
        "maximize": goal.maximize,
        "of": goal.of,
        "stage": goal.stage,
        "score": tuner.history.weighs_time,
        "goal": text(_goal(goal), 1000),
        "bounds": _bounds(tuner.history),
        "size": str(space.size),
        "shape": list(space.shape),
        "valid": number(space.count if space.enumerable else None),
        "rules": [text(_rule(rule), 500) for rule in space.where],
        "strategy": type(tuner.strategy).__name__,
        "budget": tuner.max_trials,
        "asked": tuner.asked,
    }


def start_of(tuner: Tuner) -> dict[str, Any] | None:
    """The user's own setting and what was measured of it; None where there was none."""
    trial = start_trial(tuner)
    own = as_strategy(tuner.strategy).own_setting(tuner.space)
    if trial is None and own is None:
        return None
    params = trial.params if trial is not None else tuner.space.params(own or ())
    found: dict[str, Any] = {"params": {text(k, 200): value(v) for k, v in params.items()}}
    if trial is not None:
        found["id"] = trial.id
        measured = None
        if trial.state is State.DONE:
            measured = tuner.history.at(trial.point, member=trial.member)
        if measured is not None and measured.value is not None:
            found |= {
                "value": number(measured.value),
                "n": len(measured.values),
                "spread": number(measured.spread),
            }
        else:
            found["state"] = str(trial.state)
    return found


def start_trial(tuner: Tuner) -> Trial | None:
    """The first trial of the user's own setting; None where there is none."""
    own = as_strategy(tuner.strategy).own_setting(tuner.space)
    return points.start_trial(tuner.history, own)


def reproduce(tuner: Tuner, journal: Path | None, given: Mapping[str, str]) -> list[list[str]]:
    """Names and texts of what another person needs to see the same again.

    Parameters
    ----------
    journal
        The file that the report was made of, if any.
    given
        What else is known, such as the path of the study file.
    """
    rows = [[text(name, 100), text(said)] for name, said in given.items()]
    if journal is not None:
        rows.append(["journal", text(journal)])
        with suppress(OSError):  # it may have been moved away from a tuner that is at work
            content = read_file(journal)
            digest = hashlib.sha256(content).hexdigest()
            rows.append([f"SHA-256 of its first {len(content)} bytes", digest])
    rows += [
        ["study identity", tuner.identity],
        ["seed", str(tuner.seed)],
        ["strategy", text(repr(tuner.strategy))],
        ["goal", text(repr(tuner.history.goal))],
        ["dsice", _version("dsice")],
        ["Python", f"{sys.version.split()[0]} on {platform.platform(terse=True)}"],
    ]
    rows += [[name, _version(name)] for name in LIBRARIES]
    return rows


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _rule(rule: Rule) -> str:
    """A rule as a phrase, with the name of its function where it is none of text."""
    if not isinstance(rule, (Require, When)) or not isinstance(rule.rule, str):
        return repr(rule)
    if isinstance(rule, When):
        return f"{' and '.join(rule.names)} only where {rule.rule}"
    return rule.rule


def _goal(goal: Goal) -> str:
    """The goal as a phrase."""
    phrase = f"{'the largest' if goal.maximize else 'the smallest'} {goal.metric}"
    if goal.of != "mean":
        phrase = f"{phrase} ({goal.of} of repeats)"
    limits = [f"{name} at most {limit:g}" for name, limit in goal.at_most.items()]
    limits += [f"{name} at least {limit:g}" for name, limit in goal.at_least.items()]
    if limits:
        phrase += f" with {' and '.join(limits)}"
    if goal.time_weight:
        phrase += f", weighed with run time (time_weight={goal.time_weight})"
        match goal.until:
            case TrialsEnd(n):
                phrase += f" for the first {n} trials"
            case Seconds(s):
                phrase += f" for the first {s:g} s"
            case Share(f):
                phrase += f" for the first {f:.0%} of the budget"
    return phrase


def sources(tuner: Tuner) -> list[dict[str, Any]] | None:
    """What informs the search from related tasks; None: nothing does."""
    return [
        {"name": source.name, "trials": source.points, "weight": source.weight, "note": str(source)}
        for source in tuner.sources
    ] or None


def _bounds(history: History) -> list[dict[str, Any]]:
    """The bounds on the goal's own metric and on the run time; others stand with their metrics."""
    goal = history.goal
    found: list[dict[str, Any]] = []
    for name in dict.fromkeys((goal.metric, "seconds")):
        entry: dict[str, Any] = {"name": name, "less": less_is_better(goal, name)}
        for word, limits in (("at_most", goal.at_most), ("at_least", goal.at_least)):
            if name in limits and math.isfinite(limits[name]):
                entry[word] = limits[name]
        found.append(entry)
    return found
