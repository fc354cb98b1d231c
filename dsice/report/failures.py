"""Why trials failed: grouped by the reason, with the line that tells and the path of a log."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any, Final

from dsice.history import History
from dsice.report.circumstances import Circumstances
from dsice.report.encode import text
from dsice.space import Space
from dsice.trial import Trial

MOST_REASONS: Final = 60
MOST_LINE: Final = 400
_DETAILS = re.compile(r"last lines of |logs?: |it printed nothing|Traceback \(|File \"")
"""How the lines begin with which the details of an error begin."""
_LOG = re.compile(r"^logs?: (.+)$", re.MULTILINE)
_BARE = re.compile(r"exit code \d+|killed by signal \d+ \(\w+\)(?:; out of memory, perhaps)?")
_DIFFERING = re.compile(r"0x[0-9a-fA-F]+|\d+(?:[.:,]\d+)*(?:e[-+]?\d+)?")


@dataclass
class Group:
    """Trials that failed for one reason."""

    state: str
    line: str
    example: str
    log: str
    ids: list[int] = field(default_factory=list)


def failures(history: History, space: Space) -> dict[str, Any] | None:
    """Groups of trials that ended without a value, the largest first.

    Two reasons are the same if they differ in numbers only.
    """
    groups: dict[tuple[str, str], Group] = {}
    for trial in history:
        if trial.error is None:
            continue
        line = telling(trial.error)
        key = (str(trial.state), _DIFFERING.sub("#", line)[:MOST_LINE])
        group = groups.get(key)
        if group is None:
            group = Group(
                str(trial.state),
                text(line, MOST_LINE) or "(no reason given)",
                text(trial.error),
                text(log_of(trial), 500),
            )
            groups[key] = group
        group.ids.append(trial.id)
    if not groups:
        return None
    ordered = sorted(groups.values(), key=lambda group: -len(group.ids))
    shown = ordered[:MOST_REASONS]
    circumstances = Circumstances(history, space)
    return {
        "groups": [
            {
                "state": group.state,
                "line": group.line,
                "example": "" if group.example == group.line else group.example,
                "log": group.log,
                "ids": group.ids,
                "shared": circumstances.shared(group.ids),
            }
            for group in shown
        ],
        "left_out": sum(len(group.ids) for group in ordered[MOST_REASONS:]),
    }


def telling(error: str) -> str:
    """The line of an error that says what went wrong: how it ended, and its last words."""
    lines = [line.strip() for line in error.split("\n")]
    first = next((i for i, line in enumerate(lines) if _DETAILS.match(line)), len(lines))
    reason = " | ".join(filter(None, lines[:first]))
    if reason and not _BARE.fullmatch(reason):
        return reason
    rest = itertools.takewhile(lambda line: not _LOG.match(line), lines[first:])
    last = next((line for line in reversed(list(rest)) if line), "")
    if _DETAILS.match(last):
        last = ""
    return f"{reason}: {last}" if reason and last else reason or last


def log_of(trial: Trial) -> str:
    """Where the output of a trial is; empty where that is not known."""
    log = trial.where.get("log")
    if log:
        return str(log)
    found = _LOG.findall(trial.error or "")
    return str(found[-1]) if found else ""
